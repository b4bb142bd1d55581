"""What a round put in, held against what came out. No message of it holds a token or anything of a case."""

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tests.faults.adapter import ABORTED, SUCCEEDED, TIMEOUTS, UNDELIVERABLE, Case, End
from tests.faults.proxy import Traffic, ticket_of
from tests.faults.world import World

THREADS = 8
OUTSIDE_PAUSE = 0.1  # seconds, when there was nothing to do
# A token of the embedded AWS is Base64 of about 300 characters
TOKEN = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{100,2048}={0,2}(?![A-Za-z0-9+/=])")
WORD = re.compile(r"[A-Za-z0-9+/=_-]{12,}")

Progress = Callable[[int, int], None]
"""Gets how many executions have been started and how many of them have ended."""


@dataclass(frozen=True)
class Count:
    """The executions of a round by what became of them."""

    executions: int
    survived: int  # ended as it would have without the fault
    reported: int  # failed with Callback.Undeliverable
    stopped: int
    timed_out: int  # nobody answered in time
    lost: int  # no end, no notification, or an unreadable message that is not in quarantine
    doubled: int  # more than one notification, or two answers accepted for one token


class Ledger:
    def __init__(
        self, world: World, traffic: Traffic, random: Random, progress: Progress = lambda _started, _ended: None
    ) -> None:
        self.world = world
        self.random = random
        self.injected: Counter[str] = Counter()
        self.problems: list[str] = []
        self.ends: dict[str, End] = {}
        self.stopped: set[str] = set()
        self._traffic = traffic
        self._progress = progress
        self._cases: dict[str, Case] = {}
        self._unreadable: list[str] = []
        self._changed = threading.Condition()
        self._paused = False
        self._turns = 0  # of the world outside, under way

    # -------------------------------------------------------------- what goes in
    def start(self, cases: Iterable[Case]) -> list[str]:
        """Starts an execution for each case; their ARNs."""
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(self._start, cases))

    def start_some(self, prefix: str, count: int) -> list[str]:
        """Starts executions of every kind that the workflow has; their ARNs."""
        return self.start(self.world.adapter.cases(prefix, count, self.random))

    def _start(self, case: Case) -> str:
        execution_id = self.world.adapter.start(self.world, case)
        with self._changed:
            self._cases[execution_id] = case
            self._changed.notify_all()
            self._progress(len(self._cases), len(self.ends))
        return execution_id

    def case_of(self, execution_id: str) -> Case:
        """What was planned. Whoever asks may be earlier than the answer to the start. KeyError: of another round."""
        with self._changed:
            self._changed.wait_for(lambda: execution_id in self._cases, 10)
            return self._cases[execution_id]

    def running(self) -> list[str]:
        """The executions whose end has not been seen yet."""
        with self._changed:
            return [execution_id for execution_id in self._cases if execution_id not in self.ends]

    def inject(self, fault: str, times: int = 1) -> None:
        with self._changed:
            self.injected[fault] += times

    def send_unreadable(self, *bodies: str) -> None:
        """Sends messages that must end in quarantine."""
        self._unreadable += bodies
        self.inject("unreadable message", len(bodies))
        self.world.send(*bodies)

    def send_twice(self, bodies: list[str]) -> None:
        """Sends each message that was taken from the queue twice; an unreadable one must end in quarantine twice."""
        self._unreadable += [body for body in bodies if body in self._unreadable]
        self.inject("duplicate", len(bodies))
        copies = bodies * 2
        self.random.shuffle(copies)
        self.world.send(*copies)

    def stop(self, executions: Iterable[str]) -> None:
        """Stops executions; one that has ended meanwhile is not stopped any more."""
        for execution_id in executions:
            try:
                self.world.stack.stop(execution_id)
            except ClientError:
                continue
            self.stopped.add(execution_id)
            self.inject("StopExecution")

    def require(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.problems.append(otherwise)

    @contextmanager
    def outside(self) -> Iterator[None]:
        """The world outside works meanwhile. What a call that failed did not do comes up again."""
        ended = threading.Event()
        adapter = self.world.adapter

        def turn() -> bool:
            with self._changed:
                if self._paused:
                    return False
                self._turns += 1
            try:
                return adapter.outside(self.world, self)
            except (BotoCoreError, ClientError):
                return False
            finally:
                with self._changed:
                    self._turns -= 1
                    self._changed.notify_all()

        def work() -> None:
            while not ended.is_set():
                try:
                    busy = turn()
                except Exception as error:  # noqa: BLE001 - a thread that dies unseen would look like lost executions
                    self.problems.append(f"the world outside broke: {type(error).__name__}")
                    return
                if not busy:
                    ended.wait(OUTSIDE_PAUSE)

        threads = [threading.Thread(target=work) for _ in range(adapter.outside_threads)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            for thread in threads:
                thread.join()

    @contextmanager
    def consumer_off(self) -> Iterator[None]:
        """Nothing reads the queue of the requests meanwhile, neither a function nor the world outside."""
        if self.world.adapter.worker:
            with self.world.stack.consumer_off(self.world.adapter.worker):
                yield
            return
        with self._changed:
            self._paused = True
            self._changed.wait_for(lambda: self._turns == 0)
        try:
            yield
        finally:
            self._paused = False

    # -------------------------------------------------------------- what comes out
    def look(self) -> int:
        """Looks which executions have ended; how many are under way."""
        running = self.world.stack.executions(self.world.adapter.machine, statusFilter="RUNNING")
        pending = [execution_id for execution_id in self.running() if execution_id not in running]
        with ThreadPoolExecutor(THREADS) as pool:
            for execution_id, end in zip(pending, pool.map(self._end_of, pending), strict=True):
                if end:
                    with self._changed:
                        self.ends[execution_id] = end
        self._progress(len(self._cases), len(self.ends))
        return len(self._cases) - len(self.ends)

    def _end_of(self, execution_id: str) -> End | None:
        client = self.world.stack.client("stepfunctions")
        try:
            description = client.describe_execution(executionArn=execution_id)
        except client.exceptions.ExecutionDoesNotExist:  # yet: something else starts it
            return None
        status = description["status"]
        if status == "RUNNING":
            return None
        entered, tokens = [], []
        for event in self.world.stack.events(execution_id):
            if entering := event.get("stateEnteredEventDetails"):
                entered.append(entering["name"])
            scheduled = event.get("taskScheduledEventDetails", {})
            if scheduled.get("resource", "").endswith(".waitForTaskToken"):
                tokens.append(TOKEN.findall(scheduled["parameters"]))
        return End(
            how=description.get("error", "no error") if status == "FAILED" else status,
            states=entered,
            seconds=(description["stopDate"] - description["startDate"]).total_seconds(),
            output=json.loads(description.get("output", "null")),
            tokens=tokens,
        )

    def wait(self, seconds: float) -> None:
        """Waits for every execution to end and for the queues to drain, or until time is up."""
        self._await("end of every execution", lambda: self.look() == 0, seconds)
        self.world.hurry()
        for queue in self.world.adapter.queues:
            self._await(f"empty {queue}", lambda queue=queue: self.world.stack.depth(queue) == 0, seconds)  # type: ignore[misc]
        self._await("idle world outside", lambda: self.world.adapter.idle(self.world, self), seconds)

    def balance(self, seconds: float) -> Count:
        """Waits until the round is over, at most the seconds given, and holds one side against the other."""
        self.wait(seconds)
        quarantined = self.world.take_quarantined(len(self._unreadable), seconds)
        missing, surplus = Counter(self._unreadable), Counter(quarantined)
        missing, surplus = missing - surplus, surplus - missing
        self.require(not missing, f"{missing.total()} unreadable messages are not in quarantine as they were sent")
        self.require(not surplus, f"{surplus.total()} messages are in quarantine that no one sent there")
        running = len(self.running())
        self.require(not running, f"{running} executions have not ended")
        self._note_answers()
        unnotified, overnotified = self._check_notifications(seconds)
        doubled = self._check_ends()
        self.problems += self.world.adapter.afterwards(self.world, self)
        ways = Counter(end.how for end in self.ends.values())
        timed_out = sum(ways[how] for how in TIMEOUTS)
        return Count(
            executions=len(self._cases),
            survived=ways.total() - ways[UNDELIVERABLE] - ways[ABORTED] - timed_out,
            reported=ways[UNDELIVERABLE],
            stopped=ways[ABORTED],
            timed_out=timed_out,
            lost=running + unnotified + missing.total(),
            doubled=overnotified + doubled,
        )

    def _await(self, what: str, check: Callable[[], bool], seconds: float) -> None:
        try:
            self.world.poll(what, lambda: check() or None, seconds)
        except AssertionError as error:
            self.problems.append(str(error))

    def _note_answers(self) -> None:
        """What was accepted for each wait: known now that no callback is on its way any more."""
        accepted = self._traffic.accepted
        for execution_id, end in self.ends.items():
            tickets = [[ticket_of(token) for token in found] for found in end.tokens]
            answers = [[answer for ticket in found for answer in accepted.get(ticket, [])] for found in tickets]
            self.ends[execution_id] = replace(end, answers=answers)
            self.world.secrets.update(token for found in end.tokens for token in found)
            self.world.secrets.update(self.world.adapter.secrets(self._cases[execution_id]))

    def _check_notifications(self, seconds: float) -> tuple[int, int]:
        """How many executions got fewer, and how many got more notifications than are due to them."""
        notified, adapter = self.world.notifications, self.world.adapter
        due = {one: Counter(adapter.due(self._cases[one], end)) for one, end in self.ends.items()}
        number = {one: outcomes.total() for one, outcomes in due.items()}
        self.world.due.update(number)
        self._await(
            "notification of each", lambda: all(notified.count(one) >= most for one, most in number.items()), seconds
        )
        self._await("empty test queue", lambda: self.world.stack.depth(self.world.notification_queue) == 0, 20)
        published = {one: Counter(body["outcome"] for body in notified.bodies(one)) for one in due}
        unnotified = sum(bool(due[one] - published[one]) for one in due)
        overnotified = sum(bool(published[one] - due[one]) for one in due)
        self.require(not unnotified, f"{unnotified} executions ended without their notification")
        self.require(not overnotified, f"{overnotified} executions have too many notifications, or wrong ones")
        strangers = notified.executions() - self.world.due.keys()
        self.require(not strangers, f"{len(strangers)} notifications are of executions that no one started")
        return unnotified, overnotified

    def _check_ends(self) -> int:
        """Holds ends, answers and plans against each other; how many tokens were answered more than once."""
        complaints = Counter(words for execution_id in self.ends for words in self._complaints(execution_id))
        self.problems += [f"{count} executions {words}" for words, count in complaints.items()]
        doubled = sum(len(accepted) > 1 for end in self.ends.values() for accepted in end.answers)
        self.require(not doubled, f"{doubled} tokens were answered more than once")
        return doubled

    def _complaints(self, execution_id: str) -> Iterator[str]:
        """What is wrong with how one execution ended, with its answers and with its notifications."""
        end, case, adapter = self.ends[execution_id], self._cases[execution_id], self.world.adapter
        bodies = self.world.notifications.bodies(execution_id)
        if end.how == ABORTED and execution_id not in self.stopped:
            yield "were stopped by nobody"
        if end.how != ABORTED:
            answered = end.answers[-1] if end.answers else []
            if answered != adapter.answers_due(case, end):
                yield f"ended with {end.how} and were answered with {', '.join(answered) or 'nothing'}"
            outcome = SUCCEEDED if end.how == SUCCEEDED else "FAILED"
            ends_due = [one for one in adapter.due(case, end) if one in (SUCCEEDED, "FAILED")]
            if adapter.notifying and ends_due != [outcome]:
                yield f"ended with {end.how} by way of {', '.join(end.states)}"
        yield from adapter.complaints(execution_id, case, end, bodies)


def check_afterwards(world: World) -> list[str]:
    """Whether a round's notifications came after it was balanced, and whether a secret of any round was made known."""
    world.notifications.settle()
    late = [one for one, number in world.due.items() if world.notifications.count(one) != number]
    problems = [f"{len(late)} executions have more notifications than when their round was balanced"] if late else []
    notified: Iterator[Any] = (world.notifications.bodies(one) for one in world.notifications.executions())
    for where, texts in (("the log", world.stack.log()), ("notifications", map(json.dumps, notified))):
        words = {word for text in texts for word in WORD.findall(text)}
        if leaked := words & world.secrets:
            problems.append(f"{len(leaked)} tokens or other secrets are in {where}")
    return problems
