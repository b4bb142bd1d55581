"""Follows task tokens through the Python code of a function, which is read and never run.

A value holds nothing, or what came from outside and so may hold a token, or a token. Assignments, loops, f-strings,
containers and calls of functions in the same code pass it on; a key or an attribute picks a part of it. What is not
known holds nothing, so that a finding is rarely false and a leak may be missed.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import pairwise

from callback_lint.code import Module

_MOST_CALLS = 8  # within one another
_MOST_STEPS = 40_000  # of one function's analysis: generated code may be endless


class Holds(IntEnum):
    NOTHING = 0
    EVENT = 1  # something from outside, which may hold a token
    TOKEN = 2


@dataclass(frozen=True)
class Leak:
    """`kind`: log, link, topic, mail, header, file, bus, name, late. `what`: what the finding says."""

    module: Module
    node: ast.AST
    kind: str
    what: str
    holds: Holds

    @property
    def line(self) -> int:
        return self.module.line_of(self.node)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_OTHER_TOKENS = _words("""
    next page pagination continuation access id auth csrf xsrf refresh client idempotency api bearer session max
    min num input output prompt completion total usage secret security web push user jwt oauth sync upload slack
    bot
""")
_NO_TOKEN = _words("""
    count counts length len size hash digest name table key field exists valid expiry expires ttl type limit index
    bucket url queue suffix prefix file path arn error
""")
_CONTAINERS = _words("""
    Records records record body Body Sns SNS Message message MessageBody detail Detail dynamodb NewImage OldImage
    Item Items queryStringParameters multiValueQueryStringParameters pathParameters messageAttributes
    MessageAttributes Payload data json_body raw_event json decoded_body query_string_parameters sns_message
    new_image S StringValue Value value stringValue Input
""")
_EVENT_NAMES = _words("""
    event events record records body raw_event sqs_event sqs_record lambda_event
""")

# What gives back its argument, or what it is called on, in another form
_PASSING = _words("""
    dumps loads str repr format pformat dict list tuple set sorted reversed copy deepcopy join encode decode strip
    lstrip rstrip replace lower upper quote quote_plus unquote unquote_plus urlencode b64encode b64decode
    urlsafe_b64encode urlsafe_b64decode items values enumerate zip iter next filter chain parse parse_obj
    parse_raw model_validate model_validate_json model_dump model_dump_json asdict vars bytes bytearray escape
    unescape splitlines format_map safe_dump safe_load dump_s getvalue title ljust rjust zfill cast ascii
    bytes_to_str unmarshall deserialize result expandvars from_dict to_dict as_dict serialize
""")
_PICKING = {"get", "pop", "setdefault", "getlist", "get_string_value", "getattr"}

_PRINTING = _words("""
    debug info warning warn error exception critical fatal log success trace msg
""")
_LOG_CONTEXT = _words("""
    append_keys structure_logs bind contextualize put_annotation put_metadata add_metadata add_dimension
    set_attribute set_tag add_breadcrumb thread_safe_append_keys
""")
_LOGGER = re.compile(r"(?:\w*_)?(?:log|logger|logging)|[a-z]+(?:Log|Logger)|LOG|LOGGER|structlog|loguru", re.IGNORECASE)
_MAKES_LOGGERS = {"getLogger", "get_logger", "Logger", "getChild", "LoggerAdapter"}
_MAILS = _words("""
    send_email send_raw_email send_templated_email send_bulk_email send_bulk_templated_email sendmail
""")
_REQUESTS = (
    _words("""
    publish send_message put_events submit_job run_task post invoke urlopen create_job publish_batch
    send_message_batch
""")
    | _MAILS
)
_STORES = _words("""
    put_item update_item put_object put_parameter setex hset transact_write_items insert_one
""")
_LINK = re.compile(r"https?://|[?&][\w.-]+=")
_SENDS_TASK = re.compile(r"send_?task_?(success|failure|heartbeat)", re.IGNORECASE)
_UNCHANGED = (ast.JoinedStr, ast.FormattedValue, ast.BinOp, ast.Tuple, ast.List, ast.Set, ast.IfExp, ast.BoolOp)


def is_token_name(name: str, *, alone: bool = True) -> bool:
    """Whether a name says that it is a task token. `alone`: the bare word `token` says so, too."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if "token" not in words or set(words) & _NO_TOKEN or set(words) & _OTHER_TOKENS:
        return False
    return alone or "task" in words or "callback" in words or "sfn" in words


