"""Names of errors from outside: none that a retrier or an alarm goes by."""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbacks import task
from callbacks.error_names import is_aws_error_name, is_reserved_error_name, own_error_name
from callbacks.task import send_task_failure
from tests.unit.support import FakeStepFunctions

PROJECT = Path(__file__).parents[3]
STATE_MACHINES = sorted(PROJECT.glob("statemachine/*.asl.json")) + sorted(PROJECT.glob("examples/*.asl.json"))
TEMPLATES = [PROJECT / "template.yaml", *sorted(PROJECT.glob("templates/*.yaml"))]

OF_AWS = """
    States.Timeout States.TaskFailed States.ALL States.Anything States. SQS.AmazonSQSException SQS.SdkClientException
    Sqs.SqsException SNS.KMSThrottlingException Lambda.Unknown Lambda.TooManyRequestsException DynamoDB.AnyException
    DynamoDb.ConditionalCheckFailedException S3.NoSuchKey Sfn.SfnException StepFunctions.ExecutionLimitExceeded
    EventBridge.EventBridgeException Events.Failed ECS.AmazonECSException Ecs.Unknown Eks.400 Glue.AWSGlueException
    ApiGateway.403 Http.Socket EmrServerless.ValidationException Bedrock.ThrottlingException Athena.TooManyRequests
    Runtime.ExitError Runtime.HandlerError Sandbox.Timedout Extension.Crash
    Kms.KmsException SecretsManager.ResourceNotFoundException Textract.ThrottlingException
    CloudFormation.AlreadyExistsException CodePipeline.PipelineNotFoundException Ses.SesException
"""
OF_OURS = "Callback.Failed Callback.InvalidOutput Callback.Undeliverable Callback.TimedOut"
OF_OTHERS = """
    Payment.InvalidRequest Callbacks.Failed Callback Order.Cancelled OutOfStock Work.Refused RuntimeError
    System.TimeoutException Statesman.Retired Lambda SQSException x.States.Timeout com.example.PaymentException
    Account.Closed Batch.Incomplete Location.Unknown
"""


def spellings(name: str) -> Iterator[str]:
    yield from (name, name.upper(), name.lower(), name.replace(".", " .", 1))
    yield from (f" {name}", f"\n\t{name} ", f"\u200b{name}", f'"{name}', f"\x00{name}")


@pytest.mark.parametrize("name", OF_AWS.split())
def test_a_name_of_aws_is_one_whatever_its_capitals_and_blanks(name: str) -> None:
    assert [spelling for spelling in spellings(name) if not is_aws_error_name(spelling)] == []


@pytest.mark.parametrize("name", [*OF_AWS.split(), *OF_OURS.split(), "Callback.Anything"])
def test_a_name_of_ours_is_reserved_like_those_of_aws(name: str) -> None:
    assert [spelling for spelling in spellings(name) if not is_reserved_error_name(spelling)] == []


@pytest.mark.parametrize(
    "name", [*OF_OTHERS.split(), "Failed to process payment", "", " ", ".", "...", "é.x", "a" * 300]
)
def test_any_other_name_is_left_as_it_is(name: str) -> None:
    assert not is_reserved_error_name(name)
    assert own_error_name(name) == (name if name.strip() else "Callback.Failed")


def tasks(states: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for state in states.values():
        yield state
        inner = [*state.get("Branches", []), *filter(None, [state.get("ItemProcessor")])]
        for machine in inner:
            yield from tasks(machine["States"])


@pytest.mark.parametrize("path", STATE_MACHINES, ids=lambda path: path.name)
def test_no_answer_is_retried(path: Path) -> None:
    states = tasks(json.loads(path.read_text())["States"])
    waits = [state for state in states if state.get("Resource", "").endswith(".waitForTaskToken")]
    retried = {name for wait in waits for retrier in wait.get("Retry", []) for name in retrier["ErrorEquals"]}
    assert [name for name in retried if not is_aws_error_name(name)] == []
    assert not retried & {"States.ALL", "States.TaskFailed"}  # which stand for every name


def test_every_name_of_ours_that_a_function_answers_with_is_let_through() -> None:
    code = "".join(path.read_text() for path in (PROJECT / "functions").rglob("*.py"))
    ours = set(re.findall(r'"(Callback\.\w+)"', code))
    assert {name for name in ours if own_error_name(name) != name} == set()
    assert len(ours) >= 3


def alarms(pattern: str, error: str) -> bool:
    """Whether a metric filter counts this error of an execution."""
    terms = re.findall(r'\$\.details\.error\s*(!?=)\s*(?:"([^"]*)"|%(.*?)%)', pattern)
    assert terms
    found = {"=": False, "!=": False}
    for sign, text, expression in terms:
        found[sign] |= bool(re.search(expression, error)) if expression else fnmatchcase(error, text)
    return found["="] and not found["!="]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_answer_sets_off_an_alarm(path: Path) -> None:
    patterns = [
        pattern for pattern in re.findall(r"\{ \$\.type = .*?\}", path.read_text(), re.DOTALL) if "error" in pattern
    ]
    assert patterns
    for pattern in patterns:
        assert alarms(pattern, "States.Runtime")
        for name in [*OF_AWS.split(), *OF_OURS.split(), "Callback.Anything", "Callback.SdkClientException"]:
            assert [written for written in spellings(name) if alarms(pattern, own_error_name(written))] == []


@given(
    st.sampled_from(OF_AWS.split()),
    st.text(st.characters(categories=["Zs", "Cc", "Cf", "Ps"]), max_size=3),
    st.text(max_size=300),
)
def test_an_answer_never_carries_a_name_of_aws(name: str, before: str, after: str) -> None:
    step_functions = FakeStepFunctions()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task, "_stepfunctions", step_functions)
        send_task_failure("token", f"{before}{name}{after}", "cause")
    [(_, arguments)] = step_functions.calls
    assert not is_aws_error_name(arguments["error"])
    if is_reserved_error_name(f"{before}{name}{after}"):
        # More than one dot, so that it is none of the state machines' own either
        assert arguments["error"].startswith("Callback.")
        assert arguments["error"].count(".") > 1


@pytest.mark.parametrize(
    ("given_name", "sent"),
    [
        ("SQS.SdkClientException", "Callback.SQS.SdkClientException"),
        (" States.Timeout", "Callback.States.Timeout"),
        ("Callback.TimedOut", "Callback.Callback.TimedOut"),
        ("callback.undeliverable", "Callback.callback.undeliverable"),
        ("Callback.Undeliverable", "Callback.Undeliverable"),
        ("", "Callback.Failed"),
        ("   ", "Callback.Failed"),
        ("Failed to process payment", "Failed to process payment"),
    ],
)
def test_an_answer_under_a_name_of_aws_gets_one_of_ours(
    given_name: str, sent: str, step_functions: FakeStepFunctions
) -> None:
    send_task_failure("token", given_name, "cause")
    assert step_functions.calls[0][1]["error"] == sent
