"""Stories of the payment callback: queue, worker, dead-letter queue, reporter, notification."""

from typing import Any

from hypothesis.stateful import precondition, rule

import payment_provider
import payment_worker
from tests.simulation.stepfunctions import Execution
from tests.simulation.story import CARD, WHICH, Story

MAP = "/" + 9 * "Every-order"  # longer than any name is
NOT_A_MESSAGE = ["", "[]", '{"payload": {}}', f'{{"no": "{CARD}"}}', '{"taskToken": 1}']


class Payments(Story):
    template, state_machine = "template.yaml", "WaitForCallbackStateMachine"
    queue = "PaymentQueue"

    def prepare(self) -> None:
        self.charges: dict[str, set[tuple[str, bool]]] = {}  # of each order: keys and what the provider said
        self.unreadable: list[str] = []
        self.deep: list[str] = []
        charge = payment_provider.charge

        def noting_charge(payment: dict[str, Any], idempotency_key: str) -> bool:
            said = charge(payment, idempotency_key)
            self.charges.setdefault(payment["orderId"], set()).add((idempotency_key, said))
            return said

        self.aws.patch.setattr(payment_worker, "charge", noting_charge)

    def inputs(self) -> list[Any]:
        order_id = f"order-{self.started}"
        payment = {"orderId": order_id, "amount": 10, "creditCardNumber": CARD}
        return [payment, payment | {"amount": 0, "orderId": "\U0001f355"}, "no order", {"orderId": 5}, None, payment]

    def label(self) -> str:
        return MAP if self.started % 2 else ""

    @precondition(lambda self: len(self.unreadable) < 2)
    @rule(which=WHICH)
    def send_unreadable(self, which: int) -> None:
        body = NOT_A_MESSAGE[which % len(NOT_A_MESSAGE)]
        self.unreadable.append(body)
        self.step("somebody sends what is no request", [], lambda: self.aws.queues[self.queue].send(body))

    @precondition(lambda self: self.aws.queues[self.queue].find(lambda body: '"payload": {"o' in body))
    @rule()
    def send_deep(self) -> None:
        """A payload that is nested deeper than Python reads."""
        deep = "[" * 3_000 + "]" * 3_000
        for message in self.aws.queues[self.queue].messages:
            message.body = message.body.replace('"payload": {"o', f'"payload": {{"deep": {deep}, "o')
            self.deep.append(message.body)
        self.step("the payloads in the queue are nested very deep", [], lambda: None)

    def damage(self, execution: Execution) -> set[str]:
        changed = any(execution.arn in body for body in self.deep)
        return {"Payment.InvalidRequest"} if changed else set()

    def check_the_end(self) -> None:
        for order, charged in self.charges.items():
            self.require(len(charged) == 1, f"{order} was charged under {len(charged)} keys, or answered in two ways")
        self.check_answers()
        self.check_quarantine(self.unreadable)
