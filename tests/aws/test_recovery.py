"""What a person does when something of AWS itself fails: redrives, moves back, finds the undelivered."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.aws.clients import Clients
from tools.stack import Notifications, Stack, poll

MACHINE = "StateMachineWaitForCallbackArn"
QUEUE, QUARANTINE = "PaymentQueueUrl", "QuarantineQueueUrl"
TEST_QUEUE, UNDELIVERED = "WaitForCallbackDemoNotificationTestQueueUrl", "UndeliveredNotificationQueueUrl"
POLICY_SECONDS = 60  # until a policy holds everywhere

Order = dict[str, object]


@contextmanager
def publish_denied(clients: Clients, topic: str, role: str) -> Iterator[None]:
    """Denies a role to publish to a topic."""
    before = clients.sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"]
    deny = {"Effect": "Deny", "Principal": {"AWS": role}, "Action": "sns:Publish", "Resource": topic}

    def put(policy: str) -> None:
        clients.sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
        time.sleep(POLICY_SECONDS)

    document = json.loads(before)
    put(json.dumps({**document, "Statement": [*document["Statement"], deny]}))
    try:
        yield
    finally:
        put(before)


@pytest.mark.aws("the embedded AWS enforces no topic policy")
def test_a_redrive_publishes_the_notification_that_failed(
    stack: Stack, clients: Clients, notifications: Notifications, order: Order
) -> None:
    # Given a topic that the workflow may not publish to
    role = clients.stepfunctions.describe_state_machine(stateMachineArn=stack.outputs[MACHINE])["roleArn"]
    with publish_denied(clients, stack.outputs["NotificationTopicArn"], role):
        execution_id = stack.start(order)
        end = stack.ended(execution_id)
    assert (end["status"], end["error"].partition(".")[0]) == ("FAILED", "SNS")
    assert notifications.count(execution_id) == 0
    # When
    clients.stepfunctions.redrive_execution(executionArn=execution_id)
    # Then it goes on with the notification, and asks nobody for the payment again
    [notification] = notifications.of(execution_id)

    def redriven() -> Any:
        described = clients.stepfunctions.describe_execution(executionArn=execution_id)
        return described if described["redriveCount"] == 1 and described["status"] != "RUNNING" else None

    end = poll("end of the redrive", redriven)
    assert end["status"] == notification["outcome"]
    assert end.get("error") == notification.get("Error")
    assert stack.states_entered(execution_id).count("RequestPayment") == 1
    notifications.settle()
    assert notifications.count(execution_id) == 1


@pytest.mark.aws("the embedded AWS knows no message move tasks")
def test_a_quarantined_request_that_is_moved_back_is_answered(stack: Stack, clients: Clients, order: Order) -> None:
    # Given a request that came into the quarantine
    with stack.consumer_off("PaymentWorkerFunctionName"):
        execution_id = stack.start(order)
        stack.send(QUARANTINE, stack.receive(QUEUE)["Body"])
    source, destination = (stack.attributes(queue, "QueueArn")[0] for queue in (QUARANTINE, QUEUE))
    # When
    clients.sqs.start_message_move_task(SourceArn=source, DestinationArn=destination)
    # Then
    end = stack.ended(execution_id)
    assert end["status"] == "SUCCEEDED" or end["error"] == "Failed to process payment"
    poll("empty quarantine", lambda: stack.depth(QUARANTINE) == 0 or None)


@pytest.mark.aws("the embedded AWS obeys no redrive policy of a subscription")
def test_a_notification_that_cannot_be_delivered_is_kept(stack: Stack, clients: Clients, order: Order) -> None:
    # Given a test queue that lets the topic in no more
    url = stack.outputs[TEST_QUEUE]
    [before] = stack.attributes(TEST_QUEUE, "Policy")
    document = json.loads(before)
    others = [statement for statement in document["Statement"] if statement["Sid"] != "ReceiveNotifications"]
    assert len(others) < len(document["Statement"])
    clients.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({**document, "Statement": others})})
    try:
        time.sleep(POLICY_SECONDS)
        # When
        execution_id = stack.start(order)
        kept = stack.receive(UNDELIVERED)
    finally:
        clients.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": before})
    # Then
    assert json.loads(json.loads(kept["Body"])["Message"])["executionId"] == execution_id
    stack.let_aws_catch_up(POLICY_SECONDS)
