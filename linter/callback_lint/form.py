"""The form of the language: the fields of each type of state, and what each may hold.

The specification (https://states-language.net/spec.html) and what AWS adds to it
(https://docs.aws.amazon.com/step-functions/latest/dg/workflow-states.html). A text with `${Name}` in it, or an
expression, may stand for anything.
"""

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from math import inf
from typing import TypeAlias

from callback_lint.documents import Fields, Json, Steps, items

Findings: TypeAlias = Iterator[tuple[Steps, str]]
Check: TypeAlias = Callable[[Json], str | None]


def _text(value: Json) -> str | None:
    return None if isinstance(value, str) else "is no text"


def _object(value: Json) -> str | None:
    return None if isinstance(value, dict) else "is no object"


def _list(value: Json) -> str | None:
    return None if isinstance(value, list) else "is no list"


def _boolean(value: Json) -> str | None:
    return None if isinstance(value, bool) else "is no boolean"


def _path(value: Json) -> str | None:
    """A reference path; null discards."""
    if value is None or (isinstance(value, str) and value.startswith("$")):
        return None
    return "is neither a path, which begins with $, nor null"


def _number(least: float, most: float = inf) -> Check:
    def check(value: Json) -> str | None:
        if not isinstance(value, int | float) or isinstance(value, bool):
            return "is no number"
        if not least <= value <= most:
            return f"is not {least:g} or more" if most == inf else f"is not between {least:g} and {most:g}"
        return None

    return check


def _integer(least: int, most: int = 99_999_999) -> Check:
    def check(value: Json) -> str | None:
        problem = _number(least, most)(value)
        return problem or (None if float(value).is_integer() else "is no whole number")

    return check


def _one_of(*choices: str) -> Check:
    return lambda value: None if value in choices else f"is not one of {', '.join(choices)}"


def _true(value: Json) -> str | None:
    return None if value is True else "is not true"


def _anything(_: Json) -> None:
    return None


_COMMON: dict[str, Check] = {
    "Type": _text,
    "Comment": _text,
    "QueryLanguage": _one_of("JSONPath", "JSONata"),
    "InputPath": _path,
    "OutputPath": _path,
    "Output": _anything,
}
_NEXT: dict[str, Check] = {"Next": _text, "End": _true, "Assign": _object}
_RESULT: dict[str, Check] = {"Parameters": _anything, "Arguments": _anything, "ResultPath": _path}
_WORK: dict[str, Check] = {**_RESULT, "ResultSelector": _object, "Retry": _list, "Catch": _list}

STATES: dict[str, dict[str, Check]] = {
    "Task": {
        **_COMMON,
        **_NEXT,
        **_WORK,
        "Resource": _text,
        "Credentials": _anything,
        "TimeoutSeconds": _integer(1),
        "TimeoutSecondsPath": _text,
        "HeartbeatSeconds": _integer(1),
        "HeartbeatSecondsPath": _text,
    },
    "Pass": {**_COMMON, **_NEXT, **_RESULT, "Result": _anything},
    "Wait": {
        **_COMMON,
        **_NEXT,
        "Arguments": _anything,
        "Seconds": _integer(0),
        "SecondsPath": _path,
        "Timestamp": _text,
        "TimestampPath": _path,
    },
    "Choice": {**_COMMON, **_NEXT, "Arguments": _anything, "Choices": _list, "Default": _text},
    "Succeed": _COMMON,
    "Fail": {**_COMMON, "Arguments": _anything, "Error": _text, "Cause": _text, "ErrorPath": _text, "CausePath": _text},
    "Parallel": {**_COMMON, **_NEXT, **_WORK, "Branches": _list},
    "Map": {
        **_COMMON,
        **_NEXT,
        **_WORK,
        "ItemProcessor": _object,
        "Iterator": _object,
        "Items": _anything,
        "ItemsPath": _path,
        "ItemSelector": _anything,
        "ItemBatcher": _object,
        "ItemReader": _object,
        "ResultWriter": _object,
        "Label": _text,
        "MaxConcurrency": _integer(0),
        "MaxConcurrencyPath": _path,
        "ToleratedFailureCount": _integer(0),
        "ToleratedFailureCountPath": _path,
        "ToleratedFailurePercentage": _number(0, 100),
        "ToleratedFailurePercentagePath": _path,
    },
}
_REQUIRED = {"Task": ("Resource",), "Choice": ("Choices",), "Parallel": ("Branches",)}
_GO_ON = {"Task", "Pass", "Wait", "Parallel", "Map"}

# Of a state machine, a branch and a processor alike
MACHINE: dict[str, Check] = {
    "Comment": _text,
    "QueryLanguage": _one_of("JSONPath", "JSONata"),
    "StartAt": _text,
    "States": _object,
    "TimeoutSeconds": _integer(1),
    "Version": _text,
    "ProcessorConfig": _object,
}

_RETRIER: dict[str, Check] = {
    "ErrorEquals": _list,
    "IntervalSeconds": _integer(0),
    "MaxAttempts": _integer(0),
    "BackoffRate": _number(1),
    "MaxDelaySeconds": _integer(1),
    "JitterStrategy": _one_of("FULL", "NONE"),
}
_CATCHER: dict[str, Check] = {"ErrorEquals": _list, "Next": _text, "ResultPath": _path, "Assign": _object}

