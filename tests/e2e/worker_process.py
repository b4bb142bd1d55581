"""The example worker as its user runs it, in a process: `examples/worker.py` with work that its input chooses.

`{"key": …, "do": "answer" | "wait" | "insist" | "refuse" | "raise"}`: work notes its key in the ledger first. "wait"
and "insist" then last until the gate is open, and "wait" looks meanwhile whether it should go on.
"""

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, Self

from examples import worker
from tools import PROJECT
from tools.stack import Stack, poll

SECRET = "a-secret-of-the-input"


def work(payload: Any, check: worker.Check) -> object:
    place = Path(os.environ["PLACE"])
    with (place / "ledger").open("a") as ledger:
        ledger.write(f"{payload['key']}\n")
    what = payload.get("item") or payload.get("work") or payload  # as the fan-out, the reminder and our tests word it
    match what["do"]:
        case "refuse":
            raise worker.Refused("Work.Refused", "The photo is blurred.")
        case "raise":
            raise ValueError(payload)
        case "wait" | "insist":
            while not (place / "gate").exists():
                if what["do"] == "wait":
                    check()
                time.sleep(0.02)
    return {"done": payload["key"]}


class Workers:
    """The workers of one test, their ledger and their gate, all in one folder."""

    def __init__(self, stack: Stack, queue: str, place: Path) -> None:
        self._environment = {
            **stack.environment,
            "QUEUE_URL": stack.outputs[queue],
            "PLACE": str(place),
            "PATH": f"{Path(sys.executable).parent}:{stack.environment['PATH']}",
        }
        self._place = place
        self.processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.open_gate()
        for process in self.processes:
            process.terminate()  # one that is killed while it asks for a message may be sent the next test's
        for process in self.processes:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Starts one, by this command instead of the one that runs this module."""
        with (self._place / "log").open("ab") as log:
            process = subprocess.Popen(
                command or (sys.executable, "-m", "tests.e2e.worker_process"),
                cwd=PROJECT,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        return process

    def open_gate(self) -> None:
        (self._place / "gate").touch()

    def log(self) -> str:
        return (self._place / "log").read_text()

    def done(self) -> Counter[str]:
        """How often work was begun, by its key."""
        ledger = self._place / "ledger"
        return Counter(ledger.read_text().split()) if ledger.exists() else Counter()

    def begun(self, key: str, times: int = 1) -> None:
        """Returns when the work of this key has been begun so many times."""
        poll(f"work on {key}", lambda: self.done()[key] >= times or None, every=0.02)


if __name__ == "__main__":
    worker.POLL_SECONDS = 1  # so that a test need not wait
    worker.main(work)
