"""Answers the records of an SQS batch at once; only those that fail come back."""

import gc
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from callbacks.calls import MAX_CALL_SECONDS
from callbacks.entry import PrintableError, describe, logger, metrics
from callbacks.metrics import count_callback
from callbacks.request import parse_callback_request
from callbacks.settings import ConfigurationError
from callbacks.task import Outcome

Record = dict[str, Any]  # of an SQS event: messageId, body, attributes …
BatchResponse = dict[str, list[dict[str, str]]]  # {"batchItemFailures": [{"itemIdentifier": <messageId>}, …]}

LARGE_BATCH = 65_536  # characters
_pool = ThreadPoolExecutor(max_workers=10)  # the batch size of the event source mappings


class NotAnSqsEvent(PrintableError):
    """The event, or a record of it, is not as a queue sends it."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"not an SQS event: {problem}; the folder events/ holds samples")


class OutOfTime(PrintableError):
    """Too little of the invocation is left to be sure of finishing a callback."""


def process_batch(
    event: dict[str, object], context: LambdaContext, record_handler: Callable[[Record], Outcome | None]
) -> BatchResponse:
    """Handle every record of an SQS event, each in a separate thread.

    `record_handler` returns None where it passed the record on, and the callback comes later and from elsewhere.
    A record whose handler raises is reported as failed, and so comes back after the visibility timeout; so does one
    that the invocation has no time left for, and a malformed one. A message that a batch holds twice is answered once.
    Raises NotAnSqsEvent when there are no records; after the others are answered, NotAnSqsEvent when one has no
    messageId and so cannot be named in the response, and ConfigurationError when a handler does: the fault is the
    function's. Lambda then has to send the whole batch again.
    """
    records = _records_of(event)
    named = [record for record in records if record.get("messageId")]
    fault: PrintableError | None = NotAnSqsEvent("a record has no messageId") if len(named) < len(records) else None
    handled: dict[str, Future[Outcome | None]] = {}

    def handle_in_time(record: Record) -> Outcome | None:
        if context.get_remaining_time_in_millis() < MAX_CALL_SECONDS * 1000:
            raise OutOfTime("too little of the invocation is left")
        return record_handler(record)

    for record in named:
        body = record.get("body")
        if isinstance(body, str) and body not in handled:
            handled[body] = _pool.submit(handle_in_time, record)
    failed = []
    for record in named:
        try:
            outcome = handled[_text_of(record)].result()
        except ConfigurationError as error:
            fault = error
        except Exception as error:  # noqa: BLE001 - whatever it is, the queue brings the record again
            logger.warning(
                "record goes back to the queue",
                messageId=record["messageId"],
                reason=describe(error),
                correlation_id=_execution_of(record),
            )
            metrics.add_metric("RecordReturned", MetricUnit.Count, 1)
            failed.append({"itemIdentifier": record["messageId"]})
        else:
            _count(record, outcome)
    _let_go(handled, errors=bool(failed))
    if fault:
        raise fault
    return {"batchItemFailures": failed}


def _let_go(handled: dict[str, Future[Outcome | None]], *, errors: bool) -> None:
    """Keep no message: an error and the frames that it passed, ours and the SDK's, keep each other and the message.

    Python finds such cycles by itself, by the number of objects and not by their size: too seldom for large messages.
    """
    large = sum(map(len, handled)) > LARGE_BATCH
    handled.clear()
    if errors and large:
        gc.collect()


def _records_of(event: object) -> list[Record]:
    records = event.get("Records") if isinstance(event, dict) else None
    if not (isinstance(records, list) and records):
        raise NotAnSqsEvent("it has no Records")
    return [record if isinstance(record, dict) else {} for record in records]


def _text_of(record: Record) -> str:
    body = record.get("body")
    if not isinstance(body, str):
        raise NotAnSqsEvent("a record has no text as its body")
    return body


def _execution_of(record: Record) -> str | None:
    """The ARN of the execution that waits, None where the message cannot be read."""
    try:
        return parse_callback_request(_text_of(record)).execution_id
    except PrintableError:
        return None


def _count(record: Record, outcome: Outcome | None) -> None:
    if outcome is None:
        metrics.add_metric("RecordPassedOn", MetricUnit.Count, 1)
        return
    count_callback(outcome)
    if outcome is Outcome.DELIVERED:
        with suppress(KeyError, TypeError, ValueError):  # an event made by hand may not say when it was sent
            waited = time.time() - int(record["attributes"]["SentTimestamp"]) / 1000
            metrics.add_metric("CallbackSeconds", MetricUnit.Seconds, waited)
