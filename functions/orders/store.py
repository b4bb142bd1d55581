"""The only caller of DynamoDB: the table of orders, and of who waits for the decision about each.

    ORDER#<orderId>           the order; `settled` is written once: how people or its workflow settled it. `ended` is
                              there while its workflow is ended otherwise: FAILED, or STOPPED by somebody
    TOKEN#<orderId>           the task token of the workflow that waits; the state machine writes it
    CONFIRMATION#<SHA-256>    the order of a confirmation id, which is a credential and so kept as its hash only

Whoever settles an order, a person or the state machine, does so by one write on the condition that nobody has. The
table's stream reports every write, and what is to follow a write follows from there. Times are in seconds since 1970.
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

DAY = 86_400
START_WITHIN = DAY  # the stream tries to start an order for six hours; then it is up to whoever posts it again
KEEP_ORDERS = 100 * DAY  # the name of an execution, which is the orderId, stays taken for 90 days
# Its workflow has begun in time, or still may
_IN_TIME = "(expiresAt > :now OR (attribute_not_exists(expiresAt) AND NOT startBy <= :now))"

_dynamodb = client("dynamodb")

Item = dict[str, Any]


class TableUnavailable(PrintableError):
    """A fault of DynamoDB or the network, or a missing right."""


class UnknownOrder(PrintableError):
    """There is no such order."""


class OtherOrder(PrintableError):
    """Another order has this orderId."""


class AlreadySettled(PrintableError):
    """The order is decided otherwise, or it is over: expired, failed or stopped."""

    def __init__(self, order: Order) -> None:
        super().__init__(f"the order is {order.state}")
        self.order = order


class _ConditionFailed(Exception):
    pass


@dataclass(frozen=True)
class WaitingTask:
    """`expires_at` is when nobody waits any more."""

    task_token: str = field(repr=False)
    execution_id: str
    expires_at: int


def create(order_id: str, order_details: str) -> Order:
    """Keep a new order; the same again is kept as it is, and reported to the stream again.

    Raises OtherOrder, or AlreadySettled where the same order is over without a decision.
    """
    now = time.time()
    item = {
        **_order_key(order_id),
        "orderId": {"S": order_id},
        "orderDetails": {"S": order_details},
        "startBy": _number(now + START_WITHIN),
        "removeAt": _number(now + KEEP_ORDERS),
    }
    try:
        _call("put_item", Item=item, ConditionExpression="attribute_not_exists(pk)")
        return _order(item)
    except _ConditionFailed:
        pass
    open_or_decided = f"(settled IN (:yes, :no) OR (attribute_not_exists(settled) AND {_IN_TIME}))"
    try:
        return _touch(
            order_id,
            f"orderDetails = :same AND attribute_not_exists(ended) AND {open_or_decided}",
            {":same": order_details, ":yes": "CONFIRMED", ":no": "CANCELLED"},
        )
    except _ConditionFailed:
        order = find(order_id)
    if order and order.order_details == order_details:
        raise AlreadySettled(order)
    raise OtherOrder("another order has this orderId")


def find(order_id: str) -> Order | None:
    item = _get(_order_key(order_id))
    return _order(item) if item else None


def find_by_confirmation(confirmation_id: str) -> Order | None:
    """The order that this confirmation id may decide."""
    item = _get(_confirmation_key(confirmation_id))
    return find(item["orderId"]["S"]) if item else None


def offer_confirmation(order_id: str, confirmation_id: str, expires_at: int) -> int:
    """Let a confirmation id decide an order until it expires, and return when that is: what was offered first holds.

    An order whose workflow had ended is open again. Raises UnknownOrder, or AlreadySettled where it is too late.
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
            UpdateExpression="SET expiresAt = if_not_exists(expiresAt, :expiresAt) REMOVE ended",
            ConditionExpression="attribute_exists(pk)"
            " AND (attribute_exists(expiresAt) OR attribute_exists(settled) OR NOT startBy <= :now)",
            ExpressionAttributeValues={":expiresAt": _number(expires_at), ":now": _number(time.time())},
            ReturnValues="ALL_NEW",
        )
    except _ConditionFailed:
        order = find(order_id)
        raise (AlreadySettled(order) if order else UnknownOrder("there is no such order")) from None
    _call("put_item", Item=item)
    return int(answer["Attributes"]["expiresAt"]["N"])


