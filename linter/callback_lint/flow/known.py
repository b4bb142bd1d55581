"""What the code of a function declares: its functions, classes and loggers, and the keys of its task tokens."""

import ast
from collections.abc import Sequence
from enum import IntEnum

from callback_lint.code import Module
from callback_lint.flow.names import CONTAINERS, EVENT_NAMES, LOGGER, MAKES_LOGGERS, PRINTING, SENDS_TASK, is_token_name
from callback_lint.flow.syntax import calls_of, imported_names, keys_in, last, named_lambda


class Holds(IntEnum):
    NOTHING = 0
    EVENT = 1  # something from outside, which may hold a token
    TOKEN = 2


class Known:
    """Of one function's code. `handler`: the name of its handler, in the first module.

    `token_keys`: the names under which its workflow passes the token on.
    """

    def __init__(self, modules: Sequence[Module], handler: str, token_keys: frozenset[str]) -> None:
        self.modules, self.handler = modules, handler
        self._functions: dict[str, list[tuple[Module, ast.FunctionDef | ast.AsyncFunctionDef]]] = {}
        self._classes: dict[str, list[tuple[Module, ast.FunctionDef]]] = {}  # with what makes each
        self._loggers: set[str] = set()
        self._printers = {"print", "pprint"}
        self._files: set[str] = set()
        self._objects: set[str] = set()  # names of what is made of a class of the same code
        self._keys = set(token_keys)
        self._imported = {id(module): set(imported_names(module.tree)) for module in modules}
        for module in modules:
            self._collect(module)

    @property
    def handles_tokens(self) -> bool:
        return any(calls_of(module) for module in self.modules)

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
                case ast.Assign(targets=[target], value=ast.Call() as made) if last(made.func) in MAKES_LOGGERS:
                    self._loggers.add(last(target))
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Attribute(attr=method)) if method in PRINTING:
                    if self._is_logger(node.value.value):  # type: ignore[attr-defined]
                        self._printers.add(name)
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id=made))) if made[
                    :1
                ].isupper():
                    self._objects.add(name)
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Lambda() as made):
                    self._functions.setdefault(name, []).append((module, named_lambda(name, made)))
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name(id="print")):
                    self._printers.add(name)
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name(id="logging")):
                    self._loggers.add(name)
                case ast.Import(names=names):
                    logging = {"logging", "structlog", "loguru"}
                    self._loggers |= {each.asname for each in names if each.asname and each.name in logging}
                case ast.ImportFrom(module="logging", names=names):
                    self._printers |= {each.asname or each.name for each in names if each.name in PRINTING}
                case ast.ImportFrom(module="pprint", names=names):
                    self._printers |= {each.asname or each.name for each in names}
                case ast.Call(func=func, keywords=keywords) if SENDS_TASK.fullmatch(last(func)):
                    for keyword in keywords:
                        if keyword.arg == "taskToken":
                            self._keys |= keys_in(module, keyword.value)

    def _by_name(self, name: str) -> Holds:
        if is_token_name(name):
            return Holds.TOKEN
        return Holds.EVENT if name in EVENT_NAMES else Holds.NOTHING

    def _is_key(self, name: object) -> bool:
        return isinstance(name, str) and (name in self._keys or is_token_name(name))

    def _part(self, name: str, of: Holds) -> Holds:
        """What a key or an attribute picks."""
        if self._is_key(name) and (of or is_token_name(name, alone=False)):
            return Holds.TOKEN
        return of if name in CONTAINERS else Holds.NOTHING

    def _is_logger(self, node: ast.expr) -> bool:
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                return name in self._loggers or bool(LOGGER.fullmatch(name))
            case ast.Call(func=func):
                return last(func) in MAKES_LOGGERS | {"bind", "opt"}
        return False
