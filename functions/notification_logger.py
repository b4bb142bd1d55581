"""Writes one line to the log for every notification of a topic.

The cause of a failure is left out on purpose: its text may come from outside, and a log keeps it for longer than the
execution, where it can be read.
"""

import re
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from callbacks.entry import PrintableError, lambda_entry, logger
from callbacks.json_text import UnreadableJson, read_json
from callbacks.request import printable_execution_id

# A name or a sentence; neither a task token nor the number of a card, both of which hold digits
_PLAIN_WORDS = re.compile(r"[A-Za-z .,'_-]{1,256}")


class NotAnSnsEvent(PrintableError):
    """The function was invoked with something else than notifications of a topic."""


@lambda_entry
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> None:
    try:
        notifications = [(record["Sns"]["MessageId"], record["Sns"]["Message"]) for record in event["Records"]]
    except (KeyError, TypeError):
        notifications = []
    if not notifications:
        raise NotAnSnsEvent("the event is not an SNS event; the folder events/notification_logger/ holds samples")
    for message_id, body in notifications:
        log_notification(message_id, body)


def log_notification(message_id: str, body: object) -> None:
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


def read_notification(body: object) -> dict[str, str]:
    """The fields `outcome`, `message`, `Error` and `executionId` of a notification, those that are text.

    Each is cut to 256 characters. Empty when the body is no JSON object that can be read, or has no outcome.
    """
    try:
        notification = read_json(body) if isinstance(body, str) else None
    except UnreadableJson:
        return {}
    if not isinstance(notification, dict) or not plain_words(notification.get("outcome")):
        return {}
    printable = {name: plain_words(notification.get(name)) for name in ("outcome", "message", "Error")}
    printable["executionId"] = printable_execution_id(notification.get("executionId"))
    return {name: value for name, value in printable.items() if value is not None}


def plain_words(value: object) -> str | None:
    """What may be logged of a text that comes from outside: all of it, or that it was withheld.

    None for what is no text, or an empty one: EventBridge makes that of an error that nobody gave.
    """
    if not isinstance(value, str) or not value:
        return None
    return value if _PLAIN_WORDS.fullmatch(value) else "(withheld: not plain words)"
