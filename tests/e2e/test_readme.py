"""The commands of the README work as printed, but for their placeholders."""

import json
from pathlib import Path

import pytest

from tests.e2e.documents import Shell, shell_blocks
from tests.e2e.stack import Stack

pytestmark = pytest.mark.stack("payment-callback")


def test_going_on_by_hand(stack: Stack, tmp_path: Path) -> None:
    start, describe, receive = shell_blocks("README.md", "Go on by hand")
    shell = Shell(stack, tmp_path)
    execution_id = json.loads(shell.run(start))["executionArn"]
    end = stack.ended(execution_id)
    assert json.loads(shell.run(describe.replace("EXECUTION_ARN", execution_id)))["status"] == end["status"]
    assert json.loads(json.loads(shell.run(receive))["Messages"][0]["Body"])["Type"] == "Notification"
