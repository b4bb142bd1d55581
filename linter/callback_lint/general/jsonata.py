"""The expressions of a state machine: `{% JSONata %}`, paths into the context object, and all that they may use."""

import re
from collections.abc import Iterator

from callback_lint import sources
from callback_lint.asl import State, StateMachine, dotted, own_texts
from callback_lint.documents import Fields, Problem
from callback_lint.expressions import FUNCTIONS, InvalidExpression, Use, expression_in, expressions, parse
from callback_lint.rules import state_machine_rule

# What $states.context holds; None marks JSON of any shape
_CONTEXT: Fields = {
    "Execution": {
        "Id": {},
        "Input": None,
        "Name": {},
        "RoleArn": {},
        "StartTime": {},
        "RedriveCount": {},
        "RedriveTime": {},
    },
    "State": {"EnteredTime": {}, "Name": {}, "RetryCount": {}},
    "StateMachine": {"Id": {}, "Name": {}},
    "Task": {"Token": {}},
    "Map": {"Item": {"Index": {}, "Value": None, "Key": {}, "Source": {}}},
}


_CONTEXT_PATH = re.compile(r"\$\$((?:\.\w+|\[['\"]\w+['\"]\])+)")
_RETRIES = "a retry count exists in a Task only"


@state_machine_rule("EC1018", sources.JSONATA)
def expressions_can_be_read(machine: StateMachine) -> Iterator[Problem]:
    """An expression that is no JSONata, or newer than what AWS runs (2.0.6: no `??`, no `?:`); or one that is not
    all within `{% %}`, and so is sent as plain text. The state machine is refused, or the state fails. Correct
    it: for `??` write `$exists(a) ? a : b`.
    """
    for state in machine.states:
        for steps, text in own_texts(state) if state.is_jsonata else ():
            source = expression_in(text)
            if source is not None:
                try:
                    parse(source)
                except InvalidExpression as invalid:
                    yield state.says(f"{dotted(steps)} {invalid}", *steps)
            elif any(mark in text for mark in ("{%", "%}", "$states.")):
                yield state.says(f"{dotted(steps)} is plain text, because it is not all within {{% %}}", *steps)


@state_machine_rule("EC1019", sources.JSONATA)
def functions_and_variables_exist(machine: StateMachine) -> Iterator[Problem]:
    """An expression uses a function or a variable that does not exist, or a bare name where there is nothing to
    take it from. The state fails with `States.QueryEvaluationError`.
    """
    for use in expressions(machine):
        for variable in sorted(use.state.scope.unassigned(use.state.name, use.expression.variables - FUNCTIONS)):
            what = f"uses ${variable}, which is no function of Step Functions' JSONata, nor assigned before"
            yield use.says(what)
        for name in sorted(use.expression.relative):
            yield use.says(f"uses {name} where there is nothing that it could be taken from")


@state_machine_rule("EC1020", sources.CONTEXT_OBJECT)
def states_members_exist(machine: StateMachine) -> Iterator[Problem]:
    """An expression uses a member of `$states`, or a path one of the context object, that does not exist, or not
    there: a result outside `Output` and `Assign`, an error outside `Catch`, a retry count outside a Task, a token
    in a state that does not wait for it. The state machine is refused, or the state fails. Take it where it
    exists.
    """
    for state in machine.states:
        for steps, text in own_texts(state) if not state.is_jsonata else ():
            for path in _CONTEXT_PATH.findall(text) if _is_path(str(steps[-1])) else ():
                problem = _path_problem(state, re.findall(r"\w+", path))
                if problem:
                    yield state.says(f"{dotted(steps)} uses $${path}: {problem}", *steps)
    for use in expressions(machine):
        for members in sorted(use.expression.states_members):
            problem = _member_problem(use, members)
            if problem:
                yield use.says(f"uses ${'.'.join(('states', *members))}: {problem}")


def _is_path(field: str) -> bool:
    return field.endswith((".$", "Path")) or field == "Variable"


def _path_problem(state: State, members: list[str]) -> str | None:
    if members[0] == "Task" and not (state.waits or state.is_activity or state.resource.startswith("${")):
        return "only a state that waits for its task token has one"
    if members[:2] == ["State", "RetryCount"] and state.kind != "Task":
        return _RETRIES
    return None if members[0] in _CONTEXT else "there is no such member"


def _member_problem(use: Use, members: tuple[str, ...]) -> str | None:
    match members:
        case ("input", *_) | ():
            return None
        case ("result", *_):
            allowed = use.steps[0] in {"Output", "Assign"} and use.state.kind in {"Task", "Parallel", "Map"}
            return None if allowed else "a result exists in Output and Assign of a Task, Parallel or Map only"
        case ("errorOutput", *_):
            return None if use.steps[0] == "Catch" else "an error exists in Catch only"
        case ("context", *rest):
            return _context_problem(use, rest)
    return "there is no such member"


def _context_problem(use: Use, members: list[str]) -> str | None:
    is_known = not use.state.resource.startswith("${")
    if members[:1] == ["Task"] and is_known and not (use.steps[0] in {"Arguments", "Credentials"} and use.state.waits):
        return "only a state that waits for its task token has one, in its Arguments"
    if members[:2] == ["State", "RetryCount"] and use.state.kind != "Task":
        return _RETRIES
    if members[:1] == ["Map"] and not (use.steps[0] in {"ItemSelector", "ItemBatcher"} or use.state.scope.in_map):
        return "an item exists within a Map only"
    known: Fields | None = _CONTEXT
    for member in members:
        if known is None:
            break
        if member not in known:
            return "there is no such member"
        known = known[member]
    return None
