"""Faults planted into a world: the simulation has to find each. Nothing of production code is changed on disk."""

import inspect
import json
import textwrap
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any

from hypothesis import Phase

import async_api_requester
import async_api_simulator
import dead_letter_reporter
import file_exchange_inbox
import file_exchange_outbox
import manual_callback
import payment_worker
from callbacks import batch, executions, json_text, request, task
from exchange import bucket, waiting
from tests.simulation.async_api import AsyncApis
from tests.simulation.aws import Aws
from tests.simulation.file_exchange import FileExchanges
from tests.simulation.manual_callback import ManualCallbacks
from tests.simulation.payment_callback import Payments
from tests.simulation.playing import play
from tests.simulation.story import Broken, Story
from tests.unit.state_machine import Fields


@dataclass(frozen=True)
class Mutant:
    """`code` plants a fault into a function, `template` into a template, `machine` into a state machine."""

    name: str
    stories: type[Story]
    code: Callable[[Aws], None] | None = None
    template: Callable[[Fields], None] | None = None


def replaced(function: Any, old: str, new: str) -> Callable[[Aws], None]:
    """A fault that is other source code of a function, wherever it was imported."""
    function = inspect.unwrap(function)
    source = textwrap.dedent(inspect.getsource(function))
    source = source[source.index("def ") :]  # a decorator would register it once more
    assert source.count(old) == 1, f"{old} is not once in {function.__name__}"
    namespace = dict(function.__globals__)
    exec(compile(source.replace(old, new), function.__code__.co_filename, "exec"), namespace)  # noqa: S102 - ours
    code = namespace[function.__name__].__code__
    return lambda aws: aws.patch.setattr(function, "__code__", code)


def both(*plants: Callable[[Aws], None]) -> Callable[[Aws], None]:
    def plant(aws: Aws) -> None:
        for each in plants:
            each(aws)

    return plant


def property_of(resource: str, name: str, value: Any) -> Callable[[Fields], None]:
    """A fault that is another property in a template."""

    def plant(template: Fields) -> None:
        template["Resources"][resource]["Properties"][name] = value

    return plant


def without(resource: str) -> Callable[[Fields], None]:
    def plant(template: Fields) -> None:
        del template["Resources"][resource]

    return plant


def without_partial_failures(function: str) -> Callable[[Fields], None]:
    """Lambda then takes no notice of what the function reports as failed."""

    def plant(template: Fields) -> None:
        for event in template["Resources"][function]["Properties"]["Events"].values():
            event["Properties"]["FunctionResponseTypes"] = []

    return plant


def state(machine: str, name: str, **changes: Any) -> Callable[[Aws], None]:
    """A fault that is another field of a state."""

    def plant(aws: Aws) -> None:
        definition = deepcopy(aws.step_functions.definitions[machine])
        definition["States"][name].update(changes)
        aws.step_functions.definitions[machine] = definition

    return plant


def replace_in_state(aws: Aws, machine: str, name: str, old: str, new: str) -> None:
    definition = aws.step_functions.definitions[machine]
    text = json.dumps(definition["States"][name])
    assert text.count(old) == 1
    state(machine, name, **json.loads(text.replace(old, new)))(aws)


def _retry(*errors: str) -> list[Fields]:
    return [{"ErrorEquals": list(errors), "IntervalSeconds": 1, "MaxAttempts": 4, "BackoffRate": 2}]


_payment_state = partial(state, "WaitForCallbackStateMachine")
_redrive = partial(property_of, "PaymentQueue", "RedrivePolicy")

