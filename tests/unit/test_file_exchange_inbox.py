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
    MAX_KEY_BYTES,
    NOBODY_WAITS,
    NOT_FIRST,
    ODD_KEY,
    RESERVED_ERROR,
    TOO_LARGE,
)
from tests.unit.exchange import (
    NAME,
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
SUCCESS, FAILURE, HEARTBEAT = (f"inbound/{UUID}/{name}" for name in ("success.json", "failure.json", "heartbeat"))
NOT_JSON = "The file is not JSON."
TWICE = "The file has a key twice in one object."
NO_NUMBER = "The file has NaN, Infinity or a number that is too large in it, which is not JSON."
HALF_AN_EMOJI = "The file has half an emoji in it (a surrogate without the other)."
TOO_DEEP = "The file is nested too deep."
NOT_TEXT = "The file is not text in UTF-8."
LIMIT = 262_144


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    """A request is written out, and the workflow waits."""
    with new_exchange() as exchange:
        exchange.ask()
        exchange.step_functions.calls.clear()
        yield exchange


def assert_rejected(exchange: Exchange, key: str, *files: tuple[str | bytes, str]) -> None:
    """These files were rejected under a key, each with its reason, and none is left in inbound/."""
    kept = [(content.encode() if isinstance(content, str) else content, reason) for content, reason in files]
    assert sorted(exchange.rejected(key)) == sorted(kept)
    assert exchange.versions("inbound/") == []


# ------------------------------------------------------------------ answers
def test_a_success_resumes_the_workflow_with_its_content(exchange: Exchange) -> None:
    # When
    assert exchange.notify(exchange.drop("success.json", '{"status": "done"}')) == NONE_FAILED
    # Then
    assert exchange.answers() == [("success", {"output": '{"status":"done"}'})]
    assert exchange.processed() == [("success.json", '{"status": "done"}')]
    assert exchange.versions("inbound/") == exchange.keys("tokens/") == exchange.keys("rejected/") == []


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
    exchange.notify(exchange.drop("failure.json", json.dumps(content)))
    assert exchange.answers() == [("failure", {"error": error, "cause": cause})]
    assert [name for name, _ in exchange.processed()] == ["failure.json"]


@pytest.mark.parametrize(
    "content", [b"\xef\xbb\xbf[1]", "[1]".encode("utf-16"), b" [1]\r\n"], ids=["byte order mark", "UTF-16", "spaces"]
)
def test_json_as_windows_writes_it_is_json(exchange: Exchange, content: bytes) -> None:
    exchange.notify(exchange.drop("success.json", content))
    assert exchange.answers() == [("success", {"output": "[1]"})]


@given(content=any_json.filter(lambda value: "NaN" not in json.dumps(value) and "Infinity" not in json.dumps(value)))
@settings(max_examples=25, deadline=None)
def test_any_json_arrives_as_it_is(content: Any) -> None:
    with new_exchange() as exchange:
        exchange.ask()
        exchange.notify(exchange.drop("success.json", json.dumps(content)))
        if exchange.answers():
            [(_, arguments)] = exchange.answers()
            assert json.loads(arguments["output"]) == content
        else:  # half an emoji, which JSON can word and no request can carry
            assert_rejected(exchange, SUCCESS, (json.dumps(content), HALF_AN_EMOJI))


@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1])
def test_an_answer_that_is_too_large_becomes_a_pointer_to_what_is_kept(exchange: Exchange, size: int) -> None:
    # Given
    content = json.dumps("x" * (size - 2))
    # When
    exchange.notify(exchange.drop("success.json", content))
    # Then
    [(_, arguments)] = exchange.answers()
    output = json.loads(arguments["output"])
    if size == LIMIT:
        assert output == json.loads(content)
    else:
        assert output.items() >= {"bucket": NAME, "bytes": size}.items()
        assert output["key"].startswith(f"processed/{UUID}/")
        kept = exchange.s3.get_object(Bucket=NAME, Key=output["key"], VersionId=output["versionId"])
        assert kept["Body"].read().decode() == content


def test_an_answer_that_grows_by_being_sent_becomes_a_pointer(exchange: Exchange) -> None:
    exchange.notify(exchange.drop("success.json", json.dumps([0]).replace("0", ",".join(["1e15"] * 50_000))))
    [(_, arguments)] = exchange.answers()
    assert json.loads(arguments["output"])["key"].endswith("/success.json")


