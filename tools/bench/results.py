"""What a benchmark hands back: tables, pictures, and how it stands to its goals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles

from matplotlib.figure import Figure


@dataclass(frozen=True)
class Table:
    """The first column holds names, the others numbers as they are to be shown."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Goal:
    """`measured` is to be at most `limit`, or at least that where `at_least`."""

    what: str
    limit: float
    measured: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


@dataclass(frozen=True)
class Picture:
    """`draw` draws it on an empty figure; `alt` says what is to be seen; `height` is in inches."""

    name: str
    alt: str
    draw: Callable[[Figure], None]
    height: float = 3.5


@dataclass(frozen=True)
class Result:
    """`notes` are sentences about this run."""

    goals: Sequence[Goal] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    notes: Sequence[str] = field(default_factory=list)


def ms(seconds: Sequence[float]) -> str:
    """The median in milliseconds."""
    return f"{1000 * median(seconds):,.0f}"


def middle_half(seconds: Sequence[float]) -> str:
    """First and third quartile, in milliseconds."""
    first, _, third = quantiles(seconds, n=4)
    return f"{1000 * first:,.0f} to {1000 * third:,.0f}"


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Of the medians."""
    return median(ours) / median(theirs)