_COMPARISONS = ("Equals", "GreaterThan", "GreaterThanEquals", "LessThan", "LessThanEquals")
_COMPARED: dict[str, Check] = {"String": _text, "Numeric": _number(-inf), "Timestamp": _text}
_OPERATORS: dict[str, Check] = {
    **{f"{kind}{how}": check for kind, check in _COMPARED.items() for how in _COMPARISONS},
    **{f"{kind}{how}Path": _path for kind in _COMPARED for how in _COMPARISONS},
    "BooleanEquals": _boolean,
    "BooleanEqualsPath": _path,
    "StringMatches": _text,
    **{f"Is{kind}": _boolean for kind in ("Boolean", "Null", "Numeric", "Present", "String", "Timestamp")},
    "And": _list,
    "Or": _list,
    "Not": _object,
}
_BESIDE_OPERATORS: dict[str, Check] = {"Variable": _path, "Comment": _text, "Next": _text, "Assign": _object}


def machine_findings(body: Json, steps: Steps, is_jsonata: bool) -> Findings:
    """What is wrong with a state machine, a branch or a processor, states within its states left out."""
    if not isinstance(body, dict):
        yield steps, "is no object"
        return
    yield from _fields(body, MACHINE, steps, "a state machine" if not steps else "a branch or a processor")
    states = body.get("States")
    for name in ("StartAt", "States"):
        if name not in body:
            yield steps, f"{name} is missing"
    if isinstance(states, dict):
        start = body.get("StartAt")
        if isinstance(start, str) and start not in states and not _is_open(start):
            yield (*steps, "StartAt"), f"leads to {start!r}, which is no state"
        for name, state in states.items():
            where = (*steps, "States", name)
            if not isinstance(state, dict):
                field = name in MACHINE
                beside = "stands within States, where it is taken for a state: it belongs beside StartAt"
                yield where, beside if field else "is no state, which would be an object"
            elif not 1 <= len(name) <= 80 and not _is_open(name):
                yield where, f"has a name of {len(name)} characters, not 1 to 80"
            else:
                yield from _state_findings(state, where, is_jsonata or state.get("QueryLanguage") == "JSONata")


def _state_findings(state: Fields, steps: Steps, is_jsonata: bool) -> Findings:
    kind = state.get("Type")
    if not isinstance(kind, str) or kind not in STATES:
        if not _is_open(kind):
            yield (*steps, "Type"), f"is {kind!r}, not one of {', '.join(STATES)}" if "Type" in state else "is missing"
        return
    yield from _fields(state, STATES[kind], steps, f"a {kind}")
    for name in _REQUIRED.get(kind, ()):
        if name not in state:
            yield steps, f"{name} is missing"
    if kind in _GO_ON and ("Next" in state) == ("End" in state):
        yield steps, "has both Next and End" if "Next" in state else "has neither Next nor End"
    if kind == "Map" and not {"ItemProcessor", "Iterator"} & state.keys():
        yield steps, "ItemProcessor is missing"
    yield from _handler_findings(state, kind, steps)
    for position, choice in enumerate(items(state.get("Choices")) if kind == "Choice" else []):
        yield from _choice_findings(choice, (*steps, "Choices", position), is_jsonata, is_outer=True)


def _handler_findings(state: Fields, kind: str, steps: Steps) -> Findings:
    for name, known, required in (("Retry", _RETRIER, "ErrorEquals"), ("Catch", _CATCHER, "Next")):
        for position, handler in enumerate(items(state.get(name)) if name in STATES[kind] else []):
            where = (*steps, name, position)
            if not isinstance(handler, dict):
                yield where, "is no object"
                continue
            for field in known.keys() & handler.keys():
                yield from _value(handler[field], known[field], (*where, field))
            for field in {"ErrorEquals", required} - handler.keys():
                yield where, f"{field} is missing"


def _choice_findings(choice: Json, steps: Steps, is_jsonata: bool, *, is_outer: bool) -> Findings:
    if not isinstance(choice, dict):
        yield steps, "is no object"
        return
    if is_outer and "Next" not in choice:
        yield steps, "Next is missing"
    if is_jsonata:
        if "Condition" not in choice:
            yield steps, "Condition is missing"
        return
    yield from _fields(choice, {**_OPERATORS, **_BESIDE_OPERATORS, "Condition": _anything}, steps, "a choice")
    inner = [("And", items(choice.get("And"))), ("Or", items(choice.get("Or")))]
    for name, within in inner:
        for position, each in enumerate(within):
            yield from _choice_findings(each, (*steps, name, position), is_jsonata, is_outer=False)
    if isinstance(choice.get("Not"), dict):
        yield from _choice_findings(choice["Not"], (*steps, "Not"), is_jsonata, is_outer=False)
    if not _OPERATORS.keys() & choice.keys() and "Condition" not in choice:
        yield steps, "has no operator, such as StringEquals"


def _fields(value: Fields, known: dict[str, Check], steps: Steps, what: str) -> Findings:
    for name, child in value.items():
        if name in known:
            yield from _value(child, known[name], (*steps, name))
        elif not _is_open(name):
            close = get_close_matches(str(name), known, n=1)
            yield (*steps, name), f"is no field of {what}" + (f": there is {close[0]}" if close else "")


def _value(value: Json, check: Check, steps: Steps) -> Findings:
    problem = None if _is_open(value) else check(value)
    if problem:
        yield steps, f"{problem}: {value!r}" if isinstance(value, str | int | float | None) else problem


def _is_open(value: Json) -> bool:
    """What a template or an expression puts there is not known."""
    return isinstance(value, str) and ("${" in value or "{%" in value)
