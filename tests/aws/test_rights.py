"""That rights hold where AWS decides: whose tokens a function may answer, who may read what is encrypted, and how."""

import json
from collections.abc import Iterator
from contextlib import suppress
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.aws.clients import Clients
from tests.e2e.test_manual_callback import MACHINE, QUEUE, WORK, Work, status
from tools.stack import Stack, poll


@pytest.mark.aws("the embedded AWS decides by IAM in tests/security only")
def test_a_function_cannot_answer_a_token_of_another_state_machine(manual: Stack, clients: Clients) -> None:
    # Given a state machine of this account that is not the stack's, and sends its tokens to the same queue
    sfn, own = (
        clients.stepfunctions,
        clients.stepfunctions.describe_state_machine(stateMachineArn=manual.outputs[MACHINE]),
    )
    other = sfn.create_state_machine(
        name=f"{manual.name[:40]}-other-{uuid4().hex[:8]}", definition=own["definition"], roleArn=own["roleArn"]
    )["stateMachineArn"]
    try:
        execution_id = sfn.start_execution(stateMachineArn=other, input=json.dumps(WORK))["executionArn"]
        work = Work(execution_id, json.loads(manual.receive(QUEUE)["Body"])["token"])
        # When, Then
        for event in ({}, {"error": "Work.Refused"}, {"heartbeat": True}):
            refused = work.call_back(manual, **event)
            assert refused.error
            assert (refused.answer["errorType"], refused.answer["errorMessage"]) == (
                "CallbackNotDelivered",
                "AccessDeniedException",
            )
        assert status(manual, work) == "RUNNING"
        sfn.stop_execution(executionArn=execution_id)
    finally:
        sfn.delete_state_machine(stateMachineArn=other)


@pytest.fixture
def keyless(manual: Stack, clients: Clients) -> Iterator[boto3.Session]:
    """Somebody who may receive from the queue, but not use the key that its messages are encrypted with."""
    name, me = f"{manual.name[:40]}-keyless-{uuid4().hex[:8]}", clients.sts.get_caller_identity()
    [queue] = manual.attributes(QUEUE, "QueueArn")
    trust = {"Effect": "Allow", "Principal": {"AWS": me["Account"]}, "Action": "sts:AssumeRole"}
    receive = {"Effect": "Allow", "Action": ["sqs:GetQueueAttributes", "sqs:ReceiveMessage"], "Resource": queue}

    def document(statement: object) -> str:
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    role = clients.iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    try:
        clients.iam.put_role_policy(RoleName=name, PolicyName="Receive", PolicyDocument=document(receive))

        def assumed() -> boto3.Session | None:
            with suppress(clients.sts.exceptions.ClientError):  # until the role is known everywhere
                credentials = clients.sts.assume_role(RoleArn=role, RoleSessionName=name)["Credentials"]
                return boto3.Session(
                    credentials["AccessKeyId"],
                    credentials["SecretAccessKey"],
                    credentials["SessionToken"],
                    region_name=manual.session.region_name,
                )
            return None

        yield poll("role", assumed, every=2)
    finally:
        with suppress(clients.iam.exceptions.NoSuchEntityException):
            clients.iam.delete_role_policy(RoleName=name, PolicyName="Receive")
        clients.iam.delete_role(RoleName=name)


@pytest.mark.aws("the embedded AWS encrypts nothing")
def test_who_may_receive_a_message_but_not_use_the_key_reads_nothing(manual: Stack, keyless: boto3.Session) -> None:
    # Given
    url = manual.outputs[QUEUE]
    sqs = keyless.client("sqs")

    def allowed() -> bool | None:
        with suppress(ClientError):  # until the policy of the role holds
            return bool(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"]))
        return None

    poll("right to the queue", allowed, every=2)
    with manual.quick_redelivery(QUEUE):
        manual.start(WORK, MACHINE)
        # When, Then
        with pytest.raises(ClientError, match=r"(?i)kms"):
            sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)
        assert json.loads(manual.receive(QUEUE)["Body"])["input"] == WORK


@pytest.mark.aws("the embedded AWS takes no notice of aws:SecureTransport unless it enforces IAM")
def test_nothing_is_taken_or_given_without_tls(manual: Stack) -> None:
    plain = manual.session.client("sqs", use_ssl=False)
    for queue in (name for name in manual.outputs if name.endswith("QueueUrl")):
        with pytest.raises(ClientError) as refused:
            plain.send_message(QueueUrl=manual.outputs[queue], MessageBody="{}")
        assert "AccessDenied" in refused.value.response["Error"]["Code"]
