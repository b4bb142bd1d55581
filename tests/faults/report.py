"""The results of rounds as a table in Markdown."""

from tests.faults.rounds import Result

COLUMNS = (
    *("Fault", "Injected", "Executions", "Survived", "Reported"),
    *("Stopped", "Timed out", "Lost", "Doubled", "Seconds"),
)


def markdown(results: list[Result]) -> str:
    """One row a round. Survived: ended as it would have without the fault; reported: with `Callback.Undeliverable`."""
    rows = [COLUMNS, ("---", *["---:"] * (len(COLUMNS) - 1)), *map(_cells, results)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cells(result: Result) -> tuple[str, ...]:
    count = result.count
    numbers = (
        sum(result.injected.values()),
        count.executions,
        count.survived,
        count.reported,
        count.stopped,
        count.timed_out,
        count.lost,
        count.doubled,
        round(result.seconds),
    )
    return (result.name, *(f"{number:,}" for number in numbers))


def details(result: Result) -> str:
    """What a round injected, kind by kind."""
    kinds = ", ".join(f"{kind} {times:,}" for kind, times in sorted(result.injected.items()))
    return f"Injected in the round of {result.name}: {kinds}."
