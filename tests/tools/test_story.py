"""`make show` tells what an execution did and waited for, from any history, and never shows a token or card data."""

import argparse
import io
import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from tests.security.sample_secrets import CARD, TOKEN, leaks
from tests.unit.state_machine import read_definition
from tools import ToolError, cli, plain
from tools.engine.engine import Engine
from tools.story import Story, _line, _logged_at, add_lines, find_story, print_story, tell

Fields = dict[str, Any]

BEGIN = datetime(2026, 11, 20, 10, tzinfo=UTC)
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:shop-Machine-1A2B"
ARN = "arn:aws:states:us-east-1:123456789012:execution:shop-Machine-1A2B:run-1"
WORKER = "shop-WorkerFunction-3C4D"
INPUT = json.dumps({"orderId": "order-1", "creditCardNumber": CARD, "taskToken": TOKEN})
SECRET = {"input": INPUT, "output": INPUT, "cause": f"{TOKEN} {CARD}"}  # what no story may show

PAYMENT = read_definition("payment_callback")
PAYMENT["States"]["RequestPayment"]["Arguments"]["QueueUrl"] = "https://sqs.example/123456789012/shop-PaymentQueue-5E6F"
NOTIFY: Fields = PAYMENT["States"]["NotifyFailure"]
SENT = {"parameters": json.dumps({"MessageBody": {"taskToken": TOKEN, "payload": INPUT}}), "timeoutInSeconds": 90}
DECLINED = {"outcome": "FAILED", "Error": "Declined", "Cause": f"{TOKEN} {CARD}", "orderId": "order-1"}
PUBLISH = {"parameters": json.dumps({"TopicArn": "topic", "Message": json.dumps(DECLINED)})}


def history(*events: tuple[str, Fields]) -> list[Fields]:
    """Events as AWS has them: one a second, each after the one before it unless it says otherwise."""
    made = []
    for number, (kind, details) in enumerate(events, 1):
        own = {"previousEventId": number - 1, **SECRET, **details}
        event = {"id": number, "previousEventId": own.pop("previousEventId"), "type": kind}
        made.append(event | {"timestamp": BEGIN + timedelta(seconds=number), f"{kind}EventDetails": own})
    return made


def entered(name: str, kind: str = "Task", **more: object) -> tuple[str, Fields]:
    return f"{kind}StateEntered", {"name": name, **more}


def left(name: str, kind: str = "Task", **more: object) -> tuple[str, Fields]:
    return f"{kind}StateExited", {"name": name, **more}


def line(message: str, second: float, **more: str) -> Fields:
    """What a function logged, so many seconds after the beginning."""
    at = (BEGIN + timedelta(seconds=second)).isoformat(timespec="milliseconds")
    secrets = {"token": TOKEN, "payload": INPUT}
    return {"message": message, "timestamp": at, "function_name": WORKER, "correlation_id": ARN} | secrets | more


def lines_of(
    events: list[Fields], definition: Fields = PAYMENT, *, lines: Sequence[Fields] = (), **ended: str | None
) -> str:
    """A story as the terminal shows it."""
    execution: Fields = {"executionArn": ARN, "status": "RUNNING", "startDate": BEGIN}
    if ended:
        execution |= {"stopDate": BEGIN + timedelta(seconds=len(events) + 1), **ended}
    steps = tell(events, definition)
    add_lines(steps, lines)
    screen = io.StringIO()
    print_story(Story(execution, steps, "shop"), Console(file=screen, width=200))
    assert leaks(screen.getvalue()) == []
    return screen.getvalue()


ASK = [("ExecutionStarted", {}), entered("RequestPayment"), ("TaskScheduled", SENT), ("TaskSubmitted", {})]


