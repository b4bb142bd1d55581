"""Starts the workflow of each order that the API has stored, once each: the table's stream brings what failed again."""

import json
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError

from callbacks.calls import client
from callbacks.entry import PrintableError, lambda_entry, logger
from callbacks.settings import setting
from orders.stream import Image, order_id_of, process_stream

_stepfunctions = client("stepfunctions")


class WorkflowNotStarted(PrintableError):
    """The workflow may or may not have started: a throttle, a fault of the service or the network, a missing right."""


@lambda_entry
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> None:
    process_stream(event, follow_up)


def follow_up(image: Image) -> None:
    """Start the workflow of an order, unless it has been started. Raises NotAStreamEvent or WorkflowNotStarted."""
    order_id = order_id_of(image)
    if "expiresAt" in image or "ended" in image:  # as the workflow's first step sets it, or its end
        return
    try:
        _stepfunctions.start_execution(
            stateMachineArn=setting("ORDER_STATE_MACHINE_ARN"),
            name=order_id,  # so that one order has one workflow
            input=json.dumps({"orderId": order_id}),
        )
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "Unknown")
        if code != "ExecutionAlreadyExists":
            raise WorkflowNotStarted(code) from None
    except BotoCoreError as error:
        raise WorkflowNotStarted(type(error).__name__) from None
    logger.info("workflow started")
