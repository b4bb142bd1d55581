"""What is retried, caught and passed on of an error."""

from collections.abc import Iterator

from callback_lint.asl import Scope, State, StateMachine, dotted
from callback_lint.documents import Fields, Json, Problem, texts_in
from callback_lint.expressions import expressions, only_path
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


@state_machine_rule("EC1011")
def error_names_exist(machine: StateMachine) -> Iterator[Problem]:
    for state in machine.states:
        for field in ("Retry", "Catch"):
            for position, handler in state.handlers(field):
                steps = (field, position, "ErrorEquals")
                errors = handler.get("ErrorEquals")
                if errors == []:
                    yield state.says(f"{field} names no error", *steps)
                for error in texts_in(errors):
                    known = error in ERRORS_OF_STEP_FUNCTIONS or error.startswith("States.Http.StatusCode.")
                    if error.startswith("States.") and not known:
                        yield state.says(f"{field} names {error}, which does not exist", *steps)


@state_machine_rule("EC1012")
def all_errors_come_last_and_alone(machine: StateMachine) -> Iterator[Problem]:
    for state in machine.states:
        for field in ("Retry", "Catch"):
            handlers = list(state.handlers(field))
            for number, (position, handler) in enumerate(handlers, start=1):
                errors = texts_in(handler.get("ErrorEquals"))
                if "States.ALL" in errors and (len(errors) > 1 or number < len(handlers)):
                    yield state.says(f"{field}: States.ALL is not alone in the last entry", field, position)


@state_machine_rule("EC1023")
def errors_are_tested_for_truth(machine: StateMachine) -> Iterator[Problem]:
    """The cause of a timeout is "" on AWS, and that of a bare SendTaskFailure null: both exist."""
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
    return {name for catcher in catchers for name in scope.reachable(catcher.get("Next"))}


@state_machine_rule("EC1024")
def fails_pass_no_null_on(machine: StateMachine) -> Iterator[Problem]:
    for state in machine.states:
        for field in ("Error", "Cause") if state.kind == "Fail" else ():
            passed = only_path(state.fields.get(field))
            if passed and passed[0] == "input" and passed[-1] in _OF_AN_ERROR and _may_be_null(state, passed, set()):
                what = f"{field}: $states.{'.'.join(passed)} is null after a SendTaskFailure that gives none"
                yield state.says(f"{what}, and the execution ends in States.QueryEvaluationError instead", field)


def _may_be_null(state: State, path: tuple[str, ...], seen: set[str]) -> bool:
    """Whether a path into a state's input is that of a caught error of a wait, which no state before has mended."""
    if state.name in seen:
        return False
    seen.add(state.name)
    for before in state.scope.states.values():
        for steps, target in before.transitions:
            if target == state.name and before.is_jsonata and _passes_null(before, steps, path, seen):
                return True
    return False


def _passes_null(state: State, steps: tuple[str | int, ...], path: tuple[str, ...], seen: set[str]) -> bool:
    holder: Fields = state.fields
    if steps[0] in {"Catch", "Choices"}:
        holder = state.fields[str(steps[0])][steps[1]]
    if steps[0] == "Catch":
        passed = _passed(holder.get("Output", "{% $states.errorOutput %}"), path[1:])
        if not state.waits or passed is None or passed[0] != "errorOutput":
            return False
        caught = set(texts_in(holder.get("ErrorEquals")))
        return bool(caught & _OF_NO_NAME if passed[-1] == "Error" else caught - _TIMEOUTS)
    output = holder.get("Output", state.fields.get("Output"))
    if output is None and state.kind in {"Task", "Parallel", "Map"}:
        return False  # its result, of which nothing is known
    passed = _passed("{% $states.input %}" if output is None else output, path[1:])
    return passed is not None and passed[0] == "input" and _may_be_null(state, passed, seen)


def _passed(output: Json, path: tuple[str, ...]) -> tuple[str, ...] | None:
    """What a path into an Output is, as a path into `$states`; None where it is anything else."""
    whole = only_path(output)
    if whole:
        return (*whole, *path)
    if isinstance(output, dict) and path:
        return _passed(output.get(path[0]), path[1:])
    return None
