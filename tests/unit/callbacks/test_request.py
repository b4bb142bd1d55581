"""Reading the message of a waiting workflow."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbacks.request import UnreadableMessage, parse_callback_request
from tests.unit.support import any_json

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


CHILD = "arn:aws:states:us-east-1:123456789012:execution:machine/label:name"


@pytest.mark.parametrize(
    "arn",
    [
        ARN,
        CHILD,
        ARN.replace("name", "x" * 80),
        CHILD.replace("machine", "m" * 80).replace("label", "l" * 40),
        ARN.replace("arn:aws:", "arn:aws-cn:").replace("us-east-1", "cn-northwest-1"),
        CHILD.replace("arn:aws:", "arn:aws-us-gov:").replace("us-east-1", "us-gov-west-1"),
        ARN.replace("arn:aws:", "arn:aws-eusc:").replace("us-east-1", "eusc-de-east-1"),
        ARN.replace("name", "6e0b4a1a-8f1c-4a55-9a39-0d2c5b8d7a0e_2f9c-e.t(ä)+='!@"),
    ],
)
def test_an_arn_of_an_execution_is_known_in_every_form_of_aws(arn: str) -> None:
    request = parse_callback_request(json.dumps({"taskToken": "token", "executionId": arn}))
    assert (request.execution_id, request.idempotency_key, request.problem) == (arn, arn, None)


@pytest.mark.parametrize(
    "execution_id",
    [
        "4111111111111111",
        f"{ARN}:more",
        f"{ARN} x",
        f"{ARN}\n",
        f"{ARN}\x1b",
        f"x{ARN}",
        f"{CHILD}/more",
        ARN.replace("machine", "x" * 81),
        ARN.replace("name", "x" * 81),
        "arn:aws:states:us-east-1:123456789012:express:machine:name:0f9b",
        "arn:aws:states:us-east-1:123456789012:mapRun:machine/label:0f9b",
        "arn:aws:states:us-east-1:123456789012:stateMachine:machine",
        " ",
    ],
)
def test_an_execution_id_that_is_no_arn_is_never_printed_but_is_the_key(execution_id: str) -> None:
    request = parse_callback_request(json.dumps({"taskToken": "token", "payload": 1, "executionId": execution_id}))
    assert (request.execution_id, request.idempotency_key, request.problem) == (None, execution_id, None)
    assert execution_id == " " or execution_id not in repr(request)


@pytest.mark.parametrize("message", [{}, {"executionId": None}])
def test_without_an_execution_id_the_token_is_the_key(message: dict[str, None]) -> None:
    assert parse_callback_request(json.dumps({"taskToken": "token", **message})).idempotency_key == "token"


@pytest.mark.parametrize("execution_id", [7, "", True, False, 0, [], [ARN], {}, {"arn": ARN}, float("nan")])
def test_an_execution_id_that_is_no_text_is_a_problem(execution_id: object) -> None:
    request = parse_callback_request(json.dumps({"taskToken": "token", "payload": 1, "executionId": execution_id}))
    assert request.problem == "executionId must be text, the ARN of the execution."
    assert (request.payload, request.execution_id) == (None, None)


DEEP = '{"x": ' + "[" * 100_000 + "]" * 100_000 + "}"
FORGED = '{"taskToken": "forged", "token": "forged"}'
UNREADABLE = {
    "nested too deep": DEEP,
    "an object nested too deep": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "a key twice": '{"a": 1, "a": 2}',
    "half an emoji": '"\\ud83d"',
    "half an emoji as it is": '"\ud83d"',
    "a control character": '"\x00"',
    "a raw newline": '"\n"',
    "an unknown escape": '"\\x"',
    "no word of JSON": "tru",
    "a comma too many": "[1, ]",
    "a comma too few": "[1 2]",
    "a quote that is no quote": "'x'",
}


@pytest.mark.parametrize("payload", UNREADABLE.values(), ids=UNREADABLE.keys())
@pytest.mark.parametrize(
    "body",
    [
        '{{"taskToken": "token", "payload": {0}, "executionId": "' + ARN + '"}}',
        '\ufeff {{\n"taskToken"\t: "token", "payload": [{0}, {1}]}}',
        '{{"payload": {{"x": {0}, "y": {1}}}, "taskToken": "token"}}',
        '{{"input": {0}, "input": "\\"taskToken\\": \\"forged\\"", "token": "token"}}',
        '{{"taskToken": "token", "payload": {0}, "more": {1}',
        '{{"taskToken": "token", "payload": {{"x": {0}',
        '{{"taskToken": "token", "taskToken": "token", "payload": {0}}}',
        '{{"\\u0074askToken": "\\u0074oken", "payload": {0}}} and more',
    ],
)
def test_the_token_of_a_message_that_cannot_be_read_as_a_whole_is_found(body: str, payload: str) -> None:
    request = parse_callback_request(body.format(payload, FORGED))
    assert (request.task_token, request.payload, request.idempotency_key) == ("token", None, "token")
    assert request.execution_id in (None, ARN)
    assert request.problem
    assert request.problem.startswith("The message cannot be read: it ")


@pytest.mark.parametrize(
    "cut",
    ['{"taskToken": "token"', '{"taskToken": "token",', '{"taskToken": "token", "payload": "te', '{"token":"token"}}'],
)
def test_the_token_of_a_message_that_is_cut_off_is_found(cut: str) -> None:
    request = parse_callback_request(cut)
    assert (request.task_token, request.problem) == ("token", "The message cannot be read: it is not JSON.")


@pytest.mark.parametrize(
    "body",
    [
        '{{"payload": {0}, "more": {1}}}',
        '{{"payload": [{0}, {1}]',
        '{{"payload": {1}, "deep": {0}}}',
        '{{"payload": "\\"taskToken\\": \\"forged\\"", "deep": {0}}}',
        '{{"taskToken": "a", "payload": {0}, "taskToken": "b"}}',
        '{{"taskToken": "a", "taskToken": {1}, "payload": {0}, "taskToken": "a"}}',
        '{{"taskToken": {1}, "payload": {0}}}',
        '{{"taskToken": "", "payload": {0}}}',
        '{{"payload": [}}, "taskToken": "forged", "deep": {0}}}',
        '{{"payload": {{"x": {0}]}}, "taskToken": "forged"}}',
        '{{"payload" "taskToken": "forged", "deep": {0}}}',
        '{{"payload": {0}}}, "taskToken": "forged"}}',
        "[{0}, {1}]",
        '{{{{"taskToken": "forged"}}: {0}}}',
        '{{"payload": "broken, "taskToken": "forged", "deep": {0}}}',
        '"taskToken": "forged" {0}',
    ],
)
def test_what_is_nested_or_said_twice_is_no_token(body: str) -> None:
    for payload in (DEEP, '{"a": 1, "a": 2}', "tru"):
        with pytest.raises(UnreadableMessage, match="has no usable taskToken"):
            parse_callback_request(body.format(payload, FORGED))


@given(any_json, st.data())
def test_no_payload_passes_its_own_token_off_as_the_message_s(payload: Any, data: st.DataObject) -> None:
    # Given a message that a state machine wrote, and that was cut off or spoilt anywhere behind its token
    message = json.dumps({"taskToken": "token", "payload": {"taskToken": "forged", "x": [payload, FORGED]}})
    start = message.index("payload")
    cut = data.draw(st.integers(start, len(message)))
    spoilt = message[:cut] + data.draw(st.sampled_from(["", '"', "}", "]", "{", "[", ",", ":", "\\"])) + message[cut:]
    # When
    for body in (message[:cut], spoilt):
        request = parse_callback_request(body)
        # Then
        assert request.task_token == "token"
        assert request.problem is None or request.payload is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "is not JSON and has no usable taskToken"),
        ("{", "is not JSON and has no usable taskToken"),
        ("[" * 100_000, "is nested too deep and has no usable taskToken"),
        ("1" * 5_000, "not a JSON object"),
        ("[]", "not a JSON object"),
        ('"text"', "not a JSON object"),
        ("{}", "has no usable taskToken"),
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


@given(st.text(st.characters()) | st.text('{}[]",:\\ taskToken"', max_size=80))
def test_any_body_is_read_or_refused(body: str) -> None:
    try:
        parse_callback_request(body)
    except UnreadableMessage as error:
        assert len(body) < 12 or body not in str(error)