MUTANTS = [
    Mutant(
        "a failed callback is taken for done: the message is deleted before it is answered",
        Payments,
        replaced(batch.process_batch, 'failed.append({"itemIdentifier": record["messageId"]})', "pass"),
    ),
    Mutant(
        "Lambda does not learn of partial failures",
        Payments,
        template=without_partial_failures("PaymentWorkerFunction"),
    ),
    Mutant(
        "the coin is tossed by the token",
        Payments,
        replaced(payment_worker.record_handler, "request.idempotency_key", "request.task_token"),
    ),
    Mutant(
        "a message is received once",
        Payments,
        template=_redrive({"deadLetterTargetArn": {"Ref": "DeadLetterQueue"}, "maxReceiveCount": 1}),
    ),
    Mutant(
        "a settled token is tried again",
        Payments,
        lambda aws: aws.patch.delitem(task._OUTCOMES, "TaskTimedOut"),
    ),
    Mutant(
        "a dead letter is dropped without a word to its workflow",
        Payments,
        replaced(
            dead_letter_reporter.record_handler,
            'send_task_failure(request.task_token, "Callback.Undeliverable", cause)',
            "Outcome.ALREADY_SETTLED",
        ),
    ),
    Mutant(
        "an answer that fails the task is asked for again",
        Payments,
        _payment_state("RequestPayment", Retry=_retry("States.TaskFailed")),
    ),
    Mutant(
        "a wait that is over is begun again", Payments, _payment_state("RequestPayment", Retry=_retry("States.Timeout"))
    ),
    Mutant(
        "a failure is not notified",
        Payments,
        _payment_state("NotifyFailure", Type="Pass", Retry=[]),
    ),
    Mutant("a stop is not notified", Payments, template=without("StoppedExecutionRule")),
    Mutant(
        "the Fail words its error otherwise than the notification",
        Payments,
        _payment_state("PaymentFailed", Error="Payment.Failed"),
    ),
    Mutant(
        "a token is logged",
        Payments,
        replaced(
            payment_worker.record_handler, "correlation_id=request.execution_id", "correlation_id=request.task_token"
        ),
    ),
    Mutant(
        "a message without a token is deleted",
        Payments,
        replaced(
            request.parse_callback_request,
            'raise UnreadableMessage("the body is not a JSON object")',
            "message = {'taskToken': 'x'}",
        ),
    ),
]

MUTANTS += [
    Mutant(
        "a message is forgotten long before its workflow gives it up",
        Payments,
        template=property_of("PaymentQueue", "MessageRetentionPeriod", 300),
    ),
    Mutant(
        "a text is cut where it may be shorter",
        Payments,
        lambda aws: replace_in_state(
            aws,
            "WaitForCallbackStateMachine",
            "NotifyFailure",
            "$length($id) > 256 ? $substring($id, 0, 256) : $id",
            "$substring($id, 0, 256)",
        ),
    ),
    Mutant(
        "the ARN of a distributed Map's child is none: the coin falls by token",
        Payments,
        replaced(
            request.parse_callback_request,
            "execution_id or token)",
            "token if execution_id and '/' in execution_id else execution_id or token)",
        ),
    ),
    Mutant(
        "an error name of AWS is passed on: the retrier asks again",
        ManualCallbacks,
        both(
            replaced(
                manual_callback.event_problem, "isinstance(error, str) and is_reserved_error_name(error)", "False"
            ),
            replaced(task.send_task_failure, "own_error_name(error)", "error"),
        ),
    ),
    Mutant(
        "a wait that is over ends under a name of AWS",
        Payments,
        _payment_state("PaymentFailed", Error="{% 'States.Timeout' %}"),
    ),
    Mutant(
        "the failure path takes every input for an order",
        Payments,
        lambda aws: replace_in_state(
            aws,
            "WaitForCallbackStateMachine",
            "NotifyFailure",
            "$type($order) = 'object' and $type($id) = 'string' ? ",
            "true ? ",
        ),
    ),
    Mutant(
        "what cannot be read whole has no token",
        Payments,
        replaced(request.parse_callback_request, "_fields_up_to_where_it_breaks(body)", "None"),
    ),
    Mutant(
        "a simulation has the name of its execution",
        AsyncApis,
        replaced(
            async_api_requester.record_handler,
            "simulation_name(request.task_token)",
            "simulation_name(request.execution_id)",
        ),
    ),
    Mutant(
        "a simulation has another name each time",
        AsyncApis,
        replaced(
            async_api_requester.record_handler,
            "simulation_name(request.task_token)",
            "__import__('uuid').uuid4().hex",
        ),
    ),
    Mutant(
        "a started simulation is taken for a failure",
        AsyncApis,
        replaced(executions.start_once, 'code != "ExecutionAlreadyExists"', "True"),
    ),
    Mutant(
        "the simulator's callback is tried again after some errors only",
        AsyncApis,
        state("AsyncApiSimulatorStateMachine", "SendCallback", Retry=_retry("Lambda.TooManyRequestsException")),
    ),
    Mutant(
        "an API's failure is a success", AsyncApis, state("AsyncApiStateMachine", "NotifyError", Next="NotifySuccess")
    ),
    Mutant(
        "the simulator logs its event",
        AsyncApis,
        replaced(
            async_api_simulator.call_back,
            "correlation_id=execution_id",
            "correlation_id=execution_id, event=simulation",
        ),
    ),
]

