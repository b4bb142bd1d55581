"""Records `make demo` as docs/pictures/demo.svg, and leaves the stack up: `python -m tools.diagrams.recording`"""

import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tools import PROJECT

RECORDING = PROJECT / "docs/pictures/demo.svg"
COLUMNS = 112
# In colour, but with each progress bar as it was at last
TERMINAL = {"FORCE_COLOR": "1", "TTY_INTERACTIVE": "0", "COLUMNS": str(COLUMNS)}


def record(file: Path) -> None:
    command = [sys.executable, "-m", "tools", "demo"]
    run = subprocess.run(command, cwd=PROJECT, env=os.environ | TERMINAL, stdout=subprocess.PIPE, text=True, check=True)
    save(run.stdout, file)


def save(output: str, file: Path) -> None:
    """A picture of what a program wrote to a terminal, its colours included."""
    console = Console(record=True, width=COLUMNS, file=StringIO())
    console.print(Text.from_ansi(output.strip("\n")))
    picture = console.export_svg(title="make demo", unique_id="demo")
    file.write_text(
        re.sub(r"@font-face {.*?}\n", "", picture, flags=re.DOTALL)
    )  # no reader is sent to a server of fonts


if __name__ == "__main__":
    record(RECORDING)
