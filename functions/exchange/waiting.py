"""Who waits for an answer: the objects tokens/<uuid>.json of the bucket, each with the task token of one exchange.

    {"taskToken": …, "executionId": …, "sentAt": …, "answer": null or {"key": …, "versionId": …}}

`answer` names the one file that decides. It is written before that file is used, so that of two answers one is accepted
and a crash in between can be made good.

A token lies here only while its workflow waits. Whether it does, only Step Functions knows, and it is asked by a
heartbeat: before a token replaces another one, after it is stored, and when its execution has ended.
"""

import json
from dataclasses import dataclass, field, replace
from typing import Any

from callbacks.entry import logger
from callbacks.task import Outcome, send_task_heartbeat
from exchange import bucket
from exchange.bucket import File


@dataclass(frozen=True)
class Waiter:
    """`sent_at` is when the workflow asked, in milliseconds since 1970; `etag` that of the object."""

    uuid: str
    task_token: str = field(repr=False)
    execution_id: str | None
    sent_at: int
    answer: dict[str, str] | None = None
    etag: str | None = None

    def is_answered_by(self, file: File) -> bool:
        return self.answer == _name(file)

    def still_waits(self) -> bool:
        """Raises CallbackNotDelivered."""
        return send_task_heartbeat(self.task_token) is Outcome.DELIVERED

    def answer_is_under_way(self) -> bool:
        """Whether the file that decides is still in inbound/: its event comes again. Raises BucketUnavailable."""
        return self.answer is not None and bucket.read(self.answer["key"], self.answer["versionId"]) is not None


def find(uuid: str) -> Waiter | None:
    """Who waits for the answer to an exchange. Raises BucketUnavailable."""
    found = bucket.read(_key(uuid))
    if found is None:
        return None
    noted: dict[str, Any] = json.loads(found.content or b"")
    return Waiter(uuid, noted["taskToken"], noted["executionId"], noted["sentAt"], noted["answer"], found.etag)


def store(waiter: Waiter, *, replacing: Waiter | None) -> Waiter:
    """Keep who waits. Raises Conflict where not the one to be replaced is there, or BucketUnavailable."""
    return _write(replace(waiter, etag=replacing.etag if replacing else None))


def claim(waiter: Waiter, file: File) -> Waiter:
    """Note the file as the one that decides. Raises Conflict where another one may have been, or BucketUnavailable."""
    return _write(replace(waiter, answer=_name(file)))


def forget(waiter: Waiter) -> bool:
    """Remove who waited, unless an answer was noted meanwhile, or somebody else waits, or nobody: then False.

    Raises BucketUnavailable.
    """
    return waiter.etag is not None and bucket.remove(_key(waiter.uuid), waiter.etag)


def forget_if_over(waiter: Waiter) -> None:
    """Remove who waited, unless it still waits, or the event of its answer comes again and removes it.

    Raises BucketUnavailable or CallbackNotDelivered.
    """
    if not waiter.still_waits() and not waiter.answer_is_under_way():
        forget(waiter)
        if not waiter.answer:
            logger.info("token removed", uuid=waiter.uuid, correlation_id=waiter.execution_id)


def _write(waiter: Waiter) -> Waiter:
    noted = {
        "taskToken": waiter.task_token,
        "executionId": waiter.execution_id,
        "sentAt": waiter.sent_at,
        "answer": waiter.answer,
    }
    return replace(waiter, etag=bucket.write(_key(waiter.uuid), noted, replacing=waiter.etag))


def _name(file: File) -> dict[str, str]:
    return {"key": file.key, "versionId": file.version_id}


def request_key(uuid: str) -> str:
    """Of what the partner is asked. It is written after the token, so that nobody answers before that is there."""
    return f"outbound/{uuid}/request.json"


def _key(uuid: str) -> str:
    return f"tokens/{uuid}.json"
