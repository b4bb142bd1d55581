"""What the ledger has to know of a workflow: an adapter for each, beside the harness that all of them share."""

from abc import ABC
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from tests.faults.ledger import Ledger
    from tests.faults.world import World

SUCCEEDED, ABORTED = "SUCCEEDED", "ABORTED"
UNDELIVERABLE = "Callback.Undeliverable"
TIMEOUTS = ("Callback.TimedOut", "States.Timeout")  # caught and given a name of ours, or left uncaught


@dataclass(frozen=True)
class Case:
    """An execution to be started: its input, and what the world outside does about it, in the adapter's own words."""

    input: Any
    plan: str = ""


@dataclass(frozen=True)
class End:
    """How an execution ended.

    `how`: SUCCEEDED, ABORTED or the error that it failed with. `states`: what it entered, in that order.
    `answers`: for each wait in turn, what Step Functions accepted for its token, SUCCEEDED or an error, in that order.
    `tokens`: for each wait in turn, what may be its token.
    """

    how: str
    states: list[str]
    seconds: float
    output: Any = field(default=None, repr=False)
    answers: list[list[str]] = field(default_factory=list)
    tokens: list[list[str]] = field(default_factory=list, repr=False)


@dataclass(frozen=True)
class Round:
    """One fault, or all of them at once.

    `run` starts about so many executions and injects the fault; the harness then waits for the ends and balances.
    `redelivery` is the visibility timeout of `Adapter.queues` meanwhile, in seconds: more than a batch takes in this
    round, so that no message is redelivered while it is being answered. `reported` is the share of executions that
    may end with `Callback.Undeliverable`: none, unless the fault is one that no retry fixes.
    """

    name: str
    run: Callable[["World", "Ledger", int, Random], None]
    redelivery: int
    reported: float = 0


class Adapter(ABC):
    """A workflow, for the harness. One instance serves one deployed stack, so it may keep what `prepare` learned.

    The harness calls from several threads: `start` from eight, `outside` from `outside_threads` more.
    """

    name: ClassVar[str]
    """Of the workflow, as in tools.stack.WORKFLOWS; also its section of samconfig.toml, but for the payment's."""
    machine: ClassVar[str]
    """The stack output that holds the ARN of the state machine whose executions are counted."""
    queues: ClassVar[tuple[str, ...]]
    """Stack outputs, URLs: the queues with a visibility timeout to shorten, which must be empty in the end. The first
    one carries the requests: what is unreadable is sent there."""
    worker: ClassVar[str | None] = None
    """The stack output that names the function that reads the first queue; None if only the world outside reads it."""
    variable: ClassVar[str | None] = None
    """An environment variable without which every invocation of the worker fails; None if it needs none."""
    notifications: ClassVar[str | None] = None
    """The stack output of the test queue (URL) or the topic (ARN) of the notifications; None if there are none."""
    notifying: ClassVar[Mapping[str, str]] = {}
    """By the state that publishes: the outcome that its notification names."""
    spared: ClassVar[str] = ""
    """The logical ID of the function that the state machine invokes, which no kill may hit: the embedded AWS ends all
    processes of a function when it finds one of them dead, more often than any retrier goes on. Empty if there is none.
    """
    outside_threads: ClassVar[int] = 0
    """How many threads call `outside` again and again while a round is under way, but for `Ledger.consumer_off`."""
    rounds: Sequence[Round] = ()
    """Each brings one fault; see tests.faults.rounds for those that fit any workflow."""
    mixed: Round
    """All faults at once."""

    def prepare(self, world: "World") -> None:  # noqa: B027 - not all need it
        """Called once, when the stack is deployed and before anything is started."""

    def cases(self, prefix: str, count: int, random: Random) -> Iterator[Case]:
        """So many cases of every kind that the workflow has, those that it must refuse included."""
        raise NotImplementedError

    def start(self, world: "World", case: Case) -> str:
        """Starts an execution and returns its ARN."""
        return world.stack.start(case.input, self.machine)

    def outside(self, world: "World", ledger: "Ledger") -> bool:
        """A turn of the world outside, which does a part of what is due now: read the queue, answer, drop a file.

        Returns whether there was anything to do; the harness pauses for a moment where there was not. Exceptions of
        AWS clients are fine: what a throttled call did not do comes up again. `ledger.case_of(execution ARN)` is what
        was planned, `ledger.running()` who has not ended yet, `ledger.random` the seeded choice, and
        `ledger.inject(name of a fault)` counts.
        """
        return False

    def idle(self, world: "World", ledger: "Ledger") -> bool:
        """Whether nothing is left to be done when every execution has ended and every queue is empty."""
        return True

    def due(self, case: Case, end: End) -> list[str]:
        """The outcomes that an end is notified with: one, or two where it was stopped after it had published."""
        stopped = [ABORTED] if self.notifying and end.how == ABORTED else []
        return [self.notifying[state] for state in end.states if state in self.notifying] + stopped

    def answers_due(self, case: Case, end: End) -> list[str]:
        """What must have been accepted for the last token. A stopped execution may have been answered or not."""
        return [] if end.how in TIMEOUTS else [end.how]

    def complaints(self, execution_id: str, case: Case, end: End, notified: list[dict[str, Any]]) -> Iterator[str]:
        """What is wrong with how an execution ended and what was notified of it, beside number and outcome.

        Texts are counted, so that they repeat nothing of the case.
        """
        yield from ()

    def secrets(self, case: Case) -> list[str]:
        """Words that must be in no log and in no notification, such as a card number. Tokens are searched anyway."""
        return []

    def afterwards(self, world: "World", ledger: "Ledger") -> Iterator[str]:
        """What is wrong with what a round left behind: tables, buckets, other state machines."""
        yield from ()

    def clean(self, world: "World") -> None:  # noqa: B027 - not all need it
        """After a round that did not balance, so that it does not disturb the next. Queues are purged anyway."""
