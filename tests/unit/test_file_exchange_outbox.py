"""The outbox: token first, one request a message, and what comes late or twice changes nothing."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

import file_exchange_outbox
from callbacks import task
from exchange import bucket
from file_exchange_outbox import TAKEN
from tests.unit.exchange import (
    EXECUTION_ID,
    REQUEST_KEY,
    SENT_AT,
    TOKEN,
    TOKEN_KEY,
    UUID,
    Exchange,
    new_exchange,
    request_event,
)
from tests.unit.support import CONTEXT, client_error, failed_records, sample_event


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with new_exchange() as exchange:
        yield exchange


def test_the_partner_reads_what_is_asked_where_to_answer_and_until_when(exchange: Exchange) -> None:
    # When
    assert exchange.ask() == {"batchItemFailures": []}
    # Then
    assert json.loads(exchange.text(REQUEST_KEY)) == {
        "uuid": UUID,
        "info": {"orderId": "order-1"},
        "answerTo": {
            "success": f"inbound/{UUID}/success.json",
            "failure": f"inbound/{UUID}/failure.json",
            "heartbeat": f"inbound/{UUID}/heartbeat",
        },
        "askedAt": "2026-11-20T10:00:00.000+00:00",
        "answerBy": "2026-11-27T10:00:00.000+00:00",
        "heartbeatSeconds": 259200,
    }
    assert json.loads(exchange.text(TOKEN_KEY)) == {
        "taskToken": TOKEN,
        "executionId": EXECUTION_ID,
        "sentAt": SENT_AT,
        "answer": None,
    }
    assert TOKEN not in exchange.text(REQUEST_KEY)


def test_the_token_is_there_before_the_request(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    written, write = [], bucket.write

    def note(key: str, *arguments: Any, **options: Any) -> str:
        written.append(key)
        return write(key, *arguments, **options)

    monkeypatch.setattr(bucket, "write", note)
    exchange.ask()
    assert written == [TOKEN_KEY, REQUEST_KEY]


@pytest.mark.parametrize("info", [None, "Grüße 😀", [1.5, {}], "x" * 300_000], ids=lambda info: repr(info)[:9])
def test_any_info_reaches_the_partner_as_it_is(exchange: Exchange, info: object) -> None:
    for _ in range(2):
        file_exchange_outbox.lambda_handler(request_event(info=info), CONTEXT)
    assert json.loads(exchange.text(REQUEST_KEY))["info"] == info
    assert len(exchange.versions()) == 2


def test_a_message_that_comes_again_writes_nothing_even_after_the_exchange_is_over(exchange: Exchange) -> None:
    # Given
    exchange.ask()
    before = exchange.versions()
    # When, Then
    exchange.ask()
    assert exchange.versions() == before
    # And when the partner has answered
    exchange.notify(exchange.drop("success.json"))
    after_answer = exchange.versions()
    exchange.ask()
    assert exchange.versions() == after_answer
    assert exchange.keys("tokens/") == []


def test_a_redriven_wait_replaces_token_and_request_and_older_messages_are_late(exchange: Exchange) -> None:
    exchange.ask("old", SENT_AT)
    exchange.step_functions.settled.add("old")
    exchange.ask("new", SENT_AT + 1)
    assert exchange.token() == "new"
    assert '"askedAt": "2026-11-20T10:00:00.001+00:00"' in exchange.text(REQUEST_KEY)
    # When
    exchange.ask("old", SENT_AT)
    # Then
    assert exchange.token() == "new"
    assert len(exchange.versions()) == 4


def test_an_older_message_writes_nothing_where_the_newer_one_broke_off(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a newer message whose token is stored, and whose request is not written out yet
    with monkeypatch.context() as patch:
        patch.setattr(file_exchange_outbox, "partner_request", lambda *_: 1 / 0)
        assert failed_records(exchange.ask("new", SENT_AT + 1)) == ["message-1"]
    exchange.step_functions.settled.add("old")
    # When
    exchange.ask("old", SENT_AT)
    # Then
    assert exchange.keys() == [TOKEN_KEY]
    assert exchange.token() == "new"
    # And the newer one is made good
    exchange.ask("new", SENT_AT + 1)
    assert exchange.keys() == [REQUEST_KEY, TOKEN_KEY]


# ------------------------------------------------------------------ who waits
@pytest.mark.parametrize("sent_at", [SENT_AT - 1, SENT_AT, SENT_AT + 1], ids=["earlier", "at once", "later"])
@pytest.mark.parametrize("execution", [EXECUTION_ID, None], ids=["of this execution", "of no execution"])
def test_a_settled_token_replaces_none_whenever_it_is_sent(
    exchange: Exchange, sent_at: int, execution: str | None
) -> None:
    # Given
    exchange.ask("live", SENT_AT)
    exchange.step_functions.settled.add("settled")
    before = exchange.versions()
    # When
    event = request_event("settled", sent_at)
    body = json.loads(event["Records"][0]["body"])
    event["Records"][0]["body"] = json.dumps({**body, "executionId": execution})
    assert failed_records(file_exchange_outbox.lambda_handler(event, CONTEXT)) == []
    # Then
    assert (exchange.versions(), exchange.token()) == (before, "live")
    exchange.notify(exchange.drop("success.json"))
    assert exchange.step_functions.answers("live")[-1] == "success"


def test_a_token_of_another_execution_that_waits_is_not_replaced(exchange: Exchange) -> None:
    exchange.ask("live", SENT_AT)
    event = request_event("other", SENT_AT + 1)
    body = json.loads(event["Records"][0]["body"])
    event["Records"][0]["body"] = json.dumps({**body, "executionId": f"{EXECUTION_ID}2"})
    file_exchange_outbox.lambda_handler(event, CONTEXT)
    assert exchange.token() == "live"
    [(operation, failure)] = exchange.answers()
    assert (operation, failure) == ("failure", {"error": "FileExchange.InvalidRequest", "cause": TAKEN})


@pytest.mark.parametrize("sent_at", [SENT_AT, SENT_AT + 1], ids=["delivered again", "sent again"])
@pytest.mark.parametrize("answered", [True, False])
def test_a_message_after_the_end_stores_no_token_and_asks_nobody(
    exchange: Exchange, sent_at: int, answered: bool
) -> None:
    # Given
    exchange.ask()
    if answered:
        exchange.notify(exchange.drop("success.json"))
    else:
        exchange.step_functions.settled.add(TOKEN)
    exchange.end()
    request = exchange.text(REQUEST_KEY)
    # When
    exchange.ask(sent_at=sent_at)
    # Then
    assert (exchange.keys("tokens/"), exchange.text(REQUEST_KEY)) == ([], request)


def test_a_message_sent_again_while_its_workflow_waits_writes_nothing(exchange: Exchange) -> None:
    exchange.ask(sent_at=SENT_AT)
    before = exchange.versions()
    exchange.ask(sent_at=SENT_AT + 1)
    assert exchange.versions() == before


@pytest.mark.parametrize("calls", range(5))
def test_a_token_whose_wait_ends_while_it_is_stored_is_removed(
    exchange: Exchange, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait ends before one of the calls: of the looks, the heartbeats and the write of the token."""
    # Given
    made = 0

    def ending(operation: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal made
            made += 1
            if made == calls + 1:
                exchange.step_functions.settled.add(TOKEN)
                exchange.end()
            return operation(*arguments, **options)

        return call

    monkeypatch.setattr(bucket, "_call", ending(bucket._call))
    monkeypatch.setattr(task, "_send", ending(task._send))
    # When
    assert failed_records(exchange.ask()) == []
    # Then
    assert exchange.keys() == []


def test_two_deliveries_at_once_leave_no_token_of_an_answered_workflow(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given one delivery whose request is answered between the other's heartbeat and its write
    write = bucket.write

    def write_late(*arguments: Any, **options: Any) -> str:
        monkeypatch.setattr(bucket, "write", write)
        exchange.ask()
        exchange.notify(exchange.drop("success.json"))
        exchange.end()
        return write(*arguments, **options)

    monkeypatch.setattr(bucket, "write", write_late)
    # When
    exchange.ask()
    # Then
    assert exchange.keys("tokens/") == []
    assert len(exchange.answers()) == 1


@pytest.mark.parametrize("key", [TOKEN_KEY, REQUEST_KEY])
def test_of_two_deliveries_at_once_one_comes_back(
    exchange: Exchange, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given one that writes all between the other's look and its write
    write = bucket.write

    def write_second(written: str, *arguments: Any, **options: Any) -> str:
        if written == key:
            monkeypatch.setattr(bucket, "write", write)
            exchange.ask()
        return write(written, *arguments, **options)

    monkeypatch.setattr(bucket, "write", write_second)
    # When
    assert failed_records(exchange.ask()) == ["message-1"]
    # Then
    assert failed_records(exchange.ask()) == []
    assert len(exchange.versions()) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"uuid": "../tokens/x"},
        {"uuid": UUID.upper()},
        {"uuid": None},
        {"timeoutSeconds": None},
        {"heartbeatSeconds": "3"},
        {"heartbeatSeconds": True},
        {"timeoutSeconds": 10**20},
        {"timeoutSeconds": 0},
        {"info": float("nan")},
    ],
    ids=repr,
)
def test_a_request_that_is_not_valid_fails_the_workflow_at_once(exchange: Exchange, changes: dict[str, Any]) -> None:
    file_exchange_outbox.lambda_handler(request_event(**changes), CONTEXT)
    [(operation, failure)] = exchange.answers()
    assert (operation, failure["error"]) == ("failure", "FileExchange.InvalidRequest")
    assert exchange.keys() == []


