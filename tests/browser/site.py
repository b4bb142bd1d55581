"""Where the browser finds pages: at a deployed stack."""

import json
import time
from functools import partial
from typing import Any
from uuid import uuid4

from tools.engine.rest import call, reachable
from tools.stack import Stack, poll

DETAILS = "2 × standing desk, oak\n1 × desk lamp\n\nTotal: EUR 1,298.00"

Decision = tuple[bool | None, str | None, str | None]


class Site:
    """Orders of a stack to decide about. Nobody else may read its test queue meanwhile.

    `base` is the address that `confirmations/ID` follows.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._order_ids: dict[str, str] = {}
        key = stack.client("apigateway").get_api_key(apiKey=stack.outputs["OrderApiKeyId"], includeValue=True)
        self.api_key = str(key["value"])
        self.base = reachable(stack.outputs["OrderApiUrl"], stack.endpoint_url)

    def link(self, confirmation_id: str) -> str:
        return f"{self.base}/confirmations/{confirmation_id}"

    def waiting(self, details: str = DETAILS, order_id: str = "") -> str:
        """The link of a new order that waits for a decision."""
        order_id = order_id or f"page-{uuid4()}"
        body = {"orderId": order_id, "orderDetails": details}
        assert call("POST", f"{self.base}/orders", key=self.api_key, body=body).status == 202
        while True:  # until the test queue is empty, which fails the test
            published = json.loads(json.loads(self.stack.receive("NotificationTestQueueUrl")["Body"])["Message"])
            if published["outcome"] == "WAITING" and published["orderId"] == order_id:
                link = reachable(published["link"], self.stack.endpoint_url)
                self._order_ids[link] = order_id
                return link

    def expired(self, order_id: str = "") -> str:
        """The link of an order whose time to decide is over."""
        link = self.waiting(order_id=order_id)
        # The link is sent before the token is stored, and a token whose time is not over opens its order again
        order_id = self.order_id(link)
        for pk in (f"TOKEN#{order_id}", f"ORDER#{order_id}"):
            poll(pk, partial(self._expire, pk))
        return link

    def stopped(self, order_id: str = "") -> str:
        """The link of an order whose workflow somebody stopped."""
        link = self.waiting(order_id=order_id)
        self.stop(link)
        return link

    def stop(self, link: str) -> None:
        """Stop the workflow of the order behind a link."""
        machine = self.stack.outputs["OrderConfirmationStateMachineArn"]
        self.stack.stop(f"{machine.replace(':stateMachine:', ':execution:')}:{self.order_id(link)}")
        poll("end of the order", lambda: self._order(link)["state"] == "STOPPED" or None)

    def _expire(self, pk: str) -> bool | None:
        """Whether there is such an item, whose time is over now."""
        table = self.stack.client("dynamodb")
        try:
            table.update_item(
                TableName=self.stack.outputs["OrderTableName"],
                Key={"pk": {"S": pk}},
                UpdateExpression="SET expiresAt = :past",
                ConditionExpression="attribute_exists(pk)",
                ExpressionAttributeValues={":past": {"N": str(int(time.time()) - 7_500)}},
            )
        except table.exceptions.ConditionalCheckFailedException:
            return None
        return True

    def order_id(self, link: str) -> str:
        return self._order_ids[link]

    def decision(self, link: str) -> Decision:
        """What was decided about the order behind a link, when, and the comment; None for each if nothing was."""
        decision = self._order(link)["decision"]
        if decision is None:
            return None, None, None
        return decision["isConfirmed"], decision["decidedAt"], decision["comment"]

    def _order(self, link: str) -> dict[str, Any]:
        order: dict[str, Any] = call("GET", f"{self.base}/orders/{self.order_id(link)}", key=self.api_key).json
        return order
