"""The state machines of examples/, deployed with their template; examples/worker.py does their work."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from local import PROJECT
from local.engine import Engine
from tests.e2e.stack import Stack, deployed, poll
from tests.e2e.worker_process import SECRET, Workers

FAN_OUT, REMINDER = "FanOutStateMachineArn", "ReminderStateMachineArn"
QUEUE = "WorkQueueUrl"


@pytest.fixture(scope="module")
def stack(engine: Engine) -> Stack:
    return deployed(engine, stack_name="examples", directory=PROJECT / "examples")


@pytest.fixture
def workers(stack: Stack, tmp_path: Path) -> Iterator[Workers]:
    with Workers(stack, QUEUE, tmp_path) as workers:
        yield workers


def item(do: str) -> dict[str, str]:
    return {"do": do, "id": str(uuid4())}


def test_fan_out_returns_the_results_in_the_order_of_the_items(stack: Stack, workers: Workers) -> None:
    items = [item("answer") for _ in range(12)]
    execution_id = stack.start({"items": items}, FAN_OUT)
    for _ in range(2):
        workers.start()
    end = stack.ended(execution_id)
    results = [{"outcome": "SUCCEEDED", "output": {"done": one["id"]}} for one in items]
    assert (end["status"], json.loads(end["output"])) == ("SUCCEEDED", {"failed": 0, "results": results})
