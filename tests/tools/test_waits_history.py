"""What an execution waits for is read from any history of the shapes that AWS gives."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.histories import BEGIN, OTHER_TOKEN, QUEUE, TOKEN, Fields, History
from tools.waits.history import Task, in_map, open_tasks
from tools.waits.token import NoToken, find_token

FAILED = {"error": "Declined", "resource": "sendMessage.waitForTaskToken", "resourceType": "sqs"}


def waiting(history: History) -> list[tuple[str, tuple[int, ...], int]]:
    """State, items and attempt of each wait."""
    return [(task.state, task.items, task.attempt) for task in open_tasks(history.events)]


def test_a_wait_says_what_it_asked_since_when_and_for_how_long() -> None:
    history = History()
    history.wait("Ask", timeoutInSeconds=600, heartbeatInSeconds=60)
    [task] = open_tasks(history.events)
    assert (task.state, task.attempt, task.items, task.event) == ("Ask", 1, (), 3)
    assert (task.resource, task.target) == ("sqs:sendMessage.waitForTaskToken", QUEUE)
    assert task.since == BEGIN + timedelta(seconds=3)
    assert (task.limit("timeout"), task.limit("heartbeat")) == (timedelta(minutes=10), timedelta(minutes=1))
    assert TOKEN not in repr(task)


def test_without_limits_it_has_none() -> None:
    history = History()
    history.wait("Ask")
    [task] = open_tasks(history.events)
    assert (task.limit("timeout"), task.limit("heartbeat")) == (None, None)


@pytest.mark.parametrize("events", [3, 4, 5])
def test_it_waits_as_soon_as_it_is_scheduled(events: int) -> None:
    history = History()
    history.wait("Ask")
    assert len(open_tasks(history.events[:events])) == 1


@pytest.mark.parametrize("end", ["TaskSucceeded", "TaskFailed", "TaskTimedOut", "TaskSubmitFailed", "TaskStartFailed"])
def test_an_answer_a_failure_and_a_timeout_end_it(end: str) -> None:
    history = History()
    history.add(end, history.wait("Ask"), **FAILED)
    assert waiting(history) == []


@pytest.mark.parametrize("end", ["ExecutionAborted", "ExecutionTimedOut", "ExecutionFailed"])
def test_the_end_of_the_execution_ends_it(end: str) -> None:
    history = History()
    history.wait("Ask")
    history.add(end, 0, error="Stopped")
    assert waiting(history) == []


def test_a_redrive_begins_it_again() -> None:
    history = History()
    aborted = history.add("ExecutionAborted", history.wait("Ask"))
    history.send(history.add("ExecutionRedriven", aborted, redriveCount=1))
    assert waiting(history) == [("Ask", (), 2)]


def test_each_attempt_begins_anew() -> None:
    history = History()
    after = history.add("TaskFailed", history.wait("Ask", timeoutInSeconds=60), **FAILED)
    history.send(after, timeoutInSeconds=60)
    [task] = open_tasks(history.events)
    assert (task.attempt, task.event) == (2, 7)


def test_what_waits_for_no_token_is_not_listed() -> None:
    history = History()
    after = history.add("TaskScheduled", history.enter("Call"), resource="invoke", resourceType="lambda")
    history.add("TaskStarted", after, resource="invoke", resourceType="lambda")
    assert waiting(history) == []
    history.add("TaskScheduled", history.enter("Sync"), resource="startExecution.sync:2", resourceType="states")
    history.add("LambdaFunctionScheduled", history.enter("Function"), resource="arn:aws:lambda:::function:f")
    assert waiting(history) == []


def test_the_second_state_of_a_chain_waits_not_the_first() -> None:
    history = History()
    left = history.leave("First", history.add("TaskSucceeded", history.wait("First")))
    history.wait("Second", left)
    assert waiting(history) == [("Second", (), 1)]


def test_the_branches_of_a_parallel_are_several_waits() -> None:
    history = History()
    begin = history.branches("Both")
    left, right = history.enter("Left", begin), history.enter("Right", begin)
    answered = history.send(left)
    history.send(right, timeoutInSeconds=9)
    assert waiting(history) == [("Left", (), 1), ("Right", (), 1)]
    history.leave("Left", history.add("TaskSucceeded", answered))
    assert waiting(history) == [("Right", (), 1)]


def test_a_branch_that_fails_ends_the_others() -> None:
    history = History()
    begin = history.branches("Both")
    history.wait("Left", begin)
    failed = history.add("TaskFailed", history.wait("Right", begin), **FAILED)
    history.add("TaskStateAborted", failed)  # as AWS has it, after the one that failed
    ended = history.add("ParallelStateFailed", failed)
    assert waiting(history) == []
    history.wait("Recover", history.leave("Both", ended, "Parallel"))
    assert waiting(history) == [("Recover", (), 1)]


def test_a_parallel_that_is_retried_waits_again() -> None:
    history = History()
    begin = history.branches("Both")
    history.wait("Left", begin)
    failed = history.add("ParallelStateFailed", history.add("TaskFailed", history.wait("Right", begin), **FAILED))
    again = history.add("ParallelStateStarted", failed)
    history.wait("Left", again)
    right = history.wait("Right", again)
    assert waiting(history) == [("Left", (), 1), ("Right", (), 1)]
    history.add("ParallelStateFailed", history.add("TaskFailed", right, **FAILED))
    assert waiting(history) == []


def test_an_outer_block_that_fails_with_an_inner_one_ends_all_in_it() -> None:
    history = History()
    outer = history.branches("Outer")
    history.wait("Aside", outer)
    inner = history.branches("Inner", outer)
    history.wait("Deep", inner)
    failed = history.add("ParallelStateFailed", history.add("TaskFailed", history.wait("Broken", inner), **FAILED))
    assert waiting(history) == [("Aside", (), 1)]
    history.add("ParallelStateFailed", failed)
    assert waiting(history) == []


def test_the_items_of_a_map_are_kept_apart() -> None:
    history = History()
    starts = history.items("Each", 20, 0)
    entered = [history.enter("Ask", start) for start in starts]
    sent = [history.send(event) for event in entered]
    assert waiting(history) == [("Ask", (index,), 1) for index in range(20)]
    for index in range(0, 20, 2):
        left = history.leave("Ask", history.add("TaskSucceeded", sent[index]))
        history.add("MapIterationSucceeded", left, name="Each", index=index)
    assert waiting(history) == [("Ask", (index,), 1) for index in range(1, 20, 2)]


def test_an_item_that_fails_ends_the_map_as_aws_recorded_it() -> None:
    history = History()
    sent = [history.wait("Ask", start) for start in history.items("Each", 3, 0)]
    failed = history.add("TaskTimedOut", sent[0], error="States.Timeout")
    history.add("MapIterationFailed", failed, name="Each", index=0)
    for index in (1, 2):
        history.add("TaskStateAborted", failed)
        history.add("MapIterationAborted", failed, name="Each", index=index)
    history.add("MapStateFailed", failed)
    assert waiting(history) == []


def test_maps_in_maps_have_an_item_each() -> None:
    history = History()
    outer = history.items("Orders", 2, 0)
    for inner in history.items("Lines", 2, outer[1]):
        history.wait("Ask", inner)
    assert waiting(history) == [("Ask", (1, 0), 1), ("Ask", (1, 1), 1)]


def test_whether_a_map_is_under_way() -> None:
    history = History()
    assert not in_map(history.events)
    [start] = history.items("Each", 1, 0)
    assert in_map(history.events)
    history.leave("Each", history.add("MapStateSucceeded", start), "Map")
    assert not in_map(history.events)


def test_an_activity_waits_for_its_worker() -> None:
    history = History()
    activity = "arn:aws:states:eu-west-1:123456789012:activity:Review"
    scheduled = history.add("ActivityScheduled", history.enter("Review"), resource=activity, timeoutInSeconds=60)
    started = history.add("ActivityStarted", scheduled, workerName="w")
    [task] = open_tasks(history.events)
    assert (task.resource, task.target, task.limit("timeout")) == ("activity", activity, timedelta(seconds=60))
    with pytest.raises(NoToken, match="worker"):
        find_token(task, {})
    history.add("ActivitySucceeded", started, output="{}")
    assert waiting(history) == []


# By integration: what it was sent, and what was asked
ASKED: dict[str, tuple[Fields, str]] = {
    "sqs:sendMessage": ({"QueueUrl": QUEUE, "MessageBody": TOKEN}, QUEUE),
    "sns:publish": ({"TopicArn": "arn:topic", "Message": {"TaskToken": TOKEN}}, "arn:topic"),
    "lambda:invoke": ({"FunctionName": "ask:live", "Payload": {"token": TOKEN}}, "ask:live"),
    "aws-sdk:dynamodb:putItem": ({"TableName": "orders", "Item": {"token": {"S": TOKEN}}}, "orders"),
    "events:putEvents": ({"Entries": [{"EventBusName": "bus", "Detail": {"t": TOKEN}}]}, "bus"),
    "states:startExecution": ({"StateMachineArn": "arn:child", "Input": {"token": TOKEN}}, "arn:child"),
    "ecs:runTask": ({"Cluster": "c", "TaskDefinition": "task:1", "Overrides": {}}, "task:1"),
    "apigateway:invoke": ({"ApiEndpoint": "abc.execute-api", "RequestBody": {"token": TOKEN}}, "abc.execute-api"),
    "aws-sdk:sqs:sendMessage": ({"QueueUrl": QUEUE, "MessageBody": TOKEN}, QUEUE),
}


@pytest.mark.parametrize("resource", ASKED)
def test_every_integration_says_what_it_asked(resource: str) -> None:
    sent, target = ASKED[resource]
    history = History()
    history.wait("Ask", sent=sent, resource=resource)
    [task] = open_tasks(history.events)
    assert (task.resource, task.target) == (f"{resource}.waitForTaskToken", target)


def test_events_without_a_bus_go_to_the_default_one() -> None:
    history = History()
    history.wait("Ask", sent={"Entries": [{"Detail": {}}]}, resource="events:putEvents")
    assert open_tasks(history.events)[0].target == "default"


def test_a_history_without_data_still_says_who_waits() -> None:
    history = History()
    history.wait("Ask", timeoutInSeconds=60)
    for event in history.events:
        for details in event.values():
            if isinstance(details, dict):
                details.pop("parameters", None)
                details.pop("input", None)
    [task] = open_tasks(history.events)
    assert (task.state, task.target, task.limit("timeout")) == ("Ask", None, timedelta(seconds=60))
    with pytest.raises(NoToken, match="kms:Decrypt"):
        find_token(task, {})


def test_events_of_an_emulator_that_does_not_name_the_event_before() -> None:
    history = History()
    history.wait("Second", history.leave("First", history.enter("First", kind="Pass"), "Pass"))
    for event in history.events:
        del event["previousEventId"]
    history.events[4]["taskScheduledEventDetails"]["resource"] = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
    [task] = open_tasks(history.events)
    assert (task.state, task.resource) == ("Second", "sqs:sendMessage.waitForTaskToken")


STEPS = ("enter", "send", "answer", "leave")


@given(st.lists(st.integers(0, 4), max_size=20), st.booleans())
def test_whatever_the_order_of_events_just_the_open_ones_wait(turns: list[int], in_a_map: bool) -> None:
    """Branches or items take their steps in any order; each event names the one before it in its branch."""
    history = History()
    begins = history.items("Each", 5, 0) if in_a_map else [history.branches("Both")] * 5
    places, done = dict(enumerate(begins)), dict.fromkeys(range(5), 0)
    for turn in turns:
        name, place = ("Ask" if in_a_map else f"Ask{turn}"), places[turn]
        match STEPS[done[turn] % 4]:
            case "enter":
                places[turn] = history.enter(name, place)
            case "send":
                places[turn] = history.send(place)
            case "answer":
                places[turn] = history.add("TaskSucceeded", place)
            case "leave":
                places[turn] = history.leave(name, place)
        done[turn] += 1
    open_ones = [turn for turn, steps in done.items() if steps % 4 == 2]
    found = [task.items[0] if in_a_map else int(task.state[3:]) for task in open_tasks(history.events)]
    assert sorted(found) == open_ones


# ------------------------------------------------------------------ the token

JSONPATH, JSONATA = "$$.Task.Token", "{% $states.context.Task.Token %}"
CHECKSUM = "0123456789abcdef" * 8  # looks like a token
# By what is special about it: Parameters or Arguments of the state, and what was sent
SENT: dict[str, tuple[object, object]] = {
    "JSONPath": ({"Payload": {"TaskToken.$": JSONPATH, "sum.$": "$.sum"}}, {"TaskToken": TOKEN, "sum": CHECKSUM}),
    "JSONata": ({"Payload": {"answer": JSONATA, "sum": "{% $sum %}"}}, {"answer": TOKEN, "sum": CHECKSUM}),
    "a list": ({"Payload": [{"Value.$": JSONPATH}]}, [{"Value": TOKEN}]),
    "a text that holds JSON": (
        {"Payload": {"x": JSONATA}},
        json.dumps({"sum": CHECKSUM, "x": TOKEN}),
    ),
    "an intrinsic function": ({"Payload.$": "States.Format('answer {}', $$.Task.Token)"}, f"answer {TOKEN}"),
    "an expression": (
        {"Payload": "{% $string({'sum': $sum, 't': $states.context.Task.Token}) %}"},
        json.dumps({"t": TOKEN}),
    ),
    "the whole context": ({"Payload.$": "$$"}, {"Task": {"Token": TOKEN}, "Execution": {"Id": "arn"}}),
    "all arguments are one expression": (
        "{% {'Payload': {'taskToken': $states.context.Task.Token, 'sum': $sum}} %}",
        {"taskToken": TOKEN, "sum": "short"},
    ),
    "a state that is not in the definition": (None, {"taskToken": TOKEN, "sum": CHECKSUM}),
}


def sent_task(payload: object, given: object = None) -> Task:
    history = History(given)
    history.wait("Ask", sent={"FunctionName": "f", "Payload": payload}, resource="lambda:invoke")
    return open_tasks(history.events)[0]


def definition(template: object) -> Fields:
    ask: Fields = {"Type": "Task", "Arguments" if "{%" in json.dumps(template) else "Parameters": template}
    states = {"Each": {"Type": "Map", "ItemProcessor": {"States": {"Ask": ask}}}}
    return {"States": states if template is not None else {}}


@pytest.mark.parametrize("case", SENT)
def test_the_token_is_found_wherever_the_definition_puts_it(case: str) -> None:
    template, payload = SENT[case]
    assert find_token(sent_task(payload, {"sum": CHECKSUM}), definition(template)) == TOKEN


def test_a_token_that_came_with_the_input_is_another_ones() -> None:
    payload = {"parent": {"taskToken": OTHER_TOKEN}, "taskToken": TOKEN}
    task = sent_task(payload, {"parent": {"taskToken": OTHER_TOKEN}})
    assert find_token(task, definition({"Payload.$": "States.JsonMerge($$.Task, $, false)"})) == TOKEN
    assert find_token(task, {}) == TOKEN


@pytest.mark.parametrize(
    ("payload", "why"),
    [({"order": "1"}, "holds no task token"), ({"taskToken": TOKEN, "oldToken": OTHER_TOKEN}, "has 2 parts")],
)
def test_what_cannot_be_read_is_an_error_that_holds_nothing_of_it(payload: object, why: str) -> None:
    with pytest.raises(NoToken, match=why) as raised:
        find_token(sent_task(payload), {})
    assert TOKEN[:20] not in str(raised.value)
