"""The only caller of DynamoDB: the table of orders, and of who waits for the decision about each.

    ORDER#<orderId>           the order; `settled` is written once, and says how it ended
    TOKEN#<orderId>           the task token of the workflow that waits; the state machine writes it
    CONFIRMATION#<SHA-256>    the order of a confirmation id, which is a credential and so kept as its hash only

Whoever settles an order, a person or the state machine, does so by one write on the condition that nobody has. The
table's stream tells of every write, and what is to follow a write follows from there. Times are in seconds since 1970.
Every call may raise TableUnavailable.
"""

import hashlib
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from callbacks.calls import AWS_ERRORS, client, error_code
from callbacks.entry import PrintableError
from callbacks.settings import setting
from orders.model import Order

DECISIONS = {"confirm": "CONFIRMED", "cancel": "CANCELLED"}
_DECISION_OF = {settled: decision for decision, settled in DECISIONS.items()}
DAY = 86_400
KEEP_ORDERS = 100 * DAY  # the name of an execution, which is the orderId, stays taken for 90 days

_dynamodb = client("dynamodb")

Item = dict[str, Any]


class TableUnavailable(PrintableError):
    """A fault of DynamoDB or the network, or a missing right."""


class UnknownOrder(PrintableError):
    """There is no such order."""


class OtherOrder(PrintableError):
    """Another order has this orderId."""


class AlreadySettled(PrintableError):
    """The order is decided otherwise, expired or failed."""

    def __init__(self, order: Order) -> None:
        super().__init__(f"the order is {order.state}")
        self.order = order


class _ConditionFailed(Exception):
    pass


@dataclass(frozen=True)
class WaitingTask:
    task_token: str = field(repr=False)
    execution_id: str


def create(order_id: str, order_details: str) -> Order:
    """Keep a new order; the same again is kept as it is, and told to the stream again. Raises OtherOrder."""
    now = time.time()
    item = {
        **_order_key(order_id),
        "orderId": {"S": order_id},
        "orderDetails": {"S": order_details},
        "removeAt": _number(now + KEEP_ORDERS),
    }
    try:
        _call("put_item", Item=item, ConditionExpression="attribute_not_exists(pk)")
        return _order(item)
    except _ConditionFailed:
        pass
    try:
        return _touch(order_id, "orderDetails = :same", order_details)
    except _ConditionFailed:
        raise OtherOrder("another order has this orderId") from None


def find(order_id: str) -> Order | None:
    item = _get(_order_key(order_id))
    return _order(item) if item else None


def find_by_confirmation(confirmation_id: str) -> Order | None:
    """The order that this confirmation id may decide."""
    item = _get(_confirmation_key(confirmation_id))
    return find(item["orderId"]["S"]) if item else None


def offer_confirmation(order_id: str, confirmation_id: str, expires_at: int) -> int:
    """Let a confirmation id decide an order until it expires, and return when that is: what was offered first holds.

    Raises UnknownOrder.
    """
    item = {
        **_confirmation_key(confirmation_id),
        "orderId": {"S": order_id},
        "removeAt": _number(expires_at + KEEP_ORDERS),
    }
    try:
        answer = _call(
            "update_item",
            Key=_order_key(order_id),
            UpdateExpression="SET expiresAt = if_not_exists(expiresAt, :expiresAt)",
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeValues={":expiresAt": _number(expires_at)},
            ReturnValues="ALL_NEW",
        )
    except _ConditionFailed:
        raise UnknownOrder("there is no such order") from None
    _call("put_item", Item=item)
    return int(answer["Attributes"]["expiresAt"]["N"])


