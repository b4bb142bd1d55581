"""Plays a state machine as Step Functions does, with the answers that it gets; nothing else can go wrong."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonata  # type: ignore[import-untyped]
from jsonata.utils import Utils  # type: ignore[import-untyped]
from samcli.yamlhelper import yaml_parse  # type: ignore[import-untyped]

PROJECT = Path(__file__).parents[2]
EXECUTION_ID = "arn:aws:states:us-east-1:123456789012:execution:Workflow:order-1"
TOKEN = "a-task-token"

Json = Any
Fields = dict[str, Any]


@dataclass(frozen=True)
class Failure:
    """The error output of a wait, in any of the shapes that AWS gives it."""

    output: Fields


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


def play(
    definition: Fields,
    payload: Json,
    answer: Json | Failure = None,
    request: Json | Failure = None,
    results: Mapping[str, Json | Failure] | None = None,
) -> Execution:
    """`answer` is what the callback of a wait brings, `request` what the function returns that makes the request.

    `results` are those of states by name, in the place of these.
    """
    execution, name, value = Execution(), definition["StartAt"], payload
    variables: Fields = {}
    while True:
        execution.entered.append(name)
        state = definition["States"][name]
        context = {
            "Execution": {"Id": EXECUTION_ID, "Input": payload},
            "State": {"RetryCount": 0, "EnteredTime": "2026-11-20T10:00:00.000Z"},
            "Task": {"Token": TOKEN},
        }
        states = {"input": value, "context": context, "variables": variables}
        match state:
            case {"Type": "Fail"}:
                execution.failure = evaluate({key: state[key] for key in ("Error", "Cause")}, states)
                return execution
            case {"Type": "Choice"}:
                met = [choice for choice in state["Choices"] if evaluate(choice["Condition"], states)]
                variables |= met[0].get("Assign", {}) if met else {}
                name = met[0]["Next"] if met else state["Default"]
                continue
        result = _result_of(state, states, execution, answer, request)
        result = (results or {}).get(name, result)
        if isinstance(result, Failure):
            catcher = _catcher(state, result.output["Error"])
            if catcher is None:
                execution.failure = result.output
                return execution
            caught = {**states, "errorOutput": result.output}
            variables |= evaluate(catcher.get("Assign", {}), caught)
            name, value = catcher["Next"], evaluate(catcher.get("Output", result.output), caught)
            continue
        states["result"] = result
        value = evaluate(state["Output"], states) if "Output" in state else result
        variables |= evaluate(state.get("Assign", {}), states)
        if state.get("End"):
            execution.output = value
            return execution
        name = state["Next"]


def _result_of(
    state: Fields, states: Fields, execution: Execution, answer: Json | Failure, request: Json | Failure
) -> Json | Failure:
    """Notes what a state sends or publishes, and says what comes of it."""
    match state:
        case {"Type": "Pass"}:
            return None
        case {"Resource": "arn:aws:states:::sns:publish"}:
            execution.published.append(evaluate(state["Arguments"], states))
            return {"MessageId": "message-1"}
        case {"Resource": "arn:aws:states:::lambda:invoke"}:
            execution.sent.append(evaluate(state["Arguments"], states))
            return _invoked(request)
        case {"Resource": "arn:aws:states:::dynamodb:updateItem" | "arn:aws:states:::dynamodb:getItem"}:
            execution.sent.append(evaluate(state["Arguments"], states))
            return {}
        case {"Resource": str(resource)} if resource.endswith(".waitForTaskToken"):
            execution.sent.append(evaluate(state["Arguments"], states))
            return answer
    raise AssertionError(f"{execution.entered[-1]} is of a kind that nobody plays here")


def _invoked(returned: Json | Failure) -> Json | Failure:
    return returned if isinstance(returned, Failure) else {"Payload": returned}


def _catcher(state: Fields, error: str | None) -> Fields | None:
    """What catches a failure; States.ALL does not catch States.DataLimitExceeded."""
    for catcher in state.get("Catch", []):
        names = catcher["ErrorEquals"]
        if error in names or (names == ["States.ALL"] and error != "States.DataLimitExceeded"):
            found: Fields = catcher
            return found
    return None


def evaluate(value: Json, states: Fields) -> Json:
    """What Step Functions makes of a field. A value that is undefined fails the test, as it fails the state on AWS."""
    match value:
        case dict():
            return {key: evaluate(child, states) for key, child in value.items()}
        case list():
            return [evaluate(child, states) for child in value]
        case str() if expression := re.fullmatch(r"\{%(.*)%\}", value, re.DOTALL):
            assert _result(f"$exists(({expression[1]}))", states), f"{value} is undefined for {states['input']}"
            return _result(expression[1], states)
    return value


def _result(source: str, states: Fields) -> Json:
    expression = jsonata.Jsonata(source)
    expression.assign("states", states)
    for name, value in states["variables"].items():
        expression.assign(name, Utils.NULL_VALUE if value is None else value)
    return expression.evaluate(None)