def test_a_failure_that_is_too_large_fails_the_workflow_with_a_pointer_as_its_cause(exchange: Exchange) -> None:
    exchange.notify(exchange.drop("failure.json", json.dumps({"error": "E", "cause": "x" * LIMIT})))
    [(operation, arguments)] = exchange.answers()
    assert (operation, arguments["error"]) == ("failure", "Callback.Failed")
    assert json.loads(arguments["cause"])["key"].endswith("/failure.json")


# ------------------------------------------------------------------ files that no workflow can take
@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("success.json", "", EMPTY),
        ("success.json", "{", NOT_JSON),
        ("success.json", b"\xff\xfe\xfa", NOT_TEXT),
        ("success.json", b'"\xe9"', NOT_TEXT),
        ("success.json", "\ufeff", NOT_JSON),
        ("success.json", "\ufeff\ufeff{}", NOT_JSON),
        ("success.json", "{} {}", NOT_JSON),
        ("success.json", '{"paid": false, "paid": true}', TWICE),
        ("success.json", '[{"order": {"id": 1, "id": 1}}]', TWICE),
        ("success.json", r'{"id": 1, "\u0069d": 2}', TWICE),
        ("success.json", "NaN", NO_NUMBER),
        ("success.json", "[1e999]", NO_NUMBER),
        ("success.json", r'"\ud83d"', HALF_AN_EMOJI),
        ("success.json", r'{"\ude00\ud83d": 1}', HALF_AN_EMOJI),
        ("success.json", "[" * 100_000, TOO_DEEP),
        ("success.json", "9" * 5_000, NO_NUMBER),
        ("failure.json", "", EMPTY),
        ("failure.json", '{"error": "OutOfStock", "error": "Shipped"}', TWICE),
        ("failure.json", "[]", BAD_FAILURE),
        ("failure.json", '"OutOfStock"', BAD_FAILURE),
        ("failure.json", '{"error": 5}', BAD_FAILURE),
        ("failure.json", '{"error": "OutOfStock", "cause": ["None is left."]}', BAD_FAILURE),
        ("failure.json", '{"error": "States.Timeout"}', RESERVED_ERROR),
        ("failure.json", '{"error": "SQS.SdkClientException"}', RESERVED_ERROR),
        ("failure.json", '{"error": "Callback.TimedOut"}', RESERVED_ERROR),
        ("failure.json", '{"error": "DynamoDb.TransactionConflictException"}', RESERVED_ERROR),
        ("failure.json", '{"error": " s3.NoSuchKey"}', RESERVED_ERROR),
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
    assert exchange.notify(key) == NONE_FAILED
    # Then
    assert_rejected(exchange, key, (content, reason))
    assert exchange.step_functions.calls == []
    # And a good answer is taken
    exchange.notify(exchange.drop("success.json"))
    assert [operation for operation, _ in exchange.answers()] == ["success"]


def test_a_key_that_leaves_no_room_for_a_folder_is_kept_under_its_hash(exchange: Exchange) -> None:
    key = "inbound/" + "é" * 508
    assert exchange.notify(exchange.drop(key, "1")) == NONE_FAILED
    assert_rejected(exchange, key, ("1", ODD_KEY))
    assert all(sha256(key.encode()).hexdigest() in kept for kept in exchange.keys("rejected/"))


def test_a_file_too_large_to_be_moved_stays_with_the_reason_and_the_wait_goes_on(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "MAX_COPY_BYTES", 10)
    assert exchange.notify(exchange.drop("success.json", '"more than 10 bytes"')) == NONE_FAILED
    assert exchange.keys("inbound/") == [SUCCESS]
    [reason] = exchange.keys("rejected/")
    assert exchange.text(reason).startswith(TOO_LARGE)
    exchange.notify(exchange.drop("success.json", "{}"))
    assert [operation for operation, _ in exchange.answers()] == ["success"]


