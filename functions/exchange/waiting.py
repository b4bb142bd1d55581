"""Who waits for an answer: the objects tokens/<uuid>.json of the bucket, each with the task token of one exchange.

    {"taskToken": …, "executionId": …, "sentAt": …, "answer": null or {"key": …, "versionId": …}}

`answer` names the one file that decides. It is written before that file is used, so that of two answers one is taken
and a crash in between can be made good.
"""

import json
from dataclasses import dataclass, field, replace
from typing import Any

from exchange import bucket
from exchange.bucket import File

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


@dataclass(frozen=True)
class Waiting:
    """`sent_at` is when the workflow asked, in milliseconds since 1970; `etag` that of the object."""

    uuid: str
    task_token: str = field(repr=False)
    execution_id: str | None
    sent_at: int
    answer: dict[str, str] | None = None
    etag: str | None = None

    def is_answered_by(self, file: File) -> bool:
        return self.answer == _name(file)


def find(uuid: str) -> Waiting | None:
    """Who waits for the answer to an exchange. Raises BucketUnavailable."""
    found = bucket.read(_key(uuid))
    if found is None:
        return None
    noted: dict[str, Any] = json.loads(found.content or b"")
    return Waiting(uuid, noted["taskToken"], noted["executionId"], noted["sentAt"], noted["answer"], found.etag)


def store(waiting: Waiting) -> bool:
    """Keep who waits, in the place of who waited before, and say whether it is the last to have asked.

    A message that comes late or twice replaces nothing. Raises Conflict or BucketUnavailable.
    """
    found = find(waiting.uuid)
    if found is None or found.sent_at < waiting.sent_at:
        _write(replace(waiting, etag=found.etag if found else None))
        return True
    return found.sent_at == waiting.sent_at


def claim(waiting: Waiting, file: File) -> Waiting:
    """Note the file as the one that decides. Raises Conflict where another one may have been, or BucketUnavailable."""
    return _write(replace(waiting, answer=_name(file)))


def forget(waiting: Waiting) -> None:
    """Remove who waited, unless somebody else waits by now. Raises BucketUnavailable."""
    if waiting.etag:
        bucket.remove(_key(waiting.uuid), waiting.etag)


def _write(waiting: Waiting) -> Waiting:
    noted = {
        "taskToken": waiting.task_token,
        "executionId": waiting.execution_id,
        "sentAt": waiting.sent_at,
        "answer": waiting.answer,
    }
    return replace(waiting, etag=bucket.write(_key(waiting.uuid), noted, replacing=waiting.etag))


def _name(file: File) -> dict[str, str]:
    return {"key": file.key, "versionId": file.version_id}


def request_key(uuid: str) -> str:
    """Of what the partner is asked. It is written after the token, so that nobody answers before that is there."""
    return f"outbound/{uuid}/request.json"


def _key(uuid: str) -> str:
    return f"tokens/{uuid}.json"
