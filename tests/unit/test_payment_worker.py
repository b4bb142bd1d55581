"""The payment worker: which answer a payment gets, and what bad input does to its neighbours (nothing)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import payment_worker
from callbacks.settings import ConfigurationError
from payment_worker import payment_problem
from tests.unit.support import CONTEXT, FakeStepFunctions, any_json, failed_records, sample_event, sqs_event

PAYMENT = {"orderId": "order-1", "amount": 10}
EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:WaitForCallback:example"


@pytest.fixture(autouse=True)
def half_succeed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYMENT_SUCCESS_RATE", "0.5")


def request(token: str, execution_id: object = None) -> str:
    return json.dumps({"taskToken": token, "payload": PAYMENT, "executionId": execution_id})


@pytest.mark.parametrize(
    ("rate", "answer", "arguments"),
    [
        ("1", "success", {"output": '"Payment processed successfully."'}),
        ("0", "failure", {"error": "Failed to process payment", "cause": "Invalid Credit Card"}),
    ],
)
def test_the_rate_is_the_share_of_successes(
    rate: str,
    answer: str,
    arguments: dict[str, str],
    step_functions: FakeStepFunctions,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given
    monkeypatch.setenv("PAYMENT_SUCCESS_RATE", rate)
    # When
    response = payment_worker.lambda_handler(sqs_event(request("token")), CONTEXT)
    # Then
    assert response == {"batchItemFailures": []}
    assert step_functions.calls == [(answer, {"taskToken": "token", **arguments})]


def test_a_payload_that_is_no_payment_fails_the_workflow_at_once(step_functions: FakeStepFunctions) -> None:
    payment_worker.lambda_handler(sample_event("payment_worker/invalid_payment"), CONTEXT)
    [(operation, arguments)] = step_functions.calls
    assert (operation, arguments["error"]) == ("failure", "Payment.InvalidRequest")
    assert arguments["cause"] == "orderId must be text of 1 to 256 characters; amount must be a number above 0."


@pytest.mark.parametrize(
    ("name", "answered", "returned"),
    [
        ("payment", [1], []),
        ("invalid_payment", [1], []),
        ("same_message_twice", [1], []),
        ("batch_with_bad_records", [1, 2, 3], [4, 5]),
    ],
)
def test_sample_events(name: str, answered: list[int], returned: list[int], step_functions: FakeStepFunctions) -> None:
    event = sample_event(f"payment_worker/{name}")
    response = payment_worker.lambda_handler(event, CONTEXT)
    tokens = sorted(arguments["taskToken"] for _, arguments in step_functions.calls)
    assert tokens == [f"EXAMPLE-TASK-TOKEN-{number}" for number in answered]
    assert sorted(failed_records(response)) == [event["Records"][number - 1]["messageId"] for number in returned]


def answer(step_functions: FakeStepFunctions, token: str, execution_id: object) -> str:
    payment_worker.lambda_handler(sqs_event(request(token, execution_id)), CONTEXT)
    return step_functions.answers(token)[-1]


def test_an_execution_gets_one_answer_under_every_token(step_functions: FakeStepFunctions) -> None:
    # When each of them is retried or redriven, which sends a second message with another token
    first = [answer(step_functions, f"first-{number}", f"{EXECUTION}-{number}") for number in range(20)]
    second = [answer(step_functions, f"second-{number}", f"{EXECUTION}-{number}") for number in range(20)]
    # Then
    assert first == second
    assert set(first) == {"success", "failure"}


@pytest.mark.parametrize(
    "execution_id",
    [EXECUTION, EXECUTION.replace("WaitForCallback", f"{'m' * 80}/{'l' * 40}"), "not an ARN", "x" * 5_000],
)
def test_twelve_tokens_of_one_execution_get_one_answer(execution_id: str, step_functions: FakeStepFunctions) -> None:
    assert len({answer(step_functions, f"token-{number}", execution_id) for number in range(12)}) == 1


def test_without_an_execution_the_answer_goes_by_the_token(step_functions: FakeStepFunctions) -> None:
    first = [answer(step_functions, f"token-{number}", None) for number in range(20)]
    again = [answer(step_functions, f"token-{number}", None) for number in range(20)]
    assert first == again
    assert set(first) == {"success", "failure"}


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (
            '{"taskToken": "token", "payload": {"x": ' + "[" * 100_000,
            "The message cannot be read: it is nested too deep.",
        ),
        (
            '{"taskToken": "token", "payload": {"orderId": "a", "orderId": "b", "amount": 1}}',
            "The message cannot be read: it has a key twice in one object.",
        ),
        ('{"taskToken": "token", "payload": {"orderId"', "The message cannot be read: it is not JSON."),
        (
            '{"taskToken": "token", "payload": {"orderId": "a", "amount": 1}, "executionId": 7}',
            "executionId must be text, the ARN of the execution.",
        ),
    ],
)
def test_a_message_that_cannot_be_read_as_a_whole_fails_its_workflow_at_once(
    body: str, cause: str, step_functions: FakeStepFunctions
) -> None:
    assert payment_worker.lambda_handler(sqs_event(body), CONTEXT) == {"batchItemFailures": []}
    failure = {"taskToken": "token", "error": "Payment.InvalidRequest", "cause": cause}
    assert step_functions.calls == [("failure", failure)]


@given(st.lists(st.one_of(st.text(), st.binary().map(repr), st.from_regex(r'\{"taskToken": .{0,40}\}')), max_size=10))
def test_no_body_ever_crashes_the_handler(bodies: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("callbacks.task._stepfunctions", FakeStepFunctions())
        response = payment_worker.lambda_handler(sqs_event(*bodies, request("good")), CONTEXT)
    assert f"message-{len(bodies) + 1}" not in failed_records(response)


@given(st.dictionaries(st.sampled_from(["orderId", "amount", "cvv"]), any_json) | any_json)
def test_any_payload_is_a_payment_or_is_refused_in_words(payload: object) -> None:
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


@pytest.mark.parametrize("rate", ["half", "nan", "-0.1", "1.1", "inf", ""])
def test_a_rate_that_is_missing_or_outside_its_range_is_refused_before_any_answer(
    rate: str, step_functions: FakeStepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAYMENT_SUCCESS_RATE", rate)
    says = "PAYMENT_SUCCESS_RATE is not a number from 0 to 1" if rate else "PAYMENT_SUCCESS_RATE is missing"
    with pytest.raises(ConfigurationError, match=f"environment variable {says}"):
        payment_worker.lambda_handler(sqs_event(request("token")), CONTEXT)
    assert step_functions.calls == []


def test_a_wrong_configuration_fails_the_invocation_after_the_others_are_answered(
    step_functions: FakeStepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PAYMENT_SUCCESS_RATE")
    no_payment = json.dumps({"taskToken": "invalid", "payload": {}})
    with pytest.raises(ConfigurationError):
        payment_worker.lambda_handler(sqs_event(request("token"), no_payment), CONTEXT)
    assert [arguments["taskToken"] for _, arguments in step_functions.calls] == ["invalid"]
