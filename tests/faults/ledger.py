"""What a round put in, held against what came out. Nothing in here, and no message of it, holds a token."""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random
from typing import Any

from botocore.exceptions import ClientError

from tests.faults.proxy import Traffic
from tests.faults.world import SUCCESS_RATE, World
from tools.stack import poll

DECLINED = "Failed to process payment"
INVALID = "Payment.InvalidRequest"
UNDELIVERABLE = "Callback.Undeliverable"
NOTIFYING_STATES = {"NotifySuccess": "SUCCEEDED", "NotifyFailure": "FAILED"}
THREADS = 8

Order = dict[str, Any]
Progress = Callable[[int, int], None]
"""Gets how many executions have been started and how many of them have ended."""


@dataclass(frozen=True)
class End:
    """How an execution ended: SUCCEEDED, ABORTED or the error it failed with, and what it entered on its way."""

    how: str
    states: list[str]
    seconds: float


@dataclass(frozen=True)
class Count:
    """The executions of a round by what became of them."""

    executions: int
    survived: int  # ended as without the fault: paid, declined or refused as no payment
    reported: int  # failed with Callback.Undeliverable
    stopped: int
    lost: int  # no end, no notification, or an unreadable message that is not in quarantine
    doubled: int  # more than one notification, or two answers taken for one token


