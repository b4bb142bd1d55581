"""Passes requests from a queue on to the asynchronous API, here a simulator, exactly once each.

An outside API instead of the simulator needs an idempotency key made of executionId, by which it does the work of an
execution once: a task that is retried or redriven sends its request again, under another token, the one to answer.
"""

import hashlib
from functools import partial
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from callbacks.batch import BatchResponse, Record, process_batch
from callbacks.entry import lambda_entry, logger
from callbacks.executions import start_once
from callbacks.request import parse_callback_request
from callbacks.settings import setting
from callbacks.task import Outcome, send_task_failure

MAX_WAIT_SECONDS = 99_999_999  # of a Wait state


@lambda_entry
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> BatchResponse:
    simulator_arn = setting("SIMULATOR_STATE_MACHINE_ARN")
    return process_batch(event, context, partial(record_handler, simulator_arn=simulator_arn))


def record_handler(record: Record, simulator_arn: str) -> Outcome | None:
    """Start the simulator for one message, or fail the waiting task at once when the request is not valid.

    Returns the outcome of that failure, None where the simulator is to call back. Raises UnreadableMessage,
    CallbackNotDelivered or ExecutionNotStarted.
    """
    request = parse_callback_request(record["body"])
    problem = request.problem or request_problem(request.payload)
    if problem:
        outcome = send_task_failure(request.task_token, "AsyncApi.InvalidRequest", problem)
        logger.info("invalid request refused", outcome=outcome, correlation_id=request.execution_id)
        return outcome
    started = start_once(
        simulator_arn,
        name=simulation_name(request.task_token),
        execution_input={
            "taskToken": request.task_token,
            "waitTime": int(request.payload["waitTime"]),
            "status": request.payload["status"],
            "executionId": request.execution_id,
        },
    )
    logger.info("request passed on", started=started, correlation_id=request.execution_id)
    return None


def simulation_name(task_token: str) -> str:
    """The SHA-256 of the token, in hexadecimal: always the same for a message, and no way back to the token.

    Not of the execution, whose name stays taken: a redriven execution waits under a new token, which needs another
    simulation to be answered.
    """
    return hashlib.sha256(task_token.encode()).hexdigest()


def request_problem(payload: object) -> str | None:
    """What keeps a payload from being a request, in words for whoever sent it; None if it is one.

    A request has a `waitTime`, a whole number of seconds from 0 to 99999999 (3.0 is whole, too), and a `status`,
    `success` or `failure`. The text names the fields and repeats none of their values.
    """
    if not isinstance(payload, dict):
        return "The request must be a JSON object with waitTime and status."
    wait_time: Any = payload.get("waitTime")
    status = payload.get("status")
    problems = []
    is_number = isinstance(wait_time, int | float) and not isinstance(wait_time, bool)
    if not (is_number and 0 <= wait_time <= MAX_WAIT_SECONDS and wait_time % 1 == 0):
        problems.append(f"waitTime must be a whole number of seconds from 0 to {MAX_WAIT_SECONDS}")
    if status not in ("success", "failure"):
        problems.append("status must be success or failure")
    return f"{'; '.join(problems)}." if problems else None