MUTANTS += [
    Mutant(
        "the message that is sent last is taken for the one that waits",
        FileExchanges,
        replaced(file_exchange_outbox.turn_away, "outcome is not Outcome.DELIVERED", "False"),
    ),
    Mutant("nobody reports that an execution has ended", FileExchanges, template=without("ExecutionEndedRule")),
    Mutant(
        "a key twice in JSON decides", FileExchanges, replaced(json_text._object, "len(fields) < len(pairs)", "False")
    ),
    Mutant(
        "a token is written where the partner reads",
        FileExchanges,
        replaced(file_exchange_outbox.ask_partner, "partner_request(", "dict(t=request.task_token) | partner_request("),
    ),
    Mutant(
        "the answer that decides is noted after it was delivered",
        FileExchanges,
        both(
            replaced(file_exchange_inbox.decide, "waiting.claim(waiter, file)", "waiter"),
            replaced(
                file_exchange_inbox.answer,
                "    bucket.remove_version(file)",
                "    waiter = waiting.claim(waiter, file)\n    bucket.remove_version(file)",
            ),
        ),
    ),
    Mutant(
        "an answer is removed before it is delivered",
        FileExchanges,
        replaced(
            file_exchange_inbox.answer,
            "outcome = deliver(waiter.task_token, name, file, content, pointer)\n    bucket.remove_version(file)",
            "bucket.remove_version(file)\n    outcome = deliver(waiter.task_token, name, file, content, pointer)",
        ),
    ),
    Mutant(
        "an early answer is rejected at once",
        FileExchanges,
        replaced(file_exchange_inbox.find_waiter, "receives < EARLY_RECEIVES", "False"),
    ),
    Mutant(
        "a request that is written out while its waiter is looked for has none",
        FileExchanges,
        replaced(file_exchange_inbox.find_waiter, "waiter = waiting.find(uuid)  # the", "# The"),
    ),
    Mutant(
        "a wait that another invocation has just answered was never answered",
        FileExchanges,
        replaced(file_exchange_inbox.decide, "not waiting.forget(waiter)", "waiting.forget(waiter) is None"),
    ),
    Mutant(
        "a token is stored without a look at who waits",
        FileExchanges,
        replaced(file_exchange_outbox.ask_partner, "turn_away(request, waiter)", "None"),
    ),
    Mutant(
        "nobody asks whether the workflow still waits when its token is stored",
        FileExchanges,
        replaced(file_exchange_outbox.ask_partner, "send_task_heartbeat(waiter.task_token)", "Outcome.DELIVERED"),
    ),
    Mutant(
        "the event of an end is taken for the truth",
        FileExchanges,
        replaced(waiting.forget_if_over, "not waiter.still_waits() and ", ""),
    ),
    Mutant(
        "a write has lost its condition",
        FileExchanges,
        replaced(bucket.write, '{"IfMatch": replacing} if replacing else {"IfNoneMatch": "*"}', "{}"),
    ),
    Mutant(
        "a rejected file and its reason lie under names that a partner can drop",
        FileExchanges,
        both(
            replaced(file_exchange_inbox.reject, "{rejected_folder(file)}/content", "rejected/{file.key}"),
            replaced(file_exchange_inbox.explain, "{rejected_folder(file)}/", "rejected/{file.key}."),
        ),
    ),
]


def shortest_story(mutant: Mutant, *, shrink: bool) -> str | None:
    """The promise that breaks and the story of how, the shortest if asked for; None where nothing is found."""
    name, stories = f"{mutant.stories.__name__}WithAFault", mutant.stories
    planted = type(name, (stories,), {"plant": mutant.code, "mutate": mutant.template})
    phases = [Phase.generate, Phase.shrink] if shrink else [Phase.generate]
    try:
        play(planted, stories.examples, derandomize=True, phases=phases)
    except Broken as broken:
        return str(broken)
    return None
