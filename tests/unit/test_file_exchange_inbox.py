"""The inbox: every file has a defined end, one answer decides, and nothing is lost wherever it breaks off."""

import io
import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import given, settings
from hypothesis import strategies as st

import file_exchange_inbox
from callbacks import task
from exchange import bucket
from file_exchange_inbox import (
    BAD_FAILURE,
    EARLY_RECEIVES,
    EMPTY,
    ERROR_OF_AWS,
    NOBODY_WAITS,
    NOT_FIRST,
    NOT_JSON,
    ODD_KEY,
    TOO_LARGE,
)
from tests.unit.exchange import (
    NAME,
    REQUEST_KEY,
    SENT_AT,
    TOKEN,
    TOKEN_KEY,
    UUID,
    Exchange,
    dropped_event,
    new_exchange,
)
from tests.unit.support import CONTEXT, any_json, client_error, failed_records, sample_event

NONE_FAILED: dict[str, list[Any]] = {"batchItemFailures": []}
SUCCESS, FAILURE, BEAT = (f"inbound/{UUID}/{name}" for name in ("success.json", "failure.json", "heartbeat"))
PROCESSED = f"processed/{UUID}/success.json"
LIMIT = 262_144


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    """A request is written out, and the workflow waits."""
    with new_exchange() as exchange:
        exchange.ask()
        yield exchange


def assert_rejected(exchange: Exchange, key: str, reason: str) -> None:
    assert exchange.text(f"rejected/{key}.reason.txt") == f"{reason}\n\nThe file came as: {key}\n"
    assert exchange.keys(f"rejected/{key}")[0] == f"rejected/{key}"
    assert exchange.versions("inbound/") == []


# ------------------------------------------------------------------ answers
def test_a_success_resumes_the_workflow_with_its_content(exchange: Exchange) -> None:
    # When
    assert exchange.tell(exchange.drop("success.json", '{"status": "done"}')) == NONE_FAILED
    # Then
    assert exchange.answers() == [("success", {"output": '{"status":"done"}'})]
    assert exchange.keys() == [REQUEST_KEY, PROCESSED]
    assert exchange.text(PROCESSED) == '{"status": "done"}'
    assert exchange.versions("inbound/") == []


@pytest.mark.parametrize(
    ("content", "error", "cause"),
    [
        ({"error": "OutOfStock", "cause": "None is left."}, "OutOfStock", "None is left."),
        ({"error": "OutOfStock"}, "OutOfStock", "No cause was given."),
        ({"error": "", "cause": ""}, "Callback.Failed", "No cause was given."),
        ({"error": None, "cause": None}, "Callback.Failed", "No cause was given."),
        ({"more": [1]}, "Callback.Failed", "No cause was given."),
        ({"error": "e" * 300, "cause": "c" * 40_000}, "e" * 256, "c" * 32_768),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_failure_fails_the_workflow_with_its_error_and_cause(
    exchange: Exchange, content: dict[str, Any], error: str, cause: str
) -> None:
    exchange.tell(exchange.drop("failure.json", json.dumps(content)))
    assert exchange.answers() == [("failure", {"error": error, "cause": cause})]
    assert exchange.keys() == [REQUEST_KEY, f"processed/{UUID}/failure.json"]


@pytest.mark.parametrize(
    "content", [b"\xef\xbb\xbf[1]", "[1]".encode("utf-16"), b" [1]\r\n"], ids=["byte order mark", "UTF-16", "spaces"]
)
def test_json_as_windows_writes_it_is_json(exchange: Exchange, content: bytes) -> None:
    exchange.tell(exchange.drop("success.json", content))
    assert exchange.answers() == [("success", {"output": "[1]"})]


@given(content=any_json.filter(lambda value: "NaN" not in json.dumps(value) and "Infinity" not in json.dumps(value)))
@settings(max_examples=25, deadline=None)
def test_any_json_arrives_as_it_is(content: Any) -> None:
    with new_exchange() as exchange:
        exchange.ask()
        exchange.tell(exchange.drop("success.json", json.dumps(content)))
        if exchange.answers():
            [(_, arguments)] = exchange.answers()
            assert json.loads(arguments["output"]) == content
        else:  # half an emoji, which JSON can word and no request can carry
            assert_rejected(exchange, SUCCESS, NOT_JSON)


@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1])
def test_an_answer_that_is_too_large_becomes_a_pointer_to_what_is_kept(exchange: Exchange, size: int) -> None:
    # Given
    content = json.dumps("x" * (size - 2))
    # When
    exchange.tell(exchange.drop("success.json", content))
    # Then
    [(_, arguments)] = exchange.answers()
    output = json.loads(arguments["output"])
    if size == LIMIT:
        assert output == json.loads(content)
    else:
        assert output.items() >= {"bucket": NAME, "key": PROCESSED, "bytes": size}.items()
        kept = exchange.s3.get_object(Bucket=NAME, Key=output["key"], VersionId=output["versionId"])
        assert kept["Body"].read().decode() == content


