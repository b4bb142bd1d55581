"""The clock of the engine: waits, timeouts, heartbeats and retries go by it, and it can be moved forward."""

import heapq
import itertools
import logging
import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

logger = logging.getLogger("states")

TICK = 0.05  # seconds; what is due within one is due at once, as the timeouts of a Map's items are on AWS
MANY = 1000  # cancelled alarms that are swept up


class Alarm:
    """Something to be done at a time; cancelled, it holds on to nothing."""

    __slots__ = ("action",)

    def __init__(self, action: Callable[[], object]) -> None:
        self.action: Callable[[], object] | None = action

    def cancel(self) -> None:
        self.action = None


class Clock:
    def __init__(self) -> None:
        self._ahead = time.time() - time.monotonic()
        self._stands: float | None = None  # while it skips
        self._alarms: list[tuple[float, int, Alarm]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._skipping = threading.Lock()
        self._sweep_at = MANY
        threading.Thread(target=self._run, name="clock", daemon=True).start()

    def now(self) -> float:
        """Seconds since 1970."""
        stands = self._stands
        return time.monotonic() + self._ahead if stands is None else stands

    def stamp(self) -> str:
        """The time as Step Functions writes it: 2026-11-28T09:30:00.123Z."""
        return datetime.fromtimestamp(self.now(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def after(self, seconds: float, action: Callable[[], object]) -> Alarm:
        """Have something quick done, in the clock's thread."""
        alarm = Alarm(action)
        when = math.ceil(round((self.now() + seconds) / TICK, 3)) * TICK
        with self._changed:
            heapq.heappush(self._alarms, (when, next(self._numbers), alarm))
            if len(self._alarms) > self._sweep_at:
                self._alarms = [entry for entry in self._alarms if entry[2].action]
                heapq.heapify(self._alarms)
                self._sweep_at = 2 * len(self._alarms) + MANY
            if self._alarms[0][2] is alarm:
                self._changed.notify()
        return alarm

    def skip(self, seconds: float, settle: Callable[[], object]) -> None:
        """Move forward by so many seconds, and stand at every alarm on the way until `settle` returns."""
        with self._skipping:
            settle()  # what has just begun counts from before
            self._stands = self.now()
            target = self._stands + seconds + TICK
            try:
                while (due := self._next()) is not None and due <= target:
                    self._stands = max(due, self._stands)
                    self._fire()
                    settle()
                self._stands = target
            finally:
                with self._changed:
                    self._ahead = self._stands - time.monotonic()
                    self._stands = None
                    self._changed.notify()

    def _next(self) -> float | None:
        with self._changed:
            while self._alarms and not self._alarms[0][2].action:
                heapq.heappop(self._alarms)
            return self._alarms[0][0] if self._alarms else None

    def _fire(self) -> None:
        due = []
        with self._changed:
            while self._alarms and self._alarms[0][0] <= self.now():
                due.append(heapq.heappop(self._alarms)[2])
        for alarm in due:
            action, alarm.action = alarm.action, None
            try:
                if action:
                    action()
            except Exception:  # a fault of this package: what else is due comes all the same
                logger.exception("What was due failed")

    def _run(self) -> None:
        while True:
            with self._changed:
                due = self._next()
                if due is None or due > self.now():
                    self._changed.wait(None if due is None else due - self.now())
            self._fire()


clock = Clock()
