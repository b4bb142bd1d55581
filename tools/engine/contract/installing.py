"""Which functions of ministack are replaced, and by what."""

import asyncio
import functools
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ministack.core import iam_actions
from ministack.core.responses import json_response
from ministack.services import stepfunctions as sfn

from tools.engine.contract import definitions, distributed, expressions, functions, groups, services, tasks  # noqa: F401 - states
from tools.engine.contract.answers import get_activity_task, send_task_failure, send_task_heartbeat, send_task_success
from tools.engine.contract.clock import clock
from tools.engine.contract.executions import (
    Answer,
    Request,
    describe_execution,
    describe_state_machine_for_execution,
    forget,
    get_execution_history,
    list_executions,
    redrive_execution,
    refused,
    run_to_its_end,
    start_execution,
    stop_execution,
)
from tools.engine.contract.runs import work
from tools.engine.contract.tokens import machine_of

ANSWERS: dict[str, Callable[[Request], Answer]] = {
    "StartExecution": start_execution,
    "StopExecution": stop_execution,
    "DescribeExecution": describe_execution,
    "DescribeStateMachineForExecution": describe_state_machine_for_execution,
    "ListExecutions": list_executions,
    "RedriveExecution": redrive_execution,
    "SendTaskSuccess": send_task_success,
    "SendTaskFailure": send_task_failure,
    "SendTaskHeartbeat": send_task_heartbeat,
    "GetExecutionHistory": get_execution_history,
}
MOST_SECONDS = 10 * 366 * 86_400
SETTLE_SECONDS = 5  # what an alarm sets going, until the clock goes on to the next


def install() -> None:
    services.install()
    functions.install()
    sfn._evaluate_jsonata = expressions.evaluate
    sfn._validate_definition_jsonata = _first_of(definitions.problem, sfn._validate_definition_jsonata)
    sfn._start_execution = start_execution
    sfn._run_execution = run_to_its_end
    sfn._service_model = functools.cache(sfn._service_model)
    sfn._delete_state_machine = _and_then(sfn._delete_state_machine, lambda request: forget(request["stateMachineArn"]))
    sfn.reset = _and_then(sfn.reset, forget)
    sfn.handle_request = _handler(sfn.handle_request)
    iam_actions.extract_resource_arn = _resource(iam_actions.extract_resource_arn)


def _and_then(function: Callable[..., Any], afterwards: Callable[..., object]) -> Callable[..., Any]:
    def both(*arguments: Any) -> Any:
        answer = function(*arguments)
        afterwards(*arguments)
        return answer

    return both


def _first_of(*checks: Callable[[Any], str | None]) -> Callable[[Any], str | None]:
    def first(definition: object) -> str | None:
        if not isinstance(definition, str):  # an update of something else
            return None
        found = next((found for check in checks if (found := check(definition))), None)
        return f"Invalid State Machine Definition: '{found}'" if found else None

    return first


def _handler(ministacks: Callable[..., Any]) -> Callable[..., Any]:
    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]
    ) -> Any:
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        if action == "Skip":
            return await asyncio.to_thread(_skip, json.loads(body).get("seconds"))
        if action == "GetActivityTask":
            return await get_activity_task(json.loads(body))
        if action in ANSWERS:
            return ANSWERS[action](json.loads(body) if body else {})
        return await ministacks(method, path, headers, body, query)

    return handle_request


def _resource(ministacks: Callable[..., str]) -> Callable[..., str]:
    """IAM decides about an answer by the state machine whose task it is for."""

    def resource(service: str, method: str, path: str, headers: dict[str, str], body: bytes, *more: Any) -> str:
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        if service == "states" and action in ANSWERS and action.startswith("SendTask"):
            with suppress(ValueError):
                return machine_of(str(json.loads(body).get("taskToken"))) or "*"
        return ministacks(service, method, path, headers, body, *more)

    return resource


def _skip(seconds: object) -> Answer:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= MOST_SECONDS:
        return refused("ValidationException", f"seconds must be a number from 0 to {MOST_SECONDS}")
    clock.skip(seconds, lambda: work.wait(SETTLE_SECONDS))
    return json_response({"now": clock.now()})
