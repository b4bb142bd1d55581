"""A versioned bucket of S3 in a dictionary: a thousandth of moto's time, for tests that try very many orders of calls.

test_fake_s3.py holds it against moto.
"""

import io
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError


@dataclass
class Version:
    id: str
    body: bytes | None  # None for a mark of deletion
    metadata: dict[str, str] = field(default_factory=dict)


class FakeS3:
    def __init__(self) -> None:
        self._objects: dict[str, list[Version]] = {}
        self._writes = 0

    def get_object(self, *, Bucket: str, Key: str, VersionId: str | None = None) -> dict[str, Any]:  # noqa: ARG002, N803
        version = self._version(Key, VersionId)
        assert version.body is not None
        return {
            "Body": io.BytesIO(version.body),
            "ContentLength": len(version.body),
            "ETag": version.id,
            "Metadata": version.metadata,
            "VersionId": version.id,
        }

    def put_object(self, *, Bucket: str, Key: str, Body: bytes | str, **options: Any) -> dict[str, Any]:  # noqa: ARG002, N803
        current = self._current(Key)
        if "IfNoneMatch" in options and current:
            raise _error("PreconditionFailed")
        if "IfMatch" in options:
            self._match(current, options["IfMatch"])
        return self._add(Key, Body if isinstance(Body, bytes) else Body.encode(), options.get("Metadata", {}))

    def copy_object(self, *, Bucket: str, Key: str, CopySource: dict[str, str], **_: Any) -> dict[str, Any]:  # noqa: ARG002, N803
        version = self._version(CopySource["Key"], CopySource["VersionId"])
        return self._add(Key, version.body, version.metadata)

    def delete_object(self, *, Bucket: str, Key: str, **options: str) -> dict[str, Any]:  # noqa: ARG002, N803
        versions = self._objects.setdefault(Key, [])
        if "VersionId" in options:
            versions[:] = [each for each in versions if each.id != options["VersionId"]]
            return {}
        if "IfMatch" in options:
            self._match(self._current(Key), options["IfMatch"])
        return self._add(Key, None, {})

    def list_objects_v2(self, *, Bucket: str, Prefix: str = "") -> dict[str, Any]:  # noqa: ARG002, N803
        keys = [key for key in sorted(self._objects) if key.startswith(Prefix) and self._current(key)]
        return {"Contents": [{"Key": key} for key in keys]}

    def list_object_versions(self, *, Bucket: str, Prefix: str = "") -> dict[str, Any]:  # noqa: ARG002, N803
        found = [(key, each) for key in sorted(self._objects) for each in self._objects[key] if each.body is not None]
        return {"Versions": [{"Key": key, "VersionId": each.id} for key, each in found if key.startswith(Prefix)]}

    def _current(self, key: str) -> Version | None:
        versions = self._objects.get(key)
        return versions[-1] if versions and versions[-1].body is not None else None

    def _version(self, key: str, version_id: str | None) -> Version:
        if version_id is None:
            found = self._current(key)
        else:
            found = next((each for each in self._objects.get(key, []) if each.id == version_id), None)
        if found is None:
            raise _error("NoSuchVersion" if version_id else "NoSuchKey")
        return found

    def _match(self, current: Version | None, etag: str) -> None:
        if current is None:
            raise _error("NoSuchKey")
        if current.id != etag:
            raise _error("PreconditionFailed")

    def _add(self, key: str, body: bytes | None, metadata: dict[str, str]) -> dict[str, Any]:
        self._writes += 1
        version = Version(f"version-{self._writes}", body, metadata)
        self._objects.setdefault(key, []).append(version)
        return {"VersionId": version.id, "ETag": version.id}


def _error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, "S3")
