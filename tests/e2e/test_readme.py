"""The commands of the README work as printed, but for their placeholders."""

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.e2e.conftest import PROJECT
from tests.e2e.stack import Stack


def commands(heading: str) -> list[str]:
    """The shell blocks of a section of the README."""
    sections = re.split(r"^## ", (PROJECT / "README.md").read_text(), flags=re.MULTILINE)
    [section] = [section for section in sections if section.startswith(heading)]
    return re.findall(r"```bash\n(.*?)```", section, re.DOTALL)


def test_going_on_by_hand(stack: Stack) -> None:
    # Given a shell that is pointed at the stack, as the first block does
    point_shell, start, describe, receive = commands("Go on by hand")
    assert 'eval "$(make -s env)"' in point_shell
    tools = Path(sys.executable).parent
    environment = {**stack.environment, "PATH": f"{tools}:{stack.environment['PATH']}"}

    def run(script: str) -> str:
        shell = ["bash", "-euo", "pipefail", "-c", script]
        return subprocess.run(shell, cwd=PROJECT, env=environment, check=True, capture_output=True, text=True).stdout

    # When, then
    execution_id = json.loads(run(start))["executionArn"]
    end = stack.ended(execution_id)
    assert json.loads(run(describe.replace("EXECUTION_ARN", execution_id)))["status"] == end["status"]
    assert json.loads(json.loads(run(receive))["Messages"][0]["Body"])["Type"] == "Notification"
