"""One batch of ten records: how many round trips it takes, and what a record costs in CPU time. Warm, in turn."""

from pathlib import Path
from statistics import median

from rich.progress import Progress

from tools.bench.events import RECORDS, payment_batch
from tools.bench.processes import deployed_code, worker
from tools.bench.results import Goal, Result, Table, middle_half, ms, ratio
from tools.bench.slow_api import slow_api

CALL_SECONDS = 0.05
BATCHES = 60
WARM_UP = 3


def measure(progress: Progress, folder: Path) -> Result:
    ours, baseline = deployed_code(folder)
    seconds: dict[str, list[float]] = {"ours": [], "baseline": []}
    cpu: dict[str, list[float]] = {"ours": [], "baseline": []}
    with (
        slow_api(folder, CALL_SECONDS) as variables,
        worker(ours, variables) as our_worker,
        worker(baseline, variables) as their_worker,
    ):
        for number in progress.track(range(-WARM_UP, BATCHES), description="batch of ten"):
            for name, process in (("ours", our_worker), ("baseline", their_worker)):
                handled = process.handle(payment_batch())
                if handled["failed"]:
                    raise RuntimeError(f"{handled['failed']} records of a batch failed in {name}")
                if number >= 0:
                    seconds[name].append(handled["seconds"])
                    cpu[name].append(handled["cpu"] / RECORDS)
    trips = {name: median(values) / CALL_SECONDS for name, values in seconds.items()}
    rows = [
        (name, ms(seconds[name]), middle_half(seconds[name]), f"{trips[name]:.2f}", f"{1000 * median(cpu[name]):.2f}")
        for name in seconds
    ]
    rows.append(
        ("ratio", "", "", f"{trips['ours'] / trips['baseline']:.2f}", f"{ratio(cpu['ours'], cpu['baseline']):.2f}")
    )

    columns = ("Worker", "Median ms a batch", "Middle half, ms", "Round trips", "CPU ms a record")
    return Result(
        goals=[
            Goal("round trips of a batch of ten", 1.2, trips["ours"]),
            Goal("CPU time of a record, times the baseline's", 1, ratio(cpu["ours"], cpu["baseline"])),
        ],
        tables=[Table(f"Ten records at {1000 * CALL_SECONDS:.0f} ms an API call", columns, rows)],
    )
