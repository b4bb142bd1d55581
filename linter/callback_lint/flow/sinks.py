"""Where a task token must not go: logs, links, topics, mails, headers, files, buses, names; and what comes too late."""

import ast
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from callback_lint.code import Module
from callback_lint.flow.known import Holds, Known
from callback_lint.flow.names import LINK, LOG_CONTEXT, MAILS, PASSING, PICKING, PRINTING, REQUESTS, STORES, UNCHANGED
from callback_lint.flow.syntax import last, parts_of, writes_file


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


@dataclass
class Scope:
    """What the names of a function hold while its body is followed."""

    module: Module
    names: dict[str, Holds]
    shapes: dict[str, tuple[Holds, ...]] = field(default_factory=dict)  # of a list of tuples, or of a tuple
    returned: Holds = Holds.NOTHING
    yields: Holds = Holds.NOTHING


@dataclass
class Step:
    """A request or the storing of a token, in the order in which the code makes them."""

    is_request: bool
    node: ast.Call
    module: Module
    branches: tuple[tuple[int, int], ...]
    until: float = float("inf")  # steps from there on never follow this one


class Sinks(Known, ABC):
    """Finds leaks in the calls and texts that it is shown, in the order in which the code makes them."""

    def __init__(self, modules: Sequence[Module], handler: str, token_keys: frozenset[str]) -> None:
        super().__init__(modules, handler, token_keys)
        self.found: dict[tuple[int, str], Leak] = {}
        self._steps: list[Step] = []
        self._branches: list[tuple[int, int]] = []
        self._recording = True

    @abstractmethod
    def _value(self, node: ast.AST | None, scope: Scope) -> Holds:
        """What an expression holds."""

    # ------------------------------------------------------------------ where a token must not go

    def _sinks(self, node: ast.Call, name: str, held: list[Holds], scope: Scope) -> None:
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
        self, node: ast.Call, name: str, most: Holds, keywords: dict[str | None, Holds], scope: Scope
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
        elif name in MAILS or (name == "send_message" and "smtp" in ast.unparse(node.func).lower()):
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
            case ast.Attribute(value=ast.Call() as made) if name in {"write", "writelines"} and writes_file(made):
                return True
        files = [argument for argument in node.args if isinstance(argument, ast.Name) and argument.id in self._files]
        return name in {"dump", "safe_dump"} and bool(files)

    def _is_certain(self, held: Holds) -> bool:
        """What came from outside counts where the code shows that a token is in it."""
        return held is Holds.TOKEN or (held is Holds.EVENT and self.handles_tokens)

    def _report(self, kind: str, node: ast.AST, where: str, held: Holds, scope: Scope) -> None:
        self._add(Leak(scope.module, node, kind, f"puts a task token into {where}", held))

    def _add(self, leak: Leak) -> None:
        self.found.setdefault((id(leak.node), leak.kind), leak)

    def _link(self, node: ast.JoinedStr | ast.BinOp, scope: Scope) -> None:
        """A text with something of a link in it, and a token."""
        parts = parts_of(node)
        self._link_of(parts, self._most_quietly(parts, scope), node, scope)

    def _link_of(self, parts: Sequence[ast.AST], held: Holds, node: ast.AST, scope: Scope) -> None:
        texts = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
        is_link = bool(LINK.search("\0".join(texts)))
        for before, after in pairwise(parts):
            if isinstance(before, ast.Constant) and str(before.value).endswith("/"):
                is_link = is_link or self._most_quietly([after], scope) is Holds.TOKEN
        if is_link and held is Holds.TOKEN:
            self._report("link", node, "a link", held, scope)

    def _most_quietly(self, nodes: Iterable[ast.AST], scope: Scope) -> Holds:
        """Of the names and picked parts alone, which calls nothing."""
        most = Holds.NOTHING
        for node in nodes:
            if isinstance(node, ast.Name | ast.Subscript | ast.Attribute) or (
                isinstance(node, ast.Call) and last(node.func) in PASSING | PICKING
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
                    return last(of) in {"stdout", "stderr", "os"}
                if name in {"print", "pprint"}:  # of pprint, rich or a console
                    return True
                if name in {"dump", "safe_dump"}:
                    return any(last(argument) in {"stdout", "stderr"} for argument in node.args)
                if name in LOG_CONTEXT:
                    return True
                return (name in PRINTING and self._is_logger(of)) or (name == "warn" and last(of) == "warnings")
        return False

    def _leaf(self, node: ast.AST, scope: Scope) -> str:
        """The name of what is logged, as the code has it."""
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                return name
            case ast.Subscript(slice=ast.Constant(value=str(key))):
                return key
            case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=str(key)), *_]):
                return key
        for child in ast.iter_child_nodes(node):
            if self._most_quietly([child], scope) or isinstance(child, (*UNCHANGED, ast.Dict, ast.Call, ast.keyword)):
                found = self._leaf(child, scope)
                if found != "a value":
                    return found
        return "a value"

    # ------------------------------------------------------------------ requests before tokens are stored

    def _record(self, node: ast.Call, name: str, most: Holds, scope: Scope) -> None:
        if not self._recording:
            return
        is_start = name.startswith("start_") and any((keyword.arg or "_")[0].isupper() for keyword in node.keywords)
        if name in STORES and most is Holds.TOKEN:
            self._steps.append(Step(False, node, scope.module, tuple(self._branches)))
        elif (name in REQUESTS or is_start) and most is not Holds.TOKEN:
            self._steps.append(Step(True, node, scope.module, tuple(self._branches)))

    def _late_stores(self) -> None:
        for position, store in enumerate(self._steps):
            for request in () if store.is_request else self._steps[:position]:
                apart = dict(request.branches)
                exclusive = any(apart.get(branch, number) != number for branch, number in store.branches)
                stored_before = any(not step.is_request for step in self._steps[: self._steps.index(request)])
                if request.is_request and position < request.until and not exclusive and not stored_before:
                    what = f"{last(request.node.func)} asks before the task token is stored: the answer may come first"
                    self._add(Leak(request.module, request.node, "late", what, Holds.TOKEN))
