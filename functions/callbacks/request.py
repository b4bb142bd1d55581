"""The message that a waiting workflow sends to a queue: `{"taskToken": …, "payload": …, "executionId": …}`.

The manual callback sends `{"input": …, "token": …}`; of that, only the token is read.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from callbacks.entry import PrintableError

MAX_TOKEN_CHARACTERS = 2048
_EXECUTION_ARN = re.compile(r"arn:aws[\w-]*:states:[\w-]+:\d{12}:execution:[^:\s]{1,80}:[^:\s]{1,80}")


class UnreadableMessage(PrintableError):
    """No workflow can be answered from this message. The text says why, without any of the message."""


@dataclass(frozen=True)
class CallbackRequest:
    """A readable request. `payload` is any JSON, None if the message has none; `execution_id` is None unless an ARN."""

    task_token: str = field(repr=False)
    payload: Any = field(repr=False)
    execution_id: str | None


def parse_callback_request(body: str) -> CallbackRequest:
    """Read the body of a queue message. Raises UnreadableMessage unless it is a JSON object with a task token.

    Infinity and NaN, which are not JSON, pass: whoever reads the payload refuses them, and the workflow is told.
    """
    try:
        message = json.loads(body, parse_int=_parse_int)
    except (ValueError, RecursionError):
        raise UnreadableMessage("the body is not JSON") from None
    if not isinstance(message, dict):
        raise UnreadableMessage("the body is not a JSON object")
    token, execution_id = message.get("taskToken", message.get("token")), message.get("executionId")
    if not is_task_token(token):
        raise UnreadableMessage("the body has no usable taskToken")
    return CallbackRequest(token, message.get("payload"), printable_execution_id(execution_id))


def is_task_token(value: object) -> TypeGuard[str]:
    """Whether this has the form of a task token: text of 1 to 2,048 characters."""
    return isinstance(value, str) and 0 < len(value) <= MAX_TOKEN_CHARACTERS


def printable_execution_id(value: object) -> str | None:
    """The ARN of an execution as it is, None for anything else: only the former may be logged."""
    return value if isinstance(value, str) and _EXECUTION_ARN.fullmatch(value) else None


def _parse_int(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:  # more digits than Python takes for an int
        return float(digits)
