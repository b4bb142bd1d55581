"""The API of executions: start, stop, describe, redrive, and how each ends."""

import copy
import functools
import json
import re
import threading
from datetime import datetime
from typing import Any

from ministack.core.responses import error_response_json, get_account_id, get_region, json_response, new_uuid
from ministack.services import eventbridge
from ministack.services import stepfunctions as sfn

from tools.engine.contract.clock import clock
from tools.engine.contract.runs import Branch, Frame, Run, StateError, compact, present
from tools.engine.contract.states import go

Answer = tuple[int, dict[str, str], bytes]
Request = dict[str, Any]

REDRIVABLE_SECONDS = 14 * 86_400
MOST_EVENTS = 24_999
MOST_PUBLISHED = 248 * 1024  # characters of an input or output in the event of a status
REPORTED = (
    *("executionArn", "stateMachineArn", "name", "status", "startDate", "stopDate", "redriveDate", "mapRunArn"),
    *("input", "inputDetails", "output", "error", "cause"),
)
TIMES = ("startDate", "stopDate", "redriveDate")
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
NAME = re.compile(r"[^\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]{1,80}")

ministacks_list = sfn._list_executions

runs: dict[str, Run] = {}  # of every execution that runs, or may be redriven


def refused(code: str, message: str) -> Answer:
    answer: Answer = error_response_json(code, message, 400)
    return answer


def too_long(field: str, value: object, most: int) -> Answer | None:
    """What AWS says of a text that is longer than its model allows."""
    if not isinstance(value, str) or len(value) <= most:
        return None
    problem = f"Value at '{field}' failed to satisfy constraint: Member must have length less than or equal to {most}"
    return refused("ValidationException", f"1 validation error detected: {problem}")


def new_record(arn: str, machine_arn: str, data: str, definition: str) -> dict[str, Any]:
    """An execution as ministack keeps and lists it."""
    return {
        "executionArn": arn,
        "stateMachineArn": machine_arn,
        "name": arn.rpartition(":")[2],
        "status": "RUNNING",
        "startDate": clock.stamp(),
        "stopDate": None,
        "input": data,
        "inputDetails": {"included": True},
        "output": None,
        "outputDetails": {"included": True},
        "redriveCount": 0,
        "definition": definition,
        "events": [],
    }


def start_execution(request: Request) -> Answer:
    arn = request.get("stateMachineArn", "")
    machine_arn = sfn._resolve_state_machine_arn(arn)
    if machine_arn is None:
        return refused("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")
    machine = sfn._state_machines[machine_arn]
    name, data = request.get("name"), request.get("input", "{}")
    if name is not None and not (isinstance(name, str) and NAME.fullmatch(name)):
        return refused("InvalidName", f"Invalid Name: '{name}'")
    if problem := too_long("input", data, 262_144):
        return problem
    try:
        value = json.loads(data)
    except ValueError as error:
        return refused("InvalidExecutionInput", f"Invalid State Machine Execution Input: '{error}'")
    name = name or new_uuid()
    execution_arn = f"arn:aws:states:{get_region()}:{get_account_id()}:execution:{machine['name']}:{name}"
    before = sfn._executions.get(execution_arn)
    if before:
        if before["status"] == "RUNNING" and before["input"] == data:
            return json_response({"executionArn": execution_arn, "startDate": _moment(before["startDate"])})
        return refused("ExecutionAlreadyExists", f"Execution Already Exists: '{execution_arn}'")
    version = sfn._state_machine_versions.get(sfn._execution_version_arn(arn)) or machine
    record = new_record(execution_arn, machine_arn, data, version.get("definition") or machine["definition"])
    record["encryptionConfiguration"] = copy.deepcopy(version.get("encryptionConfiguration"))
    definition = _parsed(record["definition"])
    context = {
        "QueryLanguage": definition.get("QueryLanguage", "JSONPath"),
        "Execution": {
            "Id": execution_arn,
            "Input": value,
            "Name": name,
            "RoleArn": machine["roleArn"],
            "StartTime": record["startDate"],
            "RedriveCount": 0,
        },
        "StateMachine": {"Id": machine_arn, "Name": machine["name"]},
        "variables": {},
    }
    run = Run(record, definition, Frame(definition["States"], definition["StartAt"], value, context))
    sfn._executions[execution_arn] = record
    runs[execution_arn] = run
    begin(run, {"roleArn": machine["roleArn"]})
    return json_response({"executionArn": execution_arn, "startDate": _moment(record["startDate"])})


