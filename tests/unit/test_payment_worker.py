"""The payment worker: which answer a payment gets, and what bad input does to its neighbours (nothing)."""

import json

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext
from hypothesis import given
from hypothesis import strategies as st

import payment_worker
from callbacks.batch import NotAnSqsEvent
from callbacks.settings import ConfigurationError
from payment_worker import payment_problem, payment_succeeds
from tests.unit.support import EVENTS, FakeStepFunctions, failed_records, make_lambda_context, sample_event, sqs_event

PAYMENT = {"orderId": "order-1", "amount": 10}


@pytest.fixture(autouse=True)
def half_succeed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYMENT_SUCCESS_RATE", "0.5")


def request(token: str, payload: object = PAYMENT) -> str:
    return json.dumps({"taskToken": token, "payload": payload, "executionId": "not an ARN"})


def test_a_rate_of_one_answers_success(
    step_functions: FakeStepFunctions, lambda_context: LambdaContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    monkeypatch.setenv("PAYMENT_SUCCESS_RATE", "1")
    # When
    response = payment_worker.lambda_handler(sqs_event(request("token")), lambda_context)
    # Then
    assert response == {"batchItemFailures": []}
    assert step_functions.calls == [("success", {"taskToken": "token", "output": '"Payment processed successfully."'})]


def test_a_rate_of_zero_answers_failure(
    step_functions: FakeStepFunctions, lambda_context: LambdaContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAYMENT_SUCCESS_RATE", "0")
    payment_worker.lambda_handler(sqs_event(request("token")), lambda_context)
    failure = {"taskToken": "token", "error": "Failed to process payment", "cause": "Invalid Credit Card"}
    assert step_functions.calls == [("failure", failure)]


def test_a_payload_that_is_no_payment_fails_the_workflow_at_once(
    step_functions: FakeStepFunctions, lambda_context: LambdaContext
) -> None:
    response = payment_worker.lambda_handler(sample_event("payment_worker/invalid_payment"), lambda_context)
    assert response == {"batchItemFailures": []}
    [(operation, arguments)] = step_functions.calls
    assert operation == "failure"
    assert arguments["error"] == "Payment.InvalidRequest"
    assert arguments["cause"] == "orderId must be text of 1 to 256 characters; amount must be a number above 0."


def test_only_the_bad_records_of_a_batch_come_back(
    step_functions: FakeStepFunctions, lambda_context: LambdaContext
) -> None:
    event = sample_event("payment_worker/batch_with_bad_records")
    response = payment_worker.lambda_handler(event, lambda_context)
    bad = [record["messageId"] for record in event["Records"][3:]]
    assert sorted(failed_records(response)) == bad
    assert sorted(arguments["taskToken"] for _, arguments in step_functions.calls) == [
        f"EXAMPLE-TASK-TOKEN-{number}" for number in (1, 2, 3)
    ]


def test_a_batch_of_which_every_record_is_bad_comes_back_whole_without_an_error(
    step_functions: FakeStepFunctions, lambda_context: LambdaContext
) -> None:
    bodies = ["not JSON", "[]", "null", "{}", '{"taskToken": 1}', '{"taskToken": ""}', '{"taskToken": NaN}', ""]
    response = payment_worker.lambda_handler(sqs_event(*bodies), lambda_context)
    assert len(failed_records(response)) == len(bodies)
    assert step_functions.calls == []


def test_the_same_message_twice_in_a_batch_is_answered_once(
    step_functions: FakeStepFunctions, lambda_context: LambdaContext
) -> None:
    response = payment_worker.lambda_handler(sample_event("payment_worker/same_message_twice"), lambda_context)
    assert response == {"batchItemFailures": []}
    assert len(step_functions.calls) == 1


def test_the_same_message_later_gets_the_same_answer(
    step_functions: FakeStepFunctions, lambda_context: LambdaContext
) -> None:
    for number in range(20):
        event = sqs_event(request(f"token-{number}"))
        for _ in range(2):
            assert payment_worker.lambda_handler(event, lambda_context) == {"batchItemFailures": []}
        first, second = step_functions.answers(f"token-{number}")
        assert first == second


@given(st.lists(st.one_of(st.text(), st.binary().map(repr), st.from_regex(r'\{"taskToken": .{0,40}\}')), max_size=10))
def test_no_body_ever_crashes_the_handler(bodies: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("callbacks.task._stepfunctions", FakeStepFunctions())
        response = payment_worker.lambda_handler(sqs_event(*bodies, request("good")), make_lambda_context())
    assert f"message-{len(bodies) + 1}" not in failed_records(response)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(st.dictionaries(st.sampled_from(["orderId", "amount", "cvv"]), json_values) | json_values)
def test_any_payload_is_a_payment_or_is_told_why_not(payload: object) -> None:
    problem = payment_problem(payload)
    assert problem is None or problem.endswith(".")
    if problem is None:
        assert isinstance(payload, dict)
        assert 1 <= len(payload["orderId"]) <= 256
        assert payload["amount"] > 0


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({}, None),
        ({"orderId": "x" * 256, "amount": 0.01}, None),
        ({"orderId": "x" * 257}, "orderId must be text of 1 to 256 characters."),
        ({"orderId": 7}, "orderId must be text of 1 to 256 characters."),
        ({"amount": 0}, "amount must be a number above 0."),
        ({"amount": True}, "amount must be a number above 0."),
        ({"amount": "10"}, "amount must be a number above 0."),
        ({"amount": float("inf")}, "amount must be a number above 0."),
        ({"amount": None}, "amount must be a number above 0."),
    ],
)
def test_what_a_payment_is(change: dict[str, object], problem: str | None) -> None:
    assert payment_problem({**PAYMENT, **change}) == problem


@given(st.text(min_size=1), st.floats(min_value=0, max_value=1))
def test_the_coin_falls_the_same_way_each_time_and_the_rate_has_the_last_word(token: str, rate: float) -> None:
    assert payment_succeeds(token, rate) == payment_succeeds(token, rate)
    assert payment_succeeds(token, 1)
    assert not payment_succeeds(token, 0)


def test_the_share_of_successes_follows_the_rate() -> None:
    for rate in (0.1, 0.5, 0.9):
        share = sum(payment_succeeds(f"token-{number}", rate) for number in range(10_000)) / 10_000
        assert share == pytest.approx(rate, abs=0.02)  # 4 standard deviations of 10,000 tosses


@pytest.mark.parametrize("rate", ["half", "nan", "-0.1", "1.1", "inf"])
def test_a_rate_outside_its_range_is_refused(rate: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYMENT_SUCCESS_RATE", rate)
    with pytest.raises(ConfigurationError, match="PAYMENT_SUCCESS_RATE is not a number from 0 to 1"):
        payment_worker.payment_success_rate()


def test_a_missing_environment_variable_is_named(
    step_functions: FakeStepFunctions, lambda_context: LambdaContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PAYMENT_SUCCESS_RATE")
    with pytest.raises(ConfigurationError, match="environment variable PAYMENT_SUCCESS_RATE is missing"):
        payment_worker.lambda_handler(sqs_event(request("token")), lambda_context)
    assert step_functions.calls == []


def test_an_event_that_is_not_from_a_queue_is_refused(lambda_context: LambdaContext) -> None:
    with pytest.raises(NotAnSqsEvent):
        payment_worker.lambda_handler({"orderId": "order-1"}, lambda_context)


def test_every_sample_event_is_one_that_the_worker_takes(
    step_functions: FakeStepFunctions, lambda_context: LambdaContext
) -> None:
    samples = sorted((EVENTS / "payment_worker").glob("*.json"))
    assert samples
    for sample in samples:
        response = payment_worker.lambda_handler(sample_event(f"payment_worker/{sample.stem}"), lambda_context)
        assert set(response) == {"batchItemFailures"}
