"""Answers the task token of an order's workflow when the order is decided, whichever of the two comes first.

The table's stream reports each decision and each token. By then the one is stored, and if the other is stored too, the
workflow is answered: so a decision that comes early waits for its token, and a redriven workflow is answered again.
"""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from callbacks.entry import lambda_entry, logger
from callbacks.metrics import count_callback
from callbacks.request import printable_execution_id
from callbacks.task import Outcome, send_task_failure, send_task_success
from orders import store
from orders.model import Order
from orders.stream import BatchResponse, Image, order_id_of, process_stream
from orders.workflow import follow_execution, waits_longer


@lambda_entry
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> BatchResponse:
    return process_stream(event, record_handler)


def record_handler(image: Image) -> None:
    """Answer who waits for the decision about an order, if somebody waits and there is one.

    Raises NotAStreamEvent, TableUnavailable, AwsUnavailable or CallbackNotDelivered.
    """
    order_id = order_id_of(image)
    task = store.waiting_task(order_id)
    order = store.find(order_id) if task else None
    if task and (order is None or order.ended or waits_longer(order, task)):  # as after a redrive
        follow_execution(order_id, task.execution_id)
        order = store.find(order_id)
    if task is None or order is None or order.ended or order.decision is None:
        return
    outcome = answer(task.task_token, order)
    count_callback(outcome)
    if outcome is not Outcome.DELIVERED:
        follow_execution(order_id, task.execution_id)
    store.forget_task(order_id, task)
    logger.info(
        "decision delivered",
        state=order.state,
        outcome=outcome,
        correlation_id=printable_execution_id(task.execution_id),
    )


def answer(task_token: str, order: Order) -> Outcome:
    """Resume the workflow, or fail it as cancelled. Raises CallbackNotDelivered."""
    if order.decision == "CONFIRMED":
        return send_task_success(task_token, {"decidedAt": order.decided_at, "decidedBy": order.decided_by})
    return send_task_failure(task_token, "Order.Cancelled", "The order was cancelled.")
