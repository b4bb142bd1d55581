"""The manual callback: the world outside takes the work, answers as planned for each, and deletes the message."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

from tests.faults.adapter import ABORTED, SUCCEEDED, UNDELIVERABLE, Adapter, Case, End, Round
from tests.faults.ledger import Ledger
from tests.faults.rounds import (
    COMMON_DISTURBANCES,
    NETWORK_ROUNDS,
    QUEUE_ROUNDS,
    Run,
    all_of,
    send_unreadable,
)
from tests.faults.world import World
from tools.stack import Invocation

FUNCTION = "ManualCallbackFunctionName"
REFUSED = "Work.Refused"
HEARTBEAT_SECONDS = 3600  # of the state machine
SETTLED = "ALREADY_SETTLED"

FAILURE = {"error": REFUSED, "cause": "The photo is blurred."}
MALFORMED: list[Any] = [
    {"error": 7},
    {"error": "States.Timeout"},
    {"output": "x" * 262_143},
    {"output": 1, "error": "E"},
    {"heartbeat": "yes"},
    {"result": 1},
]
PLANS = ("success", "failure", "after heartbeats", "twice", "contradictory", "malformed first", "forgets to delete")
THIRD_TIME, NEVER, LATE = "answered at the third receive", "never answered", "late"


def planned(*plans: str) -> Run:
    """Nothing but such plans, in turn."""

    def run(world: World, ledger: Ledger, count: int, _: Random) -> None:
        ledger.start(Case({"number": number}, plans[number % len(plans)]) for number in range(count))
        for number in range(count):
            ledger.inject(plans[number % len(plans)])

    return run


def too_late(world: World, ledger: Ledger, count: int, random: Random) -> None:
    """The work is taken, and its message deleted, and answered when the workflow has given up."""
    adapter = world.adapter
    assert isinstance(adapter, ManualCallback)
    planned(LATE)(world, ledger, count, random)

    def only_the_late_wait() -> bool | None:
        ledger.look()
        plans = {execution_id: ledger.case_of(execution_id).plan for execution_id in ledger.running()}
        late = {execution_id for execution_id, plan in plans.items() if plan == LATE}
        return (late <= adapter.kept.keys() and set(plans.values()) <= {LATE, NEVER}) or None

    world.poll("work that was taken", only_the_late_wait, 300)
    adapter.overdue.update(ledger.running())
    world.skip(HEARTBEAT_SECONDS)


hesitate = planned(*PLANS, THIRD_TIME, NEVER)


class ManualCallback(Adapter):
    name = "manual-callback"
    machine = "ManualCallbackStateMachineArn"
    queues = ("ManualCallbackQueueUrl", "DeadLetterQueueUrl")
    outside_threads = 4
    rounds = (
        *NETWORK_ROUNDS,
        *QUEUE_ROUNDS,
        Round("answered twice", planned("twice"), redelivery=3),
        Round("contradictory answers", planned("contradictory"), redelivery=3),
        Round("malformed answers", planned("malformed first"), redelivery=9),
        Round("forgotten to delete", planned("forgets to delete"), redelivery=1),
        Round("hesitated", planned(THIRD_TIME), redelivery=1),
        Round("answered too late", too_late, redelivery=3),
        Round("never answered", planned(NEVER), redelivery=1, reported=1),
        Round("unreadable messages", send_unreadable, redelivery=1),
    )
    mixed = Round(
        "all of them",
        all_of([*COMMON_DISTURBANCES, hesitate, too_late]),
        redelivery=9,
        reported=0.1,
    )

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}  # tokens, by execution, of work that is answered when it is too late
        self.overdue: set[str] = set()
        self._delivered: Counter[str] = Counter()

    def cases(self, prefix: str, count: int, random: Random) -> Iterator[Case]:
        for number in range(count):
            yield Case({"document": f"{prefix}-{number}"}, PLANS[number % len(PLANS)])

    # -------------------------------------------------------------- the world outside
    def outside(self, world: World, ledger: Ledger) -> bool:
        self._answer_too_late(world, ledger)
        sqs, url = world.stack.client("sqs"), world.stack.outputs[world.queue]
        received = sqs.receive_message(QueueUrl=url, AttributeNames=["ApproximateReceiveCount"]).get("Messages", [])
        for message in received:
            receives = int(message["Attributes"]["ApproximateReceiveCount"])
            if self._work(world, ledger, message["Body"], receives):
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return bool(received)

    def _work(self, world: World, ledger: Ledger, body: str, receives: int) -> bool:
        """Whether the message is to be deleted."""
        try:
            message = json.loads(body)
            token = message.get("token", message.get("taskToken"))
        except (AttributeError, ValueError, RecursionError):
            return False
        if not token or not isinstance(token, str):
            return False
        try:
            case = ledger.case_of(message["executionId"])
        except KeyError:  # a forged one
            return self._invoke(world, {"token": token}).error is None
        execution_id = message["executionId"]
        if case.plan == LATE:
            self.kept[execution_id] = token
            return True
        if case.plan == NEVER or (case.plan == THIRD_TIME and receives < 3):
            return False
        success = {"token": token, "executionId": execution_id, "output": case.input}
        failure = {"token": token, "executionId": execution_id, **FAILURE}
        if case.plan == "after heartbeats":
            self._invoke(world, {"token": token, "heartbeat": True})
        if case.plan == "malformed first" and receives == 1:
            wrong = self._invoke(world, {"token": token, **ledger.random.choice(MALFORMED)})
            ledger.require(wrong.error is not None, "a malformed answer was accepted")
        events = {
            "failure": [failure],
            "twice": [success, success],
            "contradictory": [success, failure],
        }.get(case.plan, [success])
        with ThreadPoolExecutor(len(events)) as pool:
            invocations = list(pool.map(lambda event: self._invoke(world, event), events))
        answered = [invocation for invocation in invocations if invocation.error is None]
        self._delivered[execution_id] += sum(one.answer["outcome"] == "DELIVERED" for one in answered)
        return len(answered) == len(events) and not (case.plan == "forgets to delete" and receives == 1)

    def _answer_too_late(self, world: World, ledger: Ledger) -> None:
        running = set(ledger.running())
        for execution_id in [one for one in self.kept if one not in running]:
            if token := self.kept.pop(execution_id, None):
                invocation = self._invoke(world, {"token": token})
                while invocation.error:
                    invocation = self._invoke(world, {"token": token})
                ledger.require(invocation.answer["outcome"] == SETTLED, "a late answer was accepted")

    def _invoke(self, world: World, event: dict[str, Any]) -> Invocation:
        return world.stack.invoke(FUNCTION, event)

    def idle(self, world: World, ledger: Ledger) -> bool:
        return not self.kept

    def clean(self, world: World) -> None:
        self.kept.clear()

    # -------------------------------------------------------------- ends
    def complaints(self, execution_id: str, case: Case, end: End, notified: list[dict[str, Any]]) -> Iterator[str]:
        own_ends = {"failure": {REFUSED}, "contradictory": {SUCCEEDED, REFUSED}}.get(case.plan, {SUCCEEDED})
        if execution_id in self.overdue:
            own_ends = {"States.Timeout", UNDELIVERABLE}
        if case.plan == NEVER:
            own_ends |= {UNDELIVERABLE}
        if end.how not in own_ends | {ABORTED}:
            yield f"with the plan {case.plan} ended with {end.how}"
        if end.how == SUCCEEDED and end.output != case.input:
            yield "succeeded with another output than they were answered with"
        if self._delivered[execution_id] > 1:
            yield "were said to be answered more than once"
