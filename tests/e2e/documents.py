"""Runs the commands that a document prints, in a shell as its reader's."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.e2e.stack import Stack

PROJECT = Path(__file__).parents[2]
POINT_SHELL = 'eval "$(make -s env)"'


def shell_blocks(document: str, heading: str) -> list[str]:
    """The shell blocks of a section, without the first, which points the shell at the embedded AWS."""
    sections = re.split(r"^## ", (PROJECT / document).read_text(), flags=re.MULTILINE)
    [section] = [section for section in sections if section.startswith(heading)]
    point_shell, *blocks = re.findall(r"```bash\n(.*?)```", section, re.DOTALL)
    assert POINT_SHELL in point_shell
    return blocks


class Shell:
    """A shell that is pointed at a stack, and keeps what one block sets for the next."""

    def __init__(self, stack: Stack, scratch: Path) -> None:
        self._state = scratch / "shell-state"
        self._state.touch(mode=0o600)
        tools = Path(sys.executable).parent
        self._environment = {
            **stack.environment,
            "PATH": f"{tools}:{stack.environment['PATH']}",
            "HOME": str(scratch),
            "SAM_CLI_TELEMETRY": "0",
        }

    def run(self, script: str) -> str:
        """What the script prints. Fails when one of its commands does."""
        state = shlex.quote(str(self._state))
        keep = f"{{ export -p; declare -f; }} > {state}"
        shell = ["bash", "-euo", "pipefail", "-c", f". {state}; set -a\n{script}\n{keep}"]
        run = subprocess.run(
            shell, cwd=PROJECT, env=self._environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert run.returncode == 0, run.stderr
        return run.stdout

    def value(self, name: str) -> str:
        return self.run(f'printf %s "${name}"')
