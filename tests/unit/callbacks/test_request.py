"""Reading the message of a waiting workflow."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbacks.request import UnreadableMessage, parse_callback_request

ARN = "arn:aws:states:us-east-1:123456789012:execution:machine:name"


def test_a_request_holds_token_payload_and_execution() -> None:
    request = parse_callback_request(json.dumps({"taskToken": "token", "payload": {"a": 1}, "executionId": ARN}))
    assert (request.task_token, request.payload, request.execution_id) == ("token", {"a": 1}, ARN)


def test_neither_token_nor_payload_is_in_its_printed_form() -> None:
    request = parse_callback_request(json.dumps({"taskToken": "secret-token", "payload": {"cvv": "secret-cvv"}}))
    assert "secret" not in f"{request} {request!r}"


@pytest.mark.parametrize("number", ["9" * 5_000, "Infinity", "1e400"])
def test_a_number_beyond_json_keeps_no_workflow_waiting(number: str) -> None:
    request = parse_callback_request('{"taskToken": "token", "payload": {"amount": ' + number + "}}")
    assert (request.task_token, request.payload) == ("token", {"amount": float("inf")})


@pytest.mark.parametrize("execution_id", [None, 7, "", "4111111111111111", f"{ARN}:more", f"{ARN} x", f"x{ARN}"])
def test_an_execution_id_that_is_no_arn_is_dropped(execution_id: object) -> None:
    body = json.dumps({"taskToken": "token", "executionId": execution_id})
    assert parse_callback_request(body).execution_id is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("1" * 5_000, "not a JSON object"),
        ("[]", "not a JSON object"),
        ('"text"', "not a JSON object"),
        ("{}", "no usable taskToken"),
        ('{"taskToken": null}', "no usable taskToken"),
        ('{"taskToken": ["t"]}', "no usable taskToken"),
        ('{"taskToken": NaN}', "no usable taskToken"),
        ('{"taskToken": ""}', "no usable taskToken"),
        (json.dumps({"taskToken": "t" * 2049}), "no usable taskToken"),
    ],
)
def test_a_message_that_names_no_workflow_is_unreadable(body: str, reason: str) -> None:
    with pytest.raises(UnreadableMessage, match=reason) as raised:
        parse_callback_request(body)
    assert raised.value.__cause__ is None


@given(st.text())
def test_any_body_is_read_or_refused(body: str) -> None:
    try:
        parse_callback_request(body)
    except UnreadableMessage as error:
        assert len(body) < 12 or body not in str(error)
