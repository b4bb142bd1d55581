"""A task token is a credential: where it is written down or sent to the wrong place, anybody can answer for us."""

import ast
import re
from collections.abc import Iterator

from callback_lint.asl import StateMachine, own_texts
from callback_lint.code import Module, modules
from callback_lint.documents import Problem, fields
from callback_lint.expressions import expression_in, token_is_in
from callback_lint.rules import state_machine_rule, template_rule
from callback_lint.templates import STATE_MACHINES, Resource, Template

_LINK = re.compile(r"https?://|[?&][\w-]+=")
_CALLS_BACK = re.compile(r"send_?task_?(success|failure|heartbeat)", re.IGNORECASE)

_PRINTING = {"debug", "info", "warning", "warn", "error", "exception", "critical", "log"}
_LOGGERS = re.compile(r"_?(log|logger|logging)", re.IGNORECASE)
_TOKEN = re.compile(r"(task_?)?token", re.IGNORECASE)
_FORMATTING = {"dumps", "str", "repr", "format", "pformat"}


@state_machine_rule("EC1025")
def tokens_stay_out_of_topics_and_links(machine: StateMachine) -> Iterator[Problem]:
    """Whoever subscribes to a topic, or sees a link in a log, a proxy or a history, holds the token."""
    for state in machine.waits:
        field = state.arguments_field
        if not token_is_in(state.arguments, state.is_jsonata):
            continue
        if ":sns:publish" in state.resource:
            yield state.says(f"{field}: the task token is published to a topic, to whoever subscribes", field)
            continue
        if ":http:invoke" in state.resource:
            yield state.says(f"{field}: the task token leaves the account by HTTP", field)
            continue
        for steps, text in own_texts(state):
            source = expression_in(text) if state.is_jsonata else text
            if source and _LINK.search(source) and token_is_in({steps[-1]: text}, state.is_jsonata):
                yield state.says(f"{'.'.join(map(str, steps))}: the task token becomes a part of a link", *steps)


@template_rule("EC2016")
def logs_of_waits_hold_no_data(template: Template) -> Iterator[Problem]:
    """The parameters of the state that waits are among the data, and the token is among the parameters."""
    for name, machine in template.machine_of.items():
        resource = template.resources[name]
        field = "Logging" if resource.type == STATE_MACHINES[0] else "LoggingConfiguration"
        logging = fields(resource.get(field))
        included = logging.get("IncludeExecutionData") in (True, "true", "True")
        if included and logging.get("Level") in ("ALL", "ERROR", "FATAL") and any(machine.waits):
            what = f"{field}.IncludeExecutionData is true: task tokens are written to the log"
            yield resource.says(what, field, "IncludeExecutionData")


@template_rule("EC2017")
def functions_log_no_tokens(template: Template) -> Iterator[Problem]:
    """Of functions in Python that call back, or whose template has a wait: any of their events may hold one."""
    waiting = any(any(machine.waits) for machine in template.state_machines)
    for name, function in template.functions.items():
        found = modules(function)
        if waiting or any(calls_back(module) for module in found):
            for module in found:
                for node, what in _leaks(module.tree, _event_name(function)):
                    yield Problem(module.path, module.line_of(node), f"{name}: {what}, and with it task tokens")


def calls_back(module: Module) -> bool:
    names = (getattr(node, "attr", getattr(node, "id", "")) for node in ast.walk(module.tree))
    return any(isinstance(name, str) and _CALLS_BACK.fullmatch(name) for name in names)


def _event_name(function: Resource) -> str:
    return str(function.get("Handler")).rpartition(".")[2]


def _leaks(tree: ast.Module, handler: str) -> Iterator[tuple[ast.AST, str]]:
    events = {"event"} | {
        node.args.args[0].arg
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == handler and node.args.args
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if any(
            keyword.arg == "log_event" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True
            for keyword in node.keywords
        ):
            yield node, "log_event=True logs each event"
        elif _prints(node):
            for value in (*node.args, *(keyword.value for keyword in node.keywords)):
                leaked = _leaked(value, events)
                if leaked:
                    yield node, f"logs {leaked}"
                    break


def _prints(call: ast.Call) -> bool:
    match call.func:
        case ast.Name(id="print" | "pprint"):
            return True
        case ast.Attribute(attr=method, value=ast.Name(id=of) | ast.Attribute(attr=of)):
            return method in _PRINTING and bool(_LOGGERS.fullmatch(of))
    return False


def _leaked(value: ast.AST, events: set[str]) -> str | None:
    """The event, body or token that a value shows whole; None where it shows something else."""
    match value:
        case ast.Name(id=name) if name in events or name == "body" or _TOKEN.fullmatch(name):
            return name
        case ast.Subscript(value=ast.Name(), slice=ast.Constant(value=str(key))) | ast.Attribute(attr=key):
            return key if key == "body" or _TOKEN.fullmatch(key) else None
        case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=str(key)), *_]):
            return key if key == "body" or _TOKEN.fullmatch(key) else None
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in _FORMATTING:
            children: list[ast.AST] = [*value.args, *(keyword.value for keyword in value.keywords)]
        case ast.JoinedStr() | ast.FormattedValue() | ast.BinOp() | ast.Tuple() | ast.List() | ast.Dict() | ast.Set():
            children = list(ast.iter_child_nodes(value))
        case _:
            return None
    return next((leaked for child in children if (leaked := _leaked(child, events))), None)
