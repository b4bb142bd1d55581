"""Histories of AWS itself are read right: who waits is seen, and answered without anybody's seeing a token."""

import json

import pytest

from tests.e2e.test_manual_callback import MACHINE
from tools import answer
from tools.aws import Aws
from tools.stack import Stack, poll
from tools.waits.find import Finder, Wait, machines

pytestmark = pytest.mark.aws("what is tested is how AWS writes histories")


def test_a_wait_is_read_and_answered_from_its_history(manual: Stack) -> None:
    aws = Aws(manual.client, "AWS")
    execution = manual.start({"document": "contract.pdf"}, MACHINE)

    def check() -> Wait | None:
        waits = Finder(aws).find(machines(aws, stack=manual.name)).waits
        return next((wait for wait in waits if wait.execution == execution), None)

    wait = poll(f"wait of {execution}", check)
    assert (wait.name, wait.state, wait.target) == ("ManualCallbackStateMachine", "RequestWork", "ManualCallbackQueue")
    assert answer.send(aws, wait, answer.Answer()) == "DELIVERED"
    assert answer.send(aws, wait, answer.Answer(output='{"approved": true}')) == "DELIVERED"
    assert json.loads(manual.ended(execution)["output"]) == {"approved": True}
    assert answer.send(aws, wait, answer.Answer(output="null")) == "ALREADY_SETTLED"