# ------------------------------------------------------------------ what is kept, and why
def test_no_file_replaces_what_is_kept_or_the_reason(exchange: Exchange) -> None:
    """Whatever a partner drops under the names of what lies in rejected/ and processed/ is kept beside it."""
    # Given
    exchange.notify(exchange.drop("success.json", "{"))
    exchange.notify(exchange.drop("success.json", "1"))
    kept = {key: exchange.text(key) for key in exchange.keys("rejected/") + exchange.keys("processed/")}
    # When
    forged = [f"inbound/{UUID}/success.json.reason.txt"]
    for key in kept:
        path = key.removeprefix("rejected/").removeprefix("inbound/")
        forged += [f"inbound/{path}", f"inbound/{path}/content", f"inbound/{path}/reason.txt", f"inbound/../{key}"]
    for number, key in enumerate(forged):
        for content in (f"{number}, first", f"{number}, second"):
            assert exchange.notify(exchange.drop(key, content)) == NONE_FAILED
    # Then
    assert {key: exchange.text(key) for key in kept} == kept
    for number, key in enumerate(forged):
        assert_rejected(exchange, key, (f"{number}, first", ODD_KEY), (f"{number}, second", ODD_KEY))
    assert len(exchange.versions("rejected/")) == len(exchange.keys("rejected/"))


@given(keys=st.lists(st.text("/.\u00e9content", max_size=509), min_size=1, max_size=4))
@settings(max_examples=15, deadline=None)
def test_every_file_that_is_rejected_is_kept_under_a_name_of_its_own(keys: list[str]) -> None:
    with new_exchange() as exchange:
        for number, name in enumerate(keys * 2):
            assert exchange.notify(exchange.drop(f"inbound/{name}", str(number))) == NONE_FAILED
        for name in keys:
            numbers = [number for number, each in enumerate(keys * 2) if each == name]
            assert_rejected(exchange, f"inbound/{name}", *((str(number), ODD_KEY) for number in numbers))
        assert len(exchange.versions("rejected/")) == len(exchange.keys("rejected/")) == 4 * len(keys)
        assert all(len(key.encode()) <= MAX_KEY_BYTES for key in exchange.keys("rejected/"))


def test_an_answer_after_a_redrive_is_kept_beside_one_that_came_too_late(exchange: Exchange) -> None:
    # Given an answer that was copied to processed/ when the wait was stopped
    exchange.drop("success.json", "1")
    with pytest.MonkeyPatch.context() as patch:
        break_off(exchange, patch, call=5, after=True)
        exchange.notify(SUCCESS)
    exchange.step_functions.settled.add(TOKEN)
    exchange.notify(SUCCESS)
    # When
    exchange.ask("new", SENT_AT + 1)
    exchange.notify(exchange.drop("success.json", "2"))
    # Then
    assert sorted(exchange.processed()) == [("success.json", "1"), ("success.json", "2")]
    assert exchange.answers()[-1] == ("success", {"output": "2"})


# ------------------------------------------------------------------ answers that come twice, late or early
def test_the_same_file_twice_before_it_is_taken_decides_once_and_is_kept_twice(exchange: Exchange) -> None:
    exchange.drop("success.json", "1")
    exchange.notify(exchange.drop("success.json", "2"), SUCCESS)
    assert exchange.answers() == [("success", {"output": "2"})]
    assert exchange.processed() == [("success.json", "2")]
    assert_rejected(exchange, SUCCESS, ("1", NOBODY_WAITS))
    assert exchange.notify(SUCCESS) == NONE_FAILED
    assert exchange.keys("tokens/") == []


def test_the_same_file_again_after_it_was_taken_is_rejected_at_once(exchange: Exchange) -> None:
    exchange.notify(exchange.drop("success.json"))
    assert exchange.notify(exchange.drop("success.json", "[]")) == NONE_FAILED
    assert len(exchange.answers()) == 1
    assert_rejected(exchange, SUCCESS, ("[]", NOBODY_WAITS))


@pytest.mark.parametrize("winner", ["success", "failure"])
def test_of_both_answers_at_once_one_decides_and_the_other_is_kept_with_the_reason(
    exchange: Exchange, winner: str
) -> None:
    # Given an answer that is accepted while the other has just been found to be in time
    loser = SUCCESS if winner == "failure" else FAILURE
    for name in ("success.json", "failure.json"):
        exchange.drop(name, "{}")
    meanwhile(exchange, "send_task_heartbeat", lambda: exchange.notify(f"inbound/{UUID}/{winner}.json"), after=True)
    # When
    assert exchange.notify(loser) == NONE_FAILED
    # Then
    assert [operation for operation, _ in exchange.answers()] == [winner]
    assert_rejected(exchange, loser, ("{}", NOBODY_WAITS))
    assert exchange.keys("tokens/") == []