def test_an_answer_that_grows_by_being_sent_becomes_a_pointer(exchange: Exchange) -> None:
    exchange.tell(exchange.drop("success.json", json.dumps([0]).replace("0", ",".join(["1e15"] * 50_000))))
    [(_, arguments)] = exchange.answers()
    assert json.loads(arguments["output"])["key"] == PROCESSED


def test_a_failure_that_is_too_large_fails_the_workflow_with_a_pointer_as_its_cause(exchange: Exchange) -> None:
    exchange.tell(exchange.drop("failure.json", json.dumps({"error": "E", "cause": "x" * LIMIT})))
    [(operation, arguments)] = exchange.answers()
    assert (operation, arguments["error"]) == ("failure", "Callback.Failed")
    assert json.loads(arguments["cause"])["key"] == f"processed/{UUID}/failure.json"


# ------------------------------------------------------------------ files that no workflow can take
@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("success.json", "", EMPTY),
        ("success.json", "{", NOT_JSON),
        ("success.json", b"\xff\xfe\xfa", NOT_JSON),
        ("success.json", "NaN", NOT_JSON),
        ("success.json", "[1e999]", NOT_JSON),
        ("success.json", r'"\ud83d"', NOT_JSON),
        ("success.json", "[" * 100_000, NOT_JSON),
        ("success.json", "9" * 5_000, NOT_JSON),
        ("failure.json", "", EMPTY),
        ("failure.json", "[]", BAD_FAILURE),
        ("failure.json", '"OutOfStock"', BAD_FAILURE),
        ("failure.json", '{"error": 5}', BAD_FAILURE),
        ("failure.json", '{"error": "OutOfStock", "cause": ["None is left."]}', BAD_FAILURE),
        ("failure.json", '{"error": "States.Timeout"}', ERROR_OF_AWS),
        ("failure.json", '{"error": "SQS.SdkClientException"}', ERROR_OF_AWS),
        ("result.json", "{}", ODD_KEY),
        ("success.JSON", "{}", ODD_KEY),
        ("my answer+50%é.json", "{}", ODD_KEY),
        ("success.json ", "{}", ODD_KEY),
        ("success.json\n", "{}", ODD_KEY),
        ("%73uccess.json", "{}", ODD_KEY),
        (f"inbound/{UUID.upper()}/success.json", "{}", ODD_KEY),
        (f"inbound/{UUID}/more/success.json", "{}", ODD_KEY),
        ("inbound/success.json", "{}", ODD_KEY),
        (f"inbound/{UUID}/", "", ODD_KEY),
        (f"inbound/../tokens/{UUID}.json", "{}", ODD_KEY),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_file_that_cannot_be_used_is_kept_with_the_reason_and_the_wait_goes_on(
    exchange: Exchange, name: str, content: str | bytes, reason: str
) -> None:
    # When
    key = exchange.drop(name, content)
    assert exchange.tell(key) == NONE_FAILED
    # Then
    assert_rejected(exchange, key, reason)
    assert exchange.step_functions.calls == []
    # And a good answer is taken
    exchange.tell(exchange.drop("success.json"))
    assert [operation for operation, _ in exchange.answers()] == ["success"]


