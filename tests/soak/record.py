"""What a soak measured, as JSON lines in a file that each run appends to, so that a soak can go on after an end."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from tests.faults.ledger import Count

Line = dict[str, Any]

STARTED, SAMPLED, BALANCED, BROKEN, ENDED = "started", "sampled", "balanced", "broken", "ended"
COUNTS = tuple(each.name for each in fields(Count))


@dataclass(frozen=True)
class Record:
    """The lines of a file, each with `kind` and `seconds`: those for which a soak had run by then, in all its runs."""

    path: Path
    lines: list[Line] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> "Record":
        """What earlier runs wrote, if any did; a line that a run that was killed did not finish is removed."""
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        whole, newline, torn = text.rpartition("\n")
        if torn:
            path.write_text(whole + newline, encoding="utf-8")
        return cls(path, [json.loads(line) for line in whole.splitlines()])

    def append(self, kind: str, seconds: float, **what: Any) -> None:
        line = {"kind": kind, "seconds": round(seconds, 1), **what}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(line)}\n")
        self.lines.append(line)

    def of(self, kind: str) -> Iterator[Line]:
        return (line for line in self.lines if line["kind"] == kind)

    @property
    def seconds(self) -> float:
        return float(self.lines[-1]["seconds"]) if self.lines else 0.0

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """By workflow, of all executions that were balanced."""
        counts: dict[str, dict[str, int]] = {}
        for line in self.of(BALANCED):
            for workflow, found in line["counts"].items():
                sums = counts.setdefault(workflow, dict.fromkeys(COUNTS, 0))
                for name in COUNTS:
                    sums[name] += found[name]
        return counts

    def total(self, name: str) -> int:
        return sum(found[name] for found in self.counts.values())

    @property
    def problems(self) -> list[str]:
        return [problem for line in self.of(BALANCED) for problem in line["problems"]]
