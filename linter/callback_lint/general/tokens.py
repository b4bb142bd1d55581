"""A task token is a credential: where it is written down or sent to the wrong place, anybody can answer for us."""

import re
from collections.abc import Iterator
from functools import cache

from callback_lint import sources
from callback_lint.asl import State, StateMachine, own_texts
from callback_lint.code import Module, modules
from callback_lint.documents import Json, Problem, fields
from callback_lint.expressions import expression_in, token_is_in
from callback_lint.flow.following import Flow
from callback_lint.flow.known import Holds
from callback_lint.flow.sinks import Leak
from callback_lint.flow.syntax import calls_of
from callback_lint.integrations import service_call
from callback_lint.rules import state_machine_rule, template_rule
from callback_lint.templates import STATE_MACHINES, Resource, Template, referenced

_LINK = re.compile(r"https?://|[?&][\w-]+=")
_STARTS = {"states:startExecution", "sfn:startExecution"}
_MAIL = re.compile(r"ses(?:v2)?:send\w+|pinpoint(?:email|smsvoice\w*)?:send\w+")
# By the service call, what is bad about a token anywhere in its arguments
_WRONG_PLACES = {
    "sns:publish": "is published to a topic, to whoever subscribes",
    "sns:publishBatch": "is published to a topic, to whoever subscribes",
    "http:invoke": "leaves the account by HTTP",
    "events:putEvents": "goes to an event bus, to whoever has a rule there",
    "eventbridge:putEvents": "goes to an event bus, to whoever has a rule there",
    "cloudwatchlogs:putLogEvents": "is written to a log",
    "cloudwatch:putMetricData": "becomes a part of a metric",
}
_LOG_EVENT = "POWERTOOLS_LOGGER_LOG_EVENT"
_INVOKED = re.compile(r":lambda:invoke|^\$\{[^}]*\}$|:function:")


@state_machine_rule("EC1025", sources.CALLBACK)
def tokens_stay_out_of_topics_and_links(machine: StateMachine) -> Iterator[Problem]:
    """A task token goes to a topic, an event bus, a mail, a log or an HTTP endpoint, into a link, the query of an
    API or the name of an execution. Whoever subscribes, reads a proxy's log or is sent the link on can end the
    task as they like; mail scanners open links by themselves. Keep the token in a table, and hand out an id that
    nobody can guess.
    """
    for state in machine.waits:
        field = state.arguments_field
        if token_is_in(state.arguments, state.is_jsonata):
            wrong = _wrong_place(state, service_call(state.resource) or "")
            if wrong:
                yield state.says(f"{field}: the task token {wrong}", field)
                continue
            for steps, text in own_texts(state):
                source = expression_in(text) if state.is_jsonata else text
                if source and _LINK.search(source) and token_is_in({steps[-1]: text}, state.is_jsonata):
                    yield state.says(f"{'.'.join(map(str, steps))}: the task token becomes a part of a link", *steps)


def _wrong_place(state: State, call: str) -> str | None:
    if _MAIL.fullmatch(call) and not _has_link(state):
        return "is sent in a mail"
    if call in _WRONG_PLACES and not (call == "http:invoke" and not _in(state, *fields(state.arguments))):
        return _WRONG_PLACES[call]
    if call == "apigateway:invoke" and _in(state, "QueryParameters", "Path"):
        return "becomes a part of a request's address"
    if call in _STARTS and _in(state, "Name", "name"):
        return "becomes the name of an execution"
    return None


def _has_link(state: State) -> bool:
    """A mail with a link is reported as the link that it has, at its line."""
    texts = (text for steps, text in own_texts(state) if token_is_in({steps[-1]: text}, state.is_jsonata))
    return any(_LINK.search(text) for text in texts)


def _in(state: State, *names: str) -> bool:
    """Whether the token is in one of these arguments."""
    arguments: Json = state.arguments
    given = {
        name: value for name, value in fields(arguments).items() if name.removesuffix(".$") in names or name in names
    }
    return bool(token_is_in(given, state.is_jsonata))


@template_rule("EC2016", sources.LOGS)
def logs_of_waits_hold_no_data(template: Template) -> Iterator[Problem]:
    """A state machine that waits, or that is started with a task token, logs its execution data. The parameters
    of the wait are among them, and the token is among the parameters. Set `IncludeExecutionData: false`.
    """
    started = _started_with_a_token(template)
    for name, machine in template.machine_of.items():
        resource = template.resources[name]
        field = "Logging" if resource.type == STATE_MACHINES[0] else "LoggingConfiguration"
        logging = fields(resource.get(field))
        included = logging.get("IncludeExecutionData") in (True, "true", "True")
        if included and logging.get("Level") in ("ALL", "ERROR", "FATAL") and (any(machine.waits) or name in started):
            of = f", which {started[name]} passes on," if name in started and not any(machine.waits) else ""
            what = f"{field}.IncludeExecutionData is true: task tokens{of} are written to the log"
            yield resource.says(what, field, "IncludeExecutionData")


