"""On the deployed stack, neither a notification nor a function's log holds a piece of a task token or a card number.

An orderId that is text is the customer's own word, and is published; so none of these is a secret.
"""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.e2e.given import Stacks
from tests.security.sample_secrets import CARD, CARD_WITH_DASHES, CARD_WITH_SPACES, TOKEN, leaks
from tools.stack import Notifications, Stack, poll

HIDDEN = {"creditCardNumber": CARD, "token": TOKEN, "Cause": CARD_WITH_DASHES, "outcome": TOKEN, CARD: {TOKEN: CARD}}

HOSTILE_INPUTS: Mapping[str, Any] = {
    "a payment": {"orderId": "order-1", "amount": 10, **HIDDEN},
    "no orderId": {"amount": 10, **HIDDEN},
    "a number as orderId": {"orderId": int(CARD), "amount": 10},
    "an object as orderId": {"orderId": {"creditCardNumber": CARD, "token": TOKEN}, "amount": 10},
    "a list of one as orderId": {"orderId": [CARD], "amount": 10},
    "a list as orderId": {"orderId": [TOKEN, CARD_WITH_SPACES], "amount": 10},
    "text as amount": {"orderId": "order-2", "amount": CARD_WITH_SPACES},
    "a card number as amount": {"orderId": "order-3", "amount": int(CARD)},
    "text": f"{TOKEN} {CARD_WITH_SPACES}",
    "a number": int(CARD),
    "a list": [TOKEN, {"creditCardNumber": CARD}],
    "a list of payments": [{"orderId": CARD, "amount": 10}],
    "a message inside": {"taskToken": TOKEN, "payload": HIDDEN, "executionId": TOKEN, "Error": TOKEN, "message": CARD},
}


@pytest.fixture(scope="module")
def stack(stacks: Stacks) -> Stack:
    return stacks["payment-callback"]


@pytest.fixture(scope="module")
def messages(stack: Stack) -> list[dict[str, Any]]:
    """The queue messages of hostile executions; they are back on their way, every second one as a dead letter."""
    with stack.consumer_off("PaymentWorkerFunctionName"):
        for hostile in HOSTILE_INPUTS.values():
            stack.start(hostile)
            stack.start(hostile)
        bodies = [stack.receive("PaymentQueueUrl")["Body"] for _ in range(2 * len(HOSTILE_INPUTS))]
        assert leaks("".join(bodies)) != []
        for number, body in enumerate(bodies):
            stack.send(("PaymentQueueUrl", "DeadLetterQueueUrl")[number % 2], body)
    return [json.loads(body) for body in bodies]


def test_no_notification_holds_a_token_or_a_card_number(
    stack: Stack, notifications: Notifications, messages: list[dict[str, Any]]
) -> None:
    tokens = [message["taskToken"] for message in messages]
    for message in messages:
        [notification] = notifications.of(message["executionId"])
        assert leaks(json.dumps(notification), *tokens) == [], message["payload"]


def test_no_log_holds_a_token_or_a_card_number(stack: Stack, messages: list[dict[str, Any]]) -> None:
    def unlogged() -> list[dict[str, Any]]:
        text = "\n".join(stack.log())
        return [message for message in messages if message["executionId"] not in text]

    poll("log line of each execution", lambda: not unlogged() or None, seconds=120)
    text = "\n".join(stack.log())
    assert leaks(text, *(message["taskToken"] for message in messages)) == []
