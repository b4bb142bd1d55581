"""Invocations at once: each pauses before a call of AWS, and goes on when the story says so."""

from collections.abc import Callable

from greenlet import getcurrent, greenlet  # type: ignore[import-untyped]


class Died(BaseException):
    """In place of the end of a process, so that nothing catches it."""


class Invocation(greenlet):  # type: ignore[misc]
    """What is under way. `ends_at` is when Lambda ends the function that it is in, in seconds since 1970."""

    ends_at = float("inf")


class Invocations:
    def __init__(self) -> None:
        self.paused: list[Invocation] = []

    def run(self, work: Callable[[], object]) -> None:
        """Do something until it ends or pauses."""
        self._switch_to(Invocation(work))

    def resume(self, which: int) -> bool:
        """Go on with one of what has paused; whether there was any."""
        if not self.paused:
            return False
        self._switch_to(self.paused.pop(which % len(self.paused)))
        return True

    def pause(self) -> None:
        invocation = getcurrent()
        assert isinstance(invocation, Invocation)
        assert invocation.parent
        invocation.parent.switch()

    def limit(self, ends_at: float) -> None:
        """What is under way is in a function from now on."""
        if isinstance(invocation := getcurrent(), Invocation):
            invocation.ends_at = ends_at

    def end(self, until: float = float("inf")) -> None:
        """End what has paused, and is not to go on after that time."""
        for each in [each for each in self.paused if each.ends_at <= until]:
            self.paused.remove(each)
            self._switch_to(each, Died)

    def _switch_to(self, invocation: Invocation, *error: type[BaseException]) -> None:
        invocation.parent = getcurrent()
        invocation.throw(*error) if error else invocation.switch()
        if not invocation.dead:
            self.paused.append(invocation)
