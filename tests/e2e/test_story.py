"""`make show` tells what deployed workflows do while they wait and once they have ended, without token or card."""

import argparse
import json
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


def test_payment_callback_is_told_while_it_waits_and_once_it_has_ended(
    stacks: Stacks,
    stack: Stack,
    order: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Where no embedded AWS runs, it asks AWS
    monkeypatch.setattr(cli, "DIRECTORY", stacks.engine.directory if stacks.engine else tmp_path)

    def show(execution: str) -> str:
        assert cli.show(argparse.Namespace(execution=execution)) == 0
        return capsys.readouterr().out

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
