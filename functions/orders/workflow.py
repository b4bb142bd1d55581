"""Keeps an order in line with its workflow: whatever ends its execution ends it, and a redrive opens it again."""

import json
from functools import cache
from typing import Any

from callbacks.calls import AWS_ERRORS, client, error_code
from callbacks.entry import PrintableError, logger
from callbacks.request import printable_execution_id
from callbacks.settings import setting
from orders import store
from orders.model import Order
from orders.store import WaitingTask

SEND_LINK_SECONDS = 600  # between the step that makes the link and the wait, at most

_stepfunctions = client("stepfunctions")


class AwsUnavailable(PrintableError):
    """A fault of Step Functions, SNS or the network, or a missing right."""


def follow_execution(order_id: str, execution_id: str) -> None:
    """Make the order say the same as the execution, and remove a task token that nobody waits for any more.

    Step Functions is asked how the execution stands, again after each write, because events come late, twice and out of
    order. Does nothing where another execution waits for the decision, or the execution is none of the order's.
    Raises AwsUnavailable or TableUnavailable.
    """
    changed = True
    while changed:
        task = store.waiting_task(order_id)  # before the execution is asked: a redrive stores a new one
        if not (task.execution_id == execution_id if task else execution_id.endswith(f":{order_id}")):
            return
        status, error = _describe(execution_id)
        order = store.find(order_id)
        ended = how_ended(status, error, order.settled) if order else None
        answered = order and order.decision and not ended  # and who answers removes the token
        if task and status not in ("RUNNING", "PENDING_REDRIVE") and not answered:
            store.forget_task(order_id, task)
        if order is None:
            return
        waits_on = bool(task and status == "RUNNING" and waits_longer(order, task))
        changed = ended != order.ended or waits_on
        if changed and ended:
            if order.decision:
                _report(order, execution_id)
            store.end(order, ended)
        elif changed:
            store.reopen(order_id, task.expires_at if task else None)


def waits_longer(order: Order, task: WaitingTask) -> bool:
    """Whether a workflow waits on when its order would expire, as it does after a redrive."""
    return order.settled is None and task.expires_at > order.expires_at + SEND_LINK_SECONDS


def how_ended(status: str, error: str | None, settled: str | None) -> str | None:
    """FAILED or STOPPED where an execution has ended, and its order is not settled as that says; None otherwise.

    `status` is as Step Functions names it, `settled` as the table has it.
    """
    match status, error, settled:
        case ("RUNNING" | "PENDING_REDRIVE" | "SUCCEEDED", _, _) | (_, _, "EXPIRED" | "FAILED"):
            return None
        case ("FAILED", "Order.Cancelled", "CANCELLED") | ("FAILED", "Order.Expired", None):
            return None
    return "STOPPED" if status == "ABORTED" else "FAILED"


def _describe(execution_id: str) -> tuple[str, str | None]:
    execution = _call(_stepfunctions, "describe_execution", executionArn=execution_id)
    return execution["status"], execution.get("error")


def _report(order: Order, execution_id: str) -> None:
    """Somebody has to act on a decision that nobody carries out. An alarm counts the line in the log."""
    body = {
        "outcome": "NOT_CARRIED_OUT",
        "message": "This order was decided, but its workflow has ended without carrying out the decision.",
        "decision": order.decision,
        "orderId": order.order_id,
        "executionId": execution_id,
    }
    logger.error("decision not carried out", correlation_id=printable_execution_id(execution_id))
    _call(
        _sns(),
        "publish",
        TopicArn=setting("NOTIFICATION_TOPIC_ARN"),
        Message=json.dumps(body),
        MessageAttributes={"outcome": {"DataType": "String", "StringValue": body["outcome"]}},
    )


@cache
def _sns() -> Any:  # noqa: ANN401 - as client() has it
    return client("sns")  # made for the first report


def _call(aws: Any, operation: str, **arguments: Any) -> Any:  # noqa: ANN401 - whatever AWS takes and answers
    try:
        return getattr(aws, operation)(**arguments)
    except AWS_ERRORS as error:
        raise AwsUnavailable(error_code(error)) from None
