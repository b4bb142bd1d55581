"""Answers the records of an SQS batch at once; only those that fail come back."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import AsyncBatchProcessor, EventType, async_process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from callbacks.calls import MAX_CALL_SECONDS
from callbacks.entry import PrintableError, describe, logger, metrics
from callbacks.metrics import count_callback
from callbacks.task import Outcome

_pool = ThreadPoolExecutor(max_workers=10)  # the batch size of the event source mappings


class NotAnSqsEvent(PrintableError):
    """The event, or a record of it, is not as a queue sends it."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"not an SQS event: {problem}; the folder events/ holds samples")


class OutOfTime(PrintableError):
    """Too little of the invocation is left to be sure of finishing a callback."""


def process_batch(
    event: dict[str, object], context: LambdaContext, answer: Callable[[SQSRecord], Outcome | None]
) -> PartialItemFailureResponse:
    """Answer every record of an SQS event, each in a thread of its own.

    `answer` returns None where it passed the record on, and the callback comes later and from elsewhere.
    A record whose `answer` raises is reported as failed, and so comes back after the visibility timeout; so does one
    that the invocation has no time left for, and a malformed one. A message that a batch holds twice is answered once.
    Raises NotAnSqsEvent when there are no records, and, after the others are answered, when one has no messageId: it
    cannot be named in the response, so that Lambda has to send the whole batch again.
    """
    if not (isinstance(event, dict) and event.get("Records") and isinstance(event["Records"], list)):
        raise NotAnSqsEvent("it has no Records")
    named = [record for record in event["Records"] if isinstance(record, dict) and record.get("messageId")]
    answers: dict[str, asyncio.Future[Outcome | None]] = {}

    def answer_in_time(record: SQSRecord) -> Outcome | None:
        if context.get_remaining_time_in_millis() < MAX_CALL_SECONDS * 1000:
            raise OutOfTime("too little of the invocation is left")
        return answer(record)

    async def record_handler(record: SQSRecord) -> Outcome | None:
        try:
            body = _text_of(record)
            if body not in answers:
                answers[body] = asyncio.get_running_loop().run_in_executor(_pool, answer_in_time, record)
            outcome = await answers[body]
        except Exception as error:
            logger.warning("record goes back to the queue", messageId=record.message_id, reason=describe(error))
            metrics.add_metric("RecordReturned", MetricUnit.Count, 1)
            raise
        if outcome is None:
            metrics.add_metric("RecordPassedOn", MetricUnit.Count, 1)
        else:
            count_callback(outcome)
        if outcome is Outcome.DELIVERED:
            _measure(record)
        return outcome

    processor = AsyncBatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    response = async_process_partial_response({"Records": named}, record_handler, processor, context)
    if len(named) < len(event["Records"]):
        raise NotAnSqsEvent("a record has no messageId")
    return response


def _text_of(record: SQSRecord) -> str:
    body = record.get("body")
    if not isinstance(body, str):
        raise NotAnSqsEvent("a record has no text as its body")
    return body


def _measure(record: SQSRecord) -> None:
    with suppress(KeyError, TypeError, ValueError):  # an event made by hand may not say when it was sent
        waited = time.time() - int(record.attributes.sent_timestamp) / 1000
        metrics.add_metric("CallbackSeconds", MetricUnit.Seconds, waited)
