"""The processor: one request an execution, attempts that fail on demand, and input that says what is wrong with it."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

import file_exchange_processor
from exchange.uuids import uuid_of
from file_exchange_processor import DEFAULT_INFO, InvalidRequest, ProcessingFailed
from tests.unit.support import CONTEXT, any_json, sample_event

EXECUTION_ID = "arn:aws:states:us-east-1:123456789012:execution:FileExchange:example-1"


def make(given_input: object, retry_count: object = 0, execution_id: object = EXECUTION_ID) -> dict[str, Any]:
    event = {"input": given_input, "executionId": execution_id, "retryCount": retry_count}
    made: dict[str, Any] = file_exchange_processor.lambda_handler(event, CONTEXT)
    return made


def test_a_request_has_a_uuid_and_the_info_of_the_input() -> None:
    made = make({"info": {"orderId": "order-1"}})
    assert made == {"uuid": str(UUID(made["uuid"])), "info": {"orderId": "order-1"}}
    assert make({})["info"] == DEFAULT_INFO


def test_a_repeated_attempt_makes_the_same_request_and_another_execution_another() -> None:
    first, again = make({}), make({}, retry_count=2)
    assert first == again
    assert make({}, execution_id=f"{EXECUTION_ID}2")["uuid"] != first["uuid"]


@pytest.mark.parametrize("machine", ["FileExchange/label", "m" * 80 + "/" + "l" * 40], ids=["short", "long"])
def test_a_child_of_a_distributed_map_makes_a_request(machine: str) -> None:
    execution_id = EXECUTION_ID.replace("FileExchange", machine)
    assert make({}, execution_id=execution_id)["uuid"] == uuid_of(execution_id)


@pytest.mark.parametrize("fail_times", [0, 1, 2, 3])
def test_as_many_attempts_fail_as_the_input_demands(fail_times: int) -> None:
    failed = []
    for retry_count in range(3):
        try:
            make({"failTimes": fail_times}, retry_count)
        except ProcessingFailed as error:
            failed.append(str(error))
    assert failed == [
        f"Attempt {number} fails because the input's failTimes is {fail_times}." for number in range(1, fail_times + 1)
    ]


@pytest.mark.parametrize(
    ("name", "error"),
    [("request", None), ("third_attempt", None), ("failing_attempt", ProcessingFailed), ("malformed", InvalidRequest)],
)
def test_sample_events(name: str, error: type[Exception] | None) -> None:
    event = sample_event(f"file_exchange_processor/{name}")
    if error:
        with pytest.raises(error):
            file_exchange_processor.lambda_handler(event, CONTEXT)
    else:
        assert file_exchange_processor.lambda_handler(event, CONTEXT)["info"] == {"orderId": "order-1"}


@pytest.mark.parametrize("given_input", [None, [], "text", 3], ids=repr)
def test_an_input_that_is_no_object_is_refused(given_input: object) -> None:
    with pytest.raises(InvalidRequest, match="The input must be a JSON object"):
        make(given_input)


@pytest.mark.parametrize("fail_times", [-1, 100, 1.5, "1", True, None, [1]], ids=repr)
def test_a_number_of_failures_that_is_none_is_refused(fail_times: object) -> None:
    with pytest.raises(InvalidRequest, match=r"failTimes must be a whole number from 0 to 99\."):
        make({"failTimes": fail_times})


@pytest.mark.parametrize(("retry_count", "execution_id"), [(None, EXECUTION_ID), ("0", EXECUTION_ID), (0, "no ARN")])
def test_an_event_that_no_workflow_sends_is_refused(retry_count: object, execution_id: str) -> None:
    with pytest.raises(InvalidRequest, match="executionId, an ARN, and retryCount"):
        make({}, retry_count, execution_id)


@given(event=any_json | st.fixed_dictionaries({}, optional={"input": any_json, "retryCount": any_json}))
def test_any_event_makes_a_request_or_is_refused(event: Any) -> None:
    with pytest.raises((InvalidRequest, ProcessingFailed)):  # none has the ARN of an execution
        file_exchange_processor.lambda_handler(event, CONTEXT)
