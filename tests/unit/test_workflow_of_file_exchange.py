"""The state machine of the file exchange, played over every answer, and its template as data."""

import json
from itertools import product

import pytest

from tests.unit.state_machine import (
    EXECUTION_ID,
    MISSED_HEARTBEAT,
    TIMED_OUT,
    TOKEN,
    Failure,
    Fields,
    Json,
    play,
)
from tests.unit.workflows import (
    CAUSES,
    DECLINED,
    ERRORS,
    EXCHANGE,
    NO_CAUSE,
    TEMPLATES,
    TOO_LONG,
    resources,
    transformed,
)

ASKED: Fields = {"uuid": "3b412a43-2986-5a1d-9119-cf193fd96cd6", "info": None}


@pytest.mark.parametrize("content", [{"status": "done"}, [1], "text", None, [], {}, False], ids=repr)
def test_a_file_exchange_has_the_content_as_output_and_not_in_its_notification(content: Json) -> None:
    execution = play(EXCHANGE, {"info": "x"}, content, ASKED)
    assert execution.entered == ["ProcessRequest", "WaitForResponse", "NotifySuccess"]
    ids = {"uuid": ASKED["uuid"], "executionId": EXECUTION_ID}
    assert execution.notification == {"outcome": "SUCCEEDED", "message": "The partner has answered.", **ids}
    assert execution.output == content


def test_a_file_exchange_asks_by_what_the_processor_made_and_says_how_long_it_waits() -> None:
    made, waited = play(EXCHANGE, {"failTimes": 1}, "done", ASKED).sent
    assert made["Payload"] == {"input": {"failTimes": 1}, "executionId": EXECUTION_ID, "retryCount": 0}
    wait = EXCHANGE["States"]["WaitForResponse"]
    patience = {"timeoutSeconds": wait["TimeoutSeconds"], "heartbeatSeconds": wait["HeartbeatSeconds"]}
    payload = {**ASKED, **patience}
    assert waited["MessageBody"] == {"taskToken": TOKEN, "payload": payload, "executionId": EXECUTION_ID}


def test_a_request_is_processed_three_times_at_most_and_one_that_is_invalid_once() -> None:
    invalid, others = EXCHANGE["States"]["ProcessRequest"]["Retry"]
    assert (invalid["ErrorEquals"], invalid["MaxAttempts"]) == (["InvalidRequest"], 0)
    assert others["ErrorEquals"] == ["States.TaskFailed", "States.Timeout"]
    assert (others["MaxAttempts"], others["BackoffRate"], others["JitterStrategy"]) == (2, 2, "FULL")


DATA_TOO_LONG = {"Error": "Callback.DataLimitExceeded", "Cause": TOO_LONG}


@pytest.mark.parametrize(
    ("request_made", "path", "uuid", "end"),
    [
        (ASKED, ["ProcessRequest", "WaitForResponse"], ASKED["uuid"], DECLINED),
        (Failure(DECLINED), ["ProcessRequest"], None, DECLINED),
        (Failure({**DECLINED, "Error": "States.DataLimitExceeded"}), ["ProcessRequest"], None, DATA_TOO_LONG),
    ],
    ids=["by the partner", "by the processor", "by its size"],
)
def test_a_file_exchange_that_fails_is_notified(
    request_made: Json, path: list[str], uuid: str | None, end: Fields
) -> None:
    execution = play(EXCHANGE, {}, Failure(DECLINED), request_made)
    assert execution.entered == [*path, "NotifyFailure", "ExchangeFailed"]
    assert execution.failure == end
    assert execution.notification == {"outcome": "FAILED", **end, "uuid": uuid, "executionId": EXECUTION_ID}


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        (TIMED_OUT, "No answer came within 604,800 seconds."),
        (MISSED_HEARTBEAT, "Neither an answer nor a heartbeat came within 259,200 seconds."),
    ],
    ids=["no answer", "no heartbeat"],
)
def test_a_partner_that_does_not_answer_is_said_to_miss_the_answer_or_a_heartbeat(failure: Failure, cause: str) -> None:
    wait = EXCHANGE["States"]["WaitForResponse"]
    assert any(f"{wait[name]:,} seconds" in cause for name in ("TimeoutSeconds", "HeartbeatSeconds"))
    execution = play(EXCHANGE, {}, failure, ASKED)
    assert execution.failure == {"Error": "Callback.TimedOut", "Cause": cause}
    assert execution.notification.items() >= execution.failure.items()


def test_the_notification_of_an_answer_that_became_a_pointer_is_whole() -> None:
    pointer = {"bucket": "b" * 63, "key": f"processed/{ASKED['uuid']}/{'v' * 32}/failure.json", "versionId": "v" * 32}
    cause = json.dumps({**pointer, "bytes": 5 * 1024**3})
    execution = play(EXCHANGE, {}, Failure({"Error": "Callback.Failed", "Cause": cause}), ASKED)
    assert execution.notification["Cause"] == cause
    assert play(EXCHANGE, {}, pointer, ASKED).output == pointer


def test_files_are_kept_for_longer_than_any_wait_and_removed_tokens_for_a_day() -> None:
    template = TEMPLATES["templates/file-exchange.yaml"]
    days = template["Parameters"]["FileRetentionDays"]["MinValue"]
    assert days * 86400 > 2 * EXCHANGE["States"]["WaitForResponse"]["TimeoutSeconds"]
    files, tokens = template["Resources"]["ExchangeBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    assert files["ExpirationInDays"] == {"Ref": "FileRetentionDays"}
    assert "Prefix" not in files
    assert (tokens["Prefix"], tokens["NoncurrentVersionExpiration"]) == ("tokens/", {"NoncurrentDays": 1})


def test_every_end_of_an_execution_is_reported_to_the_inbox_without_its_data() -> None:
    rule = resources("templates/file-exchange.yaml", "AWS::Events::Rule")["ExecutionEndedRule"]
    assert rule["EventPattern"] == {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {
            "status": ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"],
            "stateMachineArn": [{"Ref": "FileExchangeStateMachine"}],
        },
    }
    [target] = rule["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": ["InboundQueue", "Arn"]}
    event = {"detail": {"executionArn": EXECUTION_ID, "status": "FAILED", "input": "{}"}}
    assert json.loads(transformed(event, target["InputTransformer"])) == {"endedExecutionId": EXECUTION_ID}


@pytest.mark.parametrize(("error", "cause"), list(product(ERRORS, CAUSES)), ids=repr)
def test_an_error_or_cause_of_a_file_exchange_that_says_nothing_is_put_in_words(error: str, cause: Fields) -> None:
    failure = Failure({"Error": error, **cause})
    for execution in (play(EXCHANGE, {}, failure, ASKED), play(EXCHANGE, {}, "unasked", failure)):
        assert execution.failure == {"Error": ERRORS[error], "Cause": NO_CAUSE}
        assert execution.notification.items() >= execution.failure.items()
