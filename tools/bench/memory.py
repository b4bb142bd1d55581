"""The first batch of the payment worker with the share of a CPU that Lambda gives by MemorySize."""

import json
from collections import defaultdict
from pathlib import Path
from statistics import median

from matplotlib.figure import Figure
from rich.progress import Progress

from tools.bench.batch import CALL_SECONDS
from tools.bench.cold import WORKER, Start, start
from tools.bench.cpu_share import NoCpuShare, cpu_share
from tools.bench.events import payment_batch
from tools.bench.processes import deployed_code
from tools.bench.results import Picture, Result, Table, ms
from tools.bench.slow_api import slow_api

MEMORIES = (256, 512, 1024)
ROUNDS = 5


def measure(progress: Progress, folder: Path) -> Result:
    starts: dict[tuple[str, int], list[Start]] = defaultdict(list)
    codes = deployed_code(folder)
    event_file = folder / "event.json"
    event_file.write_text(json.dumps(payment_batch()))
    try:
        with slow_api(folder, CALL_SECONDS) as variables:
            for _ in progress.track(range(ROUNDS), description="first batch by memory"):
                for memory in MEMORIES:
                    for code in codes:
                        with cpu_share(memory) as prefix:
                            one = start(code, WORKER, str(event_file), variables=variables, prefix=prefix)
                        starts[code.name, memory].append(one)
    except NoCpuShare as reason:
        return Result(notes=[f"Skipped: the share of a CPU cannot be set on this machine: {reason}."])
    rows = [
        (
            str(memory),
            *(ms([one.seconds for one in starts[name, memory]]) for name in ("ours", "baseline")),
            *(ms([one.first for one in starts[name, memory]]) for name in ("ours", "baseline")),
            *(ms([one.seconds + one.first for one in starts[name, memory]]) for name in ("ours", "baseline")),
        )
        for memory in MEMORIES
    ]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for name in ("ours", "baseline"):
            both = [median(one.seconds + one.first for one in starts[name, memory]) for memory in MEMORIES]
            axes.plot(MEMORIES, both, marker="o", label=name)
        axes.set_xticks(MEMORIES)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("MemorySize, MB")
        axes.set_ylabel("seconds: import and first batch")
        axes.legend()

    columns = ("MemorySize", "Import, ms", "baseline's", "First batch, ms", "baseline's", "Both, ms", "baseline's")
    return Result(
        tables=[Table("Cold start and first batch of ten, by memory and its share of a CPU", columns, rows)],
        pictures=[Picture("memory", "Cold start and first batch by MemorySize, beside the baseline", draw)],
    )
