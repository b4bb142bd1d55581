"""The message that a waiting workflow sends to a queue: `{"taskToken": …, "payload": …, "executionId": …}`.

The manual callback sends `{"input": …, "token": …, "executionId": …}`; of that, the input is not read.
"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from callbacks.entry import PrintableError
from callbacks.json_text import UnreadableJson, read_json

MAX_TOKEN_CHARACTERS = 2048

# https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html says what a name may hold
_NAME = r"""[^\s\x00-\x1f\x7f-\x9f<>{}\[\]?*"#%\\^|~`$&,;:/\ud800-\udfff\ufffe-\U0010ffff]{1,80}"""
# The child of a distributed Map has a label behind the state machine's name; one of an express workflow has no token
_EXECUTION_ARN = re.compile(
    rf"arn:aws(-[a-z]+)*:states:[a-z0-9-]{{1,32}}:[0-9]{{12}}:execution:{_NAME}(/{_NAME})?:{_NAME}"
)
_PART_OF_JSON = re.compile(r'\s*("[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]|[^\s"{}\[\],:]+)', re.DOTALL)


class UnreadableMessage(PrintableError):
    """No workflow can be answered from this message. The text says why, without any of the message."""


@dataclass(frozen=True)
class CallbackRequest:
    """What can be read of a message.

    `problem` is None, or says in words for whoever sent it why no work can be done for this message: then `payload` is
    None, and the waiting task is to be failed. `payload` is any JSON, None too where the message has none.
    `execution_id` is the ARN of the execution, None for anything else: only the former may be logged.
    `idempotency_key` is the same for every message of an execution: its executionId, whatever text that is, and the
    task token where the message has none.
    """

    task_token: str = field(repr=False)
    payload: Any = field(repr=False)
    execution_id: str | None
    idempotency_key: str = field(repr=False)
    problem: str | None = None


def parse_callback_request(body: str) -> CallbackRequest:
    """Read the body of a queue message. Raises UnreadableMessage where it has no usable task token.

    A body that cannot be read as a whole, but whose token can, is a request with a problem: its workflow need not wait
    for the timeout. Infinity and NaN, which are not JSON, pass: whoever reads the payload refuses them.
    """
    unreadable = None
    try:
        message = read_json(body, allow_nan=True)
    except UnreadableJson as error:
        unreadable, message = str(error), _fields_up_to_where_it_breaks(body)
    if not isinstance(message, dict):
        raise UnreadableMessage("the body is not a JSON object")
    token, execution_id = message.get("taskToken", message.get("token")), message.get("executionId")
    if not is_task_token(token):
        raise UnreadableMessage(f"the body {f'{unreadable} and ' if unreadable else ''}has no usable taskToken")
    printable_id = printable_execution_id(execution_id)
    if unreadable:
        return CallbackRequest(token, None, printable_id, token, f"The message cannot be read: it {unreadable}.")
    if execution_id is not None and not (isinstance(execution_id, str) and execution_id):
        return CallbackRequest(token, None, None, token, "executionId must be text, the ARN of the execution.")
    return CallbackRequest(token, message.get("payload"), printable_id, execution_id or token)


def is_task_token(value: object) -> TypeGuard[str]:
    """Whether this has the form of a task token: text of 1 to 2,048 characters."""
    return isinstance(value, str) and 0 < len(value) <= MAX_TOKEN_CHARACTERS


def printable_execution_id(value: object) -> str | None:
    """The ARN of an execution as it is, None for anything else: only the former may be logged."""
    return value if isinstance(value, str) and _EXECUTION_ARN.fullmatch(value) else None


def _fields_up_to_where_it_breaks(body: str) -> dict[str, str | None]:
    """The fields of a JSON object that cannot be read as a whole: the text that each holds, None for anything else.

    What is nested in a field is passed over, however deep it is, so that nothing in a payload is taken for a field of
    the message. A field that is there twice, and does not say the same, is None.
    """
    fields: dict[str, str | None] = {}
    parts = _parts_of_json(body.removeprefix("\ufeff"))
    with suppress(StopIteration, _Broken):
        separator = next(parts)
        while separator == ("," if fields else "{"):
            name, colon, value = _text(next(parts)), next(parts), next(parts)
            if name is None or colon != ":" or value in "}],:":
                break
            if value in "{[":
                _pass_over(parts, value)
            text = _text(value)
            fields[name] = text if fields.get(name, text) == text else None
            separator = next(parts)
    return fields


class _Broken(Exception):
    pass


def _parts_of_json(text: str) -> Iterator[str]:
    position = 0
    while part := _PART_OF_JSON.match(text, position):
        yield part[1]
        position = part.end()


def _pass_over(parts: Iterator[str], opening: str) -> None:
    """Go on to the end of an array or an object."""
    still_open = [opening]
    while still_open:
        part = next(parts)
        if part in "{[":
            still_open.append(part)
        elif part in "}]" and still_open.pop() + part not in ("{}", "[]"):
            raise _Broken


def _text(part: str) -> str | None:
    try:
        return str(json.loads(part, strict=False)) if part.startswith('"') else None
    except ValueError:
        return None
