"""The rules that every state machine of this project keeps. A rule takes a definition and yields what breaks it."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from tests.template.integrations import Integration, UnknownIntegration, integration
from tests.template.jsonata_expressions import FUNCTIONS, Expression, InvalidExpression, expression_in, parse
from tests.template.project import Fields, Json

Rule: TypeAlias = Callable[[Fields], Iterator[str]]

TASK_TOKEN = ("context", "Task", "Token")

_STATE_NAME = re.compile(r"([A-Z][a-z0-9]+){2,}")
_LONGEST_STATE_NAME = 80
_LONGEST_TIMEOUT = 99_999_999
_JSONPATH_FIELDS = {"InputPath", "Parameters", "ResultSelector", "ResultPath", "OutputPath"}
_TIMEOUTS = {"States.Timeout", "States.HeartbeatTimeout"}
_ERRORS_OF_STEP_FUNCTIONS = _TIMEOUTS | {
    "States.ALL",
    "States.BranchFailed",
    "States.DataLimitExceeded",
    "States.ExceedToleratedFailureThreshold",
    "States.ItemReaderFailed",
    "States.NoChoiceMatched",
    "States.Permissions",
    "States.QueryEvaluationError",
    "States.ResultWriterFailed",
    "States.Runtime",
    "States.TaskFailed",
}

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
    "Map": {"Item": {"Index": {}, "Value": None}},
}


@dataclass(frozen=True)
class Scope:
    """The states that a `Next` may name: those of the machine, of a Parallel's branch, or of a Map's processor."""

    where: str
    start_at: Json
    states: dict[str, Fields]
    variables: frozenset[str]  # assigned before the scope is entered
    in_map: bool


def scopes(definition: Fields) -> Iterator[Scope]:
    yield from _scopes("the state machine", definition, frozenset(), in_map=False)


def _scopes(where: str, body: Fields, variables: frozenset[str], in_map: bool) -> Iterator[Scope]:
    scope = Scope(where, body.get("StartAt"), body.get("States", {}), variables, in_map)
    yield scope
    for name, state in scope.states.items():
        known = variables_at(scope, name)
        for number, branch in enumerate(state.get("Branches", [])):
            yield from _scopes(f"{name}, branch {number}", branch, known, in_map)
        if "ItemProcessor" in state:
            yield from _scopes(f"{name}, item processor", state["ItemProcessor"], known, in_map=True)


def states(definition: Fields) -> Iterator[tuple[str, Fields]]:
    for scope in scopes(definition):
        yield from scope.states.items()


def tasks(definition: Fields) -> Iterator[tuple[str, Fields]]:
    return ((name, state) for name, state in states(definition) if state.get("Type") == "Task")


def waits(definition: Fields) -> Iterator[tuple[str, Fields]]:
    """The tasks that wait for a callback; by their suffix, so that a misspelt service does not hide one."""
    return ((name, state) for name, state in tasks(definition) if _is_wait(state))


def _is_wait(state: Fields) -> bool:
    return str(state.get("Resource")).endswith(".waitForTaskToken")


def transitions(state: Fields) -> list[str]:
    """The names of the states that may come next."""
    holders = [state, *state.get("Choices", []), *state.get("Catch", [])]
    return [holder[key] for holder in holders for key in ("Next", "Default") if key in holder]


def reachable(scope: Scope, start: Json) -> set[str]:
    """The states on every way from this one, itself included."""
    found: set[str] = set()
    open_ends = [start]
    while open_ends:
        name = open_ends.pop()
        if name in scope.states and name not in found:
            found.add(name)
            open_ends.extend(transitions(scope.states[name]))
    return found


def variables_at(scope: Scope, name: str) -> frozenset[str]:
    """The variables that some state on a way to this one assigns."""
    before = (
        state
        for state in scope.states.values()
        if any(name in reachable(scope, target) for target in transitions(state))
    )
    return scope.variables | {variable for state in before for variable in _assigned(state)}


def _assigned(state: Fields) -> Iterator[str]:
    for holder in [state, *state.get("Choices", []), *state.get("Catch", [])]:
        yield from holder.get("Assign", {})


def _is_end(state: Fields) -> bool:
    return state.get("End") is True or state.get("Type") in {"Fail", "Succeed"}


def texts(value: Json, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every text of a state and where it is; of a state's own, not those of the states inside it."""
    match value:
        case str():
            yield path, value
        case dict():
            for key, child in value.items():
                if not _is_comment((*path, key)) and (*path, key) not in {("Branches",), ("ItemProcessor",)}:
                    yield from texts(child, (*path, key))
        case list():
            for index, child in enumerate(value):
                yield from texts(child, (*path, index))


