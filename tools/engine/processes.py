"""Processes of this machine: which there are, and no interrupt between starting one and knowing it."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def begin_with_an_aws_of_its_own() -> None:
    """For a program that starts an embedded AWS: no AWS of the user's is known to it, and it can be interrupted.

    Ctrl-C and its kind raise KeyboardInterrupt, once: a second one does not stop the cleaning up after the first.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for number in INTERRUPTS:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in INTERRUPTS:
        signal.signal(number, interrupt)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]


def command_lines() -> dict[int, str]:
    """The command line of every process that runs, arguments joined by a space, by process id."""
    if not Path("/proc/self/cmdline").exists():
        listing = subprocess.run(
            ["/bin/ps", "-axww", "-o", "pid=,command="], capture_output=True, text=True, check=True
        )
        return {int(pid): command for pid, command in (line.split(maxsplit=1) for line in listing.stdout.splitlines())}
    commands = {}
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                command = (process / "cmdline").read_bytes()
            except OSError:  # it ended meanwhile
                continue
            commands[int(process.name)] = command.replace(b"\0", b" ").decode(errors="surrogateescape")
    return commands


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Let Ctrl-C and its kind wait until the block ends, so that no process is started and then not known."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []

    def hold(number: int, _: FrameType | None) -> None:
        held.append(number)

    handlers = {number: signal.signal(number, hold) for number in INTERRUPTS}
    try:
        yield
    finally:
        for interrupt, handler in handlers.items():
            signal.signal(interrupt, handler)
        for number in held:
            signal.raise_signal(number)