def decide(order_id: str, decision: str, decided_by: str, comment: str | None = None) -> Order:
    """Decide an order: CONFIRMED or CANCELLED. The same decision again is reported to the stream again, no more.

    Raises UnknownOrder or AlreadySettled.
    """
    now = _number(time.time())
    values = {":settled": {"S": decision}, ":now": now, ":by": {"S": decided_by}}
    setting_comment = ""
    if comment:
        values[":comment"], setting_comment = {"S": comment}, ", decisionComment = :comment"
    try:
        answer = _call(
            "update_item",
            Key=_order_key(order_id),
            UpdateExpression=f"SET settled = :settled, decidedAt = :now, decidedBy = :by{setting_comment}",
            ConditionExpression="attribute_exists(pk) AND attribute_not_exists(settled) AND attribute_not_exists(ended)"
            f" AND {_IN_TIME}",
            ExpressionAttributeValues=values,
            ReturnValues="ALL_NEW",
        )
        return _order(answer["Attributes"])
    except _ConditionFailed:
        pass
    try:
        return _touch(order_id, "settled = :same AND attribute_not_exists(ended)", {":same": decision})
    except _ConditionFailed:
        order = find(order_id)
    if order is None:
        raise UnknownOrder("there is no such order")
    raise AlreadySettled(order)


def end(order: Order, how: str) -> None:
    """Note that the workflow of an order has ended, FAILED or STOPPED; nothing if the order was settled meanwhile."""
    as_read, values = "attribute_not_exists(settled)", {":how": {"S": how}}
    if order.settled:
        as_read, values[":settled"] = "settled = :settled", {"S": order.settled}
    with suppress(_ConditionFailed):
        _call(
            "update_item",
            Key=_order_key(order.order_id),
            UpdateExpression="SET ended = :how",
            ConditionExpression=f"attribute_exists(pk) AND {as_read}",
            ExpressionAttributeValues=values,
        )


def reopen(order_id: str, expires_at: int | None) -> None:
    """Note that the workflow of an order goes on; where it waits, the order can be decided for as long."""
    expression, values = "REMOVE ended", {}
    if expires_at:
        expression, values = "SET expiresAt = :expiresAt REMOVE ended", {":expiresAt": _number(expires_at)}
    with suppress(_ConditionFailed):
        _call(
            "update_item",
            Key=_order_key(order_id),
            UpdateExpression=expression,
            ConditionExpression="attribute_exists(pk)",
            **({"ExpressionAttributeValues": values} if values else {}),
        )


def waiting_task(order_id: str) -> WaitingTask | None:
    """Who waits for the decision; None before the workflow waits, and when it has been answered."""
    item = _get(_token_key(order_id))
    if item is None:
        return None
    return WaitingTask(item["taskToken"]["S"], item["executionId"]["S"], _number_of(item, "expiresAt"))


def forget_task(order_id: str, task: WaitingTask) -> None:
    """Remove who waits no more, unless somebody else waits by now."""
    with suppress(_ConditionFailed):
        _call(
            "delete_item",
            Key=_token_key(order_id),
            ConditionExpression="taskToken = :answered",
            ExpressionAttributeValues={":answered": {"S": task.task_token}},
        )


def _order(item: Item) -> Order:
    settled, ended = item.get("settled", {}).get("S"), item.get("ended", {}).get("S")
    expires_at = _number_of(item, "expiresAt")
    too_late = 0 < (expires_at or _number_of(item, "startBy")) <= time.time()
    return Order(
        order_id=item["orderId"]["S"],
        order_details=item["orderDetails"]["S"],
        state=ended or settled or ("EXPIRED" if too_late else "WAITING" if expires_at else "PROCESSING"),
        expires_at=expires_at,
        settled=settled,
        ended=ended,
        decided_at=_number_of(item, "decidedAt") or None,
        decided_by=item.get("decidedBy", {}).get("S"),
        comment=item.get("decisionComment", {}).get("S"),
    )


def _touch(order_id: str, condition: str, values: dict[str, str]) -> Order:
    """Change nothing that counts, so that the stream reports the order once more."""
    answer = _call(
        "update_item",
        Key=_order_key(order_id),
        UpdateExpression="SET touchedAt = :touched",
        ConditionExpression=condition,
        ExpressionAttributeValues={
            ":touched": {"N": str(time.time_ns())},
            **({":now": _number(time.time())} if ":now" in condition else {}),
            **{name: {"S": value} for name, value in values.items()},
        },
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


def _number_of(item: Item, name: str) -> int:
    return int(item.get(name, {}).get("N", 0))


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
