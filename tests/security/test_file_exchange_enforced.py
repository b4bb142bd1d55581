"""The file exchange on an embedded AWS that decides about every call by IAM, over TLS; its partner is a user of IAM."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.e2e.test_file_exchange import (  # noqa: F401 - collected here, with the fixtures below
    Bucket,
    asked,
    bucket,
    test_a_failure_fails_the_workflow_with_its_error_and_cause,
    test_a_success_is_the_output_and_its_notification_has_none_of_it,
    test_an_answer_that_is_too_large_becomes_a_pointer,
    test_unusable_files_are_kept_with_the_reason_and_the_workflow_waits_on,
)
from tests.security.test_enforced import deployed_where_iam_decides, engine  # noqa: F401
from tools.engine.engine import Engine
from tools.stack import Notifications, Stack

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stack(engine: Engine) -> Iterator[Stack]:  # noqa: F811
    with deployed_where_iam_decides(engine, "file-exchange") as stack:
        yield stack


@pytest.fixture(scope="module")
def notifications(stack: Stack) -> Iterator[Notifications]:
    with Notifications(stack, "NotificationTestQueueUrl") as notifications:
        yield notifications


@pytest.fixture
def partner(stack: Stack) -> Any:
    """S3 for a user who has the policy that the stack shows, and no other."""
    iam = stack.client("iam")
    iam.create_user(UserName="partner")
    iam.put_user_policy(UserName="partner", PolicyName="partner", PolicyDocument=stack.outputs["PartnerPolicy"])
    key = iam.create_access_key(UserName="partner")["AccessKey"]
    return boto3.client(
        "s3",
        endpoint_url=stack.endpoint_url,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )


def test_a_partner_finds_requests_and_drops_answers_and_may_do_nothing_else(
    stack: Stack,
    bucket: Bucket,  # noqa: F811
    partner: Any,
) -> None:
    # Given
    execution_id, uuid = asked(stack, bucket)
    request, token, inbound = (f"{name}/{uuid}" for name in ("outbound", "tokens", "inbound"))
    name = {"Bucket": bucket.name}
    # Then
    forbidden: list[Callable[[], Any]] = [
        lambda: partner.get_object(**name, Key=f"{token}.json"),
        lambda: partner.head_object(**name, Key=f"{token}.json"),
        lambda: partner.list_objects_v2(**name, Prefix="tokens/"),
        lambda: partner.list_objects_v2(**name),
        lambda: partner.list_object_versions(**name, Prefix="tokens/"),
        lambda: partner.put_object(**name, Key=f"{token}.json", Body=b"{}"),
        lambda: partner.put_object(**name, Key=f"{request}/request.json", Body=b"{}"),
        lambda: partner.put_object(**name, Key=f"processed/{uuid}/success.json", Body=b"{}"),
        lambda: partner.put_object(**name, Key="success.json", Body=b"{}"),
        lambda: partner.copy_object(**name, Key=f"{inbound}/x", CopySource={**name, "Key": f"{token}.json"}),
        lambda: partner.get_object(**name, Key=f"{inbound}/success.json"),
        lambda: partner.delete_object(**name, Key=f"{request}/request.json"),
        lambda: partner.put_bucket_versioning(**name, VersioningConfiguration={"Status": "Suspended"}),
    ]
    for call in forbidden:
        with pytest.raises(ClientError, match=r"AccessDenied|Forbidden"):
            call()
    # And what it is there for
    keys = [entry["Key"] for entry in partner.list_objects_v2(**name, Prefix="outbound/")["Contents"]]
    assert f"{request}/request.json" in keys
    answer_to = json.loads(partner.get_object(**name, Key=f"{request}/request.json")["Body"].read())["answerTo"]
    partner.put_object(**name, Key=answer_to["heartbeat"], Body=b"")
    partner.put_object(**name, Key=answer_to["success"], Body=b"{}")
    assert stack.ended(execution_id)["status"] == "SUCCEEDED"
    bucket.await_no(inbound, token)