@functools.lru_cache(64)
def _parsed(definition: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(definition)
    return parsed


def begin(run: Run, started: dict[str, str] | None = None) -> None:
    """Set an execution going. `started` is what its first event says beside the input."""
    if not run.record["events"]:
        details = {"input": run.record["input"], **(started or {})}
        run.write("ExecutionStarted", {"executionStartedEventDetails": details}, 0)
    _announce(run)
    run.when_ended.insert(0, lambda: _announce(run))
    _go(run, 0)


def _go(run: Run, last: int) -> None:
    with run.lock:
        if "TimeoutSeconds" in run.definition:
            run.alarm = clock.after(run.definition["TimeoutSeconds"], lambda: _time_out(run))
        run.root = Branch(run, run.frame, last, go, lambda branch, error: _ended(run, branch, error))
        run.root.resume(None)


def _ended(run: Run, branch: Branch, error: StateError | None) -> None:
    if error:
        details = present(cause=error.cause, error=error.error)
        run.end("FAILED", "ExecutionFailed", details, error=error.error, cause=error.cause)
    else:
        output = compact(branch.frame.result)
        run.end("SUCCEEDED", "ExecutionSucceeded", {"output": output}, output=output)
        runs.pop(run.record["executionArn"], None)


def _time_out(run: Run) -> None:
    """AWS has the error in the history alone."""
    run.end("TIMED_OUT", "ExecutionTimedOut", {"error": "States.Timeout"})


def run_to_its_end(arn: str) -> None:
    """For an execution that ministack has recorded itself, and waits for: StartSyncExecution's."""
    record = sfn._executions[arn]
    machine = sfn._state_machines[record["stateMachineArn"]]
    record |= {"definition": machine["definition"], "redriveCount": 0}
    definition, value = _parsed(machine["definition"]), json.loads(record["input"])
    context = {
        "QueryLanguage": definition.get("QueryLanguage", "JSONPath"),
        "Execution": {"Id": arn, "Input": value, "Name": record["name"], "StartTime": record["startDate"]},
        "StateMachine": {"Id": machine["stateMachineArn"], "Name": machine["name"]},
        "variables": {},
    }
    run = runs[arn] = Run(record, definition, Frame(definition["States"], definition["StartAt"], value, context))
    ended = threading.Event()
    run.when_ended.append(ended.set)
    begin(run)
    ended.wait()


def stop_execution(request: Request) -> Answer:
    arn = request.get("executionArn", "")
    record = sfn._executions.get(arn)
    if record is None:
        return refused("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
    error, cause = request.get("error"), request.get("cause")
    if problem := too_long("error", error, 256) or too_long("cause", cause, 32_768):
        return problem
    run = runs.get(arn)
    if run:
        run.end("ABORTED", "ExecutionAborted", present(cause=cause, error=error), error=error, cause=cause)
    if record["status"] != "ABORTED":
        return refused("ValidationException", f"Execution is {record['status']} and cannot be stopped.")
    return json_response({"stopDate": _moment(record["stopDate"])})


def describe_execution(request: Request) -> Answer:
    arn = request.get("executionArn", "")
    record = sfn._executions.get(arn)
    if record is None:
        return refused("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
    fields = described(record)
    return json_response({name: _moment(value) if name.endswith("Date") else value for name, value in fields.items()})


def described(record: dict[str, Any]) -> dict[str, Any]:
    """What DescribeExecution says, with texts for times."""
    fields = present(**{name: record.get(name) for name in REPORTED})
    if "output" in fields:
        fields["outputDetails"] = {"included": True}
    reason = why_not_redrivable(record)
    status = "REDRIVABLE_BY_MAP_RUN" if "mapRunArn" in fields else "NOT_REDRIVABLE" if reason else "REDRIVABLE"
    fields |= {"redriveCount": record["redriveCount"], "redriveStatus": status}
    return fields | ({"redriveStatusReason": reason} if status == "NOT_REDRIVABLE" else {})


def why_not_redrivable(record: dict[str, Any]) -> str | None:
    """https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html, redriveStatusReason"""
    if record["status"] in ("RUNNING", "SUCCEEDED"):
        return f"Execution is {record['status']} and cannot be redriven."
    if record["stateMachineArn"] not in sfn._state_machines:
        return "State machine is in DELETING status."
    if len(record["events"]) >= MOST_EVENTS:
        return "Execution history event limit exceeded."
    if clock.now() - _moment(record["stopDate"]) > REDRIVABLE_SECONDS:
        return "Execution redrivable period exceeded."
    run = runs.get(record["executionArn"])
    if run is None or record.get("sync"):
        return "Execution cannot be redriven: it is one of an Express workflow."
    if _in_a_distributed_map(run.frame):
        return "Execution failed in a distributed Map, which the embedded AWS cannot redrive."
    return None


def _in_a_distributed_map(frame: Frame) -> bool:
    state = frame.states[frame.name]
    processor = state.get("ItemProcessor") or {}
    if (processor.get("ProcessorConfig") or {}).get("Mode") == "DISTRIBUTED":
        return True
    return any(_in_a_distributed_map(child) for child in frame.children or [] if not child.done)


def redrive_execution(request: Request) -> Answer:
    """Take an execution up where it failed: the same states with the same input, tasks under new tokens."""
    arn, client_token = request.get("executionArn", ""), request.get("clientToken")
    record = sfn._executions.get(arn)
    if record is None:
        return refused("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
    if client_token and record.get("redriveToken") == client_token:
        return json_response({"redriveDate": _moment(record["redriveDate"])})
    if "mapRunArn" in record:
        return refused("ExecutionNotRedrivable", "Execution is redriven with its Map Run.")
    if reason := why_not_redrivable(record):
        return refused("ExecutionNotRedrivable", reason)
    run = runs[arn]
    with run.lock:
        count = record["redriveCount"] + 1
        record.update(status="RUNNING", stopDate=None, error=None, cause=None, redriveCount=count)
        record.update(redriveDate=clock.stamp(), redriveToken=client_token)
        run.frame.context["Execution"] |= {"RedriveCount": count, "RedriveTime": record["redriveDate"]}
        details = {"executionRedrivenEventDetails": {"redriveCount": count}}
        last = run.write("ExecutionRedriven", details, len(record["events"]))
    _announce(run)
    run.when_ended.append(lambda: _announce(run))
    _go(run, last)
    return json_response({"redriveDate": _moment(record["redriveDate"])})


def list_executions(request: Request) -> Answer:
    status, headers, body = ministacks_list(request)
    if status != 200:
        return status, headers, body
    answer = json.loads(body)
    for item in answer["executions"]:
        record = sfn._executions[item["executionArn"]]
        item |= present(redriveCount=record.get("redriveCount", 0), redriveDate=record.get("redriveDate"))
    answer["executions"] = [
        {name: _moment(value) if name.endswith("Date") else value for name, value in item.items() if value is not None}
        for item in answer["executions"]
    ]
    return json_response(answer)


def get_execution_history(request: Request) -> Answer:
    """Without execution data there are no parameters in it either, which hold the token."""
    status, headers, body = sfn._get_execution_history(request)
    if status == 200 and request.get("includeExecutionData") is False:
        answer = json.loads(body)
        for event in answer["events"]:
            event.get("taskScheduledEventDetails", {}).pop("parameters", None)
        return json_response(answer)
    return status, headers, body


def describe_state_machine_for_execution(request: Request) -> Answer:
    """The definition is the one that the execution runs, whatever the state machine has become since."""
    arn = request.get("executionArn", "")
    record = sfn._executions.get(arn)
    if record is None:
        return refused("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
    machine_arn, _, label = record["stateMachineArn"].partition("/")
    machine = sfn._state_machines.get(machine_arn)
    if machine is None:
        return refused("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{machine_arn}'")
    names = ("stateMachineArn", "name", "roleArn", "loggingConfiguration", "encryptionConfiguration", "revisionId")
    fields = present(
        **{name: machine.get(name) for name in names}, label=label or None, mapRunArn=record.get("mapRunArn")
    )
    fields["encryptionConfiguration"] = record.get("encryptionConfiguration") or fields["encryptionConfiguration"]
    return json_response({**fields, "definition": record["definition"], "updateDate": _moment(machine["creationDate"])})


def forget(machine_arn: str | None = None) -> None:
    """Executions of a state machine that was deleted, or all, go no further."""
    for arn, run in list(runs.items()):
        if machine_arn in (None, run.record["stateMachineArn"].partition("/")[0]):
            del runs[arn]
            run.drop()


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _announce(run: Run) -> None:
    """Publish the execution's status to the default event bus, as Standard workflows do."""
    record = run.record
    if record.get("sync"):
        return
    fields = described(record)
    detail = {name: fields.get(name) for name in (*REPORTED, "outputDetails") if name != "mapRunArn"}
    detail |= {name: int(1000 * _moment(fields[name])) if name in fields else None for name in TIMES}
    detail |= {name: fields.get(name) for name in ("redriveCount", "redriveStatus", "redriveStatusReason")}
    detail |= {"stateMachineVersionArn": None, "stateMachineAliasArn": None}
    for name in ("input", "output"):
        if len(detail[name] or "") > MOST_PUBLISHED:
            detail |= {name: None, f"{name}Details": {"included": False}}
    entry = {
        "Source": "aws.states",
        "DetailType": "Step Functions Execution Status Change",
        "Detail": compact(detail),
        "Resources": [record["executionArn"]],
    }
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
