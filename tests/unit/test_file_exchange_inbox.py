"""The inbox: every file has a defined end, and one answer decides."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings

import file_exchange_inbox
from exchange import bucket
from file_exchange_inbox import (
    EARLY_RECEIVES,
    NOBODY_WAITS,
    NOT_FIRST,
)
from tests.unit.exchange import (
    FAILURE,
    HALF_AN_EMOJI,
    HEARTBEAT,
    NAME,
    NONE_FAILED,
    SENT_AT,
    SUCCESS,
    TOKEN,
    TOKEN_KEY,
    UUID,
    Exchange,
    asked,
    assert_rejected,
    break_off,
    dropped_event,
    exchange_in,
    new_exchange,
)
from tests.unit.fake_s3 import FakeS3
from tests.unit.support import CONTEXT, any_json, client_error, failed_records, sample_event

LIMIT = 262_144

exchange = pytest.fixture(asked)


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
    with exchange_in(FakeS3()) as exchange:
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
        exchange.drop("success.json", "2")  # in one batch, its event is taken for the one that comes again
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