def decide(order_id: str, decision: str, decided_by: str, comment: str | None = None) -> Order:
    """Decide an order: `confirm` or `cancel`. The same decision again is told to the stream again, and changes nothing.

    Raises UnknownOrder or AlreadySettled.
    """
    now, settled = int(time.time()), DECISIONS[decision]
    values = {":settled": {"S": settled}, ":now": _number(now), ":by": {"S": decided_by}}
    setting_comment = ""
    if comment:
        values[":comment"], setting_comment = {"S": comment}, ", decisionComment = :comment"
    try:
        answer = _call(
            "update_item",
            Key=_order_key(order_id),
            UpdateExpression=f"SET settled = :settled, decidedAt = :now, decidedBy = :by{setting_comment}",
            ConditionExpression="attribute_exists(pk) AND attribute_not_exists(settled)"
            " AND (attribute_not_exists(expiresAt) OR expiresAt > :now)",
            ExpressionAttributeValues=values,
            ReturnValues="ALL_NEW",
        )
        return _order(answer["Attributes"])
    except _ConditionFailed:
        pass
    try:
        return _touch(order_id, "settled = :same", settled)
    except _ConditionFailed:
        order = find(order_id)
    if order is None:
        raise UnknownOrder("there is no such order")
    raise AlreadySettled(order)


def waiting_task(order_id: str) -> WaitingTask | None:
    """Who waits for the decision; None before the workflow waits, and when it has been answered."""
    item = _get(_token_key(order_id))
    return WaitingTask(item["taskToken"]["S"], item["executionId"]["S"]) if item else None


def forget_task(order_id: str, task: WaitingTask) -> None:
    """Remove who has been answered, unless somebody else waits by now."""
    with suppress(_ConditionFailed):
        _call(
            "delete_item",
            Key=_token_key(order_id),
            ConditionExpression="taskToken = :answered",
            ExpressionAttributeValues={":answered": {"S": task.task_token}},
        )


def _order(item: Item) -> Order:
    settled = item.get("settled", {}).get("S")
    expires_at = int(item.get("expiresAt", {}).get("N", 0))
    decided_at = item.get("decidedAt", {}).get("N")
    expired = 0 < expires_at <= time.time()
    return Order(
        order_id=item["orderId"]["S"],
        order_details=item["orderDetails"]["S"],
        state=settled or ("EXPIRED" if expired else "WAITING" if expires_at else "PROCESSING"),
        expires_at=expires_at,
        decision=_DECISION_OF.get(settled),
        decided_at=int(decided_at) if decided_at else None,
        decided_by=item.get("decidedBy", {}).get("S"),
        comment=item.get("decisionComment", {}).get("S"),
    )


def _touch(order_id: str, condition: str, same: str) -> Order:
    """Change nothing that counts, so that the stream tells of the order once more."""
    answer = _call(
        "update_item",
        Key=_order_key(order_id),
        UpdateExpression="SET touchedAt = :now",
        ConditionExpression=condition,
        ExpressionAttributeValues={":now": {"N": str(time.time_ns())}, ":same": {"S": same}},
        ReturnValues="ALL_NEW",
    )
    return _order(answer["Attributes"])


def _order_key(order_id: str) -> Item:
    return {"pk": {"S": f"ORDER#{order_id}"}}


def _token_key(order_id: str) -> Item:
    return {"pk": {"S": f"TOKEN#{order_id}"}}


def _confirmation_key(confirmation_id: str) -> Item:
    return {"pk": {"S": f"CONFIRMATION#{hashlib.sha256(confirmation_id.encode()).hexdigest()}"}}


def _number(value: float) -> Item:
    return {"N": str(int(value))}


def _get(key: Item) -> Item | None:
    item: Item | None = _call("get_item", Key=key, ConsistentRead=True).get("Item")
    return item


def _call(operation: str, **arguments: Any) -> Any:  # noqa: ANN401 - whatever DynamoDB takes and answers
    try:
        return getattr(_dynamodb, operation)(TableName=setting("ORDER_TABLE_NAME"), **arguments)
    except AWS_ERRORS as error:
        code = error_code(error)
        if code == "ConditionalCheckFailedException":
            raise _ConditionFailed from None
        raise TableUnavailable(code) from None
