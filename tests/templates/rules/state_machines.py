"""How this project writes its state machines."""

import re
from collections.abc import Iterator

from callback_lint.asl import Scope, StateMachine
from callback_lint.documents import Fields, Json, Problem, number, texts_in
from callback_lint.expressions import expression_in
from tests.templates.rule import state_machine_rule

_STATE_NAME = re.compile(r"([A-Z][a-z0-9]+){2,}")
_FAILURES = {"States.TaskFailed", "States.Timeout"}
_ERRORS_OF_SQS = {
    "SQS.AmazonSQSException",
    "SQS.SdkClientException",
    "SQS.RequestThrottledException",
    "SQS.KmsThrottledException",
}


@state_machine_rule
def jsonata_is_the_query_language(machine: StateMachine) -> Iterator[Problem]:
    if not machine.is_jsonata:
        yield machine.says("the state machine: QueryLanguage is not JSONata", "QueryLanguage")
    for state in machine.states:
        if "QueryLanguage" in state.fields:
            yield state.says("QueryLanguage stands at the top level only", "QueryLanguage")


@state_machine_rule
def names_are_verb_and_noun(machine: StateMachine) -> Iterator[Problem]:
    for state in machine.states:
        if not _STATE_NAME.fullmatch(state.name):
            yield state.says("a state is named by verb and noun in PascalCase, like RequestPayment")


@state_machine_rule
def failures_end_in_fail(machine: StateMachine) -> Iterator[Problem]:
    """A catcher of an error of a service's own (`DynamoDB.ConditionalCheckFailedException`) may lead back.

    So may another wait: it decides anew.
    """
    for state in machine.states:
        for position, catcher in state.handlers("Catch"):
            if _catches_failures(catcher):
                for reached in sorted(_after_failure(state.scope, catcher.get("Next"))):
                    end = state.scope.states[reached]
                    if end.ends and end.kind != "Fail":
                        what = f"Catch ends in {reached}, which is no Fail: the execution succeeds"
                        yield state.says(what, "Catch", position, "Next")


def _catches_failures(catcher: Fields) -> bool:
    return any(error.startswith("States.") for error in texts_in(catcher.get("ErrorEquals")))


def _after_failure(scope: Scope, start: Json) -> set[str]:
    """The states on every way from this one, itself included, as far as nothing has handled the failure."""
    found: set[str] = set()
    open_ends = [start]
    while open_ends:
        name = open_ends.pop()
        if isinstance(name, str) and name in scope.states and name not in found and not scope.states[name].waits:
            found.add(name)
            state = scope.states[name]
            handling = [("Catch", at) for at, catcher in state.handlers("Catch") if not _catches_failures(catcher)]
            open_ends.extend(target for steps, target in state.transitions if steps[:2] not in handling)
    return found


@state_machine_rule
def fails_say_why(machine: StateMachine) -> Iterator[Problem]:
    for state in machine.states:
        for field in ("Error", "Cause") if state.kind == "Fail" else ():
            if not state.fields.get(field):
                yield state.says(f"{field} is missing")


@state_machine_rule
def tasks_have_a_timeout(machine: StateMachine) -> Iterator[Problem]:
    for state in machine.tasks:
        timeout = state.fields.get("TimeoutSeconds")
        if not (number(timeout) or (isinstance(timeout, str) and expression_in(timeout))):
            yield state.says("TimeoutSeconds is missing", "TimeoutSeconds")


@state_machine_rule
def publishes_and_functions_are_tried_again(machine: StateMachine) -> Iterator[Problem]:
    """Nobody answers a publish, and our functions are idempotent: any failure and the timeout may be tried again.

    By a list of names a function that is killed is not: Lambda's names for it are not all written down.
    """
    for state in machine.tasks:
        if state.resource.endswith((":sns:publish", ":lambda:invoke")) and not any(
            set(texts_in(retrier.get("ErrorEquals"))) >= _FAILURES
            and (number(retrier.get("MaxAttempts")) or 0) > 0
            and (number(retrier.get("BackoffRate")) or 0) > 1
            for _, retrier in state.handlers("Retry")
        ):
            what = f"Retry lacks {' and '.join(sorted(_FAILURES))} with MaxAttempts and a BackoffRate above 1"
            yield state.says(what, "Retry")


@state_machine_rule
def waits_on_queues_retry_errors_of_the_service(machine: StateMachine) -> Iterator[Problem]:
    for state in machine.waits:
        if ":sqs:sendMessage" in state.resource:
            retried = {
                error for _, retrier in state.handlers("Retry") for error in texts_in(retrier.get("ErrorEquals"))
            }
            if retried != _ERRORS_OF_SQS:
                yield state.says(f"Retry names not exactly {', '.join(sorted(_ERRORS_OF_SQS))}", "Retry")
