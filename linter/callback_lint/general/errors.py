"""What is retried, caught and passed on of an error."""

import re
from collections.abc import Iterator
from difflib import get_close_matches

from callback_lint import sources
from callback_lint.asl import Scope, State, StateMachine, dotted
from callback_lint.documents import Fields, Json, Problem, texts_in
from callback_lint.expressions import expressions, only_path
from callback_lint.integrations import error_names, error_prefix
from callback_lint.rules import state_machine_rule

ERRORS_OF_STEP_FUNCTIONS = {
    "States.ALL",
    "States.BranchFailed",
    "States.DataLimitExceeded",
    "States.ExceedToleratedFailureThreshold",
    "States.HeartbeatTimeout",
    "States.Http.Socket",
    "States.IntrinsicFailure",
    "States.ItemReaderFailed",
    "States.NoChoiceMatched",
    "States.ParameterPathFailure",
    "States.Permissions",
    "States.QueryEvaluationError",
    "States.ResultPathMatchFailure",
    "States.ResultWriterFailed",
    "States.Runtime",
    "States.TaskFailed",
    "States.Timeout",
}
_OF_AN_ERROR = {"Error", "Cause"}
_OF_NO_NAME = {"States.ALL", "States.TaskFailed"}  # what catches an error whose name is null
_TIMEOUTS = {"States.Timeout", "States.HeartbeatTimeout"}  # never null, be it ""


_LITERAL = re.compile(r"""'([^']*)'|"([^"]*)\"""")


@state_machine_rule("EC1011", sources.ERROR_HANDLING)
def error_names_exist(machine: StateMachine) -> Iterator[Problem]:
    """`Retry` or `Catch` names an error that does not exist, or none. It never matches, so the failure takes
    another way than you think. Correct the spelling: `States.Timeout`, not `States.TimeOut`;
    `SQS.SdkClientException` and `Lambda.TooManyRequestsException`, as the integration names them. A name that a
    Fail of the same state machine gives exists.
    """
    raised = {name for state in machine.states if state.kind == "Fail" for name in _names_of(state)}
    for state in machine.states:
        for field in ("Retry", "Catch"):
            for position, handler in state.handlers(field):
                steps = (field, position, "ErrorEquals")
                errors = handler.get("ErrorEquals")
                if errors == []:
                    yield state.says(f"{field} names no error", *steps)
                for error in texts_in(errors):
                    if error not in raised and "${" not in error:
                        meant = _misspelt(error, state)
                        if meant is not None:
                            instead = f"; there is {meant}" if meant else ""
                            yield state.says(f"{field} names {error}, which does not exist{instead}", *steps)


def _names_of(fail: State) -> set[str]:
    error = fail.fields.get("Error")
    if not isinstance(error, str):
        return set()
    return {error, *(one or other for one, other in _LITERAL.findall(error))}


def _misspelt(error: str, state: State) -> str | None:
    """What was meant by the name of an error that does not exist, "" where nobody knows; None where it exists."""
    prefix, dot, name = error.partition(".")
    if prefix.lower() in {"states", "state"}:
        if error in ERRORS_OF_STEP_FUNCTIONS or error.startswith("States.Http.StatusCode."):
            return None
        known = {each.lower(): each for each in ERRORS_OF_STEP_FUNCTIONS}
        close = get_close_matches(error.lower(), known, n=1, cutoff=0.75)
        return known[close[0]] if close else ""
    if not dot:
        return None
    tasks = [state] if state.kind == "Task" else _tasks_within(state)
    prefixes = {found.lower(): found for task in tasks if (found := error_prefix(task.resource))}
    if prefix not in prefixes.values():
        close = get_close_matches(prefix.lower(), prefixes, n=1, cutoff=0.75)
        if close and (len(prefix) > 3 or close[0] == prefix.lower()):
            prefix = prefixes[close[0]]
            return f"{prefix}.{_meant(name, error_names(prefix)) or name}"
    meant = _meant(name, error_names(prefix))
    return f"{prefix}.{meant}" if meant else None


def _meant(name: str, known: frozenset[str]) -> str | None:
    """None where the name is known, or like none that is."""
    close = get_close_matches(name, known, n=1, cutoff=0.7) if name not in known else []
    return close[0] if close else None


def _tasks_within(state: State) -> list[State]:
    return [task for task in state.machine.tasks if task.steps[: len(state.steps)] == state.steps]