@pytest.mark.parametrize(
    "error",
    [
        client_error("SlowDown", "PutObject"),
        client_error("AccessDenied", "PutObject"),
        ReadTimeoutError(endpoint_url="https://s3"),
    ],
    ids=str,
)
def test_a_fault_of_the_bucket_brings_the_message_back(
    exchange: Exchange, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(exchange.s3, "put_object", fail)
        assert failed_records(exchange.ask()) == ["message-1"]
    assert failed_records(exchange.ask()) == []
    assert exchange.keys() == [REQUEST_KEY, TOKEN_KEY]


def test_a_message_that_does_not_say_when_it_was_sent_is_written_out_all_the_same(exchange: Exchange) -> None:
    event = request_event()
    del event["Records"][0]["attributes"]
    file_exchange_outbox.lambda_handler(event, CONTEXT)
    assert exchange.keys() == [REQUEST_KEY, TOKEN_KEY]


@pytest.mark.parametrize(
    ("name", "objects", "refused", "returned"),
    [
        ("request", 2, 0, 0),
        ("same_message_twice", 2, 0, 0),
        ("invalid_request", 0, 1, 0),
        ("batch_with_bad_records", 4, 0, 2),
    ],
)
def test_sample_events(exchange: Exchange, name: str, objects: int, refused: int, returned: int) -> None:
    response = file_exchange_outbox.lambda_handler(sample_event(f"file_exchange_outbox/{name}"), CONTEXT)
    assert (len(exchange.versions()), len(exchange.answers())) == (objects, refused)
    assert len(failed_records(response)) == returned