class Ledger:
    def __init__(self, world: World, traffic: Traffic, progress: Progress = lambda _started, _ended: None) -> None:
        self.world = world
        self.injected: Counter[str] = Counter()
        self.problems: list[str] = []
        self.foreign_tickets: set[str] = set()
        self.ends: dict[str, End] = {}
        self._traffic = traffic
        self._progress = progress
        self._orders: dict[str, Order] = {}
        self._unreadable: list[str] = []
        self._stopped: set[str] = set()
        self._lock = threading.Lock()

    # -------------------------------------------------------------- what goes in
    def start(self, orders: Iterable[Order]) -> list[str]:
        """Starts an execution for each order; their ARNs."""
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(self._start, orders))

    def _start(self, order: Order) -> str:
        execution_id = self.world.stack.start(order)
        with self._lock:
            self._orders[execution_id] = order
            self._progress(len(self._orders), len(self.ends))
        return execution_id

    def send_unreadable(self, *bodies: str) -> None:
        """Sends messages that must end in quarantine."""
        self._unreadable += bodies
        self.injected["unreadable message"] += len(bodies)
        self.world.send(*bodies)

    def send_twice(self, bodies: list[str], random: Random) -> None:
        """Sends each message that was taken from the queue twice; an unreadable one must end in quarantine twice."""
        self._unreadable += [body for body in bodies if body in self._unreadable]
        self.injected["duplicate"] += len(bodies)
        copies = bodies * 2
        random.shuffle(copies)
        self.world.send(*copies)

    def stop(self, executions: Iterable[str]) -> None:
        """Stops executions; one that has ended meanwhile is not stopped any more."""
        for execution_id in executions:
            try:
                self.world.stack.client("stepfunctions").stop_execution(executionArn=execution_id)
            except ClientError:
                continue
            self._stopped.add(execution_id)
            self.injected["StopExecution"] += 1

    def require(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.problems.append(otherwise)

    # -------------------------------------------------------------- what comes out
    def look(self) -> int:
        """Looks which executions have ended; how many are under way."""
        pending = [execution_id for execution_id in self._orders if execution_id not in self.ends]
        with ThreadPoolExecutor(THREADS) as pool:
            for execution_id, end in zip(pending, pool.map(self._end_of, pending), strict=True):
                if end:
                    self.ends[execution_id] = end
        self._progress(len(self._orders), len(self.ends))
        return len(self._orders) - len(self.ends)

    def _end_of(self, execution_id: str) -> End | None:
        description = self.world.stack.client("stepfunctions").describe_execution(executionArn=execution_id)
        status = description["status"]
        if status == "RUNNING":
            return None
        seconds = (description["stopDate"] - description["startDate"]).total_seconds()
        how = description.get("error", "no error") if status == "FAILED" else status
        return End(how, self.world.stack.states_entered(execution_id), seconds)

    def wait(self, seconds: float) -> None:
        """Waits for every execution to end and for the queues to drain, or until time is up."""
        self._await("end of every execution", lambda: self.look() == 0, seconds)
        self.world.hurry()
        for queue in ("PaymentQueueUrl", "DeadLetterQueueUrl"):
            self._await(f"empty {queue}", lambda queue=queue: self.world.stack.depth(queue) == 0, seconds)  # type: ignore[misc]

    def balance(self, seconds: float) -> Count:
        """Waits until the round is over, at most the seconds given, and holds one side against the other."""
        self.wait(seconds)
        quarantined = self.world.take_quarantined(len(self._unreadable), seconds)
        missing, surplus = Counter(self._unreadable), Counter(quarantined)
        missing, surplus = missing - surplus, surplus - missing
        self.require(not missing, f"{missing.total()} unreadable messages are not in quarantine as they were sent")
        self.require(not surplus, f"{surplus.total()} messages are in quarantine that no one sent there")
        unnotified, overnotified = self._check_notifications(seconds)
        contradictions = self._check_answers()
        self._check_ends()
        ways = Counter(end.how for end in self.ends.values())
        running = len(self._orders) - len(self.ends)
        self.require(not running, f"{running} executions have not ended")
        return Count(
            executions=len(self._orders),
            survived=ways["SUCCEEDED"] + ways[DECLINED] + ways[INVALID],
            reported=ways[UNDELIVERABLE],
            stopped=ways["ABORTED"],
            lost=running + unnotified + missing.total(),
            doubled=overnotified + contradictions,
        )

    def _await(self, what: str, check: Callable[[], bool], seconds: float) -> None:
        try:
            poll(what, lambda: check() or None, seconds)
        except AssertionError as error:
            self.problems.append(str(error))

    def _check_notifications(self, seconds: float) -> tuple[int, int]:
        """How many executions got fewer, and how many got more notifications than are due to them."""
        notified = self.world.notifications
        due = {execution_id: len(_due(end)) for execution_id, end in self.ends.items()}
        self.world.due.update(due)
        self._await(
            "notification of each", lambda: all(notified.count(one) >= number for one, number in due.items()), seconds
        )
        self._await(
            "empty test queue", lambda: self.world.stack.depth("WaitForCallbackDemoNotificationTestQueueUrl") == 0, 20
        )
        unnotified = sum(notified.count(one) < number for one, number in due.items())
        overnotified = sum(notified.count(one) > number for one, number in due.items())
        self.require(not unnotified, f"{unnotified} executions ended without their notification")
        self.require(not overnotified, f"{overnotified} executions have too many notifications")
        strangers = notified.executions() - self.world.due.keys()
        self.require(not strangers, f"{len(strangers)} notifications are of executions that no one started")
        return unnotified, overnotified

    def _check_answers(self) -> int:
        """Holds the answers that Step Functions took against the ends; how many tokens were answered in two ways."""
        answers = {key: set(taken) for key, taken in self._traffic.accepted.items() if key not in self.foreign_tickets}
        contradictions = sum(len(taken) > 1 for taken in answers.values())
        self.require(not contradictions, f"{contradictions} tokens were answered in two ways")
        given = Counter(answer for taken in answers.values() for answer in taken)
        ends = Counter(end.how for end in self.ends.values())
        late = ends.pop("ABORTED", 0)  # some were stopped after their answer
        off = [how for how in ends | given if not ends[how] <= given[how] <= ends[how] + late]
        self.require(not off, f"ends and answers differ in number: {', '.join(off)}")
        return contradictions

    def _check_ends(self) -> None:
        complaints = Counter(words for execution_id in self.ends for words in self._complaints(execution_id))
        self.problems += [f"{count} executions {words}" for words, count in complaints.items()]

    def _complaints(self, execution_id: str) -> Iterator[str]:
        """What is wrong with how one execution ended and with its notifications."""
        end, order = self.ends[execution_id], self._orders[execution_id]
        own_end = _coin(execution_id) if _is_payment(order) else INVALID
        if end.how not in {own_end, UNDELIVERABLE} | ({"ABORTED"} if execution_id in self._stopped else set()):
            yield f"ended with {end.how}"
        if end.how != "ABORTED" and _due(end) != ["SUCCEEDED" if end.how == "SUCCEEDED" else "FAILED"]:
            yield f"ended with {end.how} by way of {', '.join(end.states)}"
        for body in self.world.notifications.bodies(execution_id):
            if body["outcome"] not in _due(end):
                yield f"ended with {end.how} and were notified as {body['outcome']}"
            if body["orderId"] != (None if body["outcome"] == "ABORTED" else order["orderId"][:256]):
                yield "were notified with the order of another"
            if order["creditCardNumber"] in json.dumps(body):
                yield "were notified with the card number"


def orders(prefix: str, count: int) -> Iterator[Order]:
    """Orders, each tenth of them no payment."""
    for number in range(1, count + 1):
        yield {
            "orderId": f"{prefix}-{number}",
            "amount": 0 if number % 10 == 0 else number,
            "nameOnCard": "Jane Doe",
            "creditCardNumber": f"4{number:015}",
            "cvv": "123",
        }


def _due(end: End) -> list[str]:
    """The outcomes that an end is notified with: one, or two where it was stopped after it had published."""
    stopped = ["ABORTED"] if end.how == "ABORTED" else []
    return [NOTIFYING_STATES[state] for state in end.states if state in NOTIFYING_STATES] + stopped


def _coin(execution_id: str) -> str:
    """What the worker answers: the first 6 bytes of the SHA-256 of the ARN, as a fraction, are under the rate."""
    fraction = int.from_bytes(hashlib.sha256(execution_id.encode()).digest()[:6]) / 2**48
    return "SUCCEEDED" if fraction < SUCCESS_RATE else DECLINED


def _is_payment(order: Order) -> bool:
    return len(order["orderId"]) <= 256 and order["amount"] > 0


def check_afterwards(world: World) -> list[str]:
    """Whether a notification of any round has come since that round was balanced."""
    world.notifications.settle()
    late = [one for one, number in world.due.items() if world.notifications.count(one) != number]
    return [f"{len(late)} executions have more notifications than when their round was balanced"] if late else []
