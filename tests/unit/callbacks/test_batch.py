"""Batches: records are answered at once, within the invocation's time, and fail one by one."""

import threading

import pytest
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from callbacks.batch import NotAnSqsEvent, process_batch
from callbacks.entry import metrics
from callbacks.task import MAX_CALL_SECONDS, CallbackNotDelivered, Outcome
from tests.unit.printed import capture_prints
from tests.unit.support import failed_records, make_lambda_context, sqs_event


def test_ten_records_are_answered_at_once(lambda_context: LambdaContext) -> None:
    everyone = threading.Barrier(10, timeout=5)

    def answer(_: object) -> Outcome:
        everyone.wait()
        return Outcome.DELIVERED

    assert process_batch(sqs_event(*map(str, range(10))), lambda_context, answer) == {"batchItemFailures": []}


def test_a_record_there_is_no_time_for_goes_back_without_being_started() -> None:
    context = make_lambda_context(remaining_ms=MAX_CALL_SECONDS * 1000 - 1)
    started: list[SQSRecord] = []

    def answer(record: SQSRecord) -> Outcome:
        started.append(record)
        return Outcome.DELIVERED

    response = process_batch(sqs_event("a", "b"), context, answer)
    assert failed_records(response) == ["message-1", "message-2"]
    assert started == []


@pytest.mark.parametrize(
    "error", [CallbackNotDelivered("ThrottlingException"), KeyError("secret"), MemoryError("secret")]
)
def test_a_record_whose_answer_fails_is_the_only_one_to_come_back(
    error: Exception, lambda_context: LambdaContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = capture_prints(monkeypatch)

    def answer(record: SQSRecord) -> Outcome:
        if record.body == "bad":
            raise error
        return Outcome.DELIVERED

    response = process_batch(sqs_event("good", "bad", "fine"), lambda_context, answer)
    assert failed_records(response) == ["message-2"]
    assert "record goes back to the queue" in printed.getvalue()
    assert "secret" not in printed.getvalue()


@pytest.mark.parametrize("event", [{}, {"Records": "text"}, {"Records": []}, [], None, {"detail": {}}])
def test_an_event_that_is_not_from_a_queue_is_refused(event: object, lambda_context: LambdaContext) -> None:
    with pytest.raises(NotAnSqsEvent, match="no Records"):
        process_batch(event, lambda_context, lambda _: Outcome.DELIVERED)  # type: ignore[arg-type]


def test_a_refused_token_is_warned_of_counted_and_dropped(
    lambda_context: LambdaContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = capture_prints(monkeypatch)
    response = process_batch(sqs_event("a"), lambda_context, lambda _: Outcome.REFUSED)
    metrics.flush_metrics()
    assert response == {"batchItemFailures": []}
    assert '"WARNING"' in printed.getvalue()
    assert '"CallbackRefused":[1.0]' in printed.getvalue()
