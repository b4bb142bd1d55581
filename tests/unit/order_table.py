"""What the tests of the order functions share: items of the table, and requests to the API."""

import json
import time
from typing import Any

import order_api
from orders import store
from tests.unit.support import CONTEXT, sample_event

EXECUTION_ID = "arn:aws:states:us-east-1:123456789012:execution:OrderConfirmation:order-1"
TOKEN = "THE-TASK-TOKEN"
CONFIRMATION_ID = "a-confirmation-id-of-32-characte"
FUTURE = 4_000_000_000


def offered(table: Any, order_id: str = "order-1", expires_at: int = FUTURE) -> None:
    """An order that can be decided under CONFIRMATION_ID."""
    store.create(order_id, "2 books")
    store.offer_confirmation(order_id, CONFIRMATION_ID, expires_at)


def settled(table: Any, how: str, order_id: str = "order-1") -> None:
    """The order as the state machine closes it."""
    table.update_item(
        Key={"pk": f"ORDER#{order_id}"},
        UpdateExpression="SET settled = :how",
        ExpressionAttributeValues={":how": how},
    )


def waits(table: Any, token: str = TOKEN, execution_id: str = EXECUTION_ID, expires_at: int = FUTURE) -> None:
    """The token as the state machine stores it."""
    item = {"pk": "TOKEN#order-1", "orderId": "order-1", "taskToken": token, "executionId": execution_id}
    table.put_item(Item={**item, "expiresAt": expires_at})


def never_started(table: Any) -> None:
    """The order as it is when the time to start it is over."""
    table.update_item(
        Key={"pk": "ORDER#order-1"},
        UpdateExpression="SET startBy = :now",
        ExpressionAttributeValues={":now": int(time.time())},
    )


def request(sample: str, path: str | None = None, body: object = ...) -> tuple[int, Any, dict[str, str]]:
    """Status, body and headers of the answer to a sample event, with another path or body."""
    event = sample_event(f"order_api/{sample}")
    if path is not None:
        event["path"] = path
    if body is not ...:
        event["body"] = body if isinstance(body, str | None) else json.dumps(body)
    answer = order_api.lambda_handler(event, CONTEXT)
    headers = {name: values[0] for name, values in answer["multiValueHeaders"].items()}
    is_json = headers["Content-Type"] == "application/json"
    return answer["statusCode"], json.loads(answer["body"]) if is_json else answer["body"], headers
