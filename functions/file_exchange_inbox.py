"""Accepts the files that a partner drops, and resumes or fails the workflows that wait for them.

An event says only that something is under a key, or that an execution has ended, and what is there is looked for. So it
does not matter whether events come twice, late or out of order.
"""

import json
import re
from hashlib import sha256
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from callbacks.batch import BatchResponse, Record, process_batch
from callbacks.entry import PrintableError, lambda_entry, logger
from callbacks.error_names import RESERVED_ERROR_NAME, is_reserved_error_name
from callbacks.json_text import UnreadableJson, read_json
from callbacks.request import printable_execution_id
from callbacks.task import (
    Outcome,
    UnusableOutput,
    encode_output,
    send_task_failure,
    send_task_heartbeat,
    send_task_success,
)
from exchange import bucket, waiting
from exchange.bucket import Conflict, File
from exchange.uuids import UUID, uuid_of
from exchange.waiting import Waiter

EARLY_RECEIVES = 3  # of the event of an answer that comes before the request is written out
MAX_KEY_BYTES = 1024  # of S3

_KEY = re.compile(rf"inbound/(?P<uuid>{UUID})/(?P<name>success\.json|failure\.json|heartbeat)")

ODD_KEY = "The file must be named inbound/<uuid>/success.json, failure.json or heartbeat, with the uuid of a request."
EMPTY = "The file is empty."
BAD_FAILURE = 'A failure must be a JSON object like {"error": "OutOfStock", "cause": "None is left."}, with texts.'
RESERVED_ERROR = f"The {RESERVED_ERROR_NAME}."
NOT_FIRST = "Another answer came before this one, and has decided."
TOO_LARGE = "The file is of more than 5 GB, which S3 does not move. It stays where it is: drop a smaller one."
NOBODY_WAITS = (
    "No workflow waits for this answer: the uuid is unknown, was answered, was not answered in time, or stopped."
)

Json = Any


class UnreadableEvent(PrintableError):
    """The message is no event about a file in inbound/, or about an execution that has ended."""


class NotAskedYet(PrintableError):
    """An answer came before its request was written out, or under a uuid that nobody asked under."""


class Unusable(PrintableError):
    """No workflow can use the file. The text says why, and repeats nothing of it."""


@lambda_entry
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> BatchResponse:
    return process_batch(event, context, follow_up)


def follow_up(record: Record) -> Outcome | None:
    """Do what an event calls for: accept the files under a key, or remove the token of an execution that has ended.

    Returns the outcome of the last callback, None where there was none. Raises UnreadableEvent, NotAskedYet,
    BucketUnavailable or CallbackNotDelivered.
    """
    event = read_event(record["body"])
    if "endedExecutionId" in event:
        waiter = waiting.find(uuid_of(ended_execution(event)))
        if waiter:
            waiting.forget_if_over(waiter)
        return None
    return accept_all(file_key(event), receive_count(record))


def accept_all(key: str, receives: int) -> Outcome | None:
    """Accept every version under a key, the newest first, and one that was noted as the one that decides."""
    outcome = None
    while file := bucket.read(key):
        if file.size > bucket.MAX_COPY_BYTES:
            explain(file, TOO_LARGE)
            break
        try:
            outcome = accept(file, receives) or outcome
        except Conflict:
            continue  # another event is about this exchange, too: see how far it has come
    return outcome or finish_answered(key, receives)


def finish_answered(key: str, receives: int) -> Outcome | None:
    """Go on with an answer that was noted as the one that decides, where it is not under its key any more.

    It is delivered where somebody has removed it meanwhile, and its version is still there. Where it was delivered, its
    token is removed.
    """
    found = _KEY.fullmatch(key)
    waiter = waiting.find(found["uuid"]) if found else None
    if waiter and waiter.answer and waiter.answer["key"] == key:
        file = bucket.read(key, waiter.answer["versionId"])
        if file:
            return accept(file, receives)
        waiting.forget_if_over(waiter)
    return None


def accept(file: File, receives: int) -> Outcome | None:
    """Deliver one file to the workflow that waits for it, or reject it; either removes it from inbound/."""
    found = _KEY.fullmatch(file.key)
    if found is None:
        reject(file, ODD_KEY)
        return None
    uuid, name = found["uuid"], found["name"]
    if name == "heartbeat":
        return heartbeat(uuid, file)
    try:
        return answer(uuid, name, file, receives)
    except Unusable as reason:
        reject(file, str(reason), uuid)
        return None


def heartbeat(uuid: str, file: File) -> Outcome:
    """Report to the workflow that the partner is still at work; where none waits, there is nothing to report."""
    waiter = waiting.find(uuid)
    outcome = send_task_heartbeat(waiter.task_token) if waiter else Outcome.ALREADY_SETTLED
    bucket.remove_version(file)
    execution_id = waiter.execution_id if waiter else None
    logger.info("heartbeat accepted", uuid=uuid, outcome=outcome, correlation_id=execution_id)
    return outcome


def answer(uuid: str, name: str, file: File, receives: int) -> Outcome:
    """Deliver an answer to the workflow that waits for it, keep it in processed/ and remove the token.

    Wherever this breaks off, the next delivery of the event goes on from there: the answer is noted as the one that
    decides before it is delivered, and removed from inbound/ after that. Raises Unusable, NotAskedYet, Conflict,
    BucketUnavailable or CallbackNotDelivered.
    """
    content = read_answer(name, file)
    waiter = decide(uuid, file, receives)
    key = f"processed/{uuid}/{file.version_id}/{name}"
    version_id = bucket.copy(file, key)
    pointer = {"bucket": bucket.bucket_name(), "key": key, "versionId": version_id, "bytes": file.size}
    outcome = deliver(waiter.task_token, name, file, content, pointer)
    bucket.remove_version(file)
    waiting.forget(waiter)
    logger.info("answer accepted", uuid=uuid, file=name, outcome=outcome, correlation_id=waiter.execution_id)
    return outcome


