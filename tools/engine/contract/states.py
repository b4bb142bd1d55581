"""The states of a machine, as branches go through them: ministack evaluates, with AWS's order and events."""

import random
from collections.abc import Callable
from datetime import datetime
from typing import Any

from ministack.services import stepfunctions as sfn

from tools.engine.contract.clock import clock
from tools.engine.contract.runs import (
    Branch,
    Pending,
    StateError,
    Steps,
    compact,
    data_limit_exceeded,
    present,
    too_large,
)

State = dict[str, Any]


def go(branch: Branch) -> Steps:
    """Go through the states from where the branch is, to its end; its output."""
    frame = branch.frame
    again, frame.begun = frame.begun, True
    while True:
        name = frame.name
        state: State | None = frame.states.get(name)
        if state is None:
            raise StateError("States.Runtime", f"There is no state {name}.")
        kind = state["Type"]
        frame.context["State"] = {"EnteredTime": clock.stamp(), "Name": name}
        if not (again and kind in GUARDED):  # a redriven task is scheduled anew, not entered anew
            entered = {"input": compact(frame.input), "name": name}
            branch.record(f"{kind}StateEntered", {"stateEnteredEventDetails": entered})
        again = False
        output, following = yield from (guarded if kind in GUARDED else KINDS[kind])(branch, state)
        text = compact(output)
        if too_large(text):
            raise data_limit_exceeded(name)
        branch.record(f"{kind}StateExited", {"stateExitedEventDetails": {"name": name, "output": text}})
        frame.children = None
        if following is None:
            return output
        frame.name, frame.input = following, output


def guarded(branch: Branch, state: State) -> Steps:
    """A Task, Parallel or Map under its Retry and Catch: its output and the next state."""
    frame, counts = branch.frame, dict[int, int]()
    while True:
        if state["Type"] == "Task":
            frame.context["State"]["RetryCount"] = sum(counts.values())
        try:
            return (yield from GUARDED[state["Type"]](branch, state))
        except StateError as error:
            delay = _retry(state, error, counts)
            if delay is None:
                return _caught(branch, state, error)
            frame.children = None
            yield from _sleep(branch, delay)


def _retry(state: State, error: StateError, counts: dict[int, int]) -> float | None:
    """Seconds until the next attempt, or None; the first retrier that knows the error decides."""
    for number, retrier in enumerate(state.get("Retry", [])):
        if _knows(retrier, error):
            count = counts.get(number, 0)
            if count >= retrier.get("MaxAttempts", 3):
                return None
            counts[number] = count + 1
            delay = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** count
            delay = min(delay, retrier.get("MaxDelaySeconds", delay))
            return random.uniform(0, delay) if retrier.get("JitterStrategy") == "FULL" else delay
    return None


def _caught(branch: Branch, state: State, error: StateError) -> tuple[Any, str]:
    for catcher in state.get("Catch", []):
        if _knows(catcher, error):
            # AWS has an empty cause here where a timeout has none
            cause = "" if error.error == "States.Timeout" else error.cause
            context = branch.frame.context
            language = sfn._state_query_language(state, context)
            output = evaluated(
                branch,
                "Catch",
                sfn._apply_catcher,
                catcher,
                branch.frame.input,
                context,
                language,
                {"Error": error.error, "Cause": cause},
            )
            return output, catcher["Next"]
    raise error


def _knows(rule: dict[str, Any], error: StateError) -> bool:
    """Whether a retrier or catcher names it. No wildcard means States.Runtime; TaskFailed means no timeout."""
    named = rule.get("ErrorEquals", [])
    if error.names & set(named):
        return True
    if error.error == "States.Runtime":
        return False
    return "States.ALL" in named or ("States.TaskFailed" in named and error.error != "States.Timeout")


def evaluated(branch: Branch, location: str | None, evaluate: Callable[..., Any], *arguments: object) -> Any:
    """What ministack evaluates of a state. Raises StateError, after AWS's event where a JSONata expression failed."""
    try:
        return evaluate(*arguments)
    except sfn._ExecutionError as error:
        if error.error == "States.QueryEvaluationError":
            details = present(cause=error.cause, error=error.error, location=location, state=branch.frame.name)
            branch.record("EvaluationFailed", {"evaluationFailedEventDetails": details})
        raise StateError(error.error, error.cause) from None
    except StateError:
        raise
    except Exception as error:
        raise StateError("States.Runtime", f"{type(error).__name__}: {error}") from error


def is_jsonata(branch: Branch, state: State) -> bool:
    return bool(sfn._state_query_language(state, branch.frame.context) == "JSONata")