def test_a_payment_that_is_declined() -> None:
    story = lines_of(
        history(
            *ASK,
            ("TaskFailed", {"error": "Declined"}),
            left("RequestPayment"),
            entered("NotifyFailure"),
            ("TaskScheduled", PUBLISH),
            ("TaskSucceeded", {}),
            left("NotifyFailure"),
            entered("PaymentFailed", "Fail"),
        ),
        lines=(line("payment request answered", 5.01, outcome="DELIVERED"),),
        status="FAILED",
        error="Declined",
    )
    lines = [" ".join(text.replace("│", "").split()) for text in story.splitlines()]
    assert lines[1] == "FAILED with Declined, 12.00 s from 2026-11-20 10:00:00 UTC"
    assert lines[5:-1] == [
        "10:00:02.000 4.00 RequestPayment sqs:sendMessage PaymentQueue",
        "waited for an answer, at most 90 s",
        "WorkerFunction: payment request answered, DELIVERED",
        "failed: Declined",
        "10:00:07.000 3.00 NotifyFailure sns:publish ${NotificationTopicArn}",
        "published outcome: FAILED, Error: Declined, orderId: order-1",
        "10:00:11.000 1.00 PaymentFailed fails with Declined",
    ]


def test_one_that_runs_says_what_it_waits_for() -> None:
    story = lines_of(history(*ASK))
    assert "RUNNING" in story
    assert "waits for an answer, at most 90 s" in story


def test_a_record_that_goes_back_to_the_queue_is_shown_with_its_reason() -> None:
    back = line("record goes back to the queue", 5, reason="CallbackNotDelivered: ThrottlingException")
    line_of_it = "WorkerFunction: record goes back to the queue, CallbackNotDelivered: ThrottlingException"
    assert line_of_it in lines_of(history(*ASK), lines=(back,))


def test_one_that_was_stopped_says_where() -> None:
    story = lines_of(history(*ASK, ("ExecutionAborted", {"error": "Changed my mind"})), status="ABORTED")
    assert "waited for an answer" in story
    assert "was under way when the execution ended: ABORTED" in story


@pytest.mark.parametrize("error", ["States.Timeout", "States.HeartbeatTimeout", "SQS.SdkClientException"])
def test_what_nobody_answered_is_not_called_answered(error: str) -> None:
    story = lines_of(history(*ASK, ("TaskTimedOut", {"error": error}), left("RequestPayment")), status="FAILED")
    assert f"failed: {error}" in story
    assert "answered" not in story


@pytest.mark.parametrize("answer", [("TaskSucceeded", {}), ("TaskFailed", {"error": "Work.Refused"})])
def test_an_answer_that_no_log_line_names_is_shown_as_such(answer: tuple[str, Fields]) -> None:
    assert "no log line names the execution" in lines_of(
        history(*ASK, answer, left("RequestPayment")), status="SUCCEEDED"
    )


def test_each_failed_attempt_is_shown() -> None:
    again: list[tuple[str, Fields]] = [
        ("TaskSubmitFailed", {"error": "SQS.KmsThrottledException"}),
        ("TaskScheduled", SENT),
    ]
    story = lines_of(
        history(*ASK[:3], *again, *again, ("TaskSucceeded", {}), left("RequestPayment")), status="SUCCEEDED"
    )
    assert "attempt 1 failed: SQS.KmsThrottledException" in story
    assert "attempt 2 failed: SQS.KmsThrottledException" in story
    assert "attempt 3" not in story


def test_the_iterations_of_a_map_keep_their_events_apart() -> None:
    work = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": {"FunctionName": "work"}}
    definition = {"States": {"Each": {"Type": "Map", "ItemProcessor": {"States": {"Work": work}}}}}
    steps = tell(
        history(
            entered("Each", "Map"),
            ("MapStateStarted", {}),
            ("MapIterationStarted", {"name": "Each", "index": 0}),
            ("MapIterationStarted", {"name": "Each", "index": 1, "previousEventId": 2}),
            entered("Work", previousEventId=3),
            entered("Work", previousEventId=4),
            ("TaskScheduled", {"previousEventId": 5}),
            ("TaskScheduled", {"previousEventId": 6}),
            ("TaskFailed", {"previousEventId": 7, "error": "Broken"}),
            ("TaskSucceeded", {"previousEventId": 8}),
            left("Work", previousEventId=10),
            ("MapIterationFailed", {"name": "Each", "index": 0, "previousEventId": 9}),
            left("Each", "Map"),
        ),
        definition,
    )
    assert [(step.name, step.errors, step.succeeded, step.end is None) for step in steps] == [
        ("Each", [], False, False),
        ("Work", ["Broken"], False, True),
        ("Work", [], True, False),
    ]