@dataclass
class _Scope:
    """What the names of a function hold while its body is followed."""

    module: Module
    names: dict[str, Holds]
    shapes: dict[str, tuple[Holds, ...]] = field(default_factory=dict)  # of a list of tuples, or of a tuple
    returned: Holds = Holds.NOTHING
    yields: Holds = Holds.NOTHING


@dataclass
class _Step:
    """A request or the storing of a token, in the order in which the code makes them."""

    is_request: bool
    node: ast.Call
    module: Module
    branches: tuple[tuple[int, int], ...]
    until: float = float("inf")  # steps from there on never follow this one


@dataclass
class Flow:
    """Follows one function's code. `handler`: the name of its handler, in the first module.

    `token_keys`: the names under which its workflow passes the token on.
    """

    modules: Sequence[Module]
    handler: str
    token_keys: frozenset[str]
    found: dict[tuple[int, str], Leak] = field(default_factory=dict)
    _steps: list[_Step] = field(default_factory=list)
    _branches: list[tuple[int, int]] = field(default_factory=list)
    _depth: int = 0
    _count: int = 0
    _recording: bool = True
    _attributes: dict[str, Holds] = field(default_factory=dict)
    _active: list[ast.AST] = field(default_factory=list)
    _followed: dict[tuple[int, tuple[Holds, ...]], Holds] = field(default_factory=dict)

    def leaks(self) -> list[Leak]:
        self._functions: dict[str, list[tuple[Module, ast.FunctionDef | ast.AsyncFunctionDef]]] = {}
        self._classes: dict[str, list[tuple[Module, ast.FunctionDef]]] = {}  # with what makes each
        self._globals: dict[int, dict[str, Holds]] = {}
        self._loggers: set[str] = set()
        self._printers = {"print", "pprint"}
        self._files: set[str] = set()
        self._objects: set[str] = set()  # names of what is made of a class of the same code
        self._keys = set(self.token_keys)
        self._imported = {id(module): set(_imported_names(module.tree)) for module in self.modules}
        for module in self.modules:
            self._collect(module)
        for module in self.modules:
            scope = _Scope(module, {})
            self._globals[id(module)] = scope.names
            self._body(
                [node for node in module.tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)], scope
            )
        entries = [(module, function) for name in self._functions for module, function in self._functions[name]]
        entries.sort(key=lambda entry: not self._is_handler(*entry))
        for module, function in entries:
            self._count = 0
            self._steps.clear()
            first = next(iter(_parameters(function)), None)
            given = {first: Holds.EVENT} if first and self._is_handler(module, function) else {}
            self._follow(module, function, given)
            self._late_stores()
        return list(self.found.values())

    def _is_handler(self, module: Module, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        return function.name == self.handler and module is self.modules[0]

    def _collect(self, module: Module) -> None:  # noqa: C901 - a case for each kind of code
        """Functions, loggers, what prints, and the keys of what is sent as a task token."""
        for node in ast.walk(module.tree):
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    self._functions.setdefault(node.name, []).append((module, node))
                case ast.ClassDef():
                    makers = [
                        each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"
                    ]
                    self._classes.setdefault(node.name, []).extend((module, maker) for maker in makers)
                case ast.Assign(targets=[target], value=ast.Call() as made) if _last(made.func) in _MAKES_LOGGERS:
                    self._loggers.add(_last(target))
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Attribute(attr=method)) if method in _PRINTING:
                    if self._is_logger(node.value.value):  # type: ignore[attr-defined]
                        self._printers.add(name)
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id=made))) if made[
                    :1
                ].isupper():
                    self._objects.add(name)
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Lambda() as made):
                    self._functions.setdefault(name, []).append((module, _named_lambda(name, made)))
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name(id="print")):
                    self._printers.add(name)
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name(id="logging")):
                    self._loggers.add(name)
                case ast.Import(names=names):
                    logging = {"logging", "structlog", "loguru"}
                    self._loggers |= {each.asname for each in names if each.asname and each.name in logging}
                case ast.ImportFrom(module="logging", names=names):
                    self._printers |= {each.asname or each.name for each in names if each.name in _PRINTING}
                case ast.ImportFrom(module="pprint", names=names):
                    self._printers |= {each.asname or each.name for each in names}
                case ast.Call(func=func, keywords=keywords) if _SENDS_TASK.fullmatch(_last(func)):
                    for keyword in keywords:
                        if keyword.arg == "taskToken":
                            self._keys |= _keys_in(module, keyword.value)

    # ------------------------------------------------------------------ functions

    def _follow(
        self, module: Module, function: ast.FunctionDef | ast.AsyncFunctionDef, given: dict[str, Holds]
    ) -> Holds:
        if function in self._active or self._depth >= _MOST_CALLS or self._count > _MOST_STEPS:
            return Holds.NOTHING
        names = {name: given.get(name, self._by_name(name)) for name in _parameters(function)}
        key = (id(function), tuple(names.values()))
        if key in self._followed:
            return self._followed[key]
        scope = _Scope(module, names)
        self._depth += 1
        self._active.append(function)
        self._body(function.body, scope)
        self._active.pop()
        self._depth -= 1
        self._followed[key] = max(scope.returned, scope.yields)
        return self._followed[key]

    def _by_name(self, name: str) -> Holds:
        if is_token_name(name):
            return Holds.TOKEN
        return Holds.EVENT if name in _EVENT_NAMES else Holds.NOTHING

    # ------------------------------------------------------------------ statements

    def _body(self, statements: Iterable[ast.stmt], scope: _Scope) -> None:
        for statement in statements:
            self._count += 1
            if self._count <= _MOST_STEPS:
                self._statement(statement, scope)

    def _statement(self, node: ast.stmt, scope: _Scope) -> None:  # noqa: C901 - a case for each kind of code
        match node:
            case ast.Assign(targets=targets, value=value):
                held = self._value(value, scope)
                for target in targets:
                    self._assign(target, value, held, scope)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self._assign(target, value, self._value(value, scope), scope)
            case ast.AugAssign(target=target, value=value):
                held = max(self._value(value, scope), self._value(target, scope))
                if isinstance(target, ast.Name):
                    scope.names[target.id] = held
            case ast.For() | ast.AsyncFor():
                self._loop(node, scope)
            case ast.While(test=test, body=body, orelse=orelse):
                self._value(test, scope)
                self._repeat(body, scope)
                self._body(orelse, scope)
            case ast.If(test=test, body=body, orelse=orelse):
                self._value(test, scope)
                self._either([body, orelse], node, scope)
            case ast.Match(subject=subject, cases=cases):
                held = self._value(subject, scope)
                for case in cases:
                    scope.names.update({name: self._part(name, held) for name in _captured(case.pattern)})
                self._either([case.body for case in cases], node, scope)
            case ast.Try() | ast.TryStar():
                self._body(node.body, scope)
                self._either([handler.body for handler in node.handlers] + [node.orelse], node, scope)
                self._body(node.finalbody, scope)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    held = self._value(item.context_expr, scope)
                    if isinstance(item.optional_vars, ast.Name):
                        scope.names[item.optional_vars.id] = held
                        if _writes_file(item.context_expr):
                            self._files.add(item.optional_vars.id)
                self._body(node.body, scope)
            case ast.Return(value=value):
                scope.returned = max(scope.returned, self._value(value, scope))
            case ast.Delete(targets=targets):
                for target in targets:
                    match target:
                        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=key)) if self._is_key(key):
                            scope.names[name] = Holds.NOTHING
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                pass  # followed by itself, and where it is called
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self._value(child, scope)

    def _loop(self, node: ast.For | ast.AsyncFor, scope: _Scope) -> None:
        held = self._value(node.iter, scope)
        self._assign_each(node.target, node.iter, held, scope)
        self._repeat(node.body, scope)
        self._body(node.orelse, scope)

    def _repeat(self, body: list[ast.stmt], scope: _Scope) -> None:
        """Twice, since a later statement may be the earlier one of the next round; its steps count once."""
        self._body(body, scope)
        recording, self._recording = self._recording, False
        self._body(body, scope)
        self._recording = recording

    def _either(self, bodies: list[list[ast.stmt]], node: ast.AST, scope: _Scope) -> None:
        before, after = dict(scope.names), dict(scope.names)
        ends: list[dict[str, Holds]] = []
        for number, body in enumerate(bodies):
            scope.names.clear()
            scope.names.update(before)
            first = len(self._steps)
            self._branches.append((id(node), number))
            self._body(body, scope)
            self._branches.pop()
            if body and isinstance(body[-1], ast.Return | ast.Raise | ast.Continue | ast.Break):
                for step in self._steps[first:]:
                    step.until = min(step.until, len(self._steps))
            else:
                ends.append(dict(scope.names))
        if len(bodies) == 1 or not ends:
            ends.append(after)
        scope.names.clear()
        for end in ends:
            for name, held in end.items():
                scope.names[name] = max(held, scope.names.get(name, Holds.NOTHING))

    def _assign_each(self, target: ast.expr, source: ast.expr, held: Holds, scope: _Scope) -> None:
        """An item of what is looped over. The first part of an item of a dictionary is its key, which is no secret."""
        shape = self._shape(source, scope)
        if not shape and isinstance(source, ast.Call) and _last(source.func) in {"items", "enumerate"}:
            shape = (Holds.NOTHING, held)
        if shape and isinstance(target, ast.Tuple) and len(target.elts) == len(shape):
            for part, each in zip(target.elts, shape, strict=True):
                self._assign(part, None, each, scope)
        else:
            self._assign(target, None, held, scope)

    def _shape(self, node: ast.expr | None, scope: _Scope) -> tuple[Holds, ...] | None:
        match node:
            case ast.Name(id=name):
                return scope.shapes.get(name)
            case ast.Tuple(elts=parts):
                return tuple(self._value(part, scope) for part in parts)
            case ast.ListComp(elt=ast.Tuple(elts=parts)) | ast.GeneratorExp(elt=ast.Tuple(elts=parts)):
                inner = _Scope(scope.module, dict(scope.names), scope.shapes)
                for generator in node.generators:
                    self._assign_each(generator.target, generator.iter, self._value(generator.iter, inner), inner)
                return tuple(self._value(part, inner) for part in parts)
        return None

    def _assign(self, target: ast.expr, value: ast.expr | None, held: Holds, scope: _Scope) -> None:  # noqa: C901 - a case for each kind of code
        match target:
            case ast.Name(id=name):
                if value is not None and not held and self._is_unknown_token(name, value):
                    held = Holds.TOKEN
                if value is not None and _writes_file(value):
                    self._files.add(name)
                if not isinstance(value, ast.Lambda):  # which is a function
                    scope.names[name] = held
                shape = self._shape(value, scope)
                if shape:
                    scope.shapes[name] = shape
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                values = value.elts if isinstance(value, ast.Tuple | ast.List) else []
                shape = self._shape(value, scope)
                for number, part in enumerate(parts):
                    own = values[number] if len(values) == len(parts) else None
                    each = shape[number] if shape and len(shape) == len(parts) else held
                    self._assign(part, own, each, scope)
            case ast.Starred(value=inner):
                self._assign(inner, None, held, scope)
            case ast.Attribute(attr=name):
                self._attributes[name] = max(held, self._attributes.get(name, Holds.NOTHING))
            case ast.Subscript(value=ast.Name(id=name), slice=key):
                if isinstance(key, ast.Constant) and self._is_key(key.value) and not held:
                    scope.names[name] = Holds.NOTHING  # the token is replaced
                else:
                    scope.names[name] = max(held, scope.names.get(name, Holds.NOTHING))

    def _is_unknown_token(self, name: str, value: ast.expr) -> bool:
        """What nobody can follow, under a name that says what it is."""
        return isinstance(value, ast.Call) and is_token_name(name, alone=False) and _last(value.func) not in _PASSING

    # ------------------------------------------------------------------ values

    def _value(self, node: ast.AST | None, scope: _Scope) -> Holds:  # noqa: C901 - a case for each kind of code
        match node:
            case ast.Name(id=name):
                if name in scope.names:
                    return scope.names[name]
                known = self._globals.get(id(scope.module), {})
                return known[name] if name in known else self._by_name(name)
            case ast.Attribute(value=of, attr=name):
                held = self._value(of, scope)
                if isinstance(of, ast.Name) and of.id in {"self", "cls"} and name in self._attributes:
                    return self._attributes[name]
                return self._part(name, held)
            case ast.Subscript(value=of, slice=key):
                held = self._value(of, scope)
                self._value(key, scope)
                match key:
                    case ast.Constant(value=str(name)):
                        return self._part(name, held)
                    case ast.Slice(upper=ast.Constant(value=int())) if not isinstance(of, ast.Attribute):
                        return held if self._is_list(of) else Holds.NOTHING  # the beginning of a token is none
                return held
            case ast.Call():
                return self._call(node, scope)
            case ast.Dict(keys=keys, values=values):
                return self._dict(keys, values, scope)
            case ast.NamedExpr(target=target, value=value):
                held = self._value(value, scope)
                self._assign(target, value, held, scope)
                return held
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                return self._comprehension(node, scope)
            case ast.Await(value=value) | ast.Starred(value=value):
                return self._value(value, scope)
            case ast.Yield(value=value) | ast.YieldFrom(value=value):
                scope.yields = max(scope.yields, self._value(value, scope))
                return Holds.NOTHING
            case ast.JoinedStr() | ast.BinOp():
                self._link(node, scope)
                return self._most(ast.iter_child_nodes(node), scope)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                self._value(test, scope)
                return self._most([body, orelse], scope)
            case ast.Compare() | ast.UnaryOp():
                self._most(ast.iter_child_nodes(node), scope)
                return Holds.NOTHING
            case _ if isinstance(node, _UNCHANGED):
                return self._most(ast.iter_child_nodes(node), scope)
        return Holds.NOTHING

    def _most(self, nodes: Iterable[ast.AST], scope: _Scope) -> Holds:
        return max([self._value(node, scope) for node in nodes], default=Holds.NOTHING)

    def _is_key(self, name: object) -> bool:
        return isinstance(name, str) and (name in self._keys or is_token_name(name))

    def _part(self, name: str, of: Holds) -> Holds:
        """What a key or an attribute picks."""
        if self._is_key(name) and (of or is_token_name(name, alone=False)):
            return Holds.TOKEN
        return of if name in _CONTAINERS else Holds.NOTHING

    @staticmethod
    def _is_list(node: ast.expr) -> bool:
        return isinstance(node, ast.Subscript) or (isinstance(node, ast.Name) and node.id.lower().endswith("s"))

    def _dict(self, keys: list[ast.expr | None], values: list[ast.expr], scope: _Scope) -> Holds:
        unpacked = plain = Holds.NOTHING
        is_replaced = False
        for key, value in zip(keys, values, strict=True):
            held = self._value(value, scope)
            name = key.value if isinstance(key, ast.Constant) else None
            if key is None:
                unpacked = max(unpacked, held)
            else:
                plain = max(plain, held)
                is_replaced = is_replaced or (self._is_key(name) and not held)
            if isinstance(name, str) and name.lower() == "headers" and self._is_certain(held):
                self._report("header", value, "a header", held, scope)
        return max(plain, Holds.NOTHING if is_replaced else unpacked)

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, scope: _Scope
    ) -> Holds:
        inner = _Scope(scope.module, dict(scope.names))
        leaves_out = False
        for generator in node.generators:
            held = self._value(generator.iter, inner)
            self._assign_each(generator.target, generator.iter, held, inner)
            texts = [each.value for test in generator.ifs for each in ast.walk(test) if isinstance(each, ast.Constant)]
            leaves_out = leaves_out or any(self._is_key(text) for text in texts)
            self._most(generator.ifs, inner)
        made = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        held = self._most(made, inner)
        return Holds.NOTHING if leaves_out else held

    # ------------------------------------------------------------------ calls

    def _call(self, node: ast.Call, scope: _Scope) -> Holds:
        name = _last(node.func)
        of = self._value(node.func.value, scope) if isinstance(node.func, ast.Attribute) else Holds.NOTHING
        arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
        held = [self._value(argument, scope) for argument in arguments]
        most = max(held, default=Holds.NOTHING)
        self._sinks(node, name, held, scope)
        self._record(node, name, most, scope)
        if name in _PICKING and node.args and isinstance(node.args[0], ast.Constant):
            if name == "pop" and self._is_key(node.args[0].value):
                match node.func:
                    case ast.Attribute(value=ast.Name(id=holder)):
                        scope.names[holder] = Holds.NOTHING
            return self._part(str(node.args[0].value), of)
        called = self._called(node, name, held, scope)
        if called is not None:
            return called
        if name in _PASSING or (name[:1].isupper() and not name.isupper()) or name in self._classes:
            return max(of, most)
        return Holds.NOTHING

    def _called(self, node: ast.Call, name: str, held: list[Holds], scope: _Scope) -> Holds | None:
        """What a function of the same code returns; one that is handed over gets what else is."""
        most = max(held, default=Holds.NOTHING)
        for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
            if isinstance(argument, ast.Lambda) and most:
                inner = dict.fromkeys((each.arg for each in argument.args.args), most)
                self._value(argument.body, _Scope(scope.module, {**scope.names, **inner}))
            is_function = isinstance(argument, ast.Name) and argument.id not in scope.names
            if is_function and most:
                for module, function in self._functions.get(_last(argument), ()):
                    first = next((each for each in _parameters(function) if each != "self"), None)
                    self._follow(module, function, {first: most} if first else {})
        makers = self._classes.get(name, [])
        own = self._named(node.func, name, scope) or makers
        if not own:
            return None
        result = Holds.NOTHING
        for module, function in own:
            parameters = _parameters(function)
            if parameters[:1] in (["self"], ["cls"]) and (makers or isinstance(node.func, ast.Attribute)):
                parameters = parameters[1:]
            given = dict(zip(parameters, held[: len(node.args)], strict=False))
            given |= {
                keyword.arg: value
                for keyword, value in zip(node.keywords, held[len(node.args) :], strict=True)
                if keyword.arg
            }
            result = max(result, self._follow(module, function, {**dict.fromkeys(parameters, Holds.NOTHING), **given}))
        return max(result, most) if makers else result

    def _named(
        self, func: ast.expr, name: str, scope: _Scope
    ) -> list[tuple[Module, ast.FunctionDef | ast.AsyncFunctionDef]]:
        """The functions of the same code that a call may be of."""
        found = self._functions.get(name, [])
        here = [each for each in found if each[0] is scope.module]
        match func:
            case ast.Name():
                imported = name in self._imported[id(scope.module)]
                return [] if name in scope.names else here or (found if imported else [])
            case ast.Attribute(value=ast.Name(id="self" | "cls") | ast.Attribute(value=ast.Name(id="self"))):
                return here or found
            case ast.Attribute(value=ast.Name(id=of)):
                beside = [each for each in found if of in {each[0].path.stem, each[0].path.parent.name}]
                return beside or (found if of in self._classes or of in self._objects else [])
            case ast.Attribute(value=ast.Call(func=made)) if _last(made) in self._classes:
                return found
        return []

    # ------------------------------------------------------------------ where a token must not go

    def _sinks(self, node: ast.Call, name: str, held: list[Holds], scope: _Scope) -> None:
        arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
        keywords = dict(zip((keyword.arg for keyword in node.keywords), held[len(node.args) :], strict=True))
        for keyword in node.keywords:
            if keyword.arg == "log_event" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True:
                self._add(Leak(scope.module, node, "log", "log_event=True logs each event", Holds.EVENT))
        if name == "set_stream_logger":
            self._add(Leak(scope.module, node, "log", "set_stream_logger logs each call of AWS", Holds.TOKEN))
        if self._is_printing(node, name):
            for argument, each in zip(arguments, held, strict=True):
                if each:
                    self._add(Leak(scope.module, node, "log", f"logs {self._leaf(argument, scope)}", each))
                    break
            return
        self._send_sinks(node, name, max(held, default=Holds.NOTHING), keywords, scope)

    def _send_sinks(  # noqa: C901 - a case for each way out
        self, node: ast.Call, name: str, most: Holds, keywords: dict[str | None, Holds], scope: _Scope
    ) -> None:
        if name == "format" and isinstance(node.func, ast.Attribute):
            self._link_of([node.func.value], most, node, scope)
        if name == "urlencode" and self._is_certain(most):
            self._report("link", node, "the query of a link", most, scope)
        if not self._is_certain(most):
            return
        if self._is_certain(keywords.get("headers", Holds.NOTHING)):
            self._report("header", node, "a header", keywords["headers"], scope)
        if self._is_certain(keywords.get("params", Holds.NOTHING)):
            self._report("link", node, "the query of a request", keywords["params"], scope)
        if name in {"publish", "publish_batch"}:
            self._report("topic", node, "a topic, to whoever subscribes", most, scope)
        elif name in _MAILS or (name == "send_message" and "smtp" in ast.unparse(node.func).lower()):
            self._report("mail", node, "a mail", most, scope)
        elif name == "put_events":
            self._report("bus", node, "an event bus, to whoever has a rule", most, scope)
        elif name == "start_execution" and self._is_certain(keywords.get("name", Holds.NOTHING)):
            self._report("name", node, "the name of an execution", most, scope)
        elif name == "put_object":
            for keyword_name in ("Key", "Metadata", "Tagging"):
                if self._is_certain(keywords.get(keyword_name, Holds.NOTHING)):
                    self._report("file", node, f"the {keyword_name.lower()} of an object", most, scope)
        elif name in {"write_text", "write_bytes"} or self._is_written_file(node, name):
            self._report("file", node, "a file", most, scope)

    def _is_written_file(self, node: ast.Call, name: str) -> bool:
        match node.func:
            case ast.Attribute(value=ast.Name(id=of)) if name in {"write", "writelines"} and of in self._files:
                return True
            case ast.Attribute(value=ast.Call() as made) if name in {"write", "writelines"} and _writes_file(made):
                return True
        files = [argument for argument in node.args if isinstance(argument, ast.Name) and argument.id in self._files]
        return name in {"dump", "safe_dump"} and bool(files)

    def _is_certain(self, held: Holds) -> bool:
        """What came from outside counts where the code shows that a token is in it."""
        return held is Holds.TOKEN or (held is Holds.EVENT and self.handles_tokens)

    @property
    def handles_tokens(self) -> bool:
        return any(calls_of(module) for module in self.modules)

    def _report(self, kind: str, node: ast.AST, where: str, held: Holds, scope: _Scope) -> None:
        self._add(Leak(scope.module, node, kind, f"puts a task token into {where}", held))

    def _add(self, leak: Leak) -> None:
        self.found.setdefault((id(leak.node), leak.kind), leak)

    def _link(self, node: ast.JoinedStr | ast.BinOp, scope: _Scope) -> None:
        """A text with something of a link in it, and a token."""
        parts = _parts(node)
        self._link_of(parts, self._most_quietly(parts, scope), node, scope)

    def _link_of(self, parts: Sequence[ast.AST], held: Holds, node: ast.AST, scope: _Scope) -> None:
        texts = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
        is_link = bool(_LINK.search("\0".join(texts)))
        for before, after in pairwise(parts):
            if isinstance(before, ast.Constant) and str(before.value).endswith("/"):
                is_link = is_link or self._most_quietly([after], scope) is Holds.TOKEN
        if is_link and held is Holds.TOKEN:
            self._report("link", node, "a link", held, scope)

    def _most_quietly(self, nodes: Iterable[ast.AST], scope: _Scope) -> Holds:
        """Of the names and picked parts alone, which calls nothing."""
        most = Holds.NOTHING
        for node in nodes:
            if isinstance(node, ast.Name | ast.Subscript | ast.Attribute) or (
                isinstance(node, ast.Call) and _last(node.func) in _PASSING | _PICKING
            ):
                most = max(most, self._value(node, scope))
        return most

    # ------------------------------------------------------------------ what is logged

    def _is_printing(self, node: ast.Call, name: str) -> bool:
        match node.func:
            case ast.Name(id=printer):
                return printer in self._printers and not any(
                    keyword.arg == "file" and "std" not in ast.unparse(keyword.value) for keyword in node.keywords
                )
            case ast.Attribute(value=of):
                if name in {"write", "writelines"}:
                    return _last(of) in {"stdout", "stderr", "os"}
                if name in {"print", "pprint"}:  # of pprint, rich or a console
                    return True
                if name in {"dump", "safe_dump"}:
                    return any(_last(argument) in {"stdout", "stderr"} for argument in node.args)
                if name in _LOG_CONTEXT:
                    return True
                return (name in _PRINTING and self._is_logger(of)) or (name == "warn" and _last(of) == "warnings")
        return False

    def _is_logger(self, node: ast.expr) -> bool:
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                return name in self._loggers or bool(_LOGGER.fullmatch(name))
            case ast.Call(func=func):
                return _last(func) in _MAKES_LOGGERS | {"bind", "opt"}
        return False

    def _leaf(self, node: ast.AST, scope: _Scope) -> str:
        """The name of what is logged, as the code has it."""
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                return name
            case ast.Subscript(slice=ast.Constant(value=str(key))):
                return key
            case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=str(key)), *_]):
                return key
        for child in ast.iter_child_nodes(node):
            if self._most_quietly([child], scope) or isinstance(child, (*_UNCHANGED, ast.Dict, ast.Call, ast.keyword)):
                found = self._leaf(child, scope)
                if found != "a value":
                    return found
        return "a value"

    # ------------------------------------------------------------------ requests before tokens are stored

    def _record(self, node: ast.Call, name: str, most: Holds, scope: _Scope) -> None:
        if not self._recording:
            return
        is_start = name.startswith("start_") and any((keyword.arg or "_")[0].isupper() for keyword in node.keywords)
        if name in _STORES and most is Holds.TOKEN:
            self._steps.append(_Step(False, node, scope.module, tuple(self._branches)))
        elif (name in _REQUESTS or is_start) and most is not Holds.TOKEN:
            self._steps.append(_Step(True, node, scope.module, tuple(self._branches)))

    def _late_stores(self) -> None:
        for position, store in enumerate(self._steps):
            for request in () if store.is_request else self._steps[:position]:
                apart = dict(request.branches)
                exclusive = any(apart.get(branch, number) != number for branch, number in store.branches)
                stored_before = any(not step.is_request for step in self._steps[: self._steps.index(request)])
                if request.is_request and position < request.until and not exclusive and not stored_before:
                    what = f"{_last(request.node.func)} asks before the task token is stored: the answer may come first"
                    self._add(Leak(request.module, request.node, "late", what, Holds.TOKEN))


