"""How the states of a machine hang together. What cfn-lint finds in one is shown as it says it."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from cfnlint.context import create_context_for_template  # type: ignore[import-untyped]
from cfnlint.jsonschema import CfnTemplateValidator  # type: ignore[import-untyped]
from cfnlint.rules.resources.stepfunctions.StateMachineDefinition import (  # type: ignore[import-untyped]
    StateMachineDefinition,
)
from cfnlint.template import Template as CfnTemplate  # type: ignore[import-untyped]

from callback_lint.asl import StateMachine
from callback_lint.documents import Problem
from callback_lint.rules import state_machine_rule

# cfn-lint does not know all that these may be, or where they may stand
_FREE = {"Resource", "Arguments", "Output", "Condition", "QueryLanguage"}


@state_machine_rule("EC1003")
def transitions_lead_to_a_state(machine: StateMachine) -> Iterator[Problem]:
    for state in machine.states:
        for steps, target in state.transitions:
            if target not in state.scope.states and "${" not in target:
                yield state.says(f"{steps[-1]} leads to {target!r}, which is no state of {state.scope.where}", *steps)


@state_machine_rule("EC1005")
def every_state_is_reachable(machine: StateMachine) -> Iterator[Problem]:
    for scope in machine.scopes:
        reachable = scope.reachable(scope.start_at)
        if not reachable:
            continue  # EC1021: StartAt itself leads nowhere
        for name, state in scope.states.items():
            if name not in reachable:
                yield state.says(f"no way leads to it from the start of {scope.where}")


@state_machine_rule("EC1006")
def every_state_leads_to_an_end(machine: StateMachine) -> Iterator[Problem]:
    for state in machine.states:
        ways = [state.scope.states[name] for name in state.scope.reachable(state.name)]
        targets = [target for way in ways for _, target in way.transitions]
        if targets and not any(way.ends for way in ways) and state.scope.states.keys() >= set(targets):
            yield state.says("no way leads from it to an end")


@state_machine_rule("EC1021")
def definitions_have_the_form_of_the_language(machine: StateMachine) -> Iterator[Problem]:
    """The findings of cfn-lint's E3601, which by itself looks neither into SAM templates nor into ASL files."""
    rule, validator = _cfn_lint()
    try:
        errors = list(rule.validate(validator, None, {"Definition": machine.definition}, {}))
    except (AttributeError, TypeError, ValueError, KeyError):  # of cfn-lint, where a branch is no object
        errors = []
        yield machine.says("the state machine: a state, a branch or a processor is no object")
    free = _FREE if machine.is_jsonata else _FREE | {"Parameters"}
    for error in errors:
        steps = tuple(error.path)[1:]
        text = error.instance if isinstance(error.instance, str) else ""
        if not (steps and steps[-1] in free) and "${" not in text and "{%" not in text:
            name = next((str(steps[at + 1]) for at in reversed(range(len(steps) - 1)) if steps[at] == "States"), "")
            field = ".".join(map(str, steps[steps.index(name) + 1 :])) if name else ".".join(map(str, steps))
            where = f"{name or 'the state machine'}: {field}{': ' if field else ''}"
            yield machine.says(f"{where}{error.message}", *steps)


@cache
def _cfn_lint() -> tuple[Any, Any]:
    template = CfnTemplate("", {"Resources": {}}, ["us-east-1"])
    context = create_context_for_template(template)
    return StateMachineDefinition(), CfnTemplateValidator({}).evolve(cfn=template, context=context.evolve(functions=[]))


@state_machine_rule("EC1022")
def names_of_states_are_unique(machine: StateMachine) -> Iterator[Problem]:
    seen: set[str] = set()
    for state in machine.states:
        if state.name in seen:
            yield state.says("another state has this name")
        seen.add(state.name)
