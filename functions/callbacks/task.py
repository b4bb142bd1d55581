"""The only caller of SendTaskSuccess, SendTaskFailure and SendTaskHeartbeat.

Every call ends in exactly one of two ways: it returns an Outcome, which is final, or it raises CallbackNotDelivered,
which is passing: try again later. Neither ever carries the task token, nor a text that came from the service, because
the service repeats the token in some of its error messages.

Limits: https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html
"""

import json
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from callbacks.calls import AWS_ERRORS, client, error_code
from callbacks.entry import PrintableError
from callbacks.error_names import own_error_name
from callbacks.json_text import json_problem

MAX_OUTPUT_BYTES = 262_144
MAX_ERROR_CHARACTERS = 256
MAX_CAUSE_CHARACTERS = 32_768
NO_CAUSE = "No cause was given."

_stepfunctions = client("stepfunctions")


class Outcome(StrEnum):
    """What became of a callback. None of these is worth a second try."""

    DELIVERED = "DELIVERED"
    ALREADY_SETTLED = "ALREADY_SETTLED"  # answered before, timed out, or the execution has ended
    REFUSED = "REFUSED"  # not a token of this account


class CallbackNotDelivered(PrintableError):
    """The callback may or may not have arrived: a throttle, a fault of the service or the network, a missing right."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class UnusableOutput(PrintableError):
    """The output cannot be sent. The text says why, without any of the output."""


_OUTCOMES = {
    "TaskTimedOut": Outcome.ALREADY_SETTLED,
    "TaskDoesNotExist": Outcome.ALREADY_SETTLED,
    "InvalidToken": Outcome.REFUSED,
}


def encode_output(output: object) -> str:
    """JSON text of a task's output.

    Raises UnusableOutput when it is not JSON, has NaN or half an emoji in it, or is over 262,144 bytes of UTF-8.
    """
    try:
        text = json.dumps(output, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise UnusableOutput(f"The output {json_problem(error)}.") from None
    if size > MAX_OUTPUT_BYTES:
        raise UnusableOutput(f"The output is {size:,} bytes of JSON; the limit is {MAX_OUTPUT_BYTES:,}.")
    return text


def send_task_success(task_token: str, output: object) -> Outcome:
    """Resume the waiting workflow with this output.

    An output that cannot be sent fails the task with error `Callback.InvalidOutput`, so that the workflow does not
    wait for its timeout. Raises CallbackNotDelivered.
    """
    try:
        return _send(_stepfunctions.send_task_success, taskToken=task_token, output=encode_output(output))
    except UnusableOutput as unusable:
        return send_task_failure(task_token, "Callback.InvalidOutput", str(unusable))
    except CallbackNotDelivered as passing:
        if passing.code != "InvalidOutput":
            raise
    return send_task_failure(task_token, "Callback.InvalidOutput", "Step Functions refused the output as invalid.")


def send_task_failure(task_token: str, error: str, cause: str | None) -> Outcome:
    """Fail the waiting task. Error is cut to 256 characters and cause to 32,768; no cause, or an empty one, is worded.

    An error that is empty, or a name of AWS, gets a name of ours, so that no answer sets off a retrier or an alarm:
    `Callback.Failed`, `Callback.SQS.SdkClientException`. Raises CallbackNotDelivered.
    """
    return _send(
        _stepfunctions.send_task_failure,
        taskToken=task_token,
        error=_shorten(own_error_name(error), MAX_ERROR_CHARACTERS),
        cause=_shorten(cause or NO_CAUSE, MAX_CAUSE_CHARACTERS),
    )


def send_task_heartbeat(task_token: str) -> Outcome:
    """Report to the waiting task that the work goes on. Raises CallbackNotDelivered."""
    return _send(_stepfunctions.send_task_heartbeat, taskToken=task_token)


def _send(call: Callable[..., Any], **arguments: str) -> Outcome:
    try:
        call(**arguments)
    except AWS_ERRORS as error:
        code = error_code(error)
        if code not in _OUTCOMES:
            raise CallbackNotDelivered(code) from None
        return _OUTCOMES[code]
    return Outcome.DELIVERED


def _shorten(text: str, limit: int) -> str:
    """The first characters of a text. Counted in UTF-16 units, the stricter reading of "characters": an emoji is two.

    Half an emoji at the cut is dropped; half an emoji that was there before, which JSON cannot carry, becomes U+FFFD.
    """
    units = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode("utf-16-le")
    return units[: 2 * limit].decode("utf-16-le", "ignore")