def test_an_answer_belongs_to_the_wait_before_it_even_if_logged_later() -> None:
    names = ("WaitForConfirmation", "SendReminder", "WaitForDecision", "CompleteOrder")
    steps = tell(
        history(*(each for name in names for each in (entered(name), left(name)))),
        read_definition("order_confirmation"),
    )
    add_lines(steps, [line("decision delivered", 7.5, outcome="DELIVERED"), line("order looked at", 3.5)])
    assert [[each["message"] for each in step.lines] for step in steps] == [
        [],
        ["order looked at"],
        ["decision delivered"],
        [],
    ]


def test_a_link_is_a_credential_and_not_shown() -> None:
    default = {"outcome": "WAITING", "link": f"https://example/{TOKEN}", "orderId": "order-1"}
    message = json.dumps({"default": json.dumps(default), "email": f"https://example/{TOKEN}"})
    sent = ("TaskScheduled", {"parameters": json.dumps({"Message": message, "MessageStructure": "json"})})
    story = lines_of(
        history(entered("SendLink"), sent, ("TaskSucceeded", {}), left("SendLink")), {"States": {"SendLink": NOTIFY}}
    )
    assert "published outcome: WAITING, orderId: order-1" in story
    assert "https" not in story


@pytest.mark.parametrize(
    ("output", "published"),
    [
        ({"outcome": "SUCCEEDED", "orderId": "order-1", "link": TOKEN}, "outcome: SUCCEEDED, orderId: order-1"),
        ({"Error": "Declined", "Cause": CARD}, "outcome: FAILED"),
    ],
)
def test_where_the_history_has_no_parameters_the_definition_says_what_was_published(
    output: Fields, published: str
) -> None:
    done = left("NotifyFailure", output=json.dumps(output))
    sent = ("TaskScheduled", {"resource": NOTIFY["Resource"]})
    story = lines_of(history(entered("NotifyFailure"), sent, ("TaskSucceeded", {}), done))
    assert f"published {published} " in story


def test_what_was_not_published_is_not_shown_as_published() -> None:
    failed = ("TaskFailed", {"error": "SNS.InternalErrorException"})
    assert "published" not in lines_of(
        history(entered("NotifyFailure"), ("TaskScheduled", PUBLISH), failed), status="FAILED"
    )


@pytest.mark.parametrize("nasty", ["\x1b[2Jgone", "two\nlines", "\r\t\x00\x9b", "\ud83d\u202e\u2028", "[/red][bold]"])
def test_what_comes_from_outside_is_shown_on_one_line_and_harmless(nasty: str) -> None:
    def of(text: str) -> str:
        events = history(*ASK, ("TaskFailed", {"error": text}), left("RequestPayment"), entered(text, "Fail"))
        return lines_of(events, lines=(line(text, 5.01),), status="FAILED", error=text)

    assert [each for each in of(nasty) if not (each.isprintable() or each == "\n")] == []
    assert len(of(nasty).split("\n")) == len(of("harmless").split("\n"))
    assert of(nasty).count(plain(nasty)) == of("harmless").count("harmless") == 4


@pytest.mark.parametrize("details", [{}, {"error": None, "cause": None}, {"error": ""}])
def test_a_failure_without_an_error_name_is_shown(details: Fields) -> None:
    story = lines_of(
        history(*ASK, ("TaskFailed", details), left("RequestPayment"), entered("PaymentFailed", "Fail")),
        status="FAILED",
        **details,
    )
    assert "FAILED without an error name, 8.00 s" in story
    assert "failed without an error name" in story
    assert "fails without an error name" in story
    assert "answered by whoever held the token" in story


def test_a_log_line_without_a_readable_time_is_the_last_states() -> None:
    steps = tell(history(*ASK, ("TaskSucceeded", {}), left("RequestPayment"), entered("NotifySuccess")), PAYMENT)
    add_lines(steps, [{"message": "no time"}, {"message": "no such time", "timestamp": 5}, line("early", 0)])
    assert [[each["message"] for each in step.lines] for step in steps] == [[], ["no time", "no such time"]]


# ------------------------------------------------------------------ where the story is found


def denied(operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, operation)


