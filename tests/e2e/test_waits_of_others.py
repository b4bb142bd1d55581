"""Who waits in state machines of somebody else, and in the examples: branches, items of a Map, children, a thousand."""

import time
from collections import Counter

import pytest

from tests.e2e.others import Others, block
from tools import PROJECT, answer
from tools.engine.engine import Engine
from tools.stack import deployed, poll
from tools.waits.find import Finder, Wait, machines

pytestmark = pytest.mark.local("it makes state machines that belong to no stack")

DISTRIBUTED = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}


@pytest.fixture(scope="module")
def others(engine: Engine) -> Others:
    return Others(engine)


def test_two_branches_are_two_waits(others: Others) -> None:
    left, right = block({"Left": others.ask(TimeoutSeconds=600, HeartbeatSeconds=60)}), block({"Right": others.ask()})
    machine = others.start({"Both": {"Type": "Parallel", "Branches": [left, right], "End": True}})
    waits = others.waits(machine, 2)
    by_state = {wait.state: wait for wait in waits}
    assert by_state["Right"].deadline is None
    deadline, began = by_state["Left"].deadline, by_state["Left"].since
    assert deadline
    assert (deadline - began).total_seconds() == 600
    assert {wait.target for wait in waits} == {others.queue}
    [output] = others.answer_all(waits, machine)
    assert output == [by_state["Left"].event, by_state["Right"].event]


def test_the_items_of_a_map_are_answered_each_by_its_own(others: Others) -> None:
    each = {"Type": "Map", "ItemProcessor": block({"Ask": others.ask()}), "End": True}
    machine = others.start({"Each": each}, [{"token": "x" * 64}] * 20)
    waits = others.waits(machine, 20)
    assert sorted(wait.items for wait in waits) == [(index,) for index in range(20)]
    [output] = others.answer_all(waits, machine)
    assert output == [wait.event for wait in sorted(waits, key=lambda wait: wait.items)]


def test_the_children_of_a_distributed_map_are_executions_of_their_own(others: Others) -> None:
    each = {"Type": "Map", "ItemProcessor": {**DISTRIBUTED, **block({"Ask": others.ask()})}, "End": True}
    machine = others.start({"Each": each | {"Label": "Each"}}, [1, 2, 3])
    waits = others.waits(machine, 3)
    assert len({wait.execution for wait in waits}) == 3
    assert {wait.machine for wait in waits} == {machine}
    others.answer_all(waits, machine)


def test_a_retry_is_another_attempt_with_another_deadline(others: Others) -> None:
    retried = {"Retry": [{"ErrorEquals": ["Again"], "IntervalSeconds": 1, "MaxAttempts": 1}], "TimeoutSeconds": 600}
    machine = others.start({"Ask": others.ask() | retried})
    [first] = others.waits(machine, 1)
    assert answer.send(others.aws, first, answer.Answer(error="Again")) == "DELIVERED"

    def check() -> Wait | None:
        found = Finder(others.aws).find([machine]).waits
        return next((wait for wait in found if wait.attempt == 2), None)

    second = poll("second attempt", check)
    assert second.since > first.since
    assert answer.send(others.aws, first, answer.Answer(output="1")) == "ALREADY_SETTLED"
    others.answer_all([second], machine)


def test_a_wait_that_was_stopped_waits_no_more(others: Others) -> None:
    machine = others.start({"Ask": others.ask()})
    [wait] = others.waits(machine, 1)
    others.step_functions.stop_execution(executionArn=wait.execution)
    assert others.waits(machine, 0) == []
    assert answer.send(others.aws, wait, answer.Answer(output="1")) == "ALREADY_SETTLED"


def test_both_examples(others: Others, engine: Engine) -> None:
    stack = deployed(engine, stack_name="examples", directory=PROJECT / "examples")
    stack.start({"items": [1, 2, 3, 4, 5, 6, 7]}, "FanOutStateMachineArn")
    stack.start({"card": "4111"}, "ReminderStateMachineArn")

    def check() -> list[Wait] | None:
        found = Finder(others.aws).find(machines(others.aws, stack="examples")).waits
        return found if len(found) == 6 else None

    waits = poll("6 waits", check)
    assert Counter(wait.name for wait in waits) == {"FanOutStateMachine": 5, "ReminderStateMachine": 1}
    assert {wait.target for wait in waits} == {"WorkQueue"}
    for wait in waits:
        assert answer.send(others.aws, wait, answer.Answer(error="Work.Refused")) == "DELIVERED"


@pytest.mark.slow
def test_a_thousand_are_listed_within_ten_seconds(others: Others) -> None:
    machine = others.start({"Ask": others.ask()}, count=1000)
    others.waits(machine, 1000)

    def seconds() -> float:
        began = time.monotonic()
        assert len(Finder(others.aws).find([machine]).waits) == 1000
        return time.monotonic() - began

    assert min(seconds() for _ in range(3)) < 10  # the least: other programs run, too
