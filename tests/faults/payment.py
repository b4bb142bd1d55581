"""The payment callback: its cases, its ends, and the faults of its messages."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any, ClassVar

from tests.faults.adapter import ABORTED, SUCCEEDED, UNDELIVERABLE, Adapter, Case, End, Round
from tests.faults.ledger import Ledger
from tests.faults.messages import (
    INPUT_BYTES,
    forged_messages,
    oversized_message,
    unreadable_messages,
    waiting_elsewhere,
)
from tests.faults.proxy import Fault, exactly
from tests.faults.rounds import (
    COMMON_DISTURBANCES,
    NETWORK_ROUNDS,
    QUEUE_ROUNDS,
    all_of,
    break_worker,
)
from tests.faults.world import World

WORKER = "PaymentWorkerFunctionName"
SUCCESS_RATE = 0.5  # the default of the template
DECLINED = "Failed to process payment"
INVALID = "Payment.InvalidRequest"
RECEIVES = 5  # maxReceiveCount of the payment queue
REPORT_SECONDS = 10  # from the last receive of a payment request to the end of its execution
BATCH = 10
POISON_REDELIVERY = 2

Order = dict[str, Any]


def five_throttles(world: World, ledger: Ledger, count: int, _: Random) -> None:
    """Full batches whose every call is throttled five times: 3 attempts, redelivery, 2 more, and the answer."""
    world.proxy.follow(exactly(5, Fault.THROTTLE))
    with ledger.consumer_off():
        ledger.start_some("throttled", count)
        world.wait_for_depth(count)
    ledger.wait(60)
    calls = Counter(world.proxy.traffic.calls.values())
    ledger.require(set(calls) == {6}, f"calls by token: {calls}")


def strange_messages(world: World, ledger: Ledger, count: int, random: Random) -> None:
    """Messages that are not JSON, hold no token, a forged, a foreign or a settled one, among as many real ones."""
    with waiting_elsewhere(world) as foreign_message:
        with ledger.consumer_off():
            ledger.start_some("real", count)
            world.wait_for_depth(count)
            real = world.take(count)
            others = [*forged_messages(random), foreign_message]
            ledger.inject("forged or foreign token", len(others))
            messages = [*real, *others]
            random.shuffle(messages)
            world.send(*messages)
            ledger.send_unreadable(*unreadable_messages(random, count))
        ledger.wait(60)
        ledger.inject("settled token", len(real))
        world.send(*real)


def one_bad_record(world: World, ledger: Ledger, count: int, random: Random) -> None:
    """Batches of nine real messages and one that is unreadable: the nine end in the first delivery."""
    with ledger.consumer_off():
        for depth in range(BATCH, BATCH * -(-count // (BATCH - 1)) + 1, BATCH):
            ledger.start_some("among-ten", BATCH - 1)
            world.wait_for_depth(depth - 1)
            ledger.send_unreadable(*unreadable_messages(random, 1))
    ledger.wait(60)
    calls = Counter(world.proxy.traffic.calls.values())
    ledger.require(set(calls) == {1}, f"calls by token: {calls}")


def oversized(world: World, ledger: Ledger, count: int, random: Random) -> None:
    """Inputs as large as an execution takes, by a note or by the order id, and messages that are larger still."""
    with ledger.consumer_off():
        ledger.start(
            case if field == "nothing" else enlarged(case, field)
            for case in world.adapter.cases("large", count, random)
            for field in random.choices(["note", "orderId", "nothing"])
        )
        world.wait_for_depth(count)
        messages: list[dict[str, Any]] = [json.loads(body) for body in world.take(count)]
        for message in messages:
            message["payload"].setdefault("note", "x" * 2 * INPUT_BYTES)
        world.send(*map(json.dumps, messages))
        ledger.inject("oversized payload", count)
        ledger.send_unreadable(oversized_message())


def poison(world: World, ledger: Ledger, count: int, _: Random) -> None:
    """Messages that always break the worker, unless they are no payments: all fail long before their timeout."""
    with world.stack.without_variable(WORKER, "PAYMENT_SUCCESS_RATE"):
        ledger.start_some("poison", count)
        ledger.inject("poison message", count)
        world.poll("ends of the poisoned", lambda: ledger.look() == 0 or None, 120)
    pauses = -(-count // BATCH)  # the embedded AWS receives nothing for a second after a batch that failed
    limit = RECEIVES * (POISON_REDELIVERY + pauses) + REPORT_SECONDS
    slowest = max(end.seconds for end in ledger.ends.values())
    ledger.require(slowest <= limit, f"the slowest took {slowest:.1f} s; the limit is {limit} s")
    ledger.require({end.how for end in ledger.ends.values()} == {INVALID, UNDELIVERABLE}, "some were not reported")


def _enlarge(world: World, ledger: Ledger, count: int, random: Random) -> None:
    ledger.start(enlarged(case, "note") for case in world.adapter.cases("oversized", count, random))
    ledger.inject("oversized payload", count)


def enlarged(case: Case, field: str) -> Case:
    """An order as large as the input of an execution may be."""
    free = INPUT_BYTES - len(json.dumps({**case.input, field: ""}).encode())
    return Case({**case.input, field: "x" * free})


class PaymentCallback(Adapter):
    name = "payment-callback"
    machine = "StateMachineWaitForCallbackArn"
    queues = ("PaymentQueueUrl", "DeadLetterQueueUrl")
    worker = WORKER
    variable = "PAYMENT_SUCCESS_RATE"
    notifications = "WaitForCallbackDemoNotificationTestQueueUrl"
    notifying: ClassVar = {"NotifySuccess": SUCCEEDED, "NotifyFailure": "FAILED"}
    rounds = (
        *NETWORK_ROUNDS,
        Round("five throttles on each of ten", five_throttles, redelivery=5),
        Round("strange messages", strange_messages, redelivery=3),
        Round("one bad record among ten", one_bad_record, redelivery=3),
        Round("oversized payloads", oversized, redelivery=3),
        Round("poison messages", poison, redelivery=POISON_REDELIVERY, reported=1),
        *QUEUE_ROUNDS,
    )
    mixed = Round(
        "all of them",
        all_of([*COMMON_DISTURBANCES, _enlarge, break_worker]),
        redelivery=9,
        reported=0.1,
    )

    def cases(self, prefix: str, count: int, random: Random) -> Iterator[Case]:
        """Orders, each tenth of them no payment."""
        for number in range(1, count + 1):
            yield Case(
                {
                    "orderId": f"{prefix}-{number}",
                    "amount": 0 if number % 10 == 0 else number,
                    "nameOnCard": "Jane Doe",
                    "creditCardNumber": f"4{number:015}",
                    "cvv": "123",
                }
            )

    def secrets(self, case: Case) -> list[str]:
        return [case.input["creditCardNumber"]]

    def complaints(self, execution_id: str, case: Case, end: End, notified: list[dict[str, Any]]) -> Iterator[str]:
        own_end = _coin(execution_id) if _is_payment(case.input) else INVALID
        if end.how not in (own_end, UNDELIVERABLE, ABORTED):
            yield f"ended with {end.how}"
        for body in notified:
            if body["orderId"] != (None if body["outcome"] == ABORTED else case.input["orderId"][:256]):
                yield "were notified with the order of another"


def _coin(execution_id: str) -> str:
    """What the worker answers: the first 6 bytes of the SHA-256 of the ARN, as a fraction, are under the rate."""
    fraction = int.from_bytes(hashlib.sha256(execution_id.encode()).digest()[:6]) / 2**48
    return SUCCEEDED if fraction < SUCCESS_RATE else DECLINED


def _is_payment(order: Order) -> bool:
    return len(order["orderId"]) <= 256 and order["amount"] > 0
