"""A call that succeeds, one that fails, one that is invalid, and the lines that the logger printed about them."""

import json
import shlex
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from rich.table import Table

from tools import PROJECT
from tools.demos import common
from tools.demos.common import start
from tools.engine.engine import Engine, calls_explained

EVENTS = "events/async_api"
# Name of the sample request: how its execution ends
REQUESTS = {"success": "SUCCEEDED", "failure": "AsyncApi.RequestFailed", "invalid": "AsyncApi.InvalidRequest"}
POLL_SECONDS = 0.2


def run(engine: Engine, outputs: Mapping[str, str]) -> bool:
    console = common.make_console()
    requests = {name: json.loads((PROJECT / EVENTS / f"{name}.json").read_text()) for name in REQUESTS}
    log_group = outputs["FunctionLogGroupName"]
    with calls_explained():
        executions = start(engine, outputs["AsyncApiStateMachineArn"], requests.items())
        by_arn = {execution.arn: execution for execution in executions}
        common.follow(engine, executions, console, partial(_read_log, engine.client("logs"), log_group, by_arn))
    table = Table("Request", *common.COLUMNS, "Notification")
    for execution in executions:
        request = common.cell(json.dumps(requests[execution.label]))
        table.add_row(request, *execution.cells()[1:], execution.notified())
    console.print(table)
    console.print("What the logger printed:")
    for execution in executions:
        if execution.notification:
            common.print_plain(console, json.dumps(execution.notification))
    complete = common.summarize(executions, console)
    as_expected = common.ended_as_expected(executions, REQUESTS, console)
    common.print_commands(console, _commands(outputs, log_group))
    common.print_one(engine, executions[0], console)
    return complete and as_expected


def _read_log(logs: Any, log_group: str, by_arn: Mapping[str, common.Execution]) -> None:  # noqa: ANN401
    """Note the line that the logger printed about each of these executions."""
    for page in logs.get_paginator("filter_log_events").paginate(logGroupName=log_group):
        for event in page["events"]:
            line = _line(event["message"])
            execution = by_arn.get(str(line.get("correlation_id")))
            if execution:
                execution.notification = line
    time.sleep(POLL_SECONDS)


def _line(message: str) -> dict[str, Any]:
    """A line of the log; empty for one that is about no notification."""
    try:
        line = json.loads(message)
    except ValueError:
        return {}
    return line if isinstance(line, dict) and line.get("message") == "notification received" else {}


def _commands(outputs: Mapping[str, str], log_group: str) -> str:
    state_machine = shlex.quote(outputs["AsyncApiStateMachineArn"])
    start = (
        f"aws stepfunctions start-execution --state-machine-arn {state_machine} --input file://{EVENTS}/success.json"
    )
    read_log = f"aws logs filter-log-events --log-group-name {shlex.quote(log_group)}"
    return f"""EXECUTION=$({start} --query executionArn --output text)
aws stepfunctions describe-execution --execution-arn "$EXECUTION"
{read_log} --filter-pattern '"notification received"' --query 'events[].message' --output text"""