def _is_comment(path: tuple[str | int, ...]) -> bool:
    match path:
        case ("Comment",) | ("Choices" | "Retry" | "Catch", int(), "Comment"):
            return True
    return False


@dataclass(frozen=True)
class _Use:
    """An expression and where it is used."""

    scope: Scope
    name: str
    state: Fields
    path: tuple[str | int, ...]
    expression: Expression

    def __str__(self) -> str:
        return f"{self.name}: {_dotted(self.path)}"


def expressions(definition: Fields) -> Iterator[_Use]:
    """Every expression that can be read; `expressions_can_be_read` reports the others."""
    for scope in scopes(definition):
        for name, state in scope.states.items():
            for path, text in texts(state):
                source = expression_in(text)
                if source:
                    try:
                        yield _Use(scope, name, state, path, parse(source))
                    except InvalidExpression:
                        continue


def _dotted(path: tuple[str | int, ...]) -> str:
    return ".".join(str(step) for step in path)


# ------------------------------------------------------------------ form


def jsonata_is_the_query_language(definition: Fields) -> Iterator[str]:
    if definition.get("QueryLanguage") != "JSONata":
        yield f"the state machine: QueryLanguage is {definition.get('QueryLanguage')!r}, not 'JSONata'"
    for name, state in states(definition):
        if "QueryLanguage" in state:
            yield f"{name}: QueryLanguage stands at the top level only"
        for field in state:
            if field in _JSONPATH_FIELDS or field.endswith("Path"):
                yield f"{name}: {field} is JSONPath"


def names_are_verb_and_noun(definition: Fields) -> Iterator[str]:
    seen: set[str] = set()
    for name, _ in states(definition):
        if not _STATE_NAME.fullmatch(name) or len(name) > _LONGEST_STATE_NAME:
            yield f"{name}: a state is named by verb and noun in PascalCase, like RequestPayment"
        if name in seen:
            yield f"{name}: two states have this name"
        seen.add(name)


# ------------------------------------------------------------------ ways through the machine


def transitions_lead_to_a_state(definition: Fields) -> Iterator[str]:
    for scope in scopes(definition):
        if scope.start_at not in scope.states:
            yield f"{scope.where}: StartAt is {scope.start_at!r}, which is none of its states"
        for name, state in scope.states.items():
            for target in transitions(state):
                if target not in scope.states:
                    yield f"{name}: leads to {target!r}, which is no state of {scope.where}"


def states_go_on_or_end(definition: Fields) -> Iterator[str]:
    for name, state in states(definition):
        kind = state.get("Type")
        ways = [key for key in ("Next", "End") if key in state]
        if kind in {"Fail", "Succeed"}:
            if ways:
                yield f"{name}: a {kind} ends the execution; it has no {' or '.join(ways)}"
        elif kind == "Choice":
            if ways or "Default" not in state:
                yield f"{name}: a Choice goes on by its Choices and its Default, and by nothing else"
        elif len(ways) != 1 or state.get("End") not in {None, True}:
            yield f"{name}: needs a Next or an End that is true, and not both"


def every_state_is_reachable(definition: Fields) -> Iterator[str]:
    for scope in scopes(definition):
        for name in scope.states.keys() - reachable(scope, scope.start_at):
            yield f"{name}: no way leads to it from the start of {scope.where}"


def every_state_leads_to_an_end(definition: Fields) -> Iterator[str]:
    for scope in scopes(definition):
        for name in scope.states:
            if not any(_is_end(scope.states[reached]) for reached in reachable(scope, name)):
                yield f"{name}: no way leads from it to an end"


# ------------------------------------------------------------------ waiting for a callback


