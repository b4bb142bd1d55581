"""Writes requests from a queue out for the partner, and keeps their task tokens where the partner cannot see them."""

import re
import time
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from callbacks.batch import BatchResponse, Record, process_batch
from callbacks.entry import lambda_entry, logger
from callbacks.request import parse_callback_request
from callbacks.task import Outcome, send_task_failure
from exchange import bucket, waiting
from exchange.waiting import UUID, Waiting


@lambda_entry
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> BatchResponse:
    return process_batch(event, context, write_out)


def write_out(record: Record) -> Outcome | None:
    """Keep the token of one message, then write its request out; a message that comes late or twice writes nothing.

    The request is written last and says when it was asked for: while that is not earlier than this message, all of it
    has been done. Returns None, or the outcome of failing the task at once when its request is not valid. Raises
    UnreadableMessage, Conflict, BucketUnavailable or CallbackNotDelivered.
    """
    request = parse_callback_request(record["body"])
    if not is_request(request.payload):
        cause = "The request must have a uuid in lower case, info, and timeoutSeconds and heartbeatSeconds as numbers."
        return send_task_failure(request.task_token, "FileExchange.InvalidRequest", cause)
    uuid, sent_at = request.payload["uuid"], sent_millis(record)
    key, asked_at = waiting.request_key(uuid), timestamp(sent_at)
    before = bucket.read(key)
    written = (before is None or before.asked_at < asked_at) and waiting.store(
        Waiting(uuid, request.task_token, request.execution_id, sent_at)
    )
    if written:
        content = partner_request(request.payload, sent_at)
        bucket.write(key, content, replacing=before.etag if before else None, asked_at=asked_at)
    logger.info("request written out", uuid=uuid, written=written, correlation_id=request.execution_id)
    return None


def partner_request(payload: dict[str, Any], sent_at: int) -> dict[str, Any]:
    """What the partner needs to know."""
    uuid = payload["uuid"]
    return {
        "uuid": uuid,
        "info": payload["info"],
        "answerTo": {
            "success": f"inbound/{uuid}/success.json",
            "failure": f"inbound/{uuid}/failure.json",
            "heartbeat": f"inbound/{uuid}/heartbeat",
        },
        "askedAt": timestamp(sent_at),
        "answerBy": timestamp(sent_at + payload["timeoutSeconds"] * 1000),
        "heartbeatSeconds": payload["heartbeatSeconds"],
    }


def is_request(payload: object) -> bool:
    return (
        isinstance(payload, dict)
        and re.fullmatch(UUID, str(payload.get("uuid"))) is not None
        and "info" in payload
        and isinstance(payload.get("timeoutSeconds"), int)
        and isinstance(payload.get("heartbeatSeconds"), int)
    )


def sent_millis(record: Record) -> int:
    """When a message was sent, in milliseconds since 1970; now for one that does not say so."""
    try:
        return int(record["attributes"]["SentTimestamp"])
    except (KeyError, TypeError, ValueError):  # an event made by hand
        return int(time.time() * 1000)


def timestamp(millis: int) -> str:
    """In UTC, to the millisecond, so that an earlier time is also the smaller text."""
    return datetime.fromtimestamp(millis / 1000, UTC).isoformat(timespec="milliseconds")
