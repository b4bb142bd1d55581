"""Resumes, fails or keeps alive the workflow behind a task token, as whoever invokes it says.

The event says what to do:

    {"token": …}                           resume the workflow with the output null
    {"token": …, "output": …}              resume it with this output, any JSON of up to 262,144 bytes
    {"token": …, "error": …, "cause": …}   fail it; a cause that is left out, null or empty reads "No cause was given."
    {"token": …, "heartbeat": true}        report that the work goes on

Each may have the `executionId` of the message beside the token. The answer is
`{"action": "success" | "failure" | "heartbeat", "outcome": …, "executionId": …}`: the outcome is one of
callbacks.task.Outcome, the executionId is there where the event has one, and says which execution was meant.
"""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from callbacks.entry import PrintableError, lambda_entry, logger
from callbacks.error_names import RESERVED_ERROR_NAME, is_reserved_error_name
from callbacks.fields import unknown_field_problem
from callbacks.metrics import count_callback
from callbacks.request import MAX_TOKEN_CHARACTERS, is_task_token, printable_execution_id
from callbacks.task import (
    Outcome,
    UnusableOutput,
    encode_output,
    send_task_failure,
    send_task_heartbeat,
    send_task_success,
)

_FIELDS = {"token", "executionId", "output", "error", "cause", "heartbeat"}


class MalformedEvent(PrintableError):
    """The event cannot be acted on. The text says what to send instead, and repeats nothing of the event."""


@lambda_entry
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, str]:
    return call_back(event)


def call_back(event: dict[str, Any]) -> dict[str, str]:
    """Do what the event says. Raises MalformedEvent, before any call, or CallbackNotDelivered."""
    problem = event_problem(event)
    if problem:
        raise MalformedEvent(problem)
    action, outcome = _send(event)
    execution_id = event.get("executionId")
    logger.info("callback sent", action=action, outcome=outcome, correlation_id=execution_id)
    count_callback(outcome)
    return {"action": action, "outcome": outcome, **({"executionId": execution_id} if execution_id else {})}


def _send(event: dict[str, Any]) -> tuple[str, Outcome]:
    token = event["token"]
    if "heartbeat" in event:
        return "heartbeat", send_task_heartbeat(token)
    if "error" in event:
        return "failure", send_task_failure(token, event["error"], event.get("cause"))
    return "success", send_task_success(token, event.get("output"))


def event_problem(event: object) -> str | None:
    """What keeps an event from being acted on, in words for whoever sent it; None if nothing does."""
    if not isinstance(event, dict):
        return 'The event must be a JSON object: send at least {"token": "…"}.'
    error, cause, execution_id, keys = event.get("error"), event.get("cause"), event.get("executionId"), event.keys()
    unknown = unknown_field_problem(keys, _FIELDS) or ""
    checks = [
        (is_task_token(event.get("token")), f"token must be text of 1 to {MAX_TOKEN_CHARACTERS:,} characters"),
        (
            execution_id is None or printable_execution_id(execution_id),
            "executionId must be the ARN of an execution, as the message has it",
        ),
        (not unknown, unknown),
        (len(keys & {"output", "error", "heartbeat"}) <= 1, "send one of output, error and heartbeat, not several"),
        ("error" not in keys or (isinstance(error, str) and error.strip()), "error must be text, and not empty"),
        (not (isinstance(error, str) and is_reserved_error_name(error)), RESERVED_ERROR_NAME),
        (cause is None or isinstance(cause, str), "cause must be text"),
        ("cause" not in keys or "error" in keys, "cause needs an error beside it"),
        ("heartbeat" not in keys or event["heartbeat"] is True, "heartbeat must be true, or left out"),
    ]
    problems = [text for fine, text in checks if not fine]
    return f"{'; '.join(problems)}." if problems else _output_problem(event.get("output"))


def _output_problem(output: object) -> str | None:
    try:
        encode_output(output)
    except UnusableOutput as unusable:
        return f"{unusable} Send JSON that fits, such as a reference to where the output is stored."
    return None
