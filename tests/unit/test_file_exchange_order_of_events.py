"""A file exchange in every order of events: who waits is never lost, and nobody is kept who no longer waits.

Messages and events are delivered at least once, in any order, several at a time. An execution is stopped, redriven or
answered by hand, a message is sent again by hand, and a function ends before or after any of its calls of AWS.
"""

import json
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

import file_exchange_inbox
import file_exchange_outbox
from callbacks import task
from callbacks.task import Outcome
from exchange import bucket
from file_exchange_inbox import EARLY_RECEIVES
from tests.unit.exchange import (
    EXECUTION_ID,
    REQUEST_KEY,
    SENT_AT,
    dropped_event,
    exchange_in,
    request_event,
)
from tests.unit.fake_s3 import FakeS3
from tests.unit.support import sqs_event

FILES = [  # each content says which file it is
    ("success.json", '"file {}"'),
    ("failure.json", '{{"cause": "file {}"}}'),
    ("success.json", '"file {}'),
    ("heartbeat", "file {}"),
]
ALL_CALLS = 20  # more than any record takes
CALLS = st.sampled_from([*range(1, 9), ALL_CALLS, ALL_CALLS, ALL_CALLS])
ENDS = st.sampled_from([None, None, "before", "after"])


class Ended(Exception):
    """In place of the end of a process."""


class Invocation:
    """Works on one record in a thread, which pauses before each call of AWS until it may go on."""

    _of_this_thread = threading.local()

    def __init__(self, work: Callable[[], object]) -> None:
        self._goes_on, self._pauses = threading.Semaphore(0), threading.Semaphore(0)
        self._end: str | None = None
        self.has_ended, self.succeeded = False, False
        threading.Thread(target=self._run, args=[work], daemon=True).start()
        self._pauses.acquire()

    def go_on(self, end: str | None = None) -> None:
        """Make one call of AWS, or end `before` or `after` it."""
        self._end = end
        self._goes_on.release()
        self._pauses.acquire()

    def _run(self, work: Callable[[], object]) -> None:
        self._of_this_thread.invocation = self
        try:
            work()
            self.succeeded = True
        except Exception:  # noqa: BLE001 - whatever it is, the record comes again
            self.succeeded = False
        self.has_ended = True
        self._pauses.release()

    @classmethod
    def pausing(cls, operation: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self = cls._of_this_thread.invocation
            self._pauses.release()
            self._goes_on.acquire()
            if self._end == "before":
                raise Ended
            answer = operation(*arguments, **options)
            if self._end == "after":
                raise Ended
            return answer

        return call


class OrderOfEvents(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.cleanup = ExitStack()
        self.exchange = self.cleanup.enter_context(exchange_in(FakeS3()))
        patch = self.cleanup.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(bucket, "_call", Invocation.pausing(bucket._call))
        patch.setattr(task, "_send", Invocation.pausing(self.noting_what_is_accepted(task._send)))
        self.now, self.files = SENT_AT, 0
        self.tokens: list[str] = []
        self.is_stored = False  # the newest token, at some time
        self.records: list[Callable[[], object]] = []
        self.undelivered: set[int] = set()
        self.running: list[tuple[int, Invocation]] = []
        self.accepted: list[str] = []  # the causes or outputs of the answers that Step Functions accepted
        self.ask()

    # -------------------------------------------------------------- the workflow
    @property
    def waits(self) -> bool:
        return self.tokens[-1] not in self.exchange.step_functions.settled

    def ask(self) -> None:
        """Enter the wait, with a new token."""
        self.tokens.append(f"token-{len(self.tokens)}")
        self.is_stored = False
        self.send(self.tokens[-1])

    def report_end(self) -> None:
        [record] = sqs_event(json.dumps({"endedExecutionId": EXECUTION_ID}))["Records"]
        self.add(lambda: file_exchange_inbox.follow_up(record))

    def noting_what_is_accepted(self, send: Callable[..., Any]) -> Callable[..., Any]:
        def note(*arguments: Any, **options: Any) -> Any:
            outcome = send(*arguments, **options)
            if outcome is Outcome.DELIVERED and ("output" in options or "cause" in options):
                self.accepted.append(json.loads(options["output"]) if "output" in options else options["cause"])
                self.report_end()
            return outcome

        return note

    # -------------------------------------------------------------- whoever acts
    @precondition(lambda self: self.waits)
    @rule()
    def stop(self) -> None:
        self.exchange.step_functions.settled.add(self.tokens[-1])
        self.report_end()

    @precondition(lambda self: not self.waits and not self.accepted)
    @rule()
    def redrive(self) -> None:
        self.ask()

    def send(self, token: str) -> None:
        self.now += 1
        [record] = request_event(token, self.now)["Records"]
        self.add(lambda: file_exchange_outbox.write_out(record))

    @rule(which=st.integers(0, 3))
    def send_again_by_hand(self, which: int) -> None:
        self.send(self.tokens[which % len(self.tokens)])

    @rule(file=st.sampled_from(FILES))
    def drop(self, file: tuple[str, str]) -> None:
        name, content = file
        self.files += 1
        [record] = dropped_event(self.exchange.drop(name, content.format(self.files)), receives=EARLY_RECEIVES)[
            "Records"
        ]
        self.add(lambda: file_exchange_inbox.follow_up(record))

    def add(self, work: Callable[[], object]) -> None:
        self.undelivered.add(len(self.records))
        self.records.append(work)

    # -------------------------------------------------------------- the functions
    @rule(which=st.integers(0, 9), calls=CALLS, end=ENDS)
    def deliver(self, which: int, calls: int, end: str | None) -> None:
        """Deliver a message or an event, whether it was delivered before or not, and make some calls of AWS for it."""
        number = which % len(self.records)
        self.running.append((number, Invocation(self.records[number])))
        self.go_on(-1, calls, end)

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 9), calls=CALLS, end=ENDS)
    def go_on(self, which: int, calls: int, end: str | None) -> None:
        _, invocation = self.running[which % len(self.running)]
        for left in reversed(range(calls)):
            if not invocation.has_ended:
                invocation.go_on(None if left else end)
                self.check_who_waits()
        self.undelivered -= {number for number, each in self.running if each.succeeded}
        self.running = [each for each in self.running if not each[1].has_ended]

    # -------------------------------------------------------------- what must hold
    def check_who_waits(self) -> None:
        """Once it is stored, the token of a workflow that waits is neither replaced nor removed."""
        if self.waits:
            now_stored = self.exchange.token() == self.tokens[-1]
            assert now_stored or not self.is_stored
            self.is_stored = now_stored

    @rule()
    def let_all_come_to_its_end(self) -> None:
        """The newest first, and last what still runs."""
        while self.running or self.undelivered:
            for number in sorted(self.undelivered, reverse=True):
                self.deliver(number, ALL_CALLS, None)
            while self.running:
                self.go_on(0, ALL_CALLS, None)
        if self.waits:
            assert self.exchange.token() == self.tokens[-1]
            assert "askedAt" in json.loads(self.exchange.text(REQUEST_KEY))
        else:
            assert self.exchange.token() is None
        assert self.exchange.versions("inbound/") == []

    def teardown(self) -> None:
        try:
            self.let_all_come_to_its_end()
            if self.waits:
                self.drop(FILES[0])
                self.let_all_come_to_its_end()
                assert self.accepted == [f"file {self.files}"]
        finally:
            while self.running:
                self.go_on(0, ALL_CALLS, None)
            self.cleanup.close()


TestOrderOfEvents = OrderOfEvents.TestCase
TestOrderOfEvents.settings = settings(max_examples=300, stateful_step_count=12, deadline=None)
