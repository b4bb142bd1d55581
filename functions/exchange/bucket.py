"""The only caller of S3: the bucket through which files are exchanged with a partner.

    outbound/<uuid>/request.json              what the partner is asked; the partner may read it
    inbound/<uuid>/…                          what the partner answers; the partner may write it
    tokens/<uuid>.json                        who waits for the answer; not for the partner
    processed/<uuid>/<version id>/…           an answer that a workflow has accepted
    rejected/<key>/<version id>/content       a file that no workflow can use, by the key under which it came …
    rejected/<key>/<version id>/reason.txt    … and why

The bucket is versioned. A file is one version of an object: that version is read, copied and removed, whatever else is
written under its key meanwhile. The version id is in the name of what is kept, so that nothing kept replaces another
file, and no key that a partner can write leads there. Every call may raise BucketUnavailable.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from botocore.config import Config

from callbacks.calls import AWS_ERRORS, CLIENT_CONFIG, client, error_code
from callbacks.entry import PrintableError
from callbacks.settings import setting
from callbacks.task import MAX_OUTPUT_BYTES

MAX_COPY_BYTES = 5 * 1024**3  # of S3, in one call

_s3 = client("s3")


class BucketUnavailable(PrintableError):
    """A fault of S3 or the network, a missing right, or a file that S3 cannot read or copy."""


class Conflict(PrintableError):
    """The object was written or removed meanwhile."""


class _Missing(Conflict):
    pass


@dataclass(frozen=True)
class File:
    """One version of an object. `content` is None where it is of more than 262,144 bytes.

    `asked_at` is the mark that `write` put on it, empty where there is none.
    """

    key: str = field(repr=False)
    version_id: str
    etag: str
    size: int
    content: bytes | None = field(repr=False)
    asked_at: str = ""


def read(key: str, version_id: str | None = None) -> File | None:
    """This version of an object, or the current one; None where there is none."""
    version = {"VersionId": version_id} if version_id else {}
    try:
        file: File = _call(_read, Key=key, **version)
    except _Missing:
        return None
    return file


def _read(Bucket: str, Key: str, **version: str) -> File:  # noqa: N803 - as S3 names them
    answer = _s3.get_object(Bucket=Bucket, Key=Key, **version)
    size = answer["ContentLength"]
    with answer["Body"] as body:
        content = body.read() if size <= MAX_OUTPUT_BYTES else None
    asked_at = answer["Metadata"].get("asked-at", "")
    return File(Key, answer["VersionId"], answer["ETag"], size, content, asked_at)


def write(key: str, content: dict[str, Any], *, replacing: str | None, asked_at: str = "") -> str:
    """Write an object as JSON, where the version with this ETag is there, or none, and return its ETag.

    Raises Conflict where that is not what is there.
    """
    condition = {"IfMatch": replacing} if replacing else {"IfNoneMatch": "*"}
    body = f"{json.dumps(content, indent=2)}\n".encode()
    metadata = {"asked-at": asked_at} if asked_at else {}
    answer = _call(_s3.put_object, Key=key, Body=body, ContentType="application/json", Metadata=metadata, **condition)
    return str(answer["ETag"])


def write_text(key: str, content: str) -> None:
    """Write a text for people to read, whatever is there."""
    _call(_s3.put_object, Key=key, Body=content.encode(), ContentType="text/plain; charset=utf-8")


def copy(file: File, key: str) -> str:
    """Copy a file of up to MAX_COPY_BYTES, and return the version of the copy. Raises Conflict where it is gone."""
    source = {"Bucket": bucket_name(), "Key": file.key, "VersionId": file.version_id}
    # Its tags stay behind: to copy them takes their own rights
    copied = _call(_s3_for_copies().copy_object, Key=key, CopySource=source, TaggingDirective="REPLACE")
    return str(copied["VersionId"])


@cache
def _s3_for_copies() -> Any:  # noqa: ANN401 - as client() has it
    """S3 answers when it has copied all, which may take the better part of a minute. Made for the first copy."""
    one_long_try = Config(read_timeout=45, retries={"mode": "legacy", "total_max_attempts": 1})
    return client("s3", CLIENT_CONFIG.merge(one_long_try))


def remove_version(file: File) -> None:
    """Remove a file for good. A version that was written before it is then the current one."""
    _call(_s3.delete_object, Key=file.key, VersionId=file.version_id)


def remove(key: str, etag: str) -> bool:
    """Remove an object and return True; False where it was written or removed meanwhile, which changes nothing."""
    try:
        _call(_s3.delete_object, Key=key, IfMatch=etag)
    except Conflict:
        return False
    return True


def bucket_name() -> str:
    return setting("EXCHANGE_BUCKET_NAME")


def _call(operation: Callable[..., Any], **arguments: Any) -> Any:  # noqa: ANN401 - whatever S3 takes and answers
    try:
        return operation(Bucket=bucket_name(), **arguments)
    except AWS_ERRORS as error:
        code = error_code(error)
        if code in ("NoSuchKey", "NoSuchVersion"):
            raise _Missing(code) from None
        if code in ("PreconditionFailed", "ConditionalRequestConflict"):
            raise Conflict(code) from None
        raise BucketUnavailable(code) from None
