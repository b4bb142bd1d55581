"""What goes wrong with a state that waits for a callback."""

import re
from collections.abc import Iterator

from callback_lint import sources
from callback_lint.asl import State, StateMachine
from callback_lint.documents import Problem, number, texts_in
from callback_lint.expressions import token_is_in
from callback_lint.integrations import service_call
from callback_lint.rules import state_machine_rule

_ANSWERS = ("States.ALL", "States.TaskFailed", "States.Timeout")
_TIMEOUTS = {"States.ALL", "States.Timeout"}  # States.TaskFailed matches any error but a timeout
_TIMEOUT_FIELDS = {"TimeoutSeconds", "TimeoutSecondsPath"}
_HEARTBEAT_FIELDS = {"HeartbeatSeconds", "HeartbeatSecondsPath"}

# What runs elsewhere, and may die there without a word
_JOBS = {"ecs:runTask", "batch:submitJob"}
# What keeps a token, for somebody who answers later
_STORES = re.compile(r":dynamodb:(?:putItem|updateItem)|:s3:putObject|:ssm:putParameter")
_REQUESTS = re.compile(
    r":(?:sns:publish|sqs:sendMessage|sesv?2?:send\w+|events:putEvents|eventbridge:putEvents|http:invoke)"
)


@state_machine_rule("EC1007", sources.STUCK)
def waits_have_a_timeout(machine: StateMachine) -> Iterator[Problem]:
    """A wait, or an activity, without `TimeoutSeconds`. When the callback is lost, the execution waits for a
    year, and nobody is notified. A heartbeat ends it earlier, but whoever sends heartbeats and never answers
    keeps it waiting; the timeout of the state machine ends the whole execution, and nothing can catch that. Give
    the longest time in which an answer is still worth something.
    """
    for state in machine.tasks:
        if (state.waits or state.is_activity) and not _TIMEOUT_FIELDS & state.fields.keys():
            yield state.says(f"TimeoutSeconds is missing: {_bound_of(state)}")


def _bound_of(state: State) -> str:
    """What ends a wait without a timeout."""
    whole = number(state.machine.definition.get("TimeoutSeconds"))
    heartbeat = next((state.fields[name] for name in _HEARTBEAT_FIELDS if name in state.fields), None)
    if whole is not None:
        return f"a lost callback ends the whole execution after {whole} s, and nothing can catch that"
    if heartbeat is not None:
        after = f"{heartbeat} s" if isinstance(heartbeat, int) else str(heartbeat)
        return f"a missed heartbeat ends the wait after {after}, but heartbeats without an answer prolong it endlessly"
    return "the state waits for a lost callback for a year"


@state_machine_rule("EC1008", sources.TASK)
def heartbeats_are_shorter_than_timeouts(machine: StateMachine) -> Iterator[Problem]:
    """`HeartbeatSeconds` is not below `TimeoutSeconds`. AWS refuses the state machine, or the heartbeat never
    matters. Lower it.
    """
    for state in machine.tasks:
        heartbeat = number(state.fields.get("HeartbeatSeconds"))
        timeout = number(state.fields.get("TimeoutSeconds"))
        if heartbeat is not None and timeout is not None and heartbeat >= timeout:
            yield state.says(f"HeartbeatSeconds {heartbeat} is not below TimeoutSeconds {timeout}", "HeartbeatSeconds")


@state_machine_rule("EC1009", sources.CALLBACK)
def waits_pass_their_token_on(machine: StateMachine) -> Iterator[Problem]:
    """A wait does not pass its task token on. Nobody can ever call back, so that every execution times out. Put
    `$states.context.Task.Token` (JSONPath: `$$.Task.Token`, in a field whose name ends in `.$`) into what is
    sent.
    """
    for state in machine.waits:
        token = "$states.context.Task.Token" if state.is_jsonata else "$$.Task.Token"
        if token_is_in(state.arguments, state.is_jsonata) is False:
            field = state.arguments_field
            yield state.says(f"{field}: {token} is not passed on, so nobody can call back", field)


@state_machine_rule("EC1010", sources.ERROR_HANDLING)
def answers_are_final(machine: StateMachine) -> Iterator[Problem]:
    """A wait retries `States.ALL`, `States.TaskFailed` or `States.Timeout`. These match what an answer says and
    that none came, so the work is asked for again, under another token, after somebody has refused it. Retry
    errors of the service only, such as `SQS.SdkClientException`.
    """
    for state in machine.waits:
        for position, retrier in state.handlers("Retry"):
            for error in texts_in(retrier.get("ErrorEquals")):
                if error in _ANSWERS and retrier.get("MaxAttempts") != 0:
                    what = f"Retry of {error} asks again, with another token, after an answer or a timeout"
                    yield state.says(what, "Retry", position, "ErrorEquals")


