"""`make show` tells what deployed workflows do while they wait and once they have ended, without token or card."""

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.given import Stacks
from tests.security.sample_secrets import leaks
from tools import cli
from tools.stack import Stack, poll


@pytest.fixture
def stack(stacks: Stacks) -> Stack:
    return stacks["payment-callback"]


@pytest.fixture
def show(
    stacks: Stacks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], str]:
    # Where no embedded AWS runs, it asks AWS
    monkeypatch.setattr(cli, "DIRECTORY", stacks.engine.directory if stacks.engine else tmp_path)

    def show(execution: str) -> str:
        assert cli.show(argparse.Namespace(execution=execution)) == 0
        return capsys.readouterr().out

    return show


@contextmanager
def cut_off(stack: Stack, function: str) -> Iterator[None]:
    """Sends the callbacks of a function where nobody answers."""
    client, name = stack.client("lambda"), stack.outputs[function]
    before = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]

    def configure(variables: dict[str, str]) -> None:
        client.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
        client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})

    configure({**before, "AWS_ENDPOINT_URL_SFN": "http://127.0.0.1:9"})
    try:
        yield
    finally:
        configure(before)


def test_payment_callback_whose_worker_is_cut_off_says_what_goes_back(
    stack: Stack, order: dict[str, Any], show: Callable[[str], str]
) -> None:
    with stack.quick_redelivery("PaymentQueueUrl"):
        with cut_off(stack, "PaymentWorkerFunctionName"):
            execution_id = stack.start(order)
            back = "PaymentWorkerFunction: record goes back to the queue, CallbackNotDelivered"
            poll("record that goes back", lambda: back in show(execution_id) or None, every=1)
        stack.ended(execution_id)


def test_payment_callback_is_shown_while_it_waits_and_once_it_has_ended(
    stack: Stack, order: dict[str, Any], show: Callable[[str], str]
) -> None:
    with stack.consumer_off("PaymentWorkerFunctionName"):
        execution_id = stack.start(order)
        message = json.loads(stack.receive("PaymentQueueUrl")["Body"])
        waiting = show(execution_id)
        stack.send("PaymentQueueUrl", json.dumps(message))
    assert "RUNNING" in waiting
    assert "sqs:sendMessage PaymentQueue" in waiting
    assert "waits for an answer, at most 3,600 s" in waiting

    error = stack.ended(execution_id).get("error")
    name = execution_id.rpartition(":")[2]

    def answered() -> str | None:
        story = show(name)
        return story if "PaymentWorkerFunction: payment request answered, DELIVERED" in story else None

    ended = poll("log line of the answer", answered)
    assert (f"failed: {error}" in ended) == bool(error)
    assert f"published outcome: {'FAILED' if error else 'SUCCEEDED'}" in ended
    assert leaks(waiting + ended, message["taskToken"], str(order["creditCardNumber"])) == []