def test_an_answer_beside_one_that_has_decided_and_is_not_given_yet_is_rejected(exchange: Exchange) -> None:
    # Given
    exchange.drop("success.json", "{}")
    exchange.drop("failure.json", "{}")
    exchange.step_functions.errors.append(client_error("ThrottlingException"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exchange.step_functions, "send_task_heartbeat", lambda **_: {})
        assert failed_records(exchange.notify(SUCCESS)) == ["message-1"]
    # When
    exchange.notify(FAILURE)
    # Then
    assert exchange.rejected(FAILURE) == [(b"{}", NOT_FIRST)]
    exchange.notify(SUCCESS)
    assert [operation for operation, _ in exchange.answers()] == ["success", "success"]
    assert exchange.keys("tokens/") == []


def meanwhile(exchange: Exchange, operation: str, happens: Callable[[], object], *, after: bool = False) -> None:
    """Something happens while a callback is on its way, or its answer is."""
    call = getattr(exchange.step_functions, operation)

    def call_meanwhile(**arguments: str) -> Any:
        setattr(exchange.step_functions, operation, call)
        if after:
            answer = call(**arguments)
            happens()
            return answer
        happens()
        return call(**arguments)

    setattr(exchange.step_functions, operation, call_meanwhile)


def test_what_is_kept_is_what_was_given_whatever_is_dropped_meanwhile(exchange: Exchange) -> None:
    exchange.drop("success.json", "1")
    meanwhile(exchange, "send_task_heartbeat", lambda: exchange.drop("success.json", "2"))
    exchange.notify(SUCCESS)
    assert exchange.answers() == [("success", {"output": "1"})]
    assert exchange.processed() == [("success.json", "1")]
    assert_rejected(exchange, SUCCESS, ("2", NOBODY_WAITS))


def test_the_token_of_a_wait_that_is_redriven_meanwhile_stays(exchange: Exchange) -> None:
    exchange.drop("success.json")
    meanwhile(exchange, "send_task_success", lambda: exchange.ask("new", SENT_AT + 1))
    exchange.notify(SUCCESS)
    assert json.loads(exchange.text(TOKEN_KEY))["taskToken"] == "new"


# ------------------------------------------------------------------ executions that have ended
def test_the_token_of_an_execution_that_has_ended_is_removed(exchange: Exchange) -> None:
    exchange.step_functions.settled.add(TOKEN)
    for _ in range(2):
        assert exchange.end() == NONE_FAILED
        assert exchange.keys("tokens/") == []
    # And what the partner drops then is kept, with the reason
    exchange.notify(exchange.drop("success.json", "{}"))
    assert_rejected(exchange, SUCCESS, ("{}", NOBODY_WAITS))


def test_the_token_of_an_execution_that_was_redriven_meanwhile_stays(exchange: Exchange) -> None:
    exchange.step_functions.settled.add(TOKEN)
    exchange.ask("new", SENT_AT + 1)
    exchange.end()
    assert exchange.token() == "new"


def test_an_answer_whose_workflow_ends_before_it_is_removed_is_not_rejected(exchange: Exchange) -> None:
    # Given
    exchange.drop("success.json", "{}")
    with pytest.MonkeyPatch.context() as patch:
        break_off(exchange, patch, call=5, after=True)
        exchange.notify(SUCCESS)
    assert [operation for operation, _ in exchange.answers()] == ["success"]
    # When
    exchange.end()
    exchange.notify(SUCCESS)
    # Then
    assert exchange.keys("rejected/") == exchange.keys("tokens/") == exchange.versions("inbound/") == []


def test_an_answer_is_accepted_where_the_one_that_was_to_decide_is_gone(exchange: Exchange) -> None:
    # Given an answer that is noted as the one that decides, and then removed by hand
    exchange.drop("success.json", "1")
    with pytest.MonkeyPatch.context() as patch:
        break_off(exchange, patch, call=4, after=False)
        exchange.notify(SUCCESS)
    bucket.remove_version(bucket.read(SUCCESS) or pytest.fail("there is none"))
    # When
    exchange.notify(exchange.drop("failure.json", "{}"))
    # Then
    assert [operation for operation, _ in exchange.answers()] == ["failure"]
    assert exchange.keys("tokens/") == []


@pytest.mark.parametrize("corrected", [False, True])
def test_the_answer_that_decides_is_delivered_though_it_was_removed(exchange: Exchange, corrected: bool) -> None:
    # Given an answer that is noted as the one that decides, and then removed, so that its version is still there
    exchange.drop("success.json", "1")
    with pytest.MonkeyPatch.context() as patch:
        break_off(exchange, patch, call=4, after=False)
        exchange.notify(SUCCESS)
    exchange.s3.delete_object(Bucket=NAME, Key=SUCCESS)
    if corrected:
        exchange.notify(exchange.drop("success.json", "2"))
    # When
    exchange.notify(SUCCESS)
    # Then
    assert exchange.answers() == [("success", {"output": "1"})]
    assert exchange.processed() == [("success.json", "1")]
    assert exchange.keys("tokens/") == exchange.keys("inbound/") == []
    assert len(exchange.rejected(SUCCESS)) == corrected


@pytest.mark.parametrize("execution_id", [None, 5, "execution", [], "arn:aws:states:us-east-1:1:execution:m:n"])
def test_the_end_of_what_is_no_execution_goes_back_to_the_queue(exchange: Exchange, execution_id: Any) -> None:
    assert failed_records(exchange.end(execution_id)) == ["message-1"]
    assert exchange.token() == TOKEN


@pytest.mark.parametrize("name", ["success.json", "failure.json"])
def test_a_late_answer_is_kept_with_the_reason_and_the_token_removed(exchange: Exchange, name: str) -> None:
    exchange.step_functions.settled.add(TOKEN)
    exchange.notify(exchange.drop(name, "{}"))
    assert exchange.answers() == []
    assert_rejected(exchange, f"inbound/{UUID}/{name}", ("{}", NOBODY_WAITS))
    assert exchange.keys("tokens/") == exchange.keys("processed/") == []


def test_an_answer_before_the_request_is_written_out_waits_for_it() -> None:
    with new_exchange() as exchange:
        # Given
        key = exchange.drop("success.json")
        for receives in range(1, EARLY_RECEIVES):
            assert failed_records(exchange.notify(key, receives=receives)) == ["message-1"]
        # When
        exchange.ask()
        # Then
        assert exchange.notify(key, receives=EARLY_RECEIVES) == NONE_FAILED
        assert [operation for operation, _ in exchange.answers()] == ["success"]


def test_an_answer_to_a_uuid_that_nobody_asked_under_is_rejected_in_the_end() -> None:
    with new_exchange() as exchange:
        key = exchange.drop("success.json", "{}")
        assert exchange.notify(key, receives=EARLY_RECEIVES) == NONE_FAILED
        assert_rejected(exchange, key, ("{}", NOBODY_WAITS))


def test_a_redriven_wait_is_answered_under_its_own_token(exchange: Exchange) -> None:
    exchange.step_functions.settled.add(TOKEN)
    exchange.ask("new", SENT_AT + 1)
    exchange.notify(exchange.drop("success.json"))
    assert exchange.step_functions.answers("new")[-1] == "success"
    assert exchange.keys("tokens/") == []


# ------------------------------------------------------------------ heartbeats
def test_a_heartbeat_is_reported_and_removed_and_the_wait_goes_on(exchange: Exchange) -> None:
    assert exchange.notify(exchange.drop("heartbeat", "")) == NONE_FAILED
    assert exchange.step_functions.answers(TOKEN) == ["heartbeat"]
    assert exchange.keys("inbound/") == exchange.keys("rejected/") == []
    exchange.notify(exchange.drop("success.json"))
    assert len(exchange.answers()) == 1


@pytest.mark.parametrize("when", ["before the request", "after the answer", "after the timeout"])
def test_a_heartbeat_for_nobody_is_removed(when: str) -> None:
    with new_exchange() as exchange:
        if when != "before the request":
            exchange.ask()
        if when == "after the answer":
            exchange.notify(exchange.drop("success.json"))
        exchange.step_functions.settled.add(TOKEN)
        assert exchange.notify(exchange.drop("heartbeat")) == NONE_FAILED
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
        ("execution_ended", [], 0),
    ],
)
def test_sample_events(exchange: Exchange, name: str, outcomes: list[str], returned: int) -> None:
    event = sample_event(f"file_exchange_inbox/{name}")
    about = json.loads(event["Records"][0]["body"])
    if "detail" in about:
        exchange.drop(about["detail"]["object"]["key"], "{}")
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
    assert exchange.notify(SUCCESS, FAILURE, HEARTBEAT, "inbound/odd") == NONE_FAILED
    assert exchange.step_functions.calls == []


