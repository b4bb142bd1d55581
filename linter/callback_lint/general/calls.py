"""What a Task calls."""

import re
from collections.abc import Iterator

from callback_lint import sources
from callback_lint.asl import State, StateMachine
from callback_lint.documents import Json, Problem, fields
from callback_lint.expressions import InvalidExpression, expression_in, parse
from callback_lint.integrations import WAIT, UnknownIntegration, argument_problems, integration, service_call
from callback_lint.rules import state_machine_rule

_STARTS = {"states:startExecution", "states:startSyncExecution", "sfn:startExecution", "sfn:startSyncExecution"}
_GIVEN_AND_PATTERN = re.compile(r"\$\{([^}]*)\}\.(?:waitForTaskToken|sync)")
_CHANGING = re.compile(r"\$(?:random|uuid|now|millis)\b|States\.UUID|States\.MathRandom")


@state_machine_rule("EC1016", sources.INTEGRATIONS)
def integrations_exist(machine: StateMachine) -> Iterator[Problem]:
    """An integration that does not exist. AWS refuses the state machine. The commonest is
    `dynamodb:putItem.waitForTaskToken`: a wait on DynamoDB is `aws-sdk:dynamodb:putItem.waitForTaskToken`. The
    ARN of a function takes no `.waitForTaskToken`: a wait on a function is `lambda:invoke.waitForTaskToken`.
    """
    for state in machine.tasks:
        try:
            integration(state.resource)
        except UnknownIntegration as unknown:
            yield state.says(f"Resource {unknown}", "Resource")
        given = _GIVEN_AND_PATTERN.fullmatch(state.resource)
        if given and "Fn::GetAtt" in fields(machine.substitutions.get(given[1])):
            what = f"the ARN of a resource takes no .waitForTaskToken; there is arn:aws:states:::lambda:invoke{WAIT}"
            yield state.says(f"Resource {state.resource}: {what}", "Resource")


@state_machine_rule("EC1017", sources.SDK_INTEGRATIONS)
def arguments_are_those_of_the_api(machine: StateMachine) -> Iterator[Problem]:
    """An argument that the API does not have, or one that is missing or of a wrong type. The call fails each
    time. The API's own description, from the AWS SDK, says what it takes.
    """
    for state in machine.tasks:
        try:
            operation = integration(state.resource)
        except UnknownIntegration:
            continue
        others = {"Arguments", "Parameters"} - {state.arguments_field}
        if operation and not others & state.fields.keys():  # else EC1026
            field = state.arguments_field
            for name, problem in argument_problems(operation, state.arguments):
                yield state.says(f"{field}{'.' if name else ''}{name} {problem}", field, *name.split("."))


@state_machine_rule("EC1029", sources.START_EXECUTION)
def names_of_executions_differ(machine: StateMachine) -> Iterator[Problem]:
    """A state starts executions under one constant `Name`. The second start fails with `ExecutionAlreadyExists`,
    or is taken for the first, for 90 days. Build the name from the input or from the execution's own name, or
    leave it out.
    """
    for state in machine.tasks:
        if service_call(state.resource) in _STARTS:
            arguments = fields(state.arguments)
            for name in ("Name", "name", "Name.$", "name.$"):
                if name in arguments and _is_constant(arguments[name], state, is_path=name.endswith(".$")):
                    what = f"{name} {arguments[name]!r} is the same each time: the second execution cannot start"
                    yield state.says(f"{state.arguments_field}.{what}", state.arguments_field, name)


def _is_constant(value: Json, state: State, *, is_path: bool) -> bool:
    if not isinstance(value, str) or _CHANGING.search(value):
        return False
    if is_path:
        return "$" not in value
    source = expression_in(value) if state.is_jsonata else None
    if source is None:
        return "{%" not in value
    try:
        expression = parse(source)
    except InvalidExpression:
        return False
    return not (expression.states_members or expression.relative or expression.variables - {"string", "join"})