def every_task_has_a_timeout(definition: Fields) -> Iterator[str]:
    for name, state in tasks(definition):
        timeout = state.get("TimeoutSeconds")
        if isinstance(timeout, str) and expression_in(timeout):
            continue
        if not isinstance(timeout, int) or isinstance(timeout, bool) or not 0 < timeout <= _LONGEST_TIMEOUT:
            yield f"{name}: TimeoutSeconds is {timeout!r}; without one a lost callback is waited for a year"


def heartbeats_are_shorter_than_timeouts(definition: Fields) -> Iterator[str]:
    for name, state in tasks(definition):
        heartbeat, timeout = state.get("HeartbeatSeconds"), state.get("TimeoutSeconds")
        if isinstance(heartbeat, int) and isinstance(timeout, int) and not 0 < heartbeat < timeout:
            yield f"{name}: HeartbeatSeconds {heartbeat} is not below TimeoutSeconds {timeout}"


def waits_pass_their_token_on(definition: Fields) -> Iterator[str]:
    passing = {
        use.name
        for use in expressions(definition)
        if use.path[0] == "Arguments" and TASK_TOKEN in use.expression.states_members
    }
    for name, _ in waits(definition):
        if name not in passing:
            yield f"{name}: waits for a callback, but its Arguments do not hold $states.{'.'.join(TASK_TOKEN)}"


def answers_are_final(definition: Fields) -> Iterator[str]:
    """What a callback says, and that none came, is no error of the service that was called."""
    for name, state in waits(definition):
        called = _integration(state)
        for retrier in state.get("Retry", []):
            for error in retrier.get("ErrorEquals", []):
                if called and not called.is_error_of_the_service(error):
                    yield f"{name}: retries {error}, by which an answer or a timeout may be retried"


# ------------------------------------------------------------------ errors


def error_names_exist(definition: Fields) -> Iterator[str]:
    for name, state in states(definition):
        for field in ("Retry", "Catch"):
            seen: set[str] = set()
            for handler in state.get(field, []):
                errors = handler.get("ErrorEquals", [])
                if not errors:
                    yield f"{name}: {field} names no error"
                for error in errors:
                    if error.startswith("States.") and error not in _ERRORS_OF_STEP_FUNCTIONS:
                        yield f"{name}: {field} names {error}, which does not exist"
                    if error in seen:
                        yield f"{name}: {field} names {error} twice, of which only the first counts"
                    seen.add(error)


def all_errors_come_last_and_alone(definition: Fields) -> Iterator[str]:
    for name, state in states(definition):
        for field in ("Retry", "Catch"):
            handlers = [handler.get("ErrorEquals", []) for handler in state.get(field, [])]
            for position, errors in enumerate(handlers, start=1):
                if "States.ALL" in errors and (len(errors) > 1 or position < len(handlers)):
                    yield f"{name}: States.ALL is not alone in the last {field}"


def waits_catch_timeouts_before_all_errors(definition: Fields) -> Iterator[str]:
    """A lost callback is the commonest failure of a wait; a missed heartbeat has a name of its own."""
    for name, state in waits(definition):
        caught = [error for catcher in state.get("Catch", []) for error in catcher.get("ErrorEquals", [])]
        if "States.ALL" in caught:
            for error in sorted(_TIMEOUTS - set(caught[: caught.index("States.ALL")])):
                yield f"{name}: catches States.ALL, but not {error} before it"


def failures_end_in_fail(definition: Fields) -> Iterator[str]:
    """A catcher of an error of a service's own (`DynamoDB.ConditionalCheckFailedException`) may lead back."""
    for scope in scopes(definition):
        for name, state in scope.states.items():
            for catcher in state.get("Catch", []):
                if not any(error.startswith("States.") for error in catcher.get("ErrorEquals", [])):
                    continue
                for reached in sorted(reachable(scope, catcher.get("Next"))):
                    if _is_end(scope.states[reached]) and scope.states[reached].get("Type") != "Fail":
                        yield f"{name}: what it catches ends in {reached}, which is no Fail: the execution succeeds"


def fails_say_why(definition: Fields) -> Iterator[str]:
    for name, state in states(definition):
        if state.get("Type") == "Fail":
            for field in ("Error", "Cause"):
                if not state.get(field):
                    yield f"{name}: a Fail without {field}"