def test_neither_content_nor_token_nor_a_name_of_the_partners_is_logged(
    exchange: Exchange, printed: io.StringIO
) -> None:
    exchange.notify(exchange.drop("4111111111111111.json", "4111111111111111"))
    exchange.notify(exchange.drop("failure.json", '{"error": "4111111111111111", "cause": "4111111111111111"}'))
    assert "file rejected" in printed.getvalue()
    assert "answer accepted" in printed.getvalue()
    assert "4111111111111111" not in printed.getvalue()
    assert TOKEN not in printed.getvalue()


# ------------------------------------------------------------------ wherever it breaks off
class Broken(Exception):
    """In place of the end of a process."""


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


CALLS = 12  # of an answer: read, find, heartbeat, claim, copy, deliver, remove, forget, and read that nothing is left


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", range(CALLS))
@pytest.mark.parametrize("name", ["success.json", "failure.json"])
def test_an_answer_is_taken_once_wherever_it_breaks_off(exchange: Exchange, name: str, call: int, after: bool) -> None:
    # Given
    key = exchange.drop(name, "{}")
    with pytest.MonkeyPatch.context() as patch:
        break_off(exchange, patch, call, after=after)
        exchange.notify(key)
    # When the event comes again
    assert exchange.notify(key) == NONE_FAILED
    # Then
    assert exchange.step_functions.settled == {TOKEN}
    assert exchange.processed() == [(name, "{}")]
    assert exchange.keys("tokens/") == exchange.keys("rejected/") == exchange.versions("inbound/") == []


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", range(6))
def test_a_file_is_rejected_wherever_that_breaks_off(exchange: Exchange, call: int, after: bool) -> None:
    key = exchange.drop("success.json", "{")
    with pytest.MonkeyPatch.context() as patch:
        break_off(exchange, patch, call, after=after)
        exchange.notify(key)
    assert exchange.notify(key) == NONE_FAILED
    assert_rejected(exchange, key, ("{", NOT_JSON))


