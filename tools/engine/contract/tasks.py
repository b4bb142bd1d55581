"""Tasks: what is called, what is written into the history, and how an attempt ends: by result, answer or time."""

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ministack.core.responses import get_region
from ministack.services import stepfunctions as sfn

from tools.engine.contract import tokens
from tools.engine.contract.clock import clock
from tools.engine.contract.runs import (
    Branch,
    Details,
    Pending,
    StateError,
    Steps,
    compact,
    data_limit_exceeded,
    present,
    too_large,
    work,
)
from tools.engine.contract.states import GUARDED, State, effective_input, evaluated, finished, is_jsonata

MOST_SECONDS = 99_999_999


@dataclass(frozen=True)
class Resource:
    """What a task calls, and how the events about it are called: TaskScheduled, LambdaFunctionScheduled, …"""

    arn: str
    events: str = "Task"
    kind: str = ""
    name: str = ""

    @property
    def waits(self) -> bool:
        return self.events == "Activity" or self.name.endswith(".waitForTaskToken")

    @property
    def starts_an_execution(self) -> bool:
        return self.kind == "states" and self.name.startswith("startExecution.sync")

    @property
    def called(self) -> str:
        return self.arn.removesuffix(".waitForTaskToken")

    @property
    def takes_time(self) -> bool:
        return self.events == "LambdaFunction" or self.kind in ("lambda", "aws-sdk:lambda", "ecs", "http")


@functools.cache
def resource(arn: str) -> Resource:
    parts = arn.split(":", 5)
    if parts[2:5] != ["states", "", ""]:
        return Resource(arn, "Activity" if ":activity:" in arn else "LambdaFunction")
    kind, _, name = parts[5].partition(":")
    if kind == "aws-sdk":
        service, _, name = name.partition(":")
        kind = f"aws-sdk:{service}"
    return Resource(arn, "Task", kind, name)


class Attempt(Pending):
    """One attempt of a task. The first of answer, failure and time that comes ends it, and is written into the history.

    An answer may come while what carries the token is still being sent; it then waits for the end of that.
    """

    def __init__(self, branch: Branch, called: Resource) -> None:
        super().__init__(branch)
        self.resource = called
        self.token: str | None = None
        self._timeout: int | None = None
        self._heartbeat: int | None = None
        self._sent = not (called.waits or called.starts_an_execution)
        self._early: Callable[[], bool] | None = None

    def give_token(self) -> str:
        self.token = tokens.new(self.branch.run.record["stateMachineArn"].partition("/")[0])
        tokens.waiting[self.token] = self
        return self.token

    def close(self) -> None:
        super().close()
        if self.token:
            tokens.waiting.pop(self.token, None)

    def schedule(self, arguments: object, timeout: int | None, heartbeat: int | None) -> None:
        given = "parameters" if self.resource.events == "Task" else "input"
        details = present(region=get_region()) if self.resource.events == "Task" else {"resource": self.resource.arn}
        times = present(timeoutInSeconds=timeout, heartbeatInSeconds=heartbeat)
        self._timeout, self._heartbeat = timeout, heartbeat
        with self.lock:
            self.write("Scheduled", {given: compact(arguments), **details, **times})
            if self.resource.events != "Activity":
                self._begin()

    def _begin(self, details: Details | None = None) -> None:
        """Its times count from here: from when an activity's worker takes it, for all others from the start."""
        self.write("Started", details)
        if self._timeout is not None:
            self.alarms["timeout"] = clock.after(self._timeout, self._time_out)
        self._await_heartbeat()

    def taken(self, worker: str | None) -> bool:
        """A worker takes the task of an activity; False where that is over."""
        with self.lock:
            if self.settled:
                return False
            self._begin(present(workerName=worker) or None)
            self._sent = True
            return True

    def write(self, what: str, details: Details | None = None) -> None:
        kind = f"{self.resource.events}{what}"
        if self.resource.events == "Task":
            details = {**(details or {}), "resource": self.resource.name, "resourceType": self.resource.kind}
        name = f"{kind[0].lower()}{kind[1:]}EventDetails"
        self.branch.record(kind, {name: details} if details else None)

    def sent(self, output: str) -> None:
        """What carries the token, or starts what is waited for, is under way."""
        with self.lock:
            if not self.settled:
                self.write("Submitted", {"output": output})
                self._sent = True
                if self._early:
                    self._early()

    def succeed(self, output: str, value: object) -> bool:
        return self._finish(lambda: self._end("Succeeded", {"output": output}, value))

    def fail(self, error: str | None, cause: str | None) -> bool:
        failure = StateError(error, cause)
        return self._finish(lambda: self._end("Failed", present(cause=cause, error=error), failure))

    def could_not_be_called(self, error: str | None, cause: str | None) -> None:
        """Unless it has been answered all the same."""
        with self.lock:
            self._sent = True
            self._early() if self._early else self.fail(error, cause)

    def heartbeat(self) -> bool:
        with self.lock:
            if self.settled or self._early:
                return False
            self._await_heartbeat()
            return True

    def _finish(self, end: Callable[[], bool]) -> bool:
        with self.lock:
            if self.settled or self._early:
                return False
            if self._sent:
                return end()
            self._early = end
            for alarm in self.alarms.values():
                alarm.cancel()
            return True

    def _end(self, what: str, details: Details, value: object) -> bool:
        self.write(what, details)
        return self.settle(value)

    def _await_heartbeat(self) -> None:
        if self._heartbeat is not None:
            if "heartbeat" in self.alarms:
                self.alarms["heartbeat"].cancel()
            self.alarms["heartbeat"] = clock.after(self._heartbeat, lambda: self._time_out("States.HeartbeatTimeout"))

    def _time_out(self, *more_names: str) -> None:
        with self.lock:
            if not (self.settled or self._early):
                self._end("TimedOut", {"error": "States.Timeout"}, StateError("States.Timeout", None, *more_names))