def read_answer(name: str, file: File) -> Json:
    """The JSON of an answer; None of one that is too large to be read. Raises Unusable."""
    if file.content is None:
        return None
    if not file.content:
        raise Unusable(EMPTY)
    try:
        content = read_json(file.content)
    except UnreadableJson as problem:
        raise Unusable(f"The file {problem}.") from None
    if name == "failure.json":
        if not isinstance(content, dict) or not all(
            isinstance(content.get(field), str | None) for field in ("error", "cause")
        ):
            raise Unusable(BAD_FAILURE)
        if is_reserved_error_name(content.get("error") or ""):
            raise Unusable(RESERVED_ERROR)
    return content


def decide(uuid: str, file: File, receives: int) -> Waiter:
    """Note the file as the answer that decides, and return who waits for it.

    Raises Unusable, NotAskedYet, Conflict, BucketUnavailable or CallbackNotDelivered.
    """
    waiter = find_waiter(uuid, receives)
    if waiter.is_answered_by(file):
        return waiter
    if waiter.answer_is_under_way():
        raise Unusable(NOT_FIRST)
    # Whether the wait is over is asked by a heartbeat: the answer itself, sent again by the SDK, would find that it is
    if not waiter.still_waits():
        if not waiting.forget(waiter):
            raise Conflict("an answer, perhaps this one, was noted meanwhile")
        raise Unusable(NOBODY_WAITS)
    return waiting.claim(waiter, file)


def find_waiter(uuid: str, receives: int) -> Waiter:
    """Who waits for the answer. Raises Unusable, NotAskedYet or BucketUnavailable."""
    waiter = waiting.find(uuid)
    if waiter is None:
        request = bucket.read(waiting.request_key(uuid))
        waiter = waiting.find(uuid)  # the token may have been stored, and then the request, between the two
        if waiter is None:
            if request is None and receives < EARLY_RECEIVES:
                raise NotAskedYet("no request has been written out under this uuid")
            raise Unusable(NOBODY_WAITS)
    return waiter


def deliver(task_token: str, name: str, file: File, content: Json, pointer: dict[str, Json]) -> Outcome:
    """Resume or fail the workflow with the content, or with a pointer to it where it is too large."""
    if name == "success.json":
        return send_task_success(task_token, content if fits(file, content) else pointer)
    failure = {"cause": json.dumps(pointer)} if file.content is None else content
    return send_task_failure(task_token, failure.get("error") or "Callback.Failed", failure.get("cause"))


def fits(file: File, content: Json) -> bool:
    """Whether the content may be a task's output; as JSON of ours, it can have more bytes than the file."""
    if file.content is None:
        return False
    try:
        encode_output(content)
    except UnusableOutput:
        return False
    return True


def reject(file: File, reason: str, uuid: str | None = None) -> None:
    """Put a file into rejected/, with the reason beside it. Raises Conflict or BucketUnavailable."""
    bucket.copy(file, f"{rejected_folder(file)}/content")
    explain(file, reason, uuid)
    bucket.remove_version(file)


def explain(file: File, reason: str, uuid: str | None = None) -> None:
    """Write the reason for which a file is not accepted into rejected/. Raises BucketUnavailable."""
    bucket.write_text(f"{rejected_folder(file)}/reason.txt", f"{reason}\n\nThe file came as: {file.key}\n")
    logger.warning("file rejected", uuid=uuid, reason=reason)


def rejected_folder(file: File) -> str:
    """Of this file alone. It has the file's key in it, unless that leaves no room for more: then the key's SHA-256."""
    folder = f"rejected/{file.key}/{file.version_id}"
    if len(f"{folder}/reason.txt".encode()) <= MAX_KEY_BYTES:
        return folder
    return f"rejected/inbound/{sha256(file.key.encode()).hexdigest()}/{file.version_id}"


def receive_count(record: Record) -> int:
    try:
        return int(record["attributes"]["ApproximateReceiveCount"])
    except (KeyError, TypeError, ValueError):  # an event made by hand
        return 1


def read_event(body: str) -> dict[str, Any]:
    try:
        event = read_json(body)
    except UnreadableJson as problem:
        raise UnreadableEvent(f"the message {problem}") from None
    if not isinstance(event, dict):
        raise UnreadableEvent("the message is not a JSON object")
    return event


def ended_execution(event: dict[str, Any]) -> str:
    """The ARN of the execution that an event is about. Raises UnreadableEvent."""
    execution_id = printable_execution_id(event["endedExecutionId"])
    if execution_id is None:
        raise UnreadableEvent("endedExecutionId is not the ARN of an execution")
    return execution_id


def file_key(event: dict[str, Any]) -> str:
    """The key that an event is about, as it is: EventBridge encodes nothing. Raises UnreadableEvent."""
    try:
        key = event["detail"]["object"]["key"]
    except (KeyError, TypeError):
        raise UnreadableEvent("the message is no event of S3") from None
    if not (isinstance(key, str) and key.startswith("inbound/")):
        raise UnreadableEvent("the event is not about a file in inbound/")
    return key
