"""What a soak came to: a table by workflow, one of what could grow, and a picture of both over time."""

from collections import Counter
from collections.abc import Iterable
from statistics import median
from typing import TYPE_CHECKING

from tests.soak.record import BALANCED, BROKEN, COUNTS, SAMPLED, STARTED, Line, Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 400  # of a line in the picture
PART = 10  # a tenth of the samples is what the begin and the end are


def markdown(record: Record) -> str:
    return "\n\n".join([_setting(record), _ledger(record), _growth(record)])


def _setting(record: Record) -> str:
    """When, where and how long."""
    starts, laps, broken = (list(record.of(kind)) for kind in (STARTED, BALANCED, BROKEN))
    first = starts[0]
    hours, executions = record.seconds / 3600, record.total("executions")
    text = (
        f"`make soak`, {first['at'][:10]}: {first['machine']}. {executions:,} executions in {hours:.1f} hours, "
        f"{len(starts)} runs, {len(laps)} laps; {first['rate']:g} starts in a second while a lap starts, "
        f"{executions / record.seconds:.1f} ended in a second over all."
    )
    return f"{text} {len(broken)} laps broke off and are not counted." if broken else text


def _ledger(record: Record) -> str:
    counts = record.counts
    rows = [[workflow, *(f"{found[name]:,}" for name in COUNTS)] for workflow, found in counts.items()]
    rows.append(["together", *(f"{record.total(name):,}" for name in COUNTS)])
    injected = sum(sum(line["injected"].values()) for line in record.of(BALANCED))
    table = _table(["Workflow", *(name.replace("_", " ").capitalize() for name in COUNTS)], rows)
    text = f"**{injected:,} faults among {record.total('executions'):,} executions**\n\n{table}"
    return "\n".join([text, "", "Otherwise out of balance:", *_problems(record)]) if record.problems else text


def _problems(record: Record) -> list[str]:
    """What a lap that was out of balance reported, each with how often."""
    return [f"- {problem} (laps: {times})" for problem, times in Counter(record.problems).items()]


def _growth(record: Record) -> str:
    """By thing, the median of the first tenth of the last run's samples, and of its last tenth."""
    samples = last_run(record)
    rows = []
    for name, values in series(samples).items():
        if len(values) < 2:
            continue
        part = max(1, len(values) // PART)
        early, late = median(values[:part]), median(values[-part:])
        rows.append(
            [name, f"{early:,.0f}", f"{late:,.0f}", f"{max(values):,.0f}", f"{late / early:.2f}" if early else ""]
        )
    return _table(["What", "First tenth", "Last tenth", "Most", "Growth"], rows)


def last_run(record: Record) -> list[Line]:
    """The samples since the last start of an embedded AWS."""
    begin = max((line["seconds"] for line in record.of(STARTED)), default=0.0)
    return [line for line in record.of(SAMPLED) if line["seconds"] >= begin]


def series(samples: Iterable[Line]) -> dict[str, list[float]]:
    """By name, what was sampled: the largest process of each function, and all messages of the queues of a stack."""
    found: dict[str, list[float]] = {}
    for sample in samples:
        found.setdefault("engine, MB", []).append(sample["engine"]["MB"])
        if sample["engine"]["files"] is not None:
            found.setdefault("engine, open files", []).append(sample["engine"]["files"])
        found.setdefault("processes of functions", []).append(sum(map(len, sample["functions"].values())))
        for name, processes in sample["functions"].items():
            found.setdefault(f"{name}, MB", []).append(max(processes))
        found.setdefault("messages in queues", []).append(sum(sample["queues"].values()))
    return dict(sorted(found.items(), key=lambda item: "/" in item[0]))


def draw(record: Record, figure: "Figure") -> None:
    """Memory, open files, queues and rate over the hours of all runs; a line where an embedded AWS was started."""
    (engine, functions), (files, queues) = figure.subplots(2, 2, sharex=True)
    samples, laps = list(record.of(SAMPLED)), list(record.of(BALANCED))
    samples = samples[:: max(1, len(samples) // POINTS)]
    hours = [line["seconds"] / 3600 for line in samples]
    engine.plot(hours, [line["engine"]["MB"] for line in samples], linewidth=1)
    engine.set_ylabel("engine, MB")
    for name in sorted({name for line in samples for name in line["functions"]}):
        having = [line for line in samples if name in line["functions"]]
        times, largest = [line["seconds"] / 3600 for line in having], [max(line["functions"][name]) for line in having]
        functions.plot(times, largest, linewidth=0.7)
    functions.set_ylabel("largest process of each function, MB")
    files.plot(hours, [line["engine"]["files"] for line in samples], linewidth=1)
    files.set_ylabel("open files of the engine")
    queues.plot(hours, [sum(line["queues"].values()) for line in samples], linewidth=0.7)
    queues.set_ylabel("messages in queues")
    rates = [sum(found["executions"] for found in lap["counts"].values()) / lap["took"] for lap in laps]
    rate = queues.twinx()
    rate.plot([lap["seconds"] / 3600 for lap in laps], rates, linewidth=1, marker=".", color="black")
    rate.set_ylabel("executions a second, by lap (dots)")
    rate.set_ylim(bottom=0)
    for axes in (engine, functions, files, queues):
        axes.set_ylim(bottom=0)
        axes.set_xlim(left=0)
        for line in record.of(STARTED):
            axes.axvline(line["seconds"] / 3600, color="grey", linewidth=0.5, linestyle=":")
    for axes in (files, queues):
        axes.set_xlabel("hours")


def _table(columns: list[str], rows: list[list[str]]) -> str:
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