def calls_of(module: Module) -> set[str]:
    """Which of SendTaskSuccess, SendTaskFailure and SendTaskHeartbeat a module names."""
    found = (getattr(node, "attr", getattr(node, "id", "")) for node in ast.walk(module.tree))
    matches = (_SENDS_TASK.fullmatch(name) for name in found if isinstance(name, str))
    return {f"SendTask{match[1].capitalize()}" for match in matches if match}


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    arguments = function.args
    return [each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]


def _named_lambda(name: str, made: ast.Lambda) -> ast.FunctionDef:
    returned = ast.copy_location(ast.Return(made.body), made)
    return ast.copy_location(ast.FunctionDef(name, made.args, [returned], []), made)


def _imported_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)


def _last(node: ast.AST) -> str:
    """`info` of `logger.info`."""
    return str(getattr(node, "attr", getattr(node, "id", "")))


def _parts(node: ast.AST) -> list[ast.AST]:
    """The texts and values that a text is put together from, in their order."""
    match node:
        case ast.JoinedStr(values=values):
            return [value.value if isinstance(value, ast.FormattedValue) else value for value in values]
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return [*_parts(left), *_parts(right)]
        case ast.BinOp(left=left, op=ast.Mod(), right=right):
            return [left, *(right.elts if isinstance(right, ast.Tuple) else [right])]
    return [node]


