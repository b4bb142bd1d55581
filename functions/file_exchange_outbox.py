"""Writes requests from a queue out for the partner, and keeps their task tokens where the partner cannot see them."""

import json
import re
import time
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from callbacks.batch import BatchResponse, Record, process_batch
from callbacks.entry import lambda_entry, logger
from callbacks.request import CallbackRequest, parse_callback_request
from callbacks.task import Outcome, send_task_failure, send_task_heartbeat
from exchange import bucket, waiting
from exchange.bucket import File
from exchange.uuids import UUID
from exchange.waiting import Waiter

MAX_SECONDS = 99_999_999  # of Step Functions, for any timeout

TAKEN = "Another workflow waits for an answer under this uuid."


@lambda_entry
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> BatchResponse:
    return process_batch(event, context, write_out)


def write_out(record: Record) -> Outcome | None:
    """Store the token of one message and write its request out, or fail its task where the request is not valid.

    Returns None where the partner is asked, otherwise the outcome of the callback that ended the work on the message.
    Raises UnreadableMessage, Conflict, BucketUnavailable or CallbackNotDelivered.
    """
    request = parse_callback_request(record["body"])
    problem = request.problem or request_problem(request.payload)
    if problem:
        outcome: Outcome | None = send_task_failure(request.task_token, "FileExchange.InvalidRequest", problem)
        logger.info("invalid request refused", outcome=outcome, correlation_id=request.execution_id)
        return outcome
    outcome = ask_partner(request, sent_millis(record))
    done = "request not written out" if outcome else "request written out"
    logger.info(done, uuid=request.payload["uuid"], outcome=outcome, correlation_id=request.execution_id)
    return outcome


def ask_partner(request: CallbackRequest, sent_at: int) -> Outcome | None:
    """Store the token, then write the request out; for a message that comes late or twice do nothing.

    The request is written last and says when it was asked for: where that is what the token says, all has been done.
    """
    uuid = request.payload["uuid"]
    waiter, before = waiting.find(uuid), bucket.read(waiting.request_key(uuid))
    if waiter and waiter.task_token == request.task_token:
        if is_written(before, waiter):
            return None
    else:
        outcome = turn_away(request, waiter)
        if outcome:
            return outcome
        new = Waiter(uuid, request.task_token, request.execution_id, sent_at)
        waiter = waiting.store(new, replacing=waiter)
    outcome = send_task_heartbeat(waiter.task_token)  # whatever ended the wait before the token lay there left it there
    if outcome is not Outcome.DELIVERED:
        waiting.forget(waiter)
        return outcome
    if not is_written(before, waiter):
        content, asked_at = partner_request(request.payload, waiter.sent_at), timestamp(waiter.sent_at)
        bucket.write(waiting.request_key(uuid), content, replacing=before.etag if before else None, asked_at=asked_at)
    return None


def turn_away(request: CallbackRequest, waiter: Waiter | None) -> Outcome | None:
    """The outcome of a message that must not replace who waits under its uuid, None for one that may.

    It may where its own workflow waits, and the other one no longer does: of one execution, only the newest token can.
    Raises CallbackNotDelivered.
    """
    outcome = send_task_heartbeat(request.task_token)
    if outcome is not Outcome.DELIVERED:
        return outcome
    same_execution = waiter and waiter.execution_id and waiter.execution_id == request.execution_id
    if waiter and not same_execution and waiter.still_waits():
        return send_task_failure(request.task_token, "FileExchange.InvalidRequest", TAKEN)
    return None


def is_written(request: File | None, waiter: Waiter) -> bool:
    return request is not None and request.asked_at == timestamp(waiter.sent_at)


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


def request_problem(payload: object) -> str | None:
    """What keeps a payload from being a request, in words for whoever sent it; None if it is one."""
    if not isinstance(payload, dict) or not re.fullmatch(UUID, str(payload.get("uuid"))):
        return "The request must have a uuid in lower case."
    if not all(is_seconds(payload.get(name)) for name in ("timeoutSeconds", "heartbeatSeconds")):
        return f"timeoutSeconds and heartbeatSeconds must be whole numbers from 1 to {MAX_SECONDS}."
    try:
        json.dumps(payload["info"], allow_nan=False)
    except (KeyError, ValueError):
        return "The request must have info, which is any JSON."
    return None


def is_seconds(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_SECONDS


def sent_millis(record: Record) -> int:
    """When a message was sent, in milliseconds since 1970; now for one that does not say so."""
    try:
        return int(record["attributes"]["SentTimestamp"])
    except (KeyError, TypeError, ValueError):  # an event made by hand
        return int(time.time() * 1000)


def timestamp(millis: int) -> str:
    return datetime.fromtimestamp(millis / 1000, UTC).isoformat(timespec="milliseconds")