def task(branch: Branch, state: State) -> Steps:
    """One attempt: calls what the state names, and waits where it says so."""
    called = resource(state["Resource"])
    attempt = Attempt(branch, called)
    context = branch.frame.context
    context.pop("Task", None)
    if called.waits or called.starts_an_execution:
        context["Task"] = {"Token": attempt.give_token()}
    try:
        arguments = effective_input(branch, state)
        timeout, heartbeat = (_seconds(branch, state, field) for field in ("TimeoutSeconds", "HeartbeatSeconds"))
    except StateError:
        attempt.close()
        raise
    attempt.schedule(arguments, timeout, heartbeat)
    call = functools.partial(_call, attempt, arguments)
    if called.takes_time:  # it may end before what it calls does
        work.submit(branch.run.scope, call)
    else:
        call()
    result = yield attempt
    return finished(branch, state, result)


def _seconds(branch: Branch, state: State, field: str) -> int | None:
    """A time of a task: a number, a path to one, or a JSONata expression. None where it has none."""
    raw, context = branch.frame.input, branch.frame.context
    if f"{field}Path" in state:
        data = evaluated(branch, None, sfn._apply_input_path, state, raw, context)
        value = evaluated(branch, None, sfn._resolve_path_or_ctx, state[f"{field}Path"], data, context)
    elif field not in state:
        return None
    elif is_jsonata(branch, state):
        value = evaluated(branch, field, sfn._jsonata_state_field, state, field, "number", raw, context)
    else:
        value = state[field]
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or value != int(value)
        or not 0 < value <= MOST_SECONDS
    ):
        error = "States.QueryEvaluationError" if is_jsonata(branch, state) else "States.Runtime"
        raise StateError(error, f"{field} must be a whole number from 1 to {MOST_SECONDS}, but is {compact(value)}.")
    return int(value)


def _call(attempt: Attempt, arguments: Any) -> None:
    called = attempt.resource
    try:
        if called.events == "Activity":
            _offer(attempt, arguments)
            return
        if called.starts_an_execution:
            attempt.sent(compact(start_and_watch(attempt, arguments)))
            return
        value = sfn._invoke_resource(called.called, arguments)
        output = compact(value)
    except sfn._ExecutionError as error:
        attempt.could_not_be_called(error.error, error.cause)
    except Exception as error:
        attempt.could_not_be_called("States.Runtime", f"{type(error).__name__}: {error}")
    else:
        if called.waits:
            attempt.sent(output)
        elif too_large(output):
            exceeded = data_limit_exceeded(called.kind or called.arn)
            attempt.fail(exceeded.error, exceeded.cause)
        else:
            attempt.succeed(output, value)


def _offer(attempt: Attempt, arguments: object) -> None:
    """Put the task of an activity where its workers look for it."""
    if attempt.resource.arn not in sfn._activities:
        raise sfn._ExecutionError("States.Runtime", f"Activity does not exist: '{attempt.resource.arn}'")
    offers = sfn._activity_tasks.setdefault(attempt.resource.arn, [])
    offers.append({"taskToken": attempt.token, "input": compact(arguments)})


def start_and_watch(attempt: Attempt, arguments: dict[str, Any]) -> dict[str, Any]:
    """Start the execution that the task waits for; what is known of it so far."""
    from tools.engine.contract.executions import described, runs

    started: dict[str, Any] = sfn._invoke_nested_start_execution(attempt.resource.arn, arguments)
    child = runs[started["ExecutionArn"]]

    def ended() -> None:
        output = {name[0].upper() + name[1:]: value for name, value in described(child.record).items()}
        if output["Status"] != "SUCCEEDED":
            attempt.fail("States.TaskFailed", compact(output))
            return
        if attempt.resource.name.endswith(":2"):
            output["Output"] = json.loads(output["Output"])
        attempt.succeed(compact(output), output)

    with child.lock:
        if child.running:
            child.when_ended.append(ended)
            return started
    ended()
    return started


GUARDED["Task"] = task
