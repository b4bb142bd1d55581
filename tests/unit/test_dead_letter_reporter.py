"""The dead-letter reporter: a readable message fails its workflow, any other is left for the quarantine."""

import json

import pytest

import dead_letter_reporter
from tests.unit.support import CONTEXT, FakeStepFunctions, failed_records, sample_event, sqs_event


@pytest.mark.parametrize(
    "message",
    [
        {"taskToken": "token", "payload": {"cvv": "123"}},
        {"token": "token", "input": {"token": "of the input"}},  # of the manual callback
    ],
)
def test_the_waiting_workflow_fails_and_learns_receive_count_and_message_id(
    message: dict[str, object], step_functions: FakeStepFunctions
) -> None:
    # Given
    event = sqs_event(json.dumps(message))
    event["Records"][0]["attributes"]["ApproximateReceiveCount"] = "4"
    # When
    response = dead_letter_reporter.lambda_handler(event, CONTEXT)
    # Then
    assert response == {"batchItemFailures": []}
    cause = "Message message-1 could not be processed; it was received 4 times."
    failure = {"taskToken": "token", "error": "Callback.Undeliverable", "cause": cause}
    assert step_functions.calls == [("failure", failure)]


@pytest.mark.parametrize(
    "body", ['{"taskToken": "token", "payload": ' + "[" * 100_000, '{"input": {"a": 1, "a": 2}, "token": "token"}']
)
def test_a_message_whose_token_alone_can_be_read_fails_its_workflow_too(
    body: str, step_functions: FakeStepFunctions
) -> None:
    assert dead_letter_reporter.lambda_handler(sqs_event(body), CONTEXT) == {"batchItemFailures": []}
    [(operation, arguments)] = step_functions.calls
    assert (operation, arguments["taskToken"], arguments["error"]) == ("failure", "token", "Callback.Undeliverable")
    assert "it was received 1 times. The message cannot be read: it " in arguments["cause"]


@pytest.mark.parametrize(("name", "reported", "left"), [("dead_letter", 1, 0), ("no_token", 0, 1)])
def test_sample_events(name: str, reported: int, left: int, step_functions: FakeStepFunctions) -> None:
    response = dead_letter_reporter.lambda_handler(sample_event(f"dead_letter_reporter/{name}"), CONTEXT)
    assert (len(step_functions.calls), len(failed_records(response))) == (reported, left)