def effective_input(branch: Branch, state: State, *, parameters: bool = True) -> Any:
    """What a state passes on: its Arguments, or what InputPath and Parameters make of its input."""
    frame = branch.frame
    if is_jsonata(branch, state):
        return evaluated(branch, "Arguments", sfn._apply_jsonata_arguments, state, frame.input, frame.context)
    data = evaluated(branch, None, sfn._apply_input_path, state, frame.input, frame.context)
    return evaluated(branch, None, sfn._apply_parameters, state, data, frame.context) if parameters else data


def finished(branch: Branch, state: State, result: Any) -> tuple[Any, str | None]:
    """The output of a state that has a result, and the next state."""
    raw, context = branch.frame.input, branch.frame.context
    if is_jsonata(branch, state):
        output = evaluated(branch, "Output", sfn._apply_jsonata_output, state, raw, context, result, None, result)
        evaluated(branch, "Assign", sfn._apply_state_assign, state, raw, context, result)
    else:
        selected = evaluated(branch, None, sfn._apply_result_selector, state, result)
        output = evaluated(branch, None, sfn._apply_result_path, state, raw, selected)
        output = evaluated(branch, None, sfn._apply_output_path, state, output, context)
    if too_large(compact(output)):
        raise data_limit_exceeded(branch.frame.name)
    return output, sfn._next_or_end(state)


def _plain(evaluate: Callable[..., Any]) -> Callable[[Branch, State], Steps]:
    def steps(branch: Branch, state: State) -> Steps:
        return evaluated(branch, None, evaluate, state, branch.frame.input, branch.frame.context)
        yield

    return steps


def _wait(branch: Branch, state: State) -> Steps:
    frame = branch.frame
    raw, context = frame.input, frame.context
    if is_jsonata(branch, state):
        if "Seconds" in state:
            seconds = evaluated(branch, "Seconds", sfn._jsonata_wait_seconds, state, raw, context)
        else:
            moment = evaluated(branch, "Timestamp", sfn._jsonata_wait_timestamp, state, raw, context)
            seconds = _seconds_until(moment)
        yield from _sleep(branch, seconds)
        output = evaluated(branch, "Output", sfn._apply_jsonata_output, state, raw, context, None, None, raw)
        evaluated(branch, "Assign", sfn._apply_state_assign, state, raw, context)
        return output, sfn._next_or_end(state)
    data = evaluated(branch, None, sfn._apply_input_path, state, raw, context)
    seconds, moment = (
        sfn._resolve_path_or_ctx(state[f"{name}Path"], data, context) if f"{name}Path" in state else state.get(name)
        for name in ("Seconds", "Timestamp")
    )
    if moment is not None:
        seconds = _seconds_until(moment)
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or seconds < 0:
        raise StateError("States.Runtime", f"The wait of state {frame.name} is no number of seconds and no timestamp.")
    yield from _sleep(branch, seconds)
    return evaluated(branch, None, sfn._apply_output_path, state, data, context), sfn._next_or_end(state)


def _seconds_until(moment: object) -> float:
    parsed: datetime | None = sfn._parse_ts(moment)
    if parsed is None:
        raise StateError("States.Runtime", "The timestamp of a Wait state is none.")
    return max(0.0, parsed.timestamp() - clock.now())


def _sleep(branch: Branch, seconds: float) -> Steps:
    pending = Pending(branch)
    pending.alarms["time"] = clock.after(seconds * sfn._SFN_WAIT_SCALE, lambda: pending.settle(None))
    yield pending


def _succeed(branch: Branch, state: State) -> Steps:
    if is_jsonata(branch, state):
        raw, context = branch.frame.input, branch.frame.context
        return evaluated(branch, "Output", sfn._apply_jsonata_output, state, raw, context, None, None, raw), None
    data = effective_input(branch, state, parameters=False)
    return evaluated(branch, None, sfn._apply_output_path, state, data, branch.frame.context), None
    yield


def _fail(branch: Branch, state: State) -> Steps:
    raise StateError(
        *(
            evaluated(
                branch, field, sfn._fail_state_field, state, field, None, branch.frame.input, branch.frame.context
            )
            for field in ("Error", "Cause")
        )
    )
    yield


KINDS: dict[str, Callable[[Branch, State], Steps]] = {
    "Pass": _plain(sfn._execute_pass),
    "Choice": _plain(sfn._execute_choice),
    "Wait": _wait,
    "Succeed": _succeed,
    "Fail": _fail,
}
GUARDED: dict[str, Callable[[Branch, State], Steps]] = {}  # Task, Parallel and Map, by the modules that know them