# ------------------------------------------------------------------ integrations


def integrations_exist(definition: Fields) -> Iterator[str]:
    for name, state in tasks(definition):
        try:
            integration(str(state.get("Resource")))
        except UnknownIntegration as unknown:
            yield f"{name}: {unknown}"


def arguments_are_those_of_the_api(definition: Fields) -> Iterator[str]:
    for name, state in tasks(definition):
        called = _integration(state)
        if called:
            yield from (f"{name}: {problem}" for problem in called.argument_problems(state.get("Arguments")))


def _integration(state: Fields) -> Integration | None:
    try:
        return integration(str(state.get("Resource")))
    except UnknownIntegration:
        return None  # reported by integrations_exist


# ------------------------------------------------------------------ expressions


def expressions_can_be_read(definition: Fields) -> Iterator[str]:
    for name, state in states(definition):
        for path, text in texts(state):
            source = expression_in(text)
            if source:
                try:
                    parse(source)
                except InvalidExpression as invalid:
                    yield f"{name}: {_dotted(path)} {invalid}"
            elif any(mark in text for mark in ("{%", "%}", "$states")):
                yield f"{name}: {_dotted(path)} is plain text, because it is not all within {{% %}}: {text!r}"


def functions_and_variables_exist(definition: Fields) -> Iterator[str]:
    for use in expressions(definition):
        for variable in sorted(use.expression.variables - FUNCTIONS - variables_at(use.scope, use.name)):
            yield f"{use} uses ${variable}, which is no function of Step Functions' JSONata, nor assigned before"
        for name in sorted(use.expression.relative):
            yield f"{use} uses {name} where there is nothing that it could be taken from"


def states_members_exist(definition: Fields) -> Iterator[str]:
    for use in expressions(definition):
        for members in sorted(use.expression.states_members):
            problem = _member_problem(use, members)
            if problem:
                yield f"{use} uses ${'.'.join(('states', *members))}: {problem}"


def _member_problem(use: _Use, members: tuple[str, ...]) -> str | None:
    match members:
        case ("input", *_):
            return None
        case ("result", *_):
            allowed = use.path[0] in {"Output", "Assign"} and use.state.get("Type") in {"Task", "Parallel", "Map"}
            return None if allowed else "a result is there in Output and Assign of a Task, Parallel or Map only"
        case ("errorOutput", *_):
            return None if use.path[0] == "Catch" else "an error is there in Catch only"
        case ("context", *rest):
            return _context_problem(use, rest)
        case ():
            return "say which of its members is meant"
    return "there is no such member"


def _context_problem(use: _Use, members: list[str]) -> str | None:
    if members[:1] == ["Task"] and not (use.path[0] == "Arguments" and _is_wait(use.state)):
        return "a task token is there in Arguments of a state that waits for it only"
    if members[:1] == ["Map"] and not (use.path[0] == "ItemSelector" or use.scope.in_map):
        return "an item is there within a Map only"
    known: Fields | None = _CONTEXT
    for member in members:
        if known is None:
            break
        if member not in known:
            return "there is no such member"
        known = known[member]
    return "say which of its members is meant" if known else None


# By the id that cfn-lint shows; the id of a rule never changes
RULES: dict[str, Rule] = {
    "EC1001": jsonata_is_the_query_language,
    "EC1002": names_are_verb_and_noun,
    "EC1003": transitions_lead_to_a_state,
    "EC1004": states_go_on_or_end,
    "EC1005": every_state_is_reachable,
    "EC1006": every_state_leads_to_an_end,
    "EC1007": every_task_has_a_timeout,
    "EC1008": heartbeats_are_shorter_than_timeouts,
    "EC1009": waits_pass_their_token_on,
    "EC1010": answers_are_final,
    "EC1011": error_names_exist,
    "EC1012": all_errors_come_last_and_alone,
    "EC1013": waits_catch_timeouts_before_all_errors,
    "EC1014": failures_end_in_fail,
    "EC1015": fails_say_why,
    "EC1016": integrations_exist,
    "EC1017": arguments_are_those_of_the_api,
    "EC1018": expressions_can_be_read,
    "EC1019": functions_and_variables_exist,
    "EC1020": states_members_exist,
}
