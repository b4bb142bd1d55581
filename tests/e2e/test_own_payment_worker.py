"""The changes of docs/your-own-work.md, made to a copy of the payment callback: it asks a provider."""

import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from examples.payment_provider_stand_in import PORT, Asked
from tools import PROJECT
from tools.engine.engine import Engine
from tools.stack import Stack, deployed

pytestmark = pytest.mark.slow

Order = dict[str, Any]


class Provider(ThreadingHTTPServer):
    """The stand-in, after the `faults` of an order: statuses, and None for no answer in time."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Recorded)
        self.asked: list[tuple[str, Order]] = []  # by idempotency key
        self.faults: dict[object, list[int | None]] = {}
        self.given_up = threading.Event()


class Recorded(Asked):
    server: Provider

    def answer(self, payment: Order) -> int:
        self.server.asked.append((self.headers["Idempotency-Key"], payment))
        faults = self.server.faults.get(payment["orderId"])
        status = faults.pop(0) if faults else super().answer(payment)
        if status is None:
            self.server.given_up.wait(60)
            raise ConnectionAbortedError
        return status

    def handle(self) -> None:
        with suppress(ConnectionAbortedError):
            super().handle()

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - its name there
        """Prints nothing."""


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as provider:
        threading.Thread(target=provider.serve_forever).start()
        yield provider
        provider.given_up.set()
        provider.shutdown()


def apply_changes(document: Path, project: Path) -> None:
    """Makes the changes that the diffs of a document show, each in the one place where it fits."""
    diffs = re.findall(r"```diff\n--- (\S+)\n(.*?)```", document.read_text(), re.DOTALL)
    assert [name for name, _ in diffs] == ["template.yaml"]
    for name, changes in diffs:
        text = (project / name).read_text()
        for change in changes.split("@@\n")[1:]:
            lines = change.splitlines(keepends=True)
            before, after = ("".join(line[1:] for line in lines if line[0] in kept) for kept in (" -", " +"))
            assert text.count(before) == 1, before
            text = text.replace(before, after)
        (project / name).write_text(text)


@pytest.fixture
def stack(engine: Engine, project_copy: Path, provider: Provider) -> Stack:
    shutil.copy(PROJECT / "examples/payment_provider.py", project_copy / "functions")
    apply_changes(PROJECT / "docs/your-own-work.md", project_copy)
    template = project_copy / "template.yaml"
    template.write_text(template.read_text().replace(f":{PORT}/", f":{provider.server_port}/"))
    return deployed(engine, stack_name="own-work", directory=project_copy)


def test_a_provider_that_says_neither_yes_nor_no_is_asked_again_with_the_same_key(
    stack: Stack, provider: Provider, order: Order
) -> None:
    # Given
    provider.faults = {"unsteady": [503, 429], "slow": [None], "broken": [500] * 5}
    amounts = {"paid": 100, "declined": 101, "invalid": "much", "unsteady": 100, "slow": 101, "broken": 100}
    payments = {name: {**order, "orderId": name, "amount": amount} for name, amount in amounts.items()}
    # When
    with stack.quick_redelivery("PaymentQueueUrl"):
        executions = {name: stack.start(payment) for name, payment in payments.items()}
        ends = {name: stack.ended(execution_id).get("error") for name, execution_id in executions.items()}
    # Then
    declined = "Failed to process payment"
    assert ends == {
        "paid": None,
        "declined": declined,
        "invalid": "Payment.InvalidRequest",
        "unsteady": None,
        "slow": declined,
        "broken": "Callback.Undeliverable",
    }
    at_least = {"paid": 1, "declined": 1, "unsteady": 3, "slow": 2, "broken": 5}  # a busy machine may ask again
    for name, times in at_least.items():
        asked = [(key, payment) for key, payment in provider.asked if payment["orderId"] == name]
        assert asked == [(executions[name], payments[name])] * max(times, len(asked))
    assert {payment["orderId"] for _, payment in provider.asked} == at_least.keys()