@state_machine_rule("EC1027", sources.ERROR_HANDLING)
def timeouts_of_waits_are_caught_where_other_errors_are(machine: StateMachine) -> Iterator[Problem]:
    """A wait catches errors, but not its timeout: `States.TaskFailed` matches every error except
    `States.Timeout`. A lost callback then ends the execution past everything that handles a failure. Catch
    `States.Timeout`, or `States.ALL` last.
    """
    for state in machine.waits:
        bounds = state.fields.keys() & (_TIMEOUT_FIELDS | _HEARTBEAT_FIELDS)
        catching = [each for each in (state, *state.around) if each.fields.get("Catch")]
        wanted = _TIMEOUTS if bounds & _TIMEOUT_FIELDS else {*_TIMEOUTS, "States.HeartbeatTimeout"}
        if bounds and catching and not any(_caught(each) & wanted for each in catching):
            of = "" if catching[0] is state else f" of {state.name}"
            what = f"Catch handles other errors, but not States.Timeout, in which a lost callback{of} ends"
            yield catching[0].says(what, "Catch")


def _caught(state: State) -> set[str]:
    """Where a name stands for something that a template gives, any of them may be caught."""
    names = {error for _, catcher in state.handlers("Catch") for error in texts_in(catcher.get("ErrorEquals"))}
    return names | _TIMEOUTS if any("${" in name for name in names) else names


@state_machine_rule("EC1028", sources.STUCK)
def jobs_that_wait_have_a_heartbeat(machine: StateMachine) -> Iterator[Problem]:
    """A container is started and waited for without `HeartbeatSeconds`. A container that is killed, or that never
    starts, does not call back, and the state waits for its whole timeout. Let it send heartbeats, or use `.sync`,
    which notices its end.
    """
    for state in machine.waits:
        call = service_call(state.resource)
        if call in _JOBS and not _HEARTBEAT_FIELDS & state.fields.keys():
            yield state.says(f"HeartbeatSeconds is missing: a container of {call} that dies never calls back")


@state_machine_rule("EC1030", sources.LANGUAGE)
def state_machines_outlive_their_waits(machine: StateMachine) -> Iterator[Problem]:
    """`TimeoutSeconds` of the state machine is not above that of a wait in it. The execution ends first, in a
    timeout that no state can catch, and what the wait catches never happens. Raise the one, or lower the other.
    """
    whole = number(machine.definition.get("TimeoutSeconds"))
    for state in machine.tasks:
        for name in ("TimeoutSeconds", "HeartbeatSeconds"):
            own = number(state.fields.get(name))
            waits = state.waits or state.is_activity
            if waits and whole is not None and own is not None and own >= whole:
                what = f"{name} {own} is not below the TimeoutSeconds {whole} of the state machine, which ends first"
                yield state.says(what, name)


@state_machine_rule("EC1033", sources.CALLBACK)
def tokens_are_stored_before_anybody_is_asked(machine: StateMachine) -> Iterator[Problem]:
    """One branch of a Parallel stores the task token while another sends the request. Nothing orders the two: an
    answer may come before there is a token to answer with, and is lost. Store the token first, and send the
    request after that.
    """
    for state in (each for each in machine.waits if _STORES.search(each.resource)):
        asking = (each for each in _beside(machine, state) if not each.waits and _REQUESTS.search(each.resource))
        for each in list(asking)[:1]:
            yield state.says(f"stores its task token while {each.name} asks beside it: the answer may come first")


def _beside(machine: StateMachine, state: State) -> Iterator[State]:
    """The tasks in the other branches of a Parallel that a state stands in."""
    for around in (each for each in state.around if each.kind == "Parallel"):
        own = state.steps[: len(around.steps) + 2]
        yield from (
            task
            for task in machine.tasks
            if task.steps[: len(around.steps)] == around.steps and task.steps[: len(own)] != own
        )


@state_machine_rule("EC2003", sources.EXPRESS)
def only_standard_workflows_wait(machine: StateMachine) -> Iterator[Problem]:
    """A wait in an Express workflow, or in a distributed Map that runs Express workflows. They have no callbacks:
    the deployment or the execution fails. Make it a Standard workflow.
    """
    for state in machine.tasks:
        if (state.waits or state.is_activity) and (machine.kind == "EXPRESS" or state.scope.express):
            which = "a distributed Map of Express workflows" if state.scope.express else "an Express workflow"
            yield state.says(f"Resource waits for a callback in {which}, which has none", "Resource")
