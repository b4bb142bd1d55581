"""Takes the files that a partner drops, and resumes or fails the workflows that wait for them.

An event says only that something is under a key, and what is there is looked for. So it does not matter whether events
come twice, late or out of order.
"""

import json
import re
from hashlib import sha256
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from callbacks.batch import BatchResponse, Record, process_batch
from callbacks.entry import PrintableError, lambda_entry, logger
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
from exchange.waiting import UUID, Waiting

EARLY_RECEIVES = 3  # of the event of an answer that comes before the request is written out
MAX_KEY_BYTES = 1024  # of S3

_KEY = re.compile(rf"inbound/(?P<uuid>{UUID})/(?P<name>success\.json|failure\.json|heartbeat)")
_ERROR_OF_AWS = re.compile(r"(States|SQS|SNS|Lambda)\.")

ODD_KEY = "The file must be named inbound/<uuid>/success.json, failure.json or heartbeat, with the uuid of a request."
EMPTY = "The file is empty."
NOT_JSON = "The file is not JSON that a workflow can take."
BAD_FAILURE = 'A failure must be a JSON object like {"error": "OutOfStock", "cause": "None is left."}, with texts.'
ERROR_OF_AWS = "The error must not begin with States., SQS., SNS. or Lambda., which are AWS's own."
NOT_FIRST = "Another answer came before this one, and has decided."
TOO_LARGE = "The file is of more than 5 GB, which S3 does not move. It stays where it is: drop a smaller one."
NOBODY_WAITS = (
    "No workflow waits for this answer: the uuid is unknown, was answered, was not answered in time, or stopped."
)

Json = Any


class UnreadableEvent(PrintableError):
    """The message is no event of S3 about a file in inbound/."""


class NotAskedYet(PrintableError):
    """An answer came before its request was written out, or under a uuid that nobody asked under."""


class Unusable(PrintableError):
    """No workflow can take the file. The text says why, and repeats nothing of it."""


@lambda_entry
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> BatchResponse:
    return process_batch(event, context, take_in)


def take_in(record: Record) -> Outcome | None:
    """Take every version that is under the key of one event, the newest first.

    Returns the outcome of the last callback, None where there was none. Raises UnreadableEvent, NotAskedYet,
    BucketUnavailable or CallbackNotDelivered.
    """
    key, receives, outcome = file_key(record["body"]), receive_count(record), None
    while file := bucket.read(key):
        if file.size > bucket.MAX_COPY_BYTES:
            explain(file, TOO_LARGE)
            break
        try:
            outcome = take(file, receives) or outcome
        except Conflict:
            continue  # another event is about this exchange, too: see how far it has come
    forget_answered(key)
    return outcome


def take(file: File, receives: int) -> Outcome | None:
    """Give one file to the workflow that waits for it, or reject it; either removes it from inbound/."""
    found = _KEY.fullmatch(file.key)
    if found is None:
        reject(file, ODD_KEY)
        return None
    uuid, name = found["uuid"], found["name"]
    if name == "heartbeat":
        return beat(uuid, file)
    try:
        return answer(uuid, name, file, receives)
    except Unusable as reason:
        reject(file, str(reason), uuid)
        return None


def beat(uuid: str, file: File) -> Outcome:
    """Tell the workflow that the partner is still at work; where none waits, there is nothing to tell."""
    waits = waiting.find(uuid)
    outcome = send_task_heartbeat(waits.task_token) if waits else Outcome.ALREADY_SETTLED
    bucket.remove_version(file)
    logger.info("heartbeat taken", uuid=uuid, outcome=outcome, correlation_id=waits.execution_id if waits else None)
    return outcome


def answer(uuid: str, name: str, file: File, receives: int) -> Outcome:
    """Give an answer to the workflow that waits for it, keep it in processed/ and remove the token.

    Wherever this breaks off, the next delivery of the event goes on from there: the answer is noted as the one that
    decides before it is given, and removed from inbound/ after that. Raises Unusable, NotAskedYet, Conflict,
    BucketUnavailable or CallbackNotDelivered.
    """
    content = read_answer(name, file)
    waits = decide(uuid, file, receives)
    key = f"processed/{uuid}/{name}"
    version_id = bucket.copy(file, key)
    pointer = {"bucket": bucket.bucket_name(), "key": key, "versionId": version_id, "bytes": file.size}
    outcome = give(waits.task_token, name, file, content, pointer)
    bucket.remove_version(file)
    waiting.forget(waits)
    logger.info("answer taken", uuid=uuid, file=name, outcome=outcome, correlation_id=waits.execution_id)
    return outcome


