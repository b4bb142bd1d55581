"""How the states of a machine hang together, and what form each has."""

from collections.abc import Iterator

from callback_lint import sources
from callback_lint.asl import StateMachine, dotted
from callback_lint.documents import Fields, Problem, Steps, fields
from callback_lint.form import machine_findings
from callback_lint.rules import state_machine_rule

_OF_JSONPATH = (
    "InputPath",
    "OutputPath",
    "Parameters",
    "ResultPath",
    "ResultSelector",
    "ItemsPath",
    "SecondsPath",
    "TimestampPath",
    "TimeoutSecondsPath",
    "HeartbeatSecondsPath",
    "ErrorPath",
    "CausePath",
    "MaxConcurrencyPath",
    "ToleratedFailureCountPath",
    "ToleratedFailurePercentagePath",
    "Variable",
)
_OF_JSONATA = ("Arguments", "Output", "Items", "Condition")
_FIELDS_OF = {"JSONata": _OF_JSONATA, "JSONPath": _OF_JSONPATH}


@state_machine_rule("EC1003", sources.LANGUAGE)
def transitions_lead_to_a_state(machine: StateMachine) -> Iterator[Problem]:
    """A transition leads to a state that does not exist. AWS refuses the state machine. Correct the name, or add
    the state.
    """
    for state in machine.states:
        for steps, target in state.transitions:
            if target not in state.scope.states and "${" not in target:
                yield state.says(f"{steps[-1]} leads to {target!r}, which is no state of {state.scope.where}", *steps)


@state_machine_rule("EC1005", sources.LANGUAGE)
def every_state_is_reachable(machine: StateMachine) -> Iterator[Problem]:
    """No way leads to a state. AWS refuses the state machine. Lead a transition there, or delete it."""
    for scope in machine.scopes:
        reachable = scope.reachable(scope.start_at)
        if not reachable:
            continue  # EC1021: StartAt itself leads nowhere
        for name, state in scope.states.items():
            if name not in reachable:
                yield state.says(f"no way leads to it from the start of {scope.where}")


@state_machine_rule("EC1006", sources.LANGUAGE)
def every_state_leads_to_an_end(machine: StateMachine) -> Iterator[Problem]:
    """No way leads from a state to an end. The execution goes round until its history is full, and each round
    costs. Give it an end.
    """
    for scope in machine.scopes:
        for name in scope.states.keys() & scope.endless:
            yield scope.states[name].says("no way leads from it to an end")


@state_machine_rule("EC1021", sources.LANGUAGE)
def definitions_have_the_form_of_the_language(machine: StateMachine) -> Iterator[Problem]:
    """An unknown or missing field, a value of a wrong type, an impossible `StartAt`, a field of the state machine
    within `States`. AWS refuses the state machine. cfn-lint looks neither into SAM templates nor into ASL files,
    so it is checked here.
    """
    bodies: list[tuple[Steps, object]] = [((), machine.definition)]
    for state in machine.states:
        branches = state.fields.get("Branches")
        if isinstance(branches, list):
            bodies += [((*state.steps, "Branches", position), branch) for position, branch in enumerate(branches)]
        names = (name for name in ("ItemProcessor", "Iterator") if isinstance(state.fields.get(name), dict))
        bodies += [((*state.steps, name), state.fields[name]) for name in names]
    for body_steps, body in bodies:
        for steps, problem in machine_findings(body, body_steps, machine.is_jsonata):
            yield machine.says(f"{_where(machine.definition, steps)} {problem}", *steps)


def _where(definition: Fields, steps: Steps) -> str:
    """`CheckCard: Retry.0` for a way that leads through the state CheckCard."""
    name, rest = "the state machine", steps
    value: object = definition
    for position, step in enumerate(steps):
        if step == "States" and position + 1 < len(steps) and "States" in fields(value):
            name, rest = str(steps[position + 1]), steps[position + 2 :]
        value = value[step] if isinstance(value, list) and isinstance(step, int) else fields(value).get(str(step))
    return f"{name}: {dotted(rest)}" if rest else f"{name}:" if name != "the state machine" else name


@state_machine_rule("EC1022", sources.LANGUAGE)
def names_of_states_are_unique(machine: StateMachine) -> Iterator[Problem]:
    """Two states have one name. AWS refuses the state machine, branches and Maps included. Rename one."""
    seen: set[str] = set()
    for state in machine.states:
        if state.name in seen:
            yield state.says("another state has this name")
        seen.add(state.name)


@state_machine_rule("EC1026", sources.JSONATA)
def fields_are_those_of_the_query_language(machine: StateMachine) -> Iterator[Problem]:
    """A field of JSONata (`Arguments`, `Output`, `Condition`) in a state of JSONPath, or a field of JSONPath
    (`Parameters`, `ResultPath`, `InputPath` …) in a state of JSONata. AWS refuses the state machine. Set
    `QueryLanguage` beside `StartAt` or in the state, or use the fields of the language that it has.
    """
    for state in machine.states:
        language = "JSONata" if state.is_jsonata else "JSONPath"
        other = "JSONPath" if state.is_jsonata else "JSONata"
        holders: list[tuple[Steps, Fields]] = [((), state.fields)]
        for name in ("Choices", "Catch"):
            holders += [((name, position), holder) for position, holder in state.handlers(name)]
        for steps, holder in holders:
            for name in _FIELDS_OF[other]:
                if name in holder:
                    yield state.says(
                        f"{dotted((*steps, name))} is a field of {other}, in a state of {language}", *steps, name
                    )


@state_machine_rule("EC1031", sources.JSON)
def definitions_are_json(machine: StateMachine) -> Iterator[Problem]:
    """A comment or a trailing comma, which JSON does not have. AWS refuses the definition, or a tool on its way
    there does. Delete it. The rest of the file is checked as if it were not there.
    """
    for flaw in machine.document.flaws:
        if flaw.is_json:
            yield Problem(machine.document.path, flaw.line, f"the definition is not JSON: {flaw.problem}")


@state_machine_rule("EC1032", sources.YAML_OF_CLOUDFORMATION)
def names_of_states_are_texts(machine: StateMachine) -> Iterator[Problem]:
    """The name of a state is a boolean in YAML 1.1, which CloudFormation and SAM read: `No` becomes `false`, and
    no transition finds it. Quote it, wherever it stands.
    """
    for flaw in machine.document.flaws:
        if not flaw.is_json:
            yield Problem(machine.document.path, flaw.line, f"the state machine: {flaw.problem}")