def _writes_file(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=func) if _last(func) in {"open", "NamedTemporaryFile"}:
            modes = [*node.args, *(keyword.value for keyword in node.keywords)]
            texts = [mode.value for mode in modes if isinstance(mode, ast.Constant)]
            return _last(func) != "open" or any(re.fullmatch(r"[wax]b?\+?t?|r\+", str(text)) for text in texts)
    return False


def _captured(pattern: ast.pattern) -> Iterator[str]:
    for node in ast.walk(pattern):
        name = getattr(node, "name", None) or getattr(node, "rest", None)
        if isinstance(name, str):
            yield name


def _keys_in(module: Module, value: ast.expr) -> set[str]:
    """The keys under which a value was found: `t` for `message["t"]`, be it by way of a name."""
    if isinstance(value, ast.Name):
        found = (node for node in ast.walk(module.tree) if isinstance(node, ast.Assign | ast.NamedExpr))
        values = [node.value for node in found if value.id in _targets(node)]
    else:
        values = [value]
    keys: set[str] = set()
    for each in values:
        match each:
            case ast.Subscript(slice=ast.Constant(value=str(key))):
                keys.add(key)
            case ast.Call(func=ast.Attribute(attr="get" | "pop"), args=[ast.Constant(value=str(key)), *_]):
                keys.add(key)
    return keys


def _targets(node: ast.Assign | ast.NamedExpr) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {target.id for target in targets if isinstance(target, ast.Name)}
