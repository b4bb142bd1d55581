"""The dead-letter reporter: a readable message fails its workflow, any other is left for the quarantine."""

import json

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

import dead_letter_reporter
from tests.unit.support import FakeStepFunctions, client_error, failed_records, sample_event, sqs_event


def test_the_waiting_workflow_fails_and_is_told_receive_count_and_message_id(
    step_functions: FakeStepFunctions, lambda_context: LambdaContext
) -> None:
    # Given
    event = sqs_event(json.dumps({"taskToken": "token", "payload": {"cvv": "123"}}))
    event["Records"][0]["attributes"]["ApproximateReceiveCount"] = "4"
    # When
    response = dead_letter_reporter.lambda_handler(event, lambda_context)
    # Then
    assert response == {"batchItemFailures": []}
    cause = "Message message-1 could not be processed; it was received 4 times."
    failure = {"taskToken": "token", "error": "Callback.Undeliverable", "cause": cause}
    assert step_functions.calls == [("failure", failure)]


def test_a_message_without_a_usable_token_is_left_for_the_quarantine(
    step_functions: FakeStepFunctions, lambda_context: LambdaContext
) -> None:
    response = dead_letter_reporter.lambda_handler(sample_event("dead_letter_reporter/no_token"), lambda_context)
    assert len(failed_records(response)) == 1
    assert step_functions.calls == []


@pytest.mark.parametrize("code", ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"])
def test_a_workflow_that_waits_no_longer_is_left_alone(
    code: str, step_functions: FakeStepFunctions, lambda_context: LambdaContext
) -> None:
    step_functions.errors.append(client_error(code))
    response = dead_letter_reporter.lambda_handler(sample_event("dead_letter_reporter/dead_letter"), lambda_context)
    assert response == {"batchItemFailures": []}


def test_a_report_that_did_not_arrive_is_tried_again(
    step_functions: FakeStepFunctions, lambda_context: LambdaContext
) -> None:
    step_functions.errors.append(client_error("ThrottlingException"))
    response = dead_letter_reporter.lambda_handler(sample_event("dead_letter_reporter/dead_letter"), lambda_context)
    assert len(failed_records(response)) == 1


def test_a_message_of_the_manual_callback_is_reported_too(
    step_functions: FakeStepFunctions, lambda_context: LambdaContext
) -> None:
    event = sqs_event(json.dumps({"input": {"token": "of the input"}, "token": "token"}))
    assert dead_letter_reporter.lambda_handler(event, lambda_context) == {"batchItemFailures": []}
    assert step_functions.answers("token") == ["failure"]
