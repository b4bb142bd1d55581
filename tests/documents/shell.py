"""A shell as a reader of the documents has it."""

import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tools import PROJECT


class ScriptFailed(Exception):
    """What the script said before it failed."""


class Shell:
    """A bash in a folder; what one script sets is there for the next.

    `environment` is the whole environment it starts with, but for HOME and TMPDIR, which are the folder `scratch`.
    """

    def __init__(self, environment: Mapping[str, str], scratch: Path, folder: Path = PROJECT) -> None:
        self.folder = folder
        self._state = scratch / "shell-state"
        self._state.touch(mode=0o600)
        self._environment = {**environment, "HOME": str(scratch), "TMPDIR": str(scratch), "SAM_CLI_TELEMETRY": "0"}

    def run(self, script: str) -> str:
        """What the script prints; it says yes to whatever it is asked. Raises ScriptFailed."""
        state = shlex.quote(str(self._state))
        keep = f"{{ export -p; declare -f; }} > {state}"
        run = subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", f". {state}; set -a\n{script}\n{keep}"],
            cwd=self.folder,
            env=self._environment,
            input="y\n" * 20,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if run.returncode:
            raise ScriptFailed(run.stderr)
        return run.stdout
