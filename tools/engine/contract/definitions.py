"""What AWS refuses of a definition when a state machine is made or changed, beside JSONata that does not parse.

https://docs.aws.amazon.com/step-functions/latest/apireference/API_ValidateStateMachineDefinition.html
"""

import json
import re
from collections.abc import Iterator
from typing import Any

Node = dict[str, Any]

TYPES = ("Task", "Pass", "Choice", "Wait", "Succeed", "Fail", "Parallel", "Map")
# Fields that only some types have
FIELDS = {
    "TimeoutSeconds": ("Task",),
    "TimeoutSecondsPath": ("Task",),
    "HeartbeatSeconds": ("Task",),
    "HeartbeatSecondsPath": ("Task",),
    "Catch": ("Task", "Parallel", "Map"),
    "Retry": ("Task", "Parallel", "Map"),
}
TEXTS = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|/\*.*?\*/", re.DOTALL)


def problem(text: str) -> str | None:
    """What is wrong with a definition, in the form of AWS: CODE: what at /where; None if nothing is."""
    try:
        definition = json.loads(text)
    except ValueError as error:
        return f"INVALID_JSON_DESCRIPTION: {error}"
    if not isinstance(definition, dict):
        return "SCHEMA_VALIDATION_FAILED: The definition is no object at /"
    return next(_problems(definition, "", definition.get("QueryLanguage", "JSONPath")), None)


def _problems(machine: Node, where: str, language: str) -> Iterator[str]:
    states = machine.get("States")
    if not isinstance(states, dict) or not states or not all(isinstance(state, dict) for state in states.values()):
        yield f"SCHEMA_VALIDATION_FAILED: States must be an object of states at {where}/States"
        return
    if machine.get("StartAt") not in states:
        yield f"MISSING_TRANSITION_TARGET: Missing 'Next' target: {machine.get('StartAt')} at {where}/StartAt"
        return
    for name, state in states.items():
        yield from _of_a_state(state, f"{where}/States/{name}", states, state.get("QueryLanguage", language))
    reached, new = set[str](), {machine["StartAt"]}
    while new:
        reached |= new
        new = {target for name in new for _, target in _targets(states[name])} - reached
    for name in states.keys() - reached:
        yield f"MISSING_TRANSITION_TARGET: State {name} is not reachable at {where}/States/{name}"
    if not any(state.get("End") or state["Type"] in ("Succeed", "Fail") for state in states.values()):
        yield f"MISSING_END_STATE: There is no terminal state at {where}/States"


def _of_a_state(state: Node, where: str, states: Node, language: str) -> Iterator[str]:
    kind = state.get("Type")
    if kind not in TYPES:
        yield f"SCHEMA_VALIDATION_FAILED: {kind} is no type of a state at {where}/Type"
        return
    for field, types in FIELDS.items():
        if field in state and kind not in types:
            yield f"SCHEMA_VALIDATION_FAILED: Field {field} is not supported in a {kind} at {where}/{field}"
    for field, target in _targets(state):
        if target not in states:
            yield f"MISSING_TRANSITION_TARGET: Missing 'Next' target: {target} at {where}/{field}"
    if kind not in ("Choice", "Succeed", "Fail") and ("Next" in state) == bool(state.get("End")):
        yield f"SCHEMA_VALIDATION_FAILED: Exactly one of Next and End is required at {where}"
    timeout, heartbeat = state.get("TimeoutSeconds"), state.get("HeartbeatSeconds")
    if isinstance(timeout, int) and isinstance(heartbeat, int) and heartbeat >= timeout:
        yield f"SCHEMA_VALIDATION_FAILED: HeartbeatSeconds must be smaller than TimeoutSeconds at {where}"
    yield from _within_a_state(state, where, language)


def _within_a_state(state: Node, where: str, language: str) -> Iterator[str]:
    for part, machine in _inner(state):
        yield from _problems(machine, f"{where}/{part}", language)
    if language == "JSONata":
        for field, value in state.items():
            if field not in ("Branches", "Iterator", "ItemProcessor"):
                yield from _of_expressions(value, f"{where}/{field}", caught=field == "Catch")


def _targets(state: Node) -> Iterator[tuple[str, str]]:
    """The states that may follow, by the field that names each."""
    for field in ("Next", "Default"):
        if field in state:
            yield field, state[field]
    for field in ("Choices", "Catch"):
        for number, rule in enumerate(state.get(field) or []):
            if isinstance(rule, dict) and "Next" in rule:
                yield f"{field}[{number}]/Next", rule["Next"]


def _inner(state: Node) -> Iterator[tuple[str, Node]]:
    if state["Type"] == "Parallel":
        for number, branch in enumerate(state.get("Branches") or []):
            yield f"Branches[{number}]", branch
    if state["Type"] == "Map":
        for field in ("ItemProcessor", "Iterator"):
            if field in state:
                yield field, state[field]


def _of_expressions(value: object, where: str, *, caught: bool) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _of_expressions(item, f"{where}/{key}", caught=caught)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _of_expressions(item, f"{where}[{number}]", caught=caught)
    elif isinstance(value, str) and value.startswith("{%") and value.endswith("%}"):
        expression = TEXTS.sub("", value[2:-2])
        if "$$" in expression:
            yield f"INVALID_JSONATA_EXPRESSION: $$ is not supported at {where}"
        if "$states.errorOutput" in expression and not caught:
            yield f"INVALID_JSONATA_EXPRESSION: $states.errorOutput is known in a Catch only at {where}"
