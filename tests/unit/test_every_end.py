"""Whatever goes in and whatever is answered, an execution ends in one notification, which says the same.

What AWS refuses, the tests refuse: SQS and SNS take no U+FFFE, no U+FFFF and no half of a surrogate pair, and a publish
takes 262,144 bytes.
"""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbacks.error_names import is_aws_error_name
from tests.unit.state_machine import (
    BARE_FAILURE,
    MAX_BYTES,
    MISSED_HEARTBEAT,
    TIMED_OUT,
    TOKEN,
    TOO_LARGE,
    Execution,
    Failure,
    Fields,
    Json,
    play,
    read_definition,
    size,
)

FORBIDDEN = re.compile("[\ud800-\udfff\ufffe\uffff]")
AWS_NAMES = (
    "States.Runtime",
    "States.TaskFailed",
    "States.Permissions",
    "States.QueryEvaluationError",
    "SQS.AmazonSQSException",
    "SNS.NotFoundException",
    "Lambda.Unknown",
    "DynamoDB.ValidationException",
    "DynamoDb.DynamoDbException",
    "S3.NoSuchKeyException",
    "Runtime.ExitError",
    "Sandbox.Timedout",
    "Extension.Crash",
)
AWS_PREFIXES = tuple({f"{name.partition('.')[0]}." for name in AWS_NAMES})
REQUEST: Fields = {"uuid": "6f2f2a5e-3c1d-5b6a-9e0f-1a2b3c4d5e6f", "info": None}
LINK: Fields = {"link": "https://api.example/v1/confirmations/an-id", "expiresAt": 1795255200}


def as_json(value: Json) -> Json:
    """As it arrives over a wire, where two halves of a surrogate pair are one character."""
    return json.loads(json.dumps(value))


# ------------------------------------------------------------------ anything
characters = st.characters() | st.sampled_from('\ud83d\ude00\udc00\ufffe\uffff😀"\\\x00\x1f<')
texts = st.text(characters, max_size=40) | st.builds(
    lambda text, times: text * times, st.text(characters, max_size=4), st.integers(1, 60_000)
)
keys = (
    st.sampled_from(["orderId", "amount", "waitTime", "status", "failTimes", "__proto__", "constructor", "\uffff"])
    | texts
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(keys, children, max_size=4),
    max_leaves=8,
)
anything = (
    (values | st.builds(lambda order_id: {"orderId": order_id, "amount": 1}, values))
    .map(as_json)
    .filter(lambda value: size(value) <= MAX_BYTES)
)
failures = st.sampled_from([TIMED_OUT, MISSED_HEARTBEAT, BARE_FAILURE, TOO_LARGE]) | st.builds(
    lambda error, cause: Failure({"Error": error, "Cause": cause}),
    st.none()
    | st.sampled_from(AWS_NAMES)
    | texts.map(lambda text: as_json(text[:256]))
    | st.builds(lambda prefix, text: as_json(f"{prefix}{text}"[:256]), st.sampled_from(AWS_PREFIXES), texts),
    st.none() | texts.map(lambda text: as_json(text[:32_768])),
)
answers = anything | failures


# ------------------------------------------------------------------ every workflow, and what it was played with
@st.composite
def plays(draw: st.DrawFn, name: str) -> tuple[Execution, Json]:
    """An execution that has ended, and what answered it."""
    definition, answer = read_definition(name), draw(answers)
    request: Json = None
    results: dict[str, Json] = {}
    if name == "file_exchange":
        request = draw(st.builds(lambda info: {**REQUEST, "info": info}, texts.map(as_json)) | failures)
    if name == "order_confirmation":
        request = draw(st.just(LINK) | failures)
        results = draw(st.dictionaries(st.sampled_from(["WaitForDecision", "SendReminder", "CloseOrder"]), failures))
    execution = play(definition, draw(anything), answer, request, results, all_is_all=draw(st.booleans()))
    return execution, answer


def notifications(execution: Execution) -> list[str]:
    """The messages that tell of an end: neither links nor reminders."""
    return [
        published["Message"]
        for published in execution.published
        if published["MessageAttributes"]["outcome"]["StringValue"] in ("SUCCEEDED", "FAILED")
    ]


