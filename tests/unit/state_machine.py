"""Plays a state machine as Step Functions was recorded to, with the answers that it gets; nothing else can go wrong.

A field of 262,145 bytes or more fails its state with States.DataLimitExceeded. An expression that fails, or that is
undefined, fails the test: no input may bring a state machine there.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jsonata  # type: ignore[import-untyped]
from jsonata.functions import Functions  # type: ignore[import-untyped]
from jsonata.utils import Utils  # type: ignore[import-untyped]
from samcli.yamlhelper import yaml_parse  # type: ignore[import-untyped]

PROJECT = Path(__file__).parents[2]
EXECUTION_ID = "arn:aws:states:us-east-1:123456789012:execution:Workflow:order-1"
TOKEN = "a-task-token"
MAX_BYTES = 262_144  # of a state's input, arguments or output

Json = Any
Fields = dict[str, Any]


@dataclass(frozen=True)
class Failure:
    """What fails a task: the error output that a Catch gets, in any of the shapes that AWS gives it."""

    output: Fields

    @property
    def uncaught(self) -> Fields:
        """How an execution ends with it: a timeout and a missed heartbeat have one name there, and no cause."""
        return {"Error": "States.Timeout"} if self.output.get("Error") in _TIMEOUTS else self.output


_TIMEOUTS = ("States.Timeout", "States.HeartbeatTimeout")
TIMED_OUT, MISSED_HEARTBEAT = (Failure({"Error": error, "Cause": ""}) for error in _TIMEOUTS)
BARE_FAILURE = Failure({"Error": None, "Cause": None})  # SendTaskFailure with nothing but the token
TOO_LARGE = Failure({"Error": "States.DataLimitExceeded", "Cause": "The state returned a result with a size exceeding"})


@dataclass
class Execution:
    """What it entered, sent and published, and how it ended: with an output, or with an error output."""

    entered: list[str] = field(default_factory=list)
    sent: list[Fields] = field(default_factory=list)
    published: list[Fields] = field(default_factory=list)
    output: Json = None
    failure: Fields | None = None

    @property
    def notification(self) -> Fields:
        [arguments] = self.published
        body: Fields = json.loads(arguments["Message"])
        return body


def read_template(name: str) -> Fields:
    """A template with its short forms (`!Ref X`) as their long ones."""
    template: Fields = yaml_parse((PROJECT / name).read_text())
    return template


def read_definition(name: str) -> Fields:
    definition: Fields = json.loads((PROJECT / "statemachine" / f"{name}.asl.json").read_text())
    return definition


def read_example(name: str) -> Fields:
    definition: Fields = json.loads((PROJECT / "examples" / f"{name}.asl.json").read_text())
    return definition


def play(
    definition: Fields,
    payload: Json,
    answer: Json | Failure = None,
    request: Json | Failure = None,
    results: Mapping[str, Json | Failure] | None = None,
    *,
    all_is_all: bool = False,
) -> Execution:
    """`answer` is what the callback of a wait brings, `request` what the function returns that makes the request.

    `results` are those of states by name, instead of these. `all_is_all`: States.ALL catches DataLimitExceeded, as
    AWS was recorded to do, and not as its documentation says.
    """
    execution, name, value = Execution(), definition["StartAt"], payload
    variables: Fields = {}
    while True:
        execution.entered.append(name)
        state = definition["States"][name]
        states = {"input": value, "context": _context(state, payload), "variables": variables}
        if state["Type"] == "Fail":
            execution.failure = evaluate({key: state[key] for key in ("Error", "Cause")}, states)
            return execution
        if state["Type"] == "Choice":
            met = [choice for choice in state["Choices"] if evaluate(choice["Condition"], states)]
            chosen = met[0] if met else {"Next": state["Default"]}
            value = evaluate(chosen["Output"], states) if "Output" in chosen else value
            variables |= evaluate(chosen.get("Assign", {}), states)
            name = chosen["Next"]
            continue
        result = _result_of(state, states, execution, answer, request)
        if result is not TOO_LARGE:
            result = (results or {}).get(name, result)
        if not isinstance(result, Failure):
            states["result"] = result
            output = evaluate(state["Output"], states) if "Output" in state else result
            if size(output) > MAX_BYTES:
                result = TOO_LARGE
        if isinstance(result, Failure):
            catcher = _catcher(state, result.output["Error"], all_is_all)
            if catcher is None:
                execution.failure = result.uncaught
                return execution
            states["errorOutput"] = result.output
            value = evaluate(catcher["Output"], states) if "Output" in catcher else result.output
            variables |= evaluate(catcher.get("Assign", {}), states)
            name = catcher["Next"]
            continue
        value = output
        variables |= evaluate(state.get("Assign", {}), states)
        if state.get("End"):
            execution.output = value
            return execution
        name = state["Next"]


def _context(state: Fields, payload: Json) -> Fields:
    """The context object. Only a task has a RetryCount, and a token where it waits for one."""
    of_task = state["Type"] == "Task"
    waits = of_task and state["Resource"].endswith(".waitForTaskToken")
    return {
        "Execution": {"Id": EXECUTION_ID, "Input": payload},
        "State": {"EnteredTime": "2026-11-20T10:00:00.000Z", **({"RetryCount": 0} if of_task else {})},
        **({"Task": {"Token": TOKEN}} if waits else {}),
    }


def size(value: Json) -> int:
    """Bytes of a value as JSON."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))