@state_machine_rule("EC1012", sources.ERROR_HANDLING)
def all_errors_come_last_and_alone(machine: StateMachine) -> Iterator[Problem]:
    """`States.ALL` is not alone in the last entry. AWS refuses the state machine. Move it to a separate entry, at
    the end.
    """
    for state in machine.states:
        for field in ("Retry", "Catch"):
            handlers = list(state.handlers(field))
            for number, (position, handler) in enumerate(handlers, start=1):
                errors = texts_in(handler.get("ErrorEquals"))
                if "States.ALL" in errors and (len(errors) > 1 or number < len(handlers)):
                    yield state.says(f"{field}: States.ALL is not alone in the last entry", field, position)


@state_machine_rule("EC1023", sources.ERROR_HANDLING)
def errors_are_tested_for_truth(machine: StateMachine) -> Iterator[Problem]:
    """`$exists` asks for the cause or the name of an error. On AWS the cause of a timeout is `""`, and both are
    null after a SendTaskFailure that gives neither: all of them exist. Test for truth: `$states.input.Cause ?
    $states.input.Cause : 'none'`.
    """
    caught = {id(scope): _reached_by_catch(scope) for scope in machine.scopes}
    for use in expressions(machine):
        for members in sorted(use.expression.tested):
            of_error = members[:1] == ("errorOutput",) or (
                members[:1] == ("input",) and use.state.name in caught[id(use.state.scope)]
            )
            if of_error and members[-1] in _OF_AN_ERROR:
                path = ".".join(members)
                text = f'{dotted(use.steps)}: $exists($states.{path}) is true of "" and of null, too'
                yield use.state.says(text, *use.steps)


def _reached_by_catch(scope: Scope) -> set[str]:
    catchers = [catcher for state in scope.states.values() for _, catcher in state.handlers("Catch")]
    found: set[str] = set()
    for start in dict.fromkeys(str(catcher.get("Next")) for catcher in catchers):
        if start not in found:
            found |= scope.reachable(start)
    return found


@state_machine_rule("EC1024", sources.ERROR_HANDLING)
def fails_pass_no_null_on(machine: StateMachine) -> Iterator[Problem]:
    """A Fail passes on an error or a cause that may be null, namely that of a wait's `Catch` after a
    SendTaskFailure which gives none. The execution then ends in `States.QueryEvaluationError`, and the failure
    itself is not reported. Give a text instead, there or in a state before.
    """
    for state in machine.states:
        for field in ("Error", "Cause") if state.kind == "Fail" else ():
            passed = only_path(state.fields.get(field))
            if passed and passed[0] == "input" and passed[-1] in _OF_AN_ERROR and _may_be_null(state, passed):
                what = f"{field}: $states.{'.'.join(passed)} is null after a SendTaskFailure that gives none"
                yield state.says(f"{what}, and the execution ends in States.QueryEvaluationError instead", field)


def _may_be_null(fail: State, path: tuple[str, ...]) -> bool:
    """Whether a path into a state's input is that of a caught error of a wait, which no state before has replaced."""
    seen = set()
    open_ends = [(fail.name, path)]
    while open_ends:
        here = open_ends.pop()
        if here in seen:
            continue
        seen.add(here)
        name, wanted = here
        for before, steps in fail.scope.ways_to.get(name, ()):
            passed = _passed_on(before, steps, wanted) if before.is_jsonata else None
            if passed and passed[0] == "errorOutput":
                caught = set(texts_in(before.fields["Catch"][steps[1]].get("ErrorEquals")))
                if caught & _OF_NO_NAME if passed[-1] == "Error" else caught - _TIMEOUTS:
                    return True
            elif passed and passed[0] == "input":
                open_ends.append((before.name, passed))
    return False


def _passed_on(state: State, steps: tuple[str | int, ...], path: tuple[str, ...]) -> tuple[str, ...] | None:
    """What a path into the next state's input is here, by the way that the steps name; None where nothing is known."""
    holder: Fields = state.fields
    if steps[0] in {"Catch", "Choices"}:
        holder = state.fields[str(steps[0])][steps[1]]
    if steps[0] == "Catch":
        passed = _passed(holder.get("Output", "{% $states.errorOutput %}"), path[1:])
        return passed if state.waits and passed and passed[0] == "errorOutput" else None
    output = holder.get("Output", state.fields.get("Output"))
    if output is None and state.kind in {"Task", "Parallel", "Map"}:
        return None  # its result, of which nothing is known
    return _passed("{% $states.input %}" if output is None else output, path[1:])


def _passed(output: Json, path: tuple[str, ...]) -> tuple[str, ...] | None:
    """What a path into an Output is, as a path into `$states`; None where it is anything else."""
    whole = only_path(output)
    if whole:
        return (*whole, *path)
    if isinstance(output, dict) and path:
        return _passed(output.get(path[0]), path[1:])
    return None
