"""Batches: records are answered at once, within the invocation's time, and fail one by one."""

import gc
import io
import json
import threading
import weakref
from typing import Any

import pytest

from callbacks.batch import LARGE_BATCH, NotAnSqsEvent, Record, process_batch
from callbacks.calls import MAX_CALL_SECONDS
from callbacks.entry import metrics
from callbacks.task import CallbackNotDelivered, Outcome
from tests.unit.support import CONTEXT, failed_records, make_lambda_context, sqs_event
from tools.stack import poll

EXECUTION_ID = "arn:aws:states:us-east-1:123456789012:execution:machine:name"


def deliver(_: Record) -> Outcome:
    return Outcome.DELIVERED


def test_ten_records_are_answered_at_once() -> None:
    everyone = threading.Barrier(10, timeout=5)

    def answer(_: Record) -> Outcome:
        everyone.wait()
        return Outcome.DELIVERED

    assert process_batch(sqs_event(*map(str, range(10))), CONTEXT, answer) == {"batchItemFailures": []}


def test_a_record_there_is_no_time_for_goes_back_without_being_started() -> None:
    context = make_lambda_context(remaining_ms=MAX_CALL_SECONDS * 1000 - 1)
    started: list[Record] = []
    response = process_batch(sqs_event("a", "b"), context, started.append)
    assert failed_records(response) == ["message-1", "message-2"]
    assert started == []


@pytest.mark.parametrize(
    "error", [CallbackNotDelivered("ThrottlingException"), KeyError("secret"), MemoryError("secret")]
)
def test_a_record_whose_answer_fails_is_the_only_one_to_come_back(error: Exception, printed: io.StringIO) -> None:
    def answer(record: Record) -> Outcome:
        if record["body"] == "bad":
            raise error
        return Outcome.DELIVERED

    response = process_batch(sqs_event("good", "bad", "fine"), CONTEXT, answer)
    assert failed_records(response) == ["message-2"]
    assert "record goes back to the queue" in printed.getvalue()
    assert "secret" not in printed.getvalue()


def test_no_message_is_kept_once_its_batch_is_handled() -> None:
    """Python's own garbage collections are so rare that a function would run out of memory before."""

    class Text(str):
        pass

    def fail(record: Record) -> Outcome:
        error = CallbackNotDelivered(record["messageId"])
        raise error  # which its frame keeps, as some of the SDK's do

    gc.collect()
    gc.disable()
    try:
        text = Text("a" * (LARGE_BATCH + 1))
        is_alive = weakref.ref(text)
        process_batch({"Records": [{"messageId": "1", "body": text}]}, CONTEXT, fail)
        del text
        poll("end of the thread's work", lambda: True if is_alive() is None else None, 5)
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (json.dumps({"taskToken": "secret", "executionId": EXECUTION_ID}), EXECUTION_ID),
        (json.dumps({"taskToken": "secret", "executionId": "secret"}), None),
        ("secret", None),
    ],
)
def test_what_goes_back_names_the_execution_where_the_message_can_be_read(
    body: str, named: str | None, printed: io.StringIO
) -> None:
    def answer(_: Record) -> Outcome:
        raise CallbackNotDelivered("ThrottlingException")

    assert failed_records(process_batch(sqs_event(body), CONTEXT, answer)) == ["message-1"]
    [line] = [line for line in map(json.loads, printed.getvalue().splitlines()) if "reason" in line]
    assert line.get("correlation_id") == named
    assert "secret" not in printed.getvalue()


NAME = {"messageId": "message-2"}


@pytest.mark.parametrize(
    "malformed",
    [
        NAME,
        {**NAME, "body": None},
        {**NAME, "body": {"taskToken": "token"}},
    ],
)
def test_a_malformed_record_comes_back_alone_and_unanswered(malformed: dict[str, Any], printed: io.StringIO) -> None:
    event, answered = sqs_event("good", "", "fine"), set()
    event["Records"][1] = malformed
    response = process_batch(event, CONTEXT, lambda record: answered.add(record["body"]))
    assert failed_records(response) == ["message-2"]
    assert answered == {"good", "fine"}
    assert "not an SQS event: a record has no text as its body" in printed.getvalue()


@pytest.mark.parametrize("attributes", [None, {}, {"SentTimestamp": "yesterday"}])
def test_a_record_that_does_not_say_when_it_was_sent_is_answered(attributes: object) -> None:
    event = sqs_event("good")
    event["Records"][0]["attributes"] = attributes
    assert failed_records(process_batch(event, CONTEXT, lambda _record: Outcome.DELIVERED)) == []


@pytest.mark.parametrize("malformed", [None, "text", [], {}, {"messageId": None}, {"Sns": {"Message": "text"}}])
def test_a_record_without_an_id_sends_the_batch_back_after_the_others_are_done(malformed: object) -> None:
    event, answered = sqs_event("good", "", "fine"), set()
    event["Records"][1] = malformed
    with pytest.raises(NotAnSqsEvent, match="a record has no messageId"):
        process_batch(event, CONTEXT, lambda record: answered.add(record["body"]))
    assert answered == {"good", "fine"}


@pytest.mark.parametrize("event", [{}, {"Records": "text"}, {"Records": []}, [], None, {"detail": {}}])
def test_an_event_that_is_not_from_a_queue_is_refused(event: Any) -> None:
    with pytest.raises(NotAnSqsEvent, match="it has no Records; the folder events/ holds samples"):
        process_batch(event, CONTEXT, deliver)


@pytest.mark.parametrize(
    ("outcome", "metric"),
    [
        (Outcome.DELIVERED, "CallbackDelivered"),
        (Outcome.ALREADY_SETTLED, "CallbackAlreadySettled"),
        (Outcome.REFUSED, "CallbackRefused"),
        (None, "RecordPassedOn"),
    ],
)
def test_every_outcome_is_final_and_counted_and_a_refused_token_is_warned_of(
    outcome: Outcome | None, metric: str, printed: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics.clear_metrics()
    response = process_batch(sqs_event("a"), CONTEXT, lambda _: outcome)
    metrics.flush_metrics()
    assert response == {"batchItemFailures": []}
    assert f'"{metric}":[1.0]' in capsys.readouterr().out
    assert ('"WARNING"' in printed.getvalue()) == (outcome is Outcome.REFUSED)
