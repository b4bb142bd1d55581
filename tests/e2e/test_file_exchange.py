"""The file exchange on a deployed stack, from the request that a partner finds to the notification of the end."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
from botocore.exceptions import ClientError

from file_exchange_inbox import EMPTY, NOBODY_WAITS, ODD_KEY
from tests.e2e.given import Stacks
from tools.stack import Notifications, Stack, poll

MACHINE = "FileExchangeStateMachineArn"
OUTBOX = "FileExchangeOutboxFunctionName"
OUTBOX_QUEUE, INBOUND_QUEUE = "OutboxQueueUrl", "InboundQueueUrl"

TWICE = "The file has a key twice in one object."

SUCCESS_PATH = ["ProcessRequest", "WaitForResponse", "NotifySuccess"]
FAILURE_PATH = ["ProcessRequest", "WaitForResponse", "NotifyFailure", "ExchangeFailed"]


class Bucket:
    """The bucket of the exchange, for a partner and for whoever looks behind."""

    def __init__(self, stack: Stack) -> None:
        self.s3, self.name = stack.client("s3"), stack.outputs["ExchangeBucketName"]

    def keys(self, prefix: str) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def text(self, key: str) -> str | None:
        try:
            return str(self.s3.get_object(Bucket=self.name, Key=key)["Body"].read().decode())
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchKey":
                raise
            return None

    def await_text(self, key: str) -> str:
        return poll(key, lambda: self.text(key))

    def rejected(self, key: str) -> list[tuple[str | None, str]]:
        """The files that were rejected under a key, each with its reason."""
        folders = {path.rpartition("/")[0] for path in self.keys(f"rejected/{key}/")}
        return [
            (self.text(f"{folder}/content"), reason.partition("\n\n")[0])
            for folder in folders
            if (reason := self.text(f"{folder}/reason.txt")) and reason.endswith(f"The file came as: {key}\n")
        ]

    def await_rejected(self, key: str) -> tuple[str | None, str]:
        [rejected] = poll(f"rejection of {key}", lambda: self.rejected(key) or None)
        return rejected

    def await_no(self, *prefixes: str) -> None:
        """Return when nothing is under these any more."""
        poll(f"end of {prefixes}", lambda: not any(map(self.keys, prefixes)) or None)

    def drop(self, key: str, content: str | bytes) -> str:
        self.s3.put_object(Bucket=self.name, Key=key, Body=content)
        return key


@pytest.fixture(scope="module")
def stack(stacks: Stacks) -> Stack:
    return stacks["file-exchange"]


@pytest.fixture(scope="module")
def bucket(stack: Stack) -> Bucket:
    return Bucket(stack)


@pytest.fixture(scope="module")
def notifications(stack: Stack) -> Iterator[Notifications]:
    with Notifications(stack, "NotificationTestQueueUrl") as notifications:
        yield notifications


def uuid_of(execution_id: str) -> str:
    return str(uuid5(NAMESPACE_URL, execution_id))


def await_empty(stack: Stack, queue: str) -> None:
    names = [f"ApproximateNumberOf{kind}" for kind in ("Messages", "MessagesDelayed", "MessagesNotVisible")]
    poll(f"empty {queue}", lambda: {*stack.attributes(queue, *names)} == {"0"} or None, seconds=240)


def asked(stack: Stack, bucket: Bucket, **payload: Any) -> tuple[str, str]:
    """An execution whose partner has been asked, and the uuid of its exchange."""
    execution_id = stack.start(payload, MACHINE)
    uuid = uuid_of(execution_id)
    bucket.await_text(f"outbound/{uuid}/request.json")
    return execution_id, uuid


def test_a_success_is_the_output_and_its_notification_has_none_of_it(
    stack: Stack, bucket: Bucket, notifications: Notifications
) -> None:
    # Given
    execution_id, uuid = asked(stack, bucket, info={"orderId": "order-1"})
    request = json.loads(bucket.await_text(f"outbound/{uuid}/request.json"))
    assert (request["uuid"], request["info"]) == (uuid, {"orderId": "order-1"})
    token = json.loads(bucket.await_text(f"tokens/{uuid}.json"))["taskToken"]
    # When
    bucket.drop(request["answerTo"]["heartbeat"], "")
    bucket.drop(request["answerTo"]["success"], '{"status": "shipped"}')
    # Then
    end = stack.ended(execution_id)
    assert (end["status"], json.loads(end["output"])) == ("SUCCEEDED", {"status": "shipped"})
    assert stack.states_entered(execution_id) == SUCCESS_PATH
    ids = {"uuid": uuid, "executionId": execution_id}
    assert notifications.of(execution_id) == [{"outcome": "SUCCEEDED", "message": "The partner has answered.", **ids}]
    [answer] = bucket.keys(f"processed/{uuid}/")
    assert (answer.rpartition("/")[2], bucket.text(answer)) == ("success.json", '{"status": "shipped"}')
    bucket.await_no(f"inbound/{uuid}", f"tokens/{uuid}")
    assert bucket.keys(f"rejected/inbound/{uuid}") == []
    assert stack.log(token) == []
    assert token not in json.dumps([request, notifications.bodies(execution_id)])


def test_a_failure_fails_the_workflow_with_its_error_and_cause(
    stack: Stack, bucket: Bucket, notifications: Notifications
) -> None:
    execution_id, uuid = asked(stack, bucket)
    failure = {"Error": "OutOfStock", "Cause": "None is left."}
    bucket.drop(f"inbound/{uuid}/failure.json", json.dumps({key.lower(): text for key, text in failure.items()}))
    end = stack.ended(execution_id)
    assert (end["status"], end["error"], end["cause"]) == ("FAILED", *failure.values())
    assert stack.states_entered(execution_id) == FAILURE_PATH
    ids = {"uuid": uuid, "executionId": execution_id}
    assert notifications.of(execution_id) == [{"outcome": "FAILED", **failure, **ids}]


def test_a_request_that_cannot_be_made_is_tried_three_times(
    stack: Stack, bucket: Bucket, notifications: Notifications
) -> None:
    failing = stack.start({"failTimes": 3}, MACHINE)
    execution_id, _ = asked(stack, bucket, failTimes=2)
    assert stack.ended(failing)["status"] == "FAILED"
    for each, failures in ((failing, 3), (execution_id, 2)):
        assert [event["type"] for event in stack.events(each)].count("TaskFailed") == failures
    [notification] = notifications.of(failing)
    assert (notification["outcome"], notification["uuid"]) == ("FAILED", None)
    assert "Attempt 3 fails because the input's failTimes is 3." in notification["Cause"]
    assert stack.states_entered(failing) == ["ProcessRequest", "NotifyFailure", "ExchangeFailed"]
    stack.stop(execution_id)


def test_a_stopped_exchange_is_notified(stack: Stack, bucket: Bucket, notifications: Notifications) -> None:
    execution_id, _ = asked(stack, bucket)
    stack.stop(execution_id)
    [notification] = notifications.of(execution_id)
    assert (notification["outcome"], notification["uuid"]) == ("ABORTED", None)


def test_unusable_files_are_kept_with_the_reason_and_the_workflow_waits_on(stack: Stack, bucket: Bucket) -> None:
    # Given
    execution_id, uuid = asked(stack, bucket)
    files = {
        f"inbound/{uuid}/success.json": ("", EMPTY),
        f"inbound/{uuid}/failure.json": ('{"error": "A", "error": "B"}', TWICE),
        f"inbound/{uuid}/success.json.reason.txt": ("The file is fine.", ODD_KEY),
        f"inbound/{uuid}/result.json": ("{}", ODD_KEY),
        f"inbound/{uuid}/a b+c%25%é.json": ("{}", ODD_KEY),
        f"inbound/{uuid}/ünï/success.json": ("{}", ODD_KEY),
        "inbound/not a uuid/success.json": ("{}", ODD_KEY),
    }
    # When
    for key, (content, _) in files.items():
        bucket.drop(key, content)
    # Then
    for key, rejected in files.items():
        assert bucket.await_rejected(key) == rejected
        poll(f"removal of {key}", lambda key=key: bucket.text(key) is None or None)  # type: ignore[misc]
    bucket.drop(f"inbound/{uuid}/success.json", "[1]")
    assert json.loads(stack.ended(execution_id)["output"]) == [1]


def test_an_answer_that_is_too_large_becomes_a_pointer(stack: Stack, bucket: Bucket) -> None:
    execution_id, uuid = asked(stack, bucket)
    content = json.dumps("x" * 300_000)
    bucket.drop(f"inbound/{uuid}/success.json", content)
    pointer = json.loads(stack.ended(execution_id)["output"])
    assert pointer == {
        "bucket": bucket.name,
        "key": pointer["key"],
        "versionId": pointer["versionId"],
        "bytes": len(content),
    }
    kept = bucket.s3.get_object(Bucket=bucket.name, Key=pointer["key"], VersionId=pointer["versionId"])
    assert kept["Body"].read().decode() == content


def test_an_answer_before_the_token_is_stored_is_taken_when_it_is(stack: Stack, bucket: Bucket) -> None:
    with stack.quick_redelivery(INBOUND_QUEUE, seconds=2), stack.consumer_off(OUTBOX):
        # Given
        execution_id = stack.start({}, MACHINE)
        uuid = uuid_of(execution_id)
        bucket.drop(f"inbound/{uuid}/success.json", "{}")
        poll("returned event", lambda: stack.log("NotAskedYet") or None)
        assert bucket.keys(f"inbound/{uuid}") != []
    # When the outbox works, then
    assert stack.ended(execution_id)["status"] == "SUCCEEDED"
    bucket.await_no(f"tokens/{uuid}")


def test_a_timeout_is_notified_its_token_removed_and_the_late_answer_kept(
    stack: Stack, bucket: Bucket, notifications: Notifications
) -> None:
    with stack.overdue(MACHINE, "WaitForResponse", TimeoutSeconds=3, HeartbeatSeconds=2) as time_is_up:
        execution_id, uuid = asked(stack, bucket)
        time_is_up()
        end = stack.ended(execution_id)
    assert (end["status"], end["error"]) == ("FAILED", "Callback.TimedOut")
    assert notifications.of(execution_id)[0]["Error"] == "Callback.TimedOut"
    bucket.await_no(f"tokens/{uuid}")
    # When
    key = bucket.drop(f"inbound/{uuid}/success.json", "{}")
    # Then
    assert bucket.await_rejected(key) == ("{}", NOBODY_WAITS)
    bucket.await_no(f"inbound/{uuid}")
    assert notifications.count(execution_id) == 1


def test_the_token_of_a_stopped_execution_is_removed_and_the_late_answer_kept(stack: Stack, bucket: Bucket) -> None:
    execution_id, uuid = asked(stack, bucket)
    stack.stop(execution_id)
    bucket.await_no(f"tokens/{uuid}")
    key = bucket.drop(f"inbound/{uuid}/success.json", "{}")
    assert bucket.await_rejected(key) == ("{}", NOBODY_WAITS)


def test_a_settled_token_that_is_sent_again_changes_nothing_before_or_after_the_end(
    stack: Stack, bucket: Bucket
) -> None:
    # Given
    settled, settled_uuid = asked(stack, bucket)
    settled_token = json.loads(bucket.await_text(f"tokens/{settled_uuid}.json"))["taskToken"]
    bucket.drop(f"inbound/{settled_uuid}/success.json", "{}")
    stack.ended(settled)
    execution_id, uuid = asked(stack, bucket)
    token = json.loads(bucket.await_text(f"tokens/{uuid}.json"))["taskToken"]
    request = bucket.text(f"outbound/{uuid}/request.json")
    payload = {"uuid": uuid, "info": "forged", "timeoutSeconds": 604800, "heartbeatSeconds": 259200}
    # When
    stack.send(OUTBOX_QUEUE, json.dumps({"taskToken": settled_token, "payload": payload}))
    stack.send(OUTBOX_QUEUE, json.dumps({"taskToken": token, "payload": payload, "executionId": execution_id}))
    await_empty(stack, OUTBOX_QUEUE)
    # Then
    assert json.loads(bucket.await_text(f"tokens/{uuid}.json"))["taskToken"] == token
    bucket.drop(f"inbound/{uuid}/success.json", "[1]")
    assert json.loads(stack.ended(execution_id)["output"]) == [1]
    # And after the end
    bucket.await_no(f"tokens/{uuid}")
    stack.send(OUTBOX_QUEUE, json.dumps({"taskToken": token, "payload": payload, "executionId": execution_id}))
    await_empty(stack, OUTBOX_QUEUE)
    assert bucket.keys(f"tokens/{uuid}") == []
    assert bucket.text(f"outbound/{uuid}/request.json") == request


def test_a_broken_outbox_fails_its_workflow_and_the_unreadable_is_quarantined(stack: Stack) -> None:
    with stack.quick_redelivery(OUTBOX_QUEUE, INBOUND_QUEUE, "DeadLetterQueueUrl"):
        with stack.without_variable(OUTBOX, "EXCHANGE_BUCKET_NAME"):
            execution_id = stack.start({}, MACHINE)
            stack.send(INBOUND_QUEUE, "not an event")
            end = stack.ended(execution_id)
        assert (end["status"], end["error"]) == ("FAILED", "Callback.Undeliverable")
        assert stack.receive("QuarantineQueueUrl", seconds=120)["Body"] == "not an event"


def test_20_exchanges_at_once_with_files_dropped_twice_are_20_notifications(
    stack: Stack, bucket: Bucket, notifications: Notifications
) -> None:
    # Given
    executions = stack.start_all([{}] * 20, machine=MACHINE)
    uuids = [uuid_of(execution_id) for execution_id in executions]
    for uuid in uuids:
        bucket.await_text(f"outbound/{uuid}/request.json")
    # When
    for _ in range(2):
        for uuid in uuids:
            bucket.drop(f"inbound/{uuid}/success.json", json.dumps({"uuid": uuid}))
    # Then
    for execution_id, uuid in zip(executions, uuids, strict=True):
        end = stack.ended(execution_id)
        assert (end["status"], json.loads(end["output"])) == ("SUCCEEDED", {"uuid": uuid})
    await_empty(stack, INBOUND_QUEUE)
    notifications.settle()
    for execution_id, uuid in zip(executions, uuids, strict=True):
        assert len(notifications.of(execution_id)) == 1
        assert bucket.keys(f"tokens/{uuid}") == bucket.keys(f"inbound/{uuid}") == []
        assert len(bucket.keys(f"processed/{uuid}")) == 1
        rejected = [key for key in bucket.keys(f"rejected/inbound/{uuid}/") if key.endswith("/content")]
        assert len(rejected) == 1