def test_the_breaks_reach_every_call_of_an_answer(exchange: Exchange) -> None:
    key = exchange.drop("success.json")
    with pytest.MonkeyPatch.context() as patch:
        made = break_off(exchange, patch, 1000, after=False)
        exchange.notify(key)
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
        assert failed_records(exchange.notify(key)) == ["message-1"]
    assert exchange.notify(key) == NONE_FAILED
    assert [name for name, _ in exchange.processed()] == ["success.json"]


FILES = [("success.json", "{}"), ("success.json", "{"), ("failure.json", "{}"), ("heartbeat", ""), ("odd.json", "{}")]


@given(
    dropped=st.lists(st.sampled_from(FILES), min_size=1, max_size=5),
    steps=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 12), st.booleans()), max_size=8),
    asked_after=st.integers(0, 8),
)
@settings(max_examples=60, deadline=None)
def test_whatever_is_dropped_in_whatever_order_its_events_come_all_has_its_end(
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
                exchange.notify(keys[which % len(keys)])
        exchange.ask()
        # When each event comes for the last time
        for key in keys:
            assert exchange.notify(key) == NONE_FAILED
        # Then one usable answer has decided, if there was one, and every file is kept but the heartbeats
        usable = any(content == "{}" and name != "odd.json" for name, content in dropped)
        assert exchange.step_functions.settled == ({TOKEN} if usable else set())
        assert exchange.versions("inbound/") == []
        assert (exchange.keys("tokens/") == []) == usable
        assert len(exchange.keys("processed/")) == usable
        rejected = [
            (key.rpartition("/")[2], content.decode()) for key in {*keys} for content, _ in exchange.rejected(key)
        ]
        assert sorted(rejected + exchange.processed()) == sorted(file for file in dropped if file[0] != "heartbeat")
