"""Executions under way: their histories, the branches that go through their states, and what a branch waits for.

A branch is a generator. It yields a Pending, and goes on when that is settled: no thread waits for an answer, a time or
another branch.
"""

import contextvars
import json
import logging
import re
import threading
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tools.engine.contract.clock import Alarm, clock

Details = dict[str, Any]
Steps = Generator["Pending", Any, Any]

logger = logging.getLogger("states")

MOST_BYTES = 262_144  # of a state's output, and of an answer's
MOST_THREADS = 1000  # at work at once: a function that is invoked takes one

_HALF_A_PAIR = re.compile("[\ud800-\udfff]")


class StateError(Exception):
    """A state failed. Error and cause may be None; `names` are those that a Retry or a Catch knows it by."""

    def __init__(self, error: str | None, cause: str | None, *more_names: str) -> None:
        super().__init__(error)
        self.error = error
        self.cause = cause
        self.names = {error, *more_names}


class Aborted(BaseException):
    """This branch goes no further: its execution has ended, or a branch beside it has failed."""


def present(**details: object) -> Details:
    """Those that are not None: AWS leaves out what is null."""
    return {name: value for name, value in details.items() if value is not None}


def compact(value: object) -> str:
    """JSON as AWS writes it. Half a surrogate pair, which no answer can carry, stays an escape."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if text.isascii() else _HALF_A_PAIR.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def too_large(text: str) -> bool:
    return 4 * len(text) > MOST_BYTES and len(text.encode(errors="surrogatepass")) > MOST_BYTES


def data_limit_exceeded(name: str) -> StateError:
    cause = (
        f"The state/task '{name}' returned a result with a size exceeding the maximum number of bytes service limit."
    )
    return StateError("States.DataLimitExceeded", cause)


class Work:
    """The threads that everything here runs in, and how many of them are busy."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(MOST_THREADS, "states")
        self._busy = 0
        self._changed = threading.Condition()

    def submit(self, scope: contextvars.Context, function: Callable[[], object]) -> None:
        with self._changed:
            self._busy += 1
        self._pool.submit(scope.copy().run, self._do, function)

    def _do(self, function: Callable[[], object]) -> None:
        try:
            function()
        finally:
            with self._changed:
                self._busy -= 1
                if not self._busy:
                    self._changed.notify_all()

    def wait(self, seconds: float) -> None:
        """Returns when nothing is at work, or after so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: not self._busy, seconds)


work = Work()


class Pending:
    """What a branch waits for. It is settled once, with a value or a StateError, by whoever comes first."""

    def __init__(self, branch: "Branch") -> None:
        self.branch = branch
        self.lock = branch.run.lock
        self.settled = False
        self.value: Any = None
        self.alarms: dict[str, Alarm] = {}
        self._waiter: Branch | None = None
        branch.expect(self)

    def settle(self, value: object) -> bool:
        with self.lock:
            if self.settled:
                return False
            self.value = value
            self.close()
            waiter, self._waiter = self._waiter, None
        if waiter:
            waiter.resume(self)
        return True

    def close(self) -> None:
        """From now on nobody can settle it."""
        self.settled = True
        for alarm in self.alarms.values():
            alarm.cancel()

    def resumes(self, branch: "Branch") -> bool:
        """Whether it will resume this branch; otherwise its value is there already."""
        with self.lock:
            if not self.settled:
                self._waiter = branch
            return not self.settled


@dataclass
class Frame:
    """Where a branch is in its states: what a redrive takes it up from."""

    states: dict[str, Any]
    name: str
    input: Any
    context: dict[str, Any]
    children: "list[Frame] | None" = None  # while it is in a Parallel or a Map
    begun: bool = False
    done: bool = False
    result: Any = None


class Branch:
    def __init__(
        self,
        run: "Run",
        frame: Frame,
        last: int,
        steps: "Callable[[Branch], Steps]",
        on_end: "Callable[[Branch, StateError | None], None]",
    ) -> None:
        self.run = run
        self.frame = frame
        self.last = last  # id of the event that its next one follows
        self.ended = self.aborted = False
        self.children: list[Branch] = []
        self._on_end = on_end
        self._steps = steps(self)
        self._pending: Pending | None = None

    def resume(self, settled: Pending | None) -> None:
        self.run.go_on(self, settled.value if settled else None)

    def advance(self, value: object = None) -> None:
        """Go on, in this thread, until there is something to wait for."""
        try:
            while not self.aborted:
                pending = self._steps.throw(value) if isinstance(value, StateError) else self._steps.send(value)
                if pending.resumes(self):
                    return
                value = pending.value
        except StopIteration as stop:
            self.frame.done, self.frame.result = True, stop.value
            self._end(None)
        except StateError as error:
            self._end(error)
        except Aborted:
            pass
        except Exception as error:
            logger.exception("State %s of %s", self.frame.name, self.run.record["executionArn"])
            self._end(StateError("States.Runtime", f"{type(error).__name__}: {error}"))

    def _end(self, error: StateError | None) -> None:
        with self.run.lock:
            if not self.aborted:
                self.ended = True
                self._on_end(self, error)

    def expect(self, pending: Pending) -> None:
        with self.run.lock:
            if self.aborted:
                raise Aborted
            self._pending = pending

    def abort(self) -> None:
        """It and the branches that it started go no further; what they waited for is settled."""
        with self.run.lock:
            self.aborted = True
            if self._pending:
                self._pending.close()
            for child in self.children:
                child.abort()
        with suppress(ValueError):  # it is at work: its next event ends it
            self._steps.close()

    def record(self, kind: str, details: Details | None = None, *, after: int | None = None) -> int:
        """Write an event into the history; its id. Raises Aborted where this branch goes no further."""
        with self.run.lock:
            if self.aborted:
                raise Aborted
            self.last = self.run.write(kind, details, self.last if after is None else after)
            return self.last


class Run:
    """An execution: its record among ministack's, and what moves it."""

    def __init__(self, record: dict[str, Any], definition: dict[str, Any], frame: Frame) -> None:
        self.record = record
        self.definition = definition
        self.frame = frame
        self.lock = threading.RLock()
        self.scope = contextvars.copy_context()  # the account and region of whoever started it
        self.root: Branch | None = None
        self.when_ended: list[Callable[[], object]] = []
        self.alarm: Alarm | None = None
        self._ready: deque[tuple[Branch, object]] = deque()
        self._at_work = False

    def go_on(self, branch: Branch, value: object) -> None:
        """Let a branch go on after those that may already: one at a time, so that a history has them in this order."""
        with self.lock:
            self._ready.append((branch, value))
            if self._at_work:
                return
            self._at_work = True
        work.submit(self.scope, self._go_on)

    def _go_on(self) -> None:
        while True:
            with self.lock:
                if not self._ready:
                    self._at_work = False
                    return
                branch, value = self._ready.popleft()
            try:
                branch.advance(value)
            except Exception:  # a fault of this package: the other branches go on
                logger.exception("Execution %s", self.record["executionArn"])

    def write(self, kind: str, details: Details | None, after: int) -> int:
        with self.lock:
            events = self.record["events"]
            number = len(events) + 1
            event = {
                "id": number,
                "previousEventId": after,
                "timestamp": round(clock.now(), 3),
                "type": kind,
                **(details or {}),
            }
            events.append(event)
            return number

    @property
    def running(self) -> bool:
        return bool(self.record["status"] == "RUNNING")

    def end(self, status: str, kind: str, details: Details, **outcome: object) -> bool:
        """Ends it unless it has ended; `outcome` is what DescribeExecution says of it: output, or error and cause."""
        with self.lock:
            if not self.running:
                return False
            self.drop()
            self.record.update(outcome, status=status, stopDate=clock.stamp())
            name = f"{kind[0].lower()}{kind[1:]}EventDetails"
            self.write(kind, {name: details}, len(self.record["events"]))
            watchers, self.when_ended = self.when_ended, []
        for watcher in watchers:
            work.submit(self.scope, watcher)
        return True

    def drop(self) -> None:
        """It goes no further."""
        with self.lock:
            if self.root:
                self.root.abort()
            if self.alarm:
                self.alarm.cancel()