class Aws:
    """Clients of an account with one running execution and its log, as far as a story asks."""

    def __init__(self, *, open_stacks: bool = True) -> None:
        self.open_stacks = open_stacks

    def __call__(self, _service: str, **_options: object) -> "Aws":
        return self

    def describe_execution(self, executionArn: str) -> Fields:  # noqa: N803
        if executionArn != ARN:
            raise ClientError({"Error": {"Code": "ExecutionDoesNotExist", "Message": ""}}, "DescribeExecution")
        return {"executionArn": ARN, "stateMachineArn": MACHINE, "status": "RUNNING", "startDate": BEGIN}

    def describe_state_machine_for_execution(self, **_arguments: str) -> Fields:
        return {"definition": json.dumps(PAYMENT)}

    def get_paginator(self, operation: str) -> Any:
        if operation == "describe_stacks" and not self.open_stacks:
            raise denied(operation)
        self.operation = operation
        return self

    def paginate(self, **_arguments: object) -> list[Fields]:
        outputs = {"MachineArn": MACHINE, "FunctionLogGroupName": "log"}
        pairs = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
        others = line("of another", 4) | {"correlation_id": f"{ARN}-2"}
        messages = ["no JSON", json.dumps(others), json.dumps(line("request passed on", 4))]
        pages: dict[str, list[Fields]] = {
            "list_state_machines": [
                {"stateMachines": [{"stateMachineArn": f"{MACHINE}2"}]},
                {"stateMachines": [{"stateMachineArn": MACHINE}]},
            ],
            "get_execution_history": [{"events": history(*ASK)[:2]}, {"events": history(*ASK)[2:]}],
            "describe_stacks": [{"Stacks": [{"StackName": "other"}, {"StackName": "shop", "Outputs": pairs}]}],
            "filter_log_events": [{"events": [{"message": message} for message in messages]}],
        }
        return pages[self.operation]


@pytest.mark.parametrize("execution", [ARN, "run-1"])
def test_an_execution_is_found_by_its_arn_and_by_its_name(execution: str) -> None:
    story = find_story(Aws(), execution)
    assert story
    assert (story.execution["executionArn"], story.stack) == (ARN, "shop")
    assert [[each["message"] for each in step.lines] for step in story.steps] == [["request passed on"]]


def test_a_line_is_placed_by_the_clock_that_was_moved() -> None:
    # Given a function's line of 12:00:04, which the embedded AWS dates a day later, when its workflow ran
    text, day = json.dumps(line("request passed on", 4)), 86_400_000
    moved, same = ({"message": text, "timestamp": 1_000 + ahead, "ingestionTime": 1_000} for ahead in (day, -5))
    assert _logged_at(_line(moved)) - _logged_at(_line(same)) == timedelta(days=1)
    assert _line({"message": "no JSON", "timestamp": day, "ingestionTime": 0}) == {}


def test_who_may_not_see_the_stack_gets_the_story_without_the_log() -> None:
    story = find_story(Aws(open_stacks=False), ARN)
    assert story
    assert [(step.name, step.lines) for step in story.steps] == [("RequestPayment", [])]


@pytest.mark.parametrize("execution", ["run-2", f"{ARN}2"])
def test_an_execution_that_is_not_there_is_an_error(execution: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "attach", lambda _directory: None)
    monkeypatch.setattr(boto3, "Session", lambda **_: SimpleNamespace(client=Aws()))
    with pytest.raises(ToolError, match=f"no execution '{execution}' on your AWS"):
        cli.show(argparse.Namespace(execution=execution))


def test_where_no_aws_is_set_up_the_error_says_which_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "attach", lambda _directory: None)
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(ToolError, match="because the embedded AWS does not run: You must specify a region"):
        cli.show(argparse.Namespace(execution="run-1"))


@pytest.mark.parametrize(
    ("execution", "region"), [(ARN.replace("us-east-1", "eu-west-3"), "eu-west-3"), ("run-1", "eu-north-1")]
)
def test_the_region_is_the_arns_or_else_that_of_aws_region(
    execution: str, region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def session(region_name: str) -> SimpleNamespace:
        asked.append(region_name)
        return SimpleNamespace(client=Aws())

    monkeypatch.setattr(Engine, "attach", lambda _directory: None)
    monkeypatch.setattr(boto3, "Session", session)
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    with suppress(ToolError):
        cli.show(argparse.Namespace(execution=execution))
    assert asked == [region]
