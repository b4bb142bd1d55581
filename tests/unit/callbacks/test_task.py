"""The callback contract: every call ends in exactly one typed outcome or one passing error, and prints no token."""

import json
from collections.abc import Callable

import pytest
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ParamValidationError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from callbacks import calls, task
from callbacks.task import (
    CallbackNotDelivered,
    Outcome,
    UnusableOutput,
    encode_output,
    send_task_failure,
    send_task_heartbeat,
    send_task_success,
)
from tests.unit.support import FakeStepFunctions, client_error

TOKEN = "THE-TASK-TOKEN"
SENDERS: list[Callable[[], Outcome]] = [
    lambda: send_task_success(TOKEN, "output"),
    lambda: send_task_failure(TOKEN, "error", "cause"),
    lambda: send_task_heartbeat(TOKEN),
]
each_sender = pytest.mark.parametrize("send", SENDERS, ids=["success", "failure", "heartbeat"])


@each_sender
@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("TaskTimedOut", Outcome.ALREADY_SETTLED),
        ("TaskDoesNotExist", Outcome.ALREADY_SETTLED),
        ("InvalidToken", Outcome.REFUSED),
    ],
)
def test_a_final_error_of_aws_is_an_outcome_and_is_never_retried(
    send: Callable[[], Outcome], code: str, outcome: Outcome, step_functions: FakeStepFunctions
) -> None:
    step_functions.errors.append(client_error(code))
    assert send() is outcome
    assert len(step_functions.calls) == 1


@each_sender
@pytest.mark.parametrize(
    "code",
    [
        "ThrottlingException",
        "InternalServerError",
        "ServiceUnavailable",
        "AccessDeniedException",
        "KmsThrottlingException",
    ],
)
def test_any_other_error_of_aws_is_passing(
    send: Callable[[], Outcome], code: str, step_functions: FakeStepFunctions
) -> None:
    step_functions.errors.append(client_error(code))
    with pytest.raises(CallbackNotDelivered) as raised:
        send()
    assert raised.value.code == code
    assert raised.value.__cause__ is None


@each_sender
@pytest.mark.parametrize(
    "error",
    [
        ConnectTimeoutError(endpoint_url=TOKEN),
        ReadTimeoutError(endpoint_url=TOKEN),
        EndpointConnectionError(endpoint_url=TOKEN),
        ParamValidationError(report=TOKEN),
    ],
)
def test_an_error_before_aws_is_passing(
    send: Callable[[], Outcome], error: Exception, step_functions: FakeStepFunctions
) -> None:
    step_functions.errors.append(error)
    with pytest.raises(CallbackNotDelivered) as raised:
        send()
    assert TOKEN not in str(raised.value)


any_python_value = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.complex_numbers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text() | st.integers() | st.tuples(st.text()), inner, max_size=3)
        | st.frozensets(st.integers(), max_size=3)
    ),
    max_leaves=10,
)
any_code = (
    st.sampled_from(["TaskTimedOut", "TaskDoesNotExist", "InvalidToken", "InvalidOutput", "Throttling"]) | st.text()
)


@given(any_python_value, st.lists(any_code, max_size=2))
def test_any_output_and_any_error_code_end_in_one_outcome_or_one_passing_error(
    output: object, codes: list[str]
) -> None:
    fake = FakeStepFunctions(errors=[*map(client_error, codes)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task, "_stepfunctions", fake)
        try:
            assert isinstance(send_task_success(TOKEN, output), Outcome)
        except CallbackNotDelivered as error:
            assert TOKEN not in str(error)
    for operation, arguments in fake.calls:
        if operation == "success":
            json.loads(arguments["output"])


@given(st.text(st.characters()), st.text(st.characters()), st.lists(any_code, max_size=1))
def test_any_error_and_cause_fit_the_limits(error: str, cause: str, codes: list[str]) -> None:
    fake = FakeStepFunctions(errors=[*map(client_error, codes)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task, "_stepfunctions", fake)
        try:
            assert isinstance(send_task_failure(TOKEN, error * 50, cause * 5_000), Outcome)
        except CallbackNotDelivered as passing:
            assert passing.code == codes[0]
    [(_, arguments)] = fake.calls
    assert len(arguments["error"].encode("utf-16-le")) <= 2 * 256
    assert len(arguments["cause"].encode("utf-16-le")) <= 2 * 32_768


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("x" * 256, "x" * 256),
        ("x" * 257, "x" * 256),
        ("x" * 255 + "😀", "x" * 255),
        ("x" * 254 + "😀", "x" * 254 + "😀"),
        ("half \ud83d emoji", "half � emoji"),
    ],
)
def test_an_error_is_cut_at_a_character(text: str, sent: str, step_functions: FakeStepFunctions) -> None:
    send_task_failure(TOKEN, text, "")
    assert step_functions.calls[0][1]["error"] == sent


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        ("x" * 262_143, "The output is 262,145 bytes of JSON; the limit is 262,144."),
        ("é" * 131_072, "The output is 262,146 bytes of JSON; the limit is 262,144."),
        (float("nan"), "The output has NaN, Infinity or a number that is too large in it, which is not JSON."),
        ({"a": {1, 2}}, "The output is not JSON."),
        ("\ud800", "The output has half an emoji in it (a surrogate without the other)."),
    ],
)
def test_an_output_that_cannot_be_sent_fails_the_task_and_says_why(
    output: object, cause: str, step_functions: FakeStepFunctions
) -> None:
    assert send_task_success(TOKEN, output) is Outcome.DELIVERED
    failure = {"taskToken": TOKEN, "error": "Callback.InvalidOutput", "cause": cause}
    assert step_functions.calls == [("failure", failure)]


def test_an_output_of_the_largest_size_is_sent(step_functions: FakeStepFunctions) -> None:
    send_task_success(TOKEN, "x" * 262_142)  # and two quotation marks
    assert step_functions.answers(TOKEN) == ["success"]


def test_an_output_that_aws_refuses_fails_the_task(step_functions: FakeStepFunctions) -> None:
    step_functions.errors.append(client_error("InvalidOutput"))
    assert send_task_success(TOKEN, "output") is Outcome.DELIVERED
    assert step_functions.answers(TOKEN) == ["success", "failure"]
    assert step_functions.calls[1][1]["error"] == "Callback.InvalidOutput"


def test_output_that_is_no_json_is_named_before_it_is_sent() -> None:
    recursive: list[object] = []
    recursive.append(recursive)
    with pytest.raises(UnusableOutput, match="not JSON"):
        encode_output(recursive)


@pytest.mark.parametrize("cause", [None, ""])
def test_a_cause_that_is_missing_or_empty_says_so(cause: str | None, step_functions: FakeStepFunctions) -> None:
    send_task_failure(TOKEN, "error", cause)
    assert step_functions.calls[0][1]["cause"] == "No cause was given."


@each_sender
@mock_aws
def test_the_client_of_boto3_takes_what_it_is_given(send: Callable[[], Outcome]) -> None:
    assert send() is Outcome.DELIVERED


def test_a_call_with_all_its_retries_fits_into_the_time_that_is_reserved_for_it() -> None:
    attempts = calls._ATTEMPTS
    slowest = attempts * (calls._CONNECT_SECONDS + calls._READ_SECONDS)
    waits = sum(2**retry for retry in range(attempts - 1))  # botocore waits up to 2^n seconds
    assert slowest + waits <= calls.MAX_CALL_SECONDS
