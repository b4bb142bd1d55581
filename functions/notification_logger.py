"""Writes one line to the log for every notification of a topic.

The cause of a failure is left out on purpose: its text may come from outside, and a log keeps it for longer than the
execution, where it can be read.
"""

import json
from typing import Any

from aws_lambda_powertools.utilities.data_classes import SNSEvent
from aws_lambda_powertools.utilities.typing import LambdaContext

from observability import logger

MAX_FIELD_CHARACTERS = 256


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> None:
    for record in SNSEvent(event).records:
        log_notification(record.sns.message_id, record.sns.message)


def log_notification(message_id: str, body: str) -> None:
    """Log what a notification says of its outcome. One that says nothing of it is not tried again: it would stay so."""
    notification = read_notification(body)
    if not notification:
        logger.warning("notification says no outcome", messageId=message_id)
        return
    logger.info(
        "notification received",
        messageId=message_id,
        outcome=notification["outcome"],
        notification=notification.get("message"),
        error=notification.get("Error"),
        correlation_id=notification.get("executionId"),
    )


def read_notification(body: str) -> dict[str, str]:
    """The fields `outcome`, `message`, `Error` and `executionId` of a notification, those that are text.

    Each is cut to 256 characters. Empty when the body is no JSON object, or has no outcome.
    """
    try:
        notification = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(notification, dict) or not isinstance(notification.get("outcome"), str):
        return {}
    fields = ("outcome", "message", "Error", "executionId")
    return {
        name: notification[name][:MAX_FIELD_CHARACTERS] for name in fields if isinstance(notification.get(name), str)
    }
