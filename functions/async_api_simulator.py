"""Calls back for the simulated asynchronous API, at the end of the wait that its state machine did."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from callbacks.entry import PrintableError, lambda_entry, logger
from callbacks.metrics import count_callback
from callbacks.request import is_task_token, printable_execution_id
from callbacks.task import Outcome, send_task_failure, send_task_success


class MalformedSimulation(PrintableError):
    """The event is not what the requester starts a simulation with. The text repeats nothing of the event."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"{problem}; the folder events/async_api_simulator/ holds samples")


@lambda_entry
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, str]:
    outcome = call_back(event)
    count_callback(outcome)
    return {"outcome": outcome}


def call_back(simulation: object) -> Outcome:
    """Answer as the `status` of `{"taskToken", "status", "executionId"}` says.

    `success` is the response `{"status": 200, "message": …}`, `failure` the error `AsyncApi.RequestFailed`.
    Raises MalformedSimulation or CallbackNotDelivered; the state machine retries the latter.
    """
    if not isinstance(simulation, dict) or not is_task_token(simulation.get("taskToken")):
        raise MalformedSimulation("the event has no usable taskToken")
    token, status = simulation["taskToken"], simulation.get("status")
    if status == "success":
        outcome = send_task_success(token, {"status": 200, "message": "The request was processed."})
    elif status == "failure":
        outcome = send_task_failure(token, "AsyncApi.RequestFailed", "The simulated API was asked to fail.")
    else:
        raise MalformedSimulation("status is neither success nor failure")
    execution_id = printable_execution_id(simulation.get("executionId"))
    logger.info("simulation answered", status=status, outcome=outcome, correlation_id=execution_id)
    return outcome
