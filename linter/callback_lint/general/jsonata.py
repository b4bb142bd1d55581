"""The expressions of a state machine: `{% JSONata %}` and all that it may use."""

from collections.abc import Iterator

from callback_lint.asl import StateMachine, dotted, own_texts
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


@state_machine_rule("EC1018")
def expressions_can_be_read(machine: StateMachine) -> Iterator[Problem]:
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


@state_machine_rule("EC1019")
def functions_and_variables_exist(machine: StateMachine) -> Iterator[Problem]:
    for use in expressions(machine):
        for variable in sorted(use.expression.variables - FUNCTIONS - use.state.scope.variables_at(use.state.name)):
            what = f"uses ${variable}, which is no function of Step Functions' JSONata, nor assigned before"
            yield use.says(what)
        for name in sorted(use.expression.relative):
            yield use.says(f"uses {name} where there is nothing that it could be taken from")


@state_machine_rule("EC1020")
def states_members_exist(machine: StateMachine) -> Iterator[Problem]:
    for use in expressions(machine):
        for members in sorted(use.expression.states_members):
            problem = _member_problem(use, members)
            if problem:
                yield use.says(f"uses ${'.'.join(('states', *members))}: {problem}")


def _member_problem(use: Use, members: tuple[str, ...]) -> str | None:
    match members:
        case ("input", *_) | ():
            return None
        case ("result", *_):
            allowed = use.steps[0] in {"Output", "Assign"} and use.state.kind in {"Task", "Parallel", "Map"}
            return None if allowed else "a result is there in Output and Assign of a Task, Parallel or Map only"
        case ("errorOutput", *_):
            return None if use.steps[0] == "Catch" else "an error is there in Catch only"
        case ("context", *rest):
            return _context_problem(use, rest)
    return "there is no such member"


def _context_problem(use: Use, members: list[str]) -> str | None:
    if members[:1] == ["Task"] and not (use.steps[0] in {"Arguments", "Credentials"} and use.state.waits):
        return "a task token is there in Arguments of a state that waits for it only"
    if members[:1] == ["Map"] and not (use.steps[0] in {"ItemSelector", "ItemBatcher"} or use.state.scope.in_map):
        return "an item is there within a Map only"
    known: Fields | None = _CONTEXT
    for member in members:
        if known is None:
            break
        if member not in known:
            return "there is no such member"
        known = known[member]
    return None
