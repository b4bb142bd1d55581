"""Makes the request that a partner is to answer: a uuid, and in `info` what the partner needs. Replace it with yours.

Called as `{"input": <execution input>, "executionId": <execution ARN>, "retryCount": <attempts before this one>}`.
"""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from callbacks.entry import PrintableError, lambda_entry, logger
from callbacks.request import printable_execution_id
from exchange.uuids import uuid_of

MAX_COUNT = 99  # of attempts; a longer number may be anything, and is not to be printed
DEFAULT_INFO = "The execution's input has no info."


class InvalidRequest(PrintableError):
    """No request can be made of this input. The text says what to send instead, and repeats nothing of it."""


class ProcessingFailed(PrintableError):
    """The request could not be made, as the input demands of this attempt."""


@lambda_entry
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    return make_request(event)


def make_request(event: dict[str, Any]) -> dict[str, Any]:
    """`{"uuid", "info"}`, always the same for an execution: a step that is retried or redriven asks nothing new.

    The execution's input is `{"info": <any JSON>, "failTimes": <how many attempts fail>}`, where each may be left out.
    Raises InvalidRequest, or ProcessingFailed.
    """
    problem = event_problem(event)
    if problem:
        raise InvalidRequest(problem)
    request, attempt, fail_times = event["input"], event["retryCount"] + 1, event["input"].get("failTimes", 0)
    if attempt <= fail_times:
        raise ProcessingFailed(f"Attempt {attempt} fails because the input's failTimes is {fail_times}.")
    uuid = uuid_of(event["executionId"])
    logger.info("request made", uuid=uuid, attempt=attempt, correlation_id=event["executionId"])
    return {"uuid": uuid, "info": request.get("info", DEFAULT_INFO)}


def event_problem(event: object) -> str | None:
    """What keeps an event from being a request, in words for whoever sent it; None if it is one."""
    if not isinstance(event, dict) or not isinstance(event.get("input"), dict):
        return 'The input must be a JSON object, such as {"info": {"orderId": "order-1"}} or {"failTimes": 2}.'
    if not _is_count(event["input"].get("failTimes", 0)):
        return f"failTimes must be a whole number from 0 to {MAX_COUNT}."
    if not (printable_execution_id(event.get("executionId")) and _is_count(event.get("retryCount"))):
        return "The event must have executionId, an ARN, and retryCount; the folder events/ holds samples."
    return None


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COUNT