def _result_of(
    state: Fields, states: Fields, execution: Execution, answer: Json | Failure, request: Json | Failure
) -> Json | Failure:
    """Notes what a state sends or publishes, and says what comes of it."""
    if state["Type"] == "Pass":
        return states["input"]
    if state["Type"] == "Wait":
        seconds = evaluate(state["Seconds"], states)
        assert type(seconds) in (int, float), "the time to wait is no number"
        return states["input"]
    arguments = evaluate(state["Arguments"], states)
    if size(arguments) > MAX_BYTES:
        return TOO_LARGE
    match state["Resource"]:
        case "arn:aws:states:::sns:publish":
            execution.published.append(arguments)
            return {"MessageId": "message-1"}
        case "arn:aws:states:::lambda:invoke":
            execution.sent.append(arguments)
            return _invoked(request)
        case "arn:aws:states:::dynamodb:updateItem" | "arn:aws:states:::dynamodb:getItem":
            execution.sent.append(arguments)
            return {}
        case str(resource) if resource.endswith(".waitForTaskToken"):
            execution.sent.append(arguments)
            return answer
    raise AssertionError(f"{execution.entered[-1]} is of a kind that nobody plays here")


def _invoked(returned: Json | Failure) -> Json | Failure:
    return returned if isinstance(returned, Failure) else {"Payload": returned}


def _catcher(state: Fields, error: str | None, all_is_all: bool) -> Fields | None:
    return first_for(error, state.get("Catch", []), all_is_all)


def first_for(error: str | None, handlers: list[Fields], all_is_all: bool = False) -> Fields | None:
    """The first of some catchers or retriers that is for an error."""
    caught_by = {error}
    if error != "States.DataLimitExceeded" or all_is_all:
        caught_by.add("States.ALL")
    if error == "States.HeartbeatTimeout":
        caught_by.add("States.Timeout")
    elif error != "States.Timeout":
        caught_by.add("States.TaskFailed")
    return next((each for each in handlers if caught_by & set(each["ErrorEquals"])), None)


def evaluate(value: Json, states: Fields) -> Json:
    """What Step Functions makes of a field. A value that is undefined fails the test, as it fails the state on AWS."""
    match value:
        case dict():
            return {key: evaluate(child, states) for key, child in value.items()}
        case list():
            return [evaluate(child, states) for child in value]
        case str() if expression := re.fullmatch(r"\{%(.*)%\}", value, re.DOTALL):
            result = _result(expression[1], states)
            if result is None:  # or undefined
                assert _result(f"$exists(({expression[1]}))", states), f"{value} is undefined for {states['input']}"
            return result
    return value


def _result(source: str, states: Fields) -> Json:
    variables = {name: Utils.NULL_VALUE if value is None else value for name, value in states["variables"].items()}
    if "millis" in states:
        variables["millis"] = jsonata.Jsonata.JLambda(lambda: states["millis"])
    return _parsed(source).evaluate(None, {"states": states, **variables})


@cache
def _parsed(source: str) -> Any:
    expression = jsonata.Jsonata(source)
    expression.register_lambda("parse", json.loads)  # a function of Step Functions
    expression.register_lambda("string", _string)
    expression.register_lambda("substring", _substring)
    return expression


def _substring(text: Json, start: float, length: float | None = None) -> str | None:
    """As in the strictest of the engines of JSONata: one of them throws here."""
    if isinstance(text, str) and length is not None and any(character > "\uffff" for character in text):
        assert start + length <= len(text), "$substring goes beyond the end of a text with an emoji"
    found: str | None = Functions.substring(text, start, length)
    return found


def _string(value: Json) -> str | None:
    """AWS keeps characters beyond ASCII as they are, where this port of JSONata escapes them."""
    text: str | None = Functions.string(value, None)
    if text is None or isinstance(value, str):
        return text
    return json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