NOTIFYING = ["payment_callback", "async_api", "file_exchange", "order_confirmation"]
OUTPUT_IS_THE_NOTIFICATION = {"payment_callback", "order_confirmation"}


@pytest.mark.parametrize("name", NOTIFYING)
@given(data=st.data())
def test_every_execution_ends_in_one_notification_that_says_the_same(name: str, data: st.DataObject) -> None:
    assert_one_notification_says_the_same(name, *data.draw(plays(name)))


INPUTS: list[Json] = [
    *(
        {"orderId": text, "amount": 1}
        for text in ("\ud83d", "\uffff", "😀" * 257, "o" * 262_000, '"' * 131_000, "\x00" * 3_000)
    ),
    *({"orderId": value} for value in (7, None, [], ["order-1"], {"orderId": "order-1"})),
    *("\\" * 131_000, "\x1f" * 43_000, "\ufffe" * 87_000, "x" * 262_142),
    *(0, None, True, [], [{"orderId": "order-1"}], {}, {"__proto__": {"orderId": "\ud83d"}}, {"\uffff": "\ufffe"}),
]


@pytest.mark.parametrize("name", NOTIFYING)
@pytest.mark.parametrize("payload", [*INPUTS], ids=lambda value: ascii(value)[:30])
def test_no_input_breaks_the_way_to_a_notification(name: str, payload: Json) -> None:
    longest = Failure({"Error": f"S3.{'E' * 253}", "Cause": "\x00" * 32_768})
    for answer in (payload, TIMED_OUT, BARE_FAILURE, longest):
        request = LINK if name == "order_confirmation" else REQUEST
        execution = play(read_definition(name), payload, answer, request)
        assert_one_notification_says_the_same(name, execution, answer)


def assert_one_notification_says_the_same(name: str, execution: Execution, answer: Json) -> None:
    [message] = notifications(execution)
    body = json.loads(message)
    if execution.failure is None:
        assert body["outcome"] == "SUCCEEDED"
        assert execution.output == (body if name in OUTPUT_IS_THE_NOTIFICATION else answer)
    else:
        assert body["outcome"] == "FAILED"
        assert {"Error": body["Error"], "Cause": body["Cause"]} == execution.failure
        assert 0 < len(body["Error"]) <= 256
        assert 0 < len(body["Cause"]) <= 32_768
        assert not body["Error"].startswith(AWS_PREFIXES)
    for published in execution.published:
        assert FORBIDDEN.search(published["Message"]) is None
        assert TOKEN not in published["Message"]
        assert len(published["Message"].encode()) + len("outcomeStringSUCCEEDED") <= MAX_BYTES
        assert size(published) <= MAX_BYTES
    for sent in execution.sent:
        assert FORBIDDEN.search(json.dumps(sent.get("MessageBody"), ensure_ascii=False)) is None


@pytest.mark.parametrize("name", ["manual_callback", "async_api_simulator"])
@given(data=st.data())
def test_an_execution_that_notifies_nobody_ends_as_it_is_answered(name: str, data: st.DataObject) -> None:
    answer = data.draw(answers)
    payload = data.draw(anything)
    execution = play(read_definition(name), payload, answer, answer)
    if isinstance(answer, Failure) or execution.failure == TOO_LARGE.output:
        assert execution.failure == (answer.uncaught if isinstance(answer, Failure) else TOO_LARGE.output)
    else:
        assert execution.output == answer
    for sent in execution.sent:
        assert FORBIDDEN.search(json.dumps(sent.get("MessageBody"), ensure_ascii=False)) is None


def test_what_the_state_machines_take_for_a_name_of_aws_the_functions_refuse() -> None:
    expressions = re.compile(r"\(\?:([\w|]+)\)\[\.\]")
    found = {name: set(expressions.findall(json.dumps(read_definition(name)))) for name in NOTIFYING}
    [(namespaces,)] = set(map(frozenset, found.values()))
    assert {f"{namespace}." for namespace in namespaces.split("|")} == set(AWS_PREFIXES)
    assert all(map(is_aws_error_name, AWS_NAMES))
