"""What goes wrong with a state that waits for a callback."""

from collections.abc import Iterator

from callback_lint.asl import StateMachine
from callback_lint.documents import Problem, number, texts_in
from callback_lint.expressions import token_is_in
from callback_lint.rules import state_machine_rule

_ANSWERS = ("States.ALL", "States.TaskFailed", "States.Timeout")


@state_machine_rule("EC1007")
def waits_have_a_timeout(machine: StateMachine) -> Iterator[Problem]:
    for state in machine.waits:
        if not {"TimeoutSeconds", "TimeoutSecondsPath"} & state.fields.keys():
            yield state.says("TimeoutSeconds is missing: a lost callback is waited for for a year")


@state_machine_rule("EC1008")
def heartbeats_are_shorter_than_timeouts(machine: StateMachine) -> Iterator[Problem]:
    for state in machine.tasks:
        heartbeat = number(state.fields.get("HeartbeatSeconds"))
        timeout = number(state.fields.get("TimeoutSeconds"))
        if heartbeat is not None and timeout is not None and heartbeat >= timeout:
            yield state.says(f"HeartbeatSeconds {heartbeat} is not below TimeoutSeconds {timeout}", "HeartbeatSeconds")


@state_machine_rule("EC1009")
def waits_pass_their_token_on(machine: StateMachine) -> Iterator[Problem]:
    for state in machine.waits:
        token = "$states.context.Task.Token" if state.is_jsonata else "$$.Task.Token"
        if token_is_in(state.arguments, state.is_jsonata) is False:
            field = state.arguments_field
            yield state.says(f"{field}: {token} is not passed on, so nobody can call back", field)


@state_machine_rule("EC1010")
def answers_are_final(machine: StateMachine) -> Iterator[Problem]:
    """What a callback says, and that none came, is no error of the service that was called."""
    for state in machine.waits:
        for position, retrier in state.handlers("Retry"):
            for error in texts_in(retrier.get("ErrorEquals")):
                if error in _ANSWERS and retrier.get("MaxAttempts") != 0:
                    what = f"Retry of {error} asks again, with another token, after an answer or a timeout"
                    yield state.says(what, "Retry", position, "ErrorEquals")


@state_machine_rule("EC2003")
def only_standard_workflows_wait(machine: StateMachine) -> Iterator[Problem]:
    for state in machine.waits:
        if machine.kind == "EXPRESS" or state.scope.express:
            which = "a distributed Map of Express workflows" if state.scope.express else "an Express workflow"
            yield state.says(f"Resource waits for a callback in {which}, which has none", "Resource")
