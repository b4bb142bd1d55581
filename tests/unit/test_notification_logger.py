"""The notification logger: one line a notification, with chosen fields only."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import notification_logger
from notification_logger import NotAnSnsEvent, read_notification
from tests.unit.support import CONTEXT, sample_event, sqs_event


def lines(printed: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.getvalue().splitlines()]


def sns_event(body: Any) -> dict[str, Any]:
    event = sample_event("notification_logger/succeeded")
    event["Records"][0]["Sns"]["Message"] = body
    return event


def test_a_success_is_one_line(printed: io.StringIO) -> None:
    # When
    notification_logger.lambda_handler(sample_event("notification_logger/succeeded"), CONTEXT)
    # Then
    [line] = lines(printed)
    assert line["level"] == "INFO"
    assert line["message"] == "notification received"
    assert line["messageId"] == "00000000-0000-4000-8000-000000000001"
    assert line["outcome"] == "SUCCEEDED"
    assert line["notification"] == "API Executed Successfully"
    assert line["correlation_id"] == "arn:aws:states:us-east-1:123456789012:execution:AsyncApi:example-1"
    assert "error" not in line


def test_a_failure_is_one_line_with_its_error_and_without_its_cause(printed: io.StringIO) -> None:
    notification_logger.lambda_handler(sample_event("notification_logger/failed"), CONTEXT)
    [line] = lines(printed)
    assert (line["outcome"], line["notification"]) == ("FAILED", "API Failed")
    assert line["error"] == "AsyncApi.RequestFailed"
    assert "asked to fail" not in json.dumps(line)


@pytest.mark.parametrize(("error", "logged"), [("", None), (None, None), ("Stopped by Jane", "Stopped by Jane")])
def test_of_a_stopped_execution_that_gives_no_error_nothing_is_withheld(
    error: str | None, logged: str | None, printed: io.StringIO
) -> None:
    stopped = {"outcome": "ABORTED", "message": "API Stopped", "Error": error, "Cause": error}
    notification_logger.lambda_handler(sns_event(json.dumps(stopped)), CONTEXT)
    [line] = lines(printed)
    assert (line["outcome"], line.get("error")) == ("ABORTED", logged)


def test_every_record_of_an_event_is_logged(printed: io.StringIO) -> None:
    event = sample_event("notification_logger/succeeded")
    event["Records"] += sample_event("notification_logger/failed")["Records"]
    notification_logger.lambda_handler(event, CONTEXT)
    assert [line["outcome"] for line in lines(printed)] == ["SUCCEEDED", "FAILED"]


@pytest.mark.parametrize(
    "event",
    [
        None,
        "text",
        [],
        {"outcome": "SUCCEEDED"},
        {"Records": []},
        {"Records": "text"},
        {"Records": [None]},
        {"Records": [{"Sns": {}}]},
        sqs_event("{}"),
    ],
)
def test_anything_else_than_an_sns_event_is_refused_with_what_to_send(event: Any) -> None:
    with pytest.raises(NotAnSnsEvent, match="the folder events/notification_logger/ holds samples"):
        notification_logger.lambda_handler(event, CONTEXT)


@pytest.mark.parametrize(
    "body",
    [
        None,
        {"outcome": "SUCCEEDED"},
        "not JSON",
        "[]",
        "null",
        "{}",
        '{"outcome": 1}',
        '{"outcome": ""}',
        '{"outcome": null}',
        "[" * 100_000,
        '{"outcome": "FAILED", "outcome": "SUCCEEDED"}',
    ],
)
def test_a_notification_without_an_outcome_is_logged_as_such_and_not_tried_again(
    body: Any, printed: io.StringIO
) -> None:
    notification_logger.lambda_handler(sns_event(body), CONTEXT)
    [line] = lines(printed)
    assert (line["level"], line["message"]) == ("WARNING", "notification says no outcome")


def test_nothing_else_of_a_notification_is_printed(printed: io.StringIO) -> None:
    # Given
    secrets = {"Cause": "SECRET", "taskToken": "SECRET", "payload": {"outcome": "SECRET"}, "executionId": ["SECRET"]}
    # When
    notification_logger.lambda_handler(sns_event(json.dumps({"outcome": "FAILED", **secrets})), CONTEXT)
    # Then
    assert "SECRET" not in printed.getvalue()


@pytest.mark.parametrize("text", ["x" * 257, "4111 1111 1111 1111", "AQCAAAAAKgAAAAMAAAAA1", "{}"])
def test_a_field_that_is_not_plain_words_is_withheld(text: str) -> None:
    notification = read_notification(json.dumps({"outcome": "FAILED", "Error": text}))
    assert notification["Error"] == "(withheld: not plain words)"


@pytest.mark.parametrize("error", ["", None])
def test_nothing_is_withheld_where_nobody_gave_an_error(error: str | None) -> None:
    assert read_notification(json.dumps({"outcome": "ABORTED", "Error": error, "Cause": error})) == {
        "outcome": "ABORTED"
    }


@given(st.text() | st.dictionaries(st.text(), st.text() | st.integers()).map(json.dumps))
def test_any_body_is_read_without_an_error(body: str) -> None:
    assert all(isinstance(value, str) for value in read_notification(body).values())
