"""What a Task calls."""

from collections.abc import Iterator

from callback_lint.asl import StateMachine
from callback_lint.documents import Problem
from callback_lint.integrations import UnknownIntegration, argument_problems, integration
from callback_lint.rules import state_machine_rule


@state_machine_rule("EC1016")
def integrations_exist(machine: StateMachine) -> Iterator[Problem]:
    for state in machine.tasks:
        try:
            integration(state.resource)
        except UnknownIntegration as unknown:
            yield state.says(f"Resource {unknown}", "Resource")


@state_machine_rule("EC1017")
def arguments_are_those_of_the_api(machine: StateMachine) -> Iterator[Problem]:
    for state in machine.tasks:
        try:
            operation = integration(state.resource)
        except UnknownIntegration:
            continue
        if operation:
            field = state.arguments_field
            for name, problem in argument_problems(operation, state.arguments):
                yield state.says(f"{field}{'.' if name else ''}{name} {problem}", field, *name.split("."))