def test_a_key_that_leaves_no_room_for_a_prefix_is_kept_under_its_hash(exchange: Exchange) -> None:
    key = "inbound/" + "é" * 508
    exchange.tell(exchange.drop(key))
    kept = f"rejected/inbound/{sha256(key.encode()).hexdigest()}"
    assert exchange.keys("rejected/") == [kept, f"{kept}.reason.txt"]
    assert key in exchange.text(f"{kept}.reason.txt")


def test_a_file_that_is_too_large_to_be_moved_stays_with_the_reason_and_the_wait_goes_on(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "MAX_COPY_BYTES", 10)
    assert exchange.tell(exchange.drop("success.json", '"more than 10 bytes"')) == NONE_FAILED
    assert exchange.keys("inbound/") == [SUCCESS]
    assert exchange.keys("rejected/") == [f"rejected/{SUCCESS}.reason.txt"]
    assert exchange.text(f"rejected/{SUCCESS}.reason.txt").startswith(TOO_LARGE)
    exchange.tell(exchange.drop("success.json", "{}"))
    assert [operation for operation, _ in exchange.answers()] == ["success"]


def test_what_is_rejected_twice_under_one_name_is_kept_twice(exchange: Exchange) -> None:
    for content in ("{", "["):
        exchange.tell(exchange.drop("success.json", content))
    assert sorted(exchange.versions(f"rejected/{SUCCESS}"))[-2:] == ["[", "{"]


# ------------------------------------------------------------------ answers that come twice, late or early
def test_the_same_file_twice_before_it_is_taken_decides_once_and_is_kept_twice(exchange: Exchange) -> None:
    exchange.drop("success.json", "1")
    exchange.tell(exchange.drop("success.json", "2"), SUCCESS)
    assert exchange.answers() == [("success", {"output": "2"})]
    assert exchange.versions(PROCESSED) == ["2"]
    assert_rejected(exchange, SUCCESS, NOBODY_WAITS)
    assert exchange.text(f"rejected/{SUCCESS}") == "1"
    assert exchange.tell(SUCCESS) == NONE_FAILED
    assert exchange.keys("tokens/") == []


def test_the_same_file_again_after_it_was_taken_is_rejected_at_once(exchange: Exchange) -> None:
    exchange.tell(exchange.drop("success.json"))
    assert exchange.tell(exchange.drop("success.json")) == NONE_FAILED
    assert len(exchange.answers()) == 1
    assert_rejected(exchange, SUCCESS, NOBODY_WAITS)