def _started_with_a_token(template: Template) -> dict[str, str]:
    """The state machines that a wait starts, each with the name of the state."""
    started = {}
    for machine in template.state_machines:
        for state in machine.waits:
            if service_call(state.resource) in _STARTS and token_is_in(state.arguments, state.is_jsonata):
                child = _referenced(machine, fields(state.arguments).get("StateMachineArn"))
                if child:
                    started[child] = state.name
    return started


def _referenced(machine: StateMachine, value: Json) -> str | None:
    return referenced(machine.substituted(value)) or referenced(value)


@template_rule("EC2017", sources.CALLBACK)
def functions_log_no_tokens(template: Template) -> Iterator[Problem]:
    """A function logs its whole event, a record, a message or a task token, under whatever name. Logs are kept
    for long and read by many. Log the fields that you need. Code in Python is read; a function that the template
    shows to get no token is left out.
    """
    for function in template.functions.values():
        variables = fields(function.get("Environment", "Variables"))
        if _gets_tokens(template, function):
            if str(variables.get(_LOG_EVENT)).lower() in {"true", "1"}:
                what = f"{_LOG_EVENT} is true: each event is logged, and with it task tokens"
                yield function.says(what, "Environment", "Variables", _LOG_EVENT)
            for leak in _leaks(template, function):
                if leak.kind == "log":
                    yield Problem(leak.module.path, leak.line, f"{function.id}: {leak.what}, and with it task tokens")


@template_rule("EC2019", sources.CALLBACK)
def functions_send_no_tokens_around(template: Template) -> Iterator[Problem]:
    """The code of a function puts a task token into a link, a topic, an event bus, a mail, a header, a file or
    the name of an execution. Whoever reads it there can end the task as they like. Keep the token in a table, and
    hand out an id that nobody can guess.
    """
    yield from _of_code(template, ["link", "topic", "bus", "mail", "header", "file", "name"])


@template_rule("EC2023", sources.CALLBACK)
def tokens_are_stored_before_the_request(template: Template) -> Iterator[Problem]:
    """The code of a function starts the work, or asks for an answer, and stores the task token after that. An
    answer that is quick finds no token to answer with, and is lost. Store the token first, under an id of your
    own that the request carries.
    """
    yield from _of_code(template, ["late"])


def _of_code(template: Template, kinds: list[str]) -> Iterator[Problem]:
    for function in template.functions.values():
        for leak in _leaks(template, function) if _gets_tokens(template, function) else ():
            if leak.kind in kinds:
                yield Problem(leak.module.path, leak.line, f"{function.id}: {leak.what}")


@cache
def _leaks(template: Template, function: Resource) -> tuple[Leak, ...]:
    handler = str(function.get("Handler")).rpartition(".")[2]
    flow = Flow(modules(function), handler, frozenset(_token_keys(template)))
    return tuple(leak for leak in flow.leaks() if leak.holds is not Holds.NOTHING)


@cache
def _token_keys(template: Template) -> frozenset[str]:
    """The fields in which the waits of a template pass their token on."""
    keys: set[str] = set()
    for machine in template.state_machines:
        for state in machine.waits:
            for steps, text in own_texts(state):
                if len(steps) > 1 and token_is_in({steps[-1]: text}, state.is_jsonata) and isinstance(steps[-1], str):
                    keys.add(steps[-1].removesuffix(".$"))
    return frozenset(
        keys - {"Payload", "MessageBody", "Message", "Input", "Body", "Detail", "S", "StringValue", "Data"}
    )


@cache
def _gets_tokens(template: Template, function: Resource) -> bool:
    """Unless all that the template shows of a function is that states invoke it without waiting."""
    found = modules(function)
    if any(calls_back(module) for module in found):
        return True
    if not any(any(machine.waits) for machine in template.state_machines):
        return False
    if function.get("Events") or any(feed.function is function for feed in template.feeds):
        return True
    tasks = [state for machine in template.state_machines for state in machine.tasks if _INVOKED.search(state.resource)]
    invoking = [state for state in tasks if _invokes(state, function)]
    return not invoking or any(state.waits for state in invoking)


def _invokes(state: State, function: Resource) -> bool:
    named = (state.resource, fields(state.arguments).get("FunctionName"))
    return any(_referenced(state.machine, value) == function.id for value in named)


def calls_back(module: Module) -> bool:
    return bool(calls_of(module))
