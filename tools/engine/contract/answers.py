"""SendTaskSuccess, SendTaskFailure and SendTaskHeartbeat, with the answers that AWS was recorded to give."""

import asyncio
import json
from collections.abc import Callable

from ministack.core.responses import json_response
from ministack.services import stepfunctions as sfn

from tools.engine.contract import tokens
from tools.engine.contract.executions import Answer, Request, refused, too_long
from tools.engine.contract.runs import MOST_BYTES, too_large
from tools.engine.contract.tasks import Attempt

POLLS, POLL_SECONDS = 600, 0.1  # of a worker that asks for a task: a minute


def send_task_success(request: Request) -> Answer:
    output = request.get("output")
    if not isinstance(output, str):
        return refused("ValidationException", _missing("output"))
    try:
        value = json.loads(output, parse_constant=_no_json)
    except ValueError:
        return refused("InvalidOutput", "Invalid Output: 'The output is not valid JSON.'")
    if too_large(output):
        return refused("InvalidOutput", f"Invalid Output: 'The output has more than {MOST_BYTES} bytes.'")
    return _answered(request, lambda attempt: attempt.succeed(output, value))


def send_task_failure(request: Request) -> Answer:
    error, cause = request.get("error"), request.get("cause")
    if problem := too_long("error", error, 256) or too_long("cause", cause, 32_768):
        return problem
    return _answered(request, lambda attempt: attempt.fail(error, cause))


def send_task_heartbeat(request: Request) -> Answer:
    return _answered(request, Attempt.heartbeat)


async def get_activity_task(request: Request) -> Answer:
    """The next task of an activity, whose times count from here; nothing after a minute without one."""
    arn = request.get("activityArn", "")
    if arn not in sfn._activities:
        return refused("ActivityDoesNotExist", f"Activity Does Not Exist: '{arn}'")
    offers = sfn._activity_tasks[arn]
    for _ in range(POLLS):
        while offers:
            offer = offers.pop(0)
            attempt = tokens.waiting.get(offer["taskToken"])
            if attempt and attempt.taken(request.get("workerName")):
                return json_response(offer)
        await asyncio.sleep(POLL_SECONDS)
    return json_response({})


def _answered(request: Request, answer: Callable[[Attempt], bool]) -> Answer:
    token = request.get("taskToken")
    if not isinstance(token, str) or not token:
        return refused("ValidationException", _missing("taskToken"))
    if problem := too_long("taskToken", token, 2_048):
        return problem
    if tokens.machine_of(token) is None:
        return refused("InvalidToken", "Invalid Token: 'Invalid token'")
    attempt = tokens.waiting.get(token)
    if attempt is None or not answer(attempt):
        return refused("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
    ok: Answer = json_response({})
    return ok


def _missing(field: str) -> str:
    return f"1 validation error detected: Value at '{field}' failed to satisfy constraint: Member must not be null"


def _no_json(constant: str) -> object:
    raise ValueError(constant)