@pytest.mark.parametrize("winner", ["success", "failure"])
def test_of_both_answers_at_once_one_decides_and_the_other_is_kept_with_the_reason(
    exchange: Exchange, winner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an answer that is taken while the other has just been found to be in time
    loser = SUCCESS if winner == "failure" else FAILURE
    for name in ("success.json", "failure.json"):
        exchange.drop(name, "{}")
    beat = exchange.step_functions.send_task_heartbeat

    def beat_and_be_overtaken(**arguments: str) -> dict[str, Any]:
        monkeypatch.setattr(exchange.step_functions, "send_task_heartbeat", beat)
        exchange.tell(f"inbound/{UUID}/{winner}.json")
        return {}

    monkeypatch.setattr(exchange.step_functions, "send_task_heartbeat", beat_and_be_overtaken)
    # When
    assert exchange.tell(loser) == NONE_FAILED
    # Then
    assert [operation for operation, _ in exchange.answers()] == [winner]
    assert_rejected(exchange, loser, NOBODY_WAITS)
    assert exchange.keys("tokens/") == []


def test_an_answer_beside_one_that_has_decided_and_is_not_given_yet_is_rejected(exchange: Exchange) -> None:
    # Given
    exchange.drop("success.json", "{}")
    exchange.drop("failure.json", "{}")
    exchange.step_functions.errors.append(client_error("ThrottlingException"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exchange.step_functions, "send_task_heartbeat", lambda **_: {})
        assert failed_records(exchange.tell(SUCCESS)) == ["message-1"]
    # When
    exchange.tell(FAILURE)
    # Then
    assert exchange.text(f"rejected/{FAILURE}.reason.txt").startswith(NOT_FIRST)
    exchange.tell(SUCCESS)
    assert [operation for operation, _ in exchange.answers()] == ["success", "success"]
    assert exchange.keys("tokens/") == []


def meanwhile(exchange: Exchange, operation: str, happens: Callable[[], object]) -> None:
    """Something happens while a callback is on its way."""
    call = getattr(exchange.step_functions, operation)

    def call_meanwhile(**arguments: str) -> Any:
        setattr(exchange.step_functions, operation, call)
        happens()
        return call(**arguments)

    setattr(exchange.step_functions, operation, call_meanwhile)


def test_what_is_kept_is_what_was_given_whatever_is_dropped_meanwhile(exchange: Exchange) -> None:
    exchange.drop("success.json", "1")
    meanwhile(exchange, "send_task_heartbeat", lambda: exchange.drop("success.json", "2"))
    exchange.tell(SUCCESS)
    assert exchange.answers() == [("success", {"output": "1"})]
    assert exchange.text(PROCESSED) == "1"
    assert_rejected(exchange, SUCCESS, NOBODY_WAITS)
    assert exchange.text(f"rejected/{SUCCESS}") == "2"


def test_the_token_of_a_wait_that_is_redriven_meanwhile_stays(exchange: Exchange) -> None:
    exchange.drop("success.json")
    meanwhile(exchange, "send_task_success", lambda: exchange.ask("new", SENT_AT + 1))
    exchange.tell(SUCCESS)
    assert json.loads(exchange.text(TOKEN_KEY))["taskToken"] == "new"


def test_the_token_of_an_answer_that_is_not_given_yet_stays(exchange: Exchange) -> None:
    exchange.drop("success.json")
    with pytest.MonkeyPatch.context() as patch:
        break_off(exchange, patch, call=4, after=False)
        exchange.tell(SUCCESS)
    assert json.loads(exchange.text(TOKEN_KEY))["answer"]["key"] == SUCCESS
    file_exchange_inbox.forget_answered(SUCCESS)
    assert exchange.keys("tokens/") == [TOKEN_KEY]


@pytest.mark.parametrize("name", ["success.json", "failure.json"])
def test_a_late_answer_is_kept_with_the_reason_and_the_token_removed(exchange: Exchange, name: str) -> None:
    exchange.step_functions.settled.add(TOKEN)
    exchange.tell(exchange.drop(name, "{}"))
    assert exchange.answers() == []
    assert_rejected(exchange, f"inbound/{UUID}/{name}", NOBODY_WAITS)
    assert exchange.keys("tokens/") == exchange.keys("processed/") == []


def test_an_answer_before_the_request_is_written_out_waits_for_it() -> None:
    with new_exchange() as exchange:
        # Given
        key = exchange.drop("success.json")
        for receives in range(1, EARLY_RECEIVES):
            assert failed_records(exchange.tell(key, receives=receives)) == ["message-1"]
        # When
        exchange.ask()
        # Then
        assert exchange.tell(key, receives=EARLY_RECEIVES) == NONE_FAILED
        assert [operation for operation, _ in exchange.answers()] == ["success"]


def test_an_answer_to_a_uuid_that_nobody_asked_under_is_rejected_in_the_end() -> None:
    with new_exchange() as exchange:
        key = exchange.drop("success.json")
        assert exchange.tell(key, receives=EARLY_RECEIVES) == NONE_FAILED
        assert_rejected(exchange, key, NOBODY_WAITS)


def test_a_redriven_wait_is_answered_under_its_own_token(exchange: Exchange) -> None:
    exchange.step_functions.settled.add(TOKEN)
    exchange.ask("new", SENT_AT + 1)
    exchange.tell(exchange.drop("success.json"))
    assert exchange.step_functions.answers("new") == ["heartbeat", "success"]
    assert exchange.keys("tokens/") == []


# ------------------------------------------------------------------ heartbeats
def test_a_heartbeat_beats_and_is_removed_and_the_wait_goes_on(exchange: Exchange) -> None:
    assert exchange.tell(exchange.drop("heartbeat", "")) == NONE_FAILED
    assert exchange.step_functions.answers(TOKEN) == ["heartbeat"]
    assert exchange.keys("inbound/") == exchange.keys("rejected/") == []
    exchange.tell(exchange.drop("success.json"))
    assert len(exchange.answers()) == 1


@pytest.mark.parametrize("when", ["before the request", "after the answer", "after the timeout"])
def test_a_heartbeat_for_nobody_is_removed(when: str) -> None:
    with new_exchange() as exchange:
        if when != "before the request":
            exchange.ask()
        if when == "after the answer":
            exchange.tell(exchange.drop("success.json"))
        exchange.step_functions.settled.add(TOKEN)
        assert exchange.tell(exchange.drop("heartbeat")) == NONE_FAILED
        assert exchange.keys("inbound/") == exchange.keys("rejected/") == []


# ------------------------------------------------------------------ events
@pytest.mark.parametrize(
    ("name", "outcomes", "returned"),
    [
        ("success", ["success"], 0),
        ("failure", ["failure"], 0),
        ("heartbeat", [], 0),
        ("odd_key", [], 0),
        ("batch_with_bad_records", ["success"], 2),
    ],
)
def test_sample_events(exchange: Exchange, name: str, outcomes: list[str], returned: int) -> None:
    event = sample_event(f"file_exchange_inbox/{name}")
    exchange.drop(json.loads(event["Records"][0]["body"])["detail"]["object"]["key"], "{}")
    response = file_exchange_inbox.lambda_handler(event, CONTEXT)
    assert [operation for operation, _ in exchange.answers()] == outcomes
    assert len(failed_records(response)) == returned
    assert exchange.keys("inbound/") == []


def test_a_record_that_does_not_say_how_often_it_came_is_handled_all_the_same(exchange: Exchange) -> None:
    event = dropped_event(exchange.drop("success.json"))
    del event["Records"][0]["attributes"]
    assert file_exchange_inbox.lambda_handler(event, CONTEXT) == NONE_FAILED
    assert len(exchange.answers()) == 1


def test_an_event_about_a_file_that_is_gone_is_done_with(exchange: Exchange) -> None:
    assert exchange.tell(SUCCESS, FAILURE, BEAT, "inbound/odd") == NONE_FAILED
    assert exchange.step_functions.calls == []


def test_neither_content_nor_token_nor_a_name_of_the_partners_is_logged(
    exchange: Exchange, printed: io.StringIO
) -> None:
    exchange.tell(exchange.drop("4111111111111111.json", "4111111111111111"))
    exchange.tell(exchange.drop("failure.json", '{"error": "4111111111111111", "cause": "4111111111111111"}'))
    assert "file rejected" in printed.getvalue()
    assert "answer taken" in printed.getvalue()
    assert "4111111111111111" not in printed.getvalue()
    assert TOKEN not in printed.getvalue()


# ------------------------------------------------------------------ wherever it breaks off
class Broken(Exception):
    """In the place of the end of a process."""


def break_off(exchange: Exchange, patch: pytest.MonkeyPatch, call: int, *, after: bool) -> Callable[[], int]:
    """Every AWS call from this one on, counted from 0, breaks off before or after it has had its effect."""
    made = 0

    def breaking(operation: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            nonlocal made
            made += 1
            if made <= call:
                return operation(*arguments, **options)
            if made == call + 1 and after:
                operation(*arguments, **options)
            raise Broken

        return run

    patch.setattr(bucket, "_call", breaking(bucket._call))
    patch.setattr(task, "_send", breaking(task._send))
    return lambda: made


CALLS = 12  # of an answer: see, find, beat, claim, copy, answer, remove, forget; then see and find that all is done


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", range(CALLS))
@pytest.mark.parametrize("name", ["success.json", "failure.json"])
def test_an_answer_is_taken_once_wherever_it_breaks_off(exchange: Exchange, name: str, call: int, after: bool) -> None:
    # Given
    key = exchange.drop(name, "{}")
    with pytest.MonkeyPatch.context() as patch:
        break_off(exchange, patch, call, after=after)
        exchange.tell(key)
    # When the event comes again
    assert exchange.tell(key) == NONE_FAILED
    # Then
    assert exchange.step_functions.settled == {TOKEN}
    assert exchange.keys() == [REQUEST_KEY, f"processed/{UUID}/{name}"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", range(6))
def test_a_file_is_rejected_wherever_that_breaks_off(exchange: Exchange, call: int, after: bool) -> None:
    key = exchange.drop("success.json", "{")
    with pytest.MonkeyPatch.context() as patch:
        break_off(exchange, patch, call, after=after)
        exchange.tell(key)
    assert exchange.tell(key) == NONE_FAILED
    assert_rejected(exchange, key, NOT_JSON)


def test_the_breaks_reach_every_call_of_an_answer(exchange: Exchange) -> None:
    key = exchange.drop("success.json")
    with pytest.MonkeyPatch.context() as patch:
        made = break_off(exchange, patch, 1000, after=False)
        exchange.tell(key)
    assert made() <= CALLS


@pytest.mark.parametrize(
    "error",
    [
        client_error("SlowDown", "CopyObject"),
        client_error("AccessDenied", "CopyObject"),
        ReadTimeoutError(endpoint_url="https://s3"),
    ],
    ids=str,
)
@pytest.mark.parametrize("operation", ["get_object", "copy_object", "put_object", "delete_object"])
def test_a_fault_of_the_bucket_brings_the_event_back(exchange: Exchange, operation: str, error: Exception) -> None:
    key = exchange.drop("success.json")

    def fail(**_: Any) -> None:
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exchange.s3, operation, fail)
        assert failed_records(exchange.tell(key)) == ["message-1"]
    assert exchange.tell(key) == NONE_FAILED
    assert exchange.keys() == [REQUEST_KEY, PROCESSED]


FILES = [("success.json", "{}"), ("success.json", "{"), ("failure.json", "{}"), ("heartbeat", ""), ("odd.json", "{}")]


@given(
    dropped=st.lists(st.sampled_from(FILES), min_size=1, max_size=5),
    steps=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 12), st.booleans()), max_size=8),
    asked_after=st.integers(0, 8),
)
@settings(max_examples=60, deadline=None)
def test_whatever_is_dropped_in_whatever_order_it_is_told_of_all_has_its_end(
    dropped: list[tuple[str, str]], steps: list[tuple[int, int, bool]], asked_after: int
) -> None:
    """Events come twice, late, out of order, before the request, and each processing of one may break off."""
    with new_exchange() as exchange:
        # Given
        keys = [exchange.drop(name, content) for name, content in dropped]
        for number, (which, call, after) in enumerate(steps):
            if number == asked_after:
                exchange.ask()
            with pytest.MonkeyPatch.context() as patch:
                break_off(exchange, patch, call, after=after)
                exchange.tell(keys[which % len(keys)])
        exchange.ask()
        # When each event comes for the last time
        for key in keys:
            assert exchange.tell(key) == NONE_FAILED
        # Then one usable answer has decided, if there was one, and every file is kept but the heartbeats
        usable = any(content == "{}" and name != "odd.json" for name, content in dropped)
        assert exchange.step_functions.settled == ({TOKEN} if usable else set())
        assert exchange.versions("inbound/") == []
        assert (exchange.keys("tokens/") == []) == usable
        assert len(exchange.keys("processed/")) == usable
        names = {exchange.drop(name, content) for name, content in dropped if name != "heartbeat"}
        kept = {key.removeprefix("rejected/") for key in exchange.keys("rejected/") if not key.endswith(".txt")}
        taken = {key.replace("processed", "inbound") for key in exchange.keys("processed/")}
        assert kept | taken == names
