"""What a subscriber gets with a notification."""

import json

from tools.stack import Stack

TEST_QUEUE = "WaitForCallbackDemoNotificationTestQueueUrl"


def test_the_outcome_is_an_attribute_that_a_subscription_can_filter_by(stack: Stack, order: dict[str, object]) -> None:
    stack.drain(TEST_QUEUE)
    execution_id = stack.start(order)
    envelope = json.loads(stack.receive(TEST_QUEUE)["Body"])
    notification = json.loads(envelope["Message"])
    assert notification["executionId"] == execution_id
    assert envelope["MessageAttributes"] == {"outcome": {"Type": "String", "Value": notification["outcome"]}}
