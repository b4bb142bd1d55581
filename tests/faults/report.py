"""The results of rounds as tables in Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple

from tests.faults.rounds import Result

MIXED = "all of them"
COUNTS = ("Injected", "Executions", "Survived", "Reported", "Stopped", "Timed out", "Lost", "Doubled", "Seconds")


def rounds_table(results: Sequence[Result]) -> str:
    """One row a round."""
    return _table(("Fault",), [((result.name,), _numbers([result])) for result in results])


def workflows_table(results: Mapping[str, Sequence[Result]]) -> str:
    """One row a workflow, over all its rounds."""
    single = {name: sum(round_.name != MIXED for round_ in rounds) for name, rounds in results.items()}
    rows = [((name, str(single[name])), _numbers(rounds)) for name, rounds in results.items() if rounds]
    return _table(("Workflow", "Faults"), rows)


def _numbers(results: Sequence[Result]) -> list[int]:
    counts = map(sum, zip(*(astuple(result.count) for result in results), strict=True))
    return [sum(sum(result.injected.values()) for result in results), *counts, round(sum(r.seconds for r in results))]


def _table(first: Sequence[str], rows: Sequence[tuple[Sequence[str], Sequence[int]]]) -> str:
    lines = [[*first, *COUNTS], ["---", *["---:"] * (len(first) - 1 + len(COUNTS))]]
    lines += [[*names, *(f"{number:,}" for number in numbers)] for names, numbers in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def details(result: Result) -> str:
    """What a round injected, kind by kind."""
    kinds = ", ".join(f"{kind} {times:,}" for kind, times in sorted(result.injected.items()))
    return f"Injected in the round of {result.name}: {kinds}."
