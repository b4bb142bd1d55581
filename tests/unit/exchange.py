"""A file exchange in this process: a versioned bucket as moto has it, the workflow that waits, and a partner."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from moto import mock_aws

import file_exchange_inbox
import file_exchange_outbox
from callbacks import task
from exchange import bucket
from exchange.uuids import uuid_of
from tests.unit.support import CONTEXT, FakeStepFunctions, sqs_event

NAME = "exchange-bucket"
TOKEN = "THE-TASK-TOKEN"
EXECUTION_ID = "arn:aws:states:us-east-1:123456789012:execution:FileExchange:example-1"
UUID = uuid_of(EXECUTION_ID)
SENT_AT = 1795168800000
_s3 = boto3.client("s3", region_name="us-east-1")  # it reaches nothing outside mock_aws: unit tests have no network

REQUEST_KEY, TOKEN_KEY = f"outbound/{UUID}/request.json", f"tokens/{UUID}.json"
SUCCESS, FAILURE, HEARTBEAT = (f"inbound/{UUID}/{name}" for name in ("success.json", "failure.json", "heartbeat"))
NONE_FAILED: dict[str, list[Any]] = {"batchItemFailures": []}
NOT_JSON = "The file is not JSON."
HALF_AN_EMOJI = "The file has half an emoji in it (a surrogate without the other)."


class Exchange:
    def __init__(self, s3: Any, step_functions: FakeStepFunctions) -> None:
        self.s3, self.step_functions = s3, step_functions

    # -------------------------------------------------------------- what is in the bucket
    def keys(self, prefix: str = "") -> list[str]:
        return [entry["Key"] for entry in self.s3.list_objects_v2(Bucket=NAME, Prefix=prefix).get("Contents", [])]

    def content(self, key: str) -> bytes:
        content: bytes = self.s3.get_object(Bucket=NAME, Key=key)["Body"].read()
        return content

    def text(self, key: str) -> str:
        return self.content(key).decode()

    def versions(self, prefix: str = "") -> list[str]:
        """The content of every version that is not a mark of deletion."""
        found = self.s3.list_object_versions(Bucket=NAME, Prefix=prefix).get("Versions", [])
        bodies = [self.s3.get_object(Bucket=NAME, Key=each["Key"], VersionId=each["VersionId"]) for each in found]
        return [body["Body"].read().decode() for body in bodies]

    def rejected(self, key: str) -> list[tuple[bytes, str]]:
        """The files that were rejected under a key, each with its reason."""
        came_as = f"\n\nThe file came as: {key}\n"
        folders = [path.removesuffix("/reason.txt") for path in self.keys("rejected/") if path.endswith("/reason.txt")]
        reasons = {folder: self.text(f"{folder}/reason.txt") for folder in folders}
        return [
            (self.content(f"{folder}/content"), reason.removesuffix(came_as))
            for folder, reason in reasons.items()
            if reason.endswith(came_as)
        ]

    def processed(self) -> list[tuple[str, str]]:
        """The answers that were accepted: the names and contents of the files."""
        return [(key.rpartition("/")[2], self.text(key)) for key in self.keys(f"processed/{UUID}/")]

    def token(self) -> str | None:
        """The task token that is stored."""
        return json.loads(self.text(TOKEN_KEY))["taskToken"] if self.keys(TOKEN_KEY) else None

    # -------------------------------------------------------------- what happens to it
    def ask(self, token: str = TOKEN, sent_at: int = SENT_AT) -> Any:
        """The workflow asks: the answer of the outbox to its message."""
        return file_exchange_outbox.lambda_handler(request_event(token, sent_at), CONTEXT)

    def drop(self, name: str, content: str | bytes = '{"status": "done"}') -> str:
        """The partner drops a file; its key. A name with no slash is one of this exchange."""
        key = name if "/" in name else f"inbound/{UUID}/{name}"
        self.s3.put_object(Bucket=NAME, Key=key, Body=content)
        return key

    def notify(self, *keys: str, receives: int = 1) -> Any:
        """EventBridge reports files: the answer of the inbox."""
        return file_exchange_inbox.lambda_handler(dropped_event(*keys, receives=receives), CONTEXT)

    def end(self, execution_id: str = EXECUTION_ID) -> Any:
        """EventBridge reports that the execution has ended: the answer of the inbox."""
        return file_exchange_inbox.lambda_handler(sqs_event(json.dumps({"endedExecutionId": execution_id})), CONTEXT)

    def answers(self) -> list[tuple[str, dict[str, str]]]:
        """The callbacks but for heartbeats, without the token."""
        return [
            (operation, {name: value for name, value in arguments.items() if name != "taskToken"})
            for operation, arguments in self.step_functions.calls
            if operation != "heartbeat"
        ]


def request_event(token: str = TOKEN, sent_at: int = SENT_AT, **changes: Any) -> dict[str, Any]:
    payload = {"uuid": UUID, "info": {"orderId": "order-1"}, "timeoutSeconds": 604800, "heartbeatSeconds": 259200}
    event = sqs_event(json.dumps({"taskToken": token, "payload": payload | changes, "executionId": EXECUTION_ID}))
    event["Records"][0]["attributes"]["SentTimestamp"] = str(sent_at)
    return event


def dropped_event(*keys: str, receives: int = 1) -> dict[str, Any]:
    event = sqs_event(*(json.dumps({"detail": {"object": {"key": key}}}) for key in keys))
    for record in event["Records"]:
        record["attributes"]["ApproximateReceiveCount"] = str(receives)
    return event


@contextmanager
def new_exchange() -> Iterator[Exchange]:
    with mock_aws():
        _s3.create_bucket(Bucket=NAME)
        _s3.put_bucket_versioning(Bucket=NAME, VersioningConfiguration={"Status": "Enabled"})
        with exchange_in(_s3) as exchange:
            yield exchange


@contextmanager
def exchange_in(s3: Any) -> Iterator[Exchange]:
    step_functions = FakeStepFunctions()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXCHANGE_BUCKET_NAME", NAME)
        patch.setattr(bucket, "_s3", s3)
        patch.setattr(bucket, "_s3_for_copies", lambda: s3)
        patch.setattr(task, "_stepfunctions", step_functions)
        yield Exchange(s3, step_functions)


def asked() -> Iterator[Exchange]:
    """For a fixture: a request is written out, and the workflow waits."""
    with new_exchange() as exchange:
        exchange.ask()
        exchange.step_functions.calls.clear()
        yield exchange


def assert_rejected(exchange: Exchange, key: str, *files: tuple[str | bytes, str]) -> None:
    """These files were rejected under a key, each with its reason, and none is left in inbound/."""
    kept = [(content.encode() if isinstance(content, str) else content, reason) for content, reason in files]
    assert sorted(exchange.rejected(key)) == sorted(kept)
    assert exchange.versions("inbound/") == []


class Broken(Exception):
    """In place of the end of a process."""


def break_off(exchange: Exchange, patch: pytest.MonkeyPatch, call: int, *, after: bool) -> Callable[[], int]:
    """Every AWS call from this one on, counted from 0, breaks off before or after it has had its effect."""
    made = 0

    def breaking(operation: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            nonlocal made
            made += 1
            if made <= call:
                return operation(*arguments, **options)
            if made == call + 1 and after:
                operation(*arguments, **options)
            raise Broken

        return run

    patch.setattr(bucket, "_call", breaking(bucket._call))
    patch.setattr(task, "_send", breaking(task._send))
    return lambda: made


def interrupt(patch: pytest.MonkeyPatch, call: int, act: Callable[[], object]) -> None:
    """Something else happens before this AWS call, counted from 0."""
    before = [*[lambda: None] * call, act]

    def interrupted(operation: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            if before:
                before.pop(0)()
            return operation(*arguments, **options)

        return run

    patch.setattr(bucket, "_call", interrupted(bucket._call))
    patch.setattr(task, "_send", interrupted(task._send))