def read_answer(name: str, file: File) -> Json:
    """The JSON of an answer; None of one that is too large to be read. Raises Unusable."""
    if file.content is None:
        return None
    if not file.content:
        raise Unusable(EMPTY)
    try:
        content = json.loads(file.content)
        json.dumps(content, allow_nan=False, ensure_ascii=False).encode()  # neither NaN nor half an emoji is sent
    except (ValueError, RecursionError):
        raise Unusable(NOT_JSON) from None
    if name == "failure.json":
        if not isinstance(content, dict) or not all(
            isinstance(content.get(field), str | None) for field in ("error", "cause")
        ):
            raise Unusable(BAD_FAILURE)
        if _ERROR_OF_AWS.match(content.get("error") or ""):
            raise Unusable(ERROR_OF_AWS)  # it could be retried, and would alarm
    return content


def decide(uuid: str, file: File, receives: int) -> Waiting:
    """Note the file as the answer that decides, and return who waits for it.

    Raises Unusable, NotAskedYet, Conflict, BucketUnavailable or CallbackNotDelivered.
    """
    waits = waiting.find(uuid)
    if waits is None:
        if receives < EARLY_RECEIVES and bucket.read(waiting.request_key(uuid)) is None:
            raise NotAskedYet("no request has been written out under this uuid")
        raise Unusable(NOBODY_WAITS)
    if waits.answer:
        if not waits.is_answered_by(file):
            raise Unusable(NOT_FIRST)
        return waits
    # Whether the wait is over is asked by a beat: the answer itself, sent again by the SDK, would find that it is
    if send_task_heartbeat(waits.task_token) is not Outcome.DELIVERED:
        waiting.forget(waits)
        raise Unusable(NOBODY_WAITS)
    return waiting.claim(waits, file)


def give(task_token: str, name: str, file: File, content: Json, pointer: dict[str, Json]) -> Outcome:
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
    bucket.copy(file, rejected_key(file))
    explain(file, reason, uuid)
    bucket.remove_version(file)


def explain(file: File, reason: str, uuid: str | None = None) -> None:
    """Write the reason for which a file is not taken into rejected/. Raises BucketUnavailable."""
    bucket.write_text(f"{rejected_key(file)}.reason.txt", f"{reason}\n\nThe file came as: {file.key}\n")
    logger.warning("file rejected", uuid=uuid, reason=reason)


def rejected_key(file: File) -> str:
    """Where a file is kept: under its own key, unless that leaves no room for more."""
    key = f"rejected/{file.key}"
    fits_in = len(f"{key}.reason.txt".encode()) <= MAX_KEY_BYTES
    return key if fits_in else f"rejected/inbound/{sha256(file.key.encode()).hexdigest()}"


def forget_answered(key: str) -> None:
    """Remove the token that an answer under this key was given to, where something broke off after that."""
    found = _KEY.fullmatch(key)
    waits = waiting.find(found["uuid"]) if found else None
    # What decides is removed from inbound/ once it is given; looked for after the token, because it may just have come
    if waits and waits.answer and waits.answer["key"] == key and bucket.read(key) is None:
        waiting.forget(waits)


def receive_count(record: Record) -> int:
    try:
        return int(record["attributes"]["ApproximateReceiveCount"])
    except (KeyError, TypeError, ValueError):  # an event made by hand
        return 1


def file_key(body: str) -> str:
    """The key that an event is about, as it is: EventBridge encodes nothing. Raises UnreadableEvent."""
    try:
        key = json.loads(body)["detail"]["object"]["key"]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise UnreadableEvent("the message is no event of S3") from None
    if not (isinstance(key, str) and key.startswith("inbound/")):
        raise UnreadableEvent("the event is not about a file in inbound/")
    return key
