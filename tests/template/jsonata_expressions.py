"""Reads and evaluates the `{% JSONata %}` of a state machine.

AWS runs JSONata 2.0.6, of which `$eval` is left out and six functions of its own are added; nothing but `$states` and
variables is there at the top level:
https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
"""

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from jsonata import Jsonata  # type: ignore[import-untyped]
from jsonata.jexception import JException  # type: ignore[import-untyped]
from jsonata.parser import Parser  # type: ignore[import-untyped]

from tests.template.project import Fields, Json

_JSONATA_FUNCTIONS = """
    abs append assert average base64decode base64encode boolean ceil contains count decodeUrl decodeUrlComponent
    distinct each encodeUrl encodeUrlComponent error exists filter floor formatBase formatInteger formatNumber
    fromMillis join keys length lookup lowercase map match max merge millis min not now number pad parseInteger
    power random reduce replace reverse round shuffle sift single sort split spread sqrt string substring
    substringAfter substringBefore sum toMillis trim type uppercase zip
"""
_STEP_FUNCTIONS_FUNCTIONS = "partition range hash random uuid parse"
FUNCTIONS = frozenset(f"{_JSONATA_FUNCTIONS} {_STEP_FUNCTIONS_FUNCTIONS}".split())

_WRAPPED = re.compile(r"\{%(.*)%\}", re.DOTALL)
_QUOTED = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`[^`]*`""", re.DOTALL)
_NEWER_OPERATOR = re.compile(r"(?<!\()\?[?:]")


class InvalidExpression(Exception):
    """This is not JSONata as Step Functions reads it."""


class UndefinedResult(Exception):
    """The expression has no value: on AWS the state fails with States.QueryEvaluationError."""


@dataclass(frozen=True)
class Expression:
    """What an expression uses.

    `variables`: every `$name` that it uses and does not bind itself, `$states` left out.
    `states_members`: every path into `$states`, `("context", "Task", "Token")`, cut at the first step that is no name.
    `relative`: what it takes from the context item at the top level, where there is none: `$`, `$$`, a bare name.
    """

    variables: frozenset[str]
    states_members: frozenset[tuple[str, ...]]
    relative: frozenset[str]


def expression_in(text: str) -> str | None:
    """The expression within `{% %}`; None for plain text. Delimiters count at the very ends only."""
    wrapped = _WRAPPED.fullmatch(text)
    return wrapped[1].strip() if wrapped else None


@cache
def parse(source: str) -> Expression:
    """Raises InvalidExpression."""
    if _NEWER_OPERATOR.search(_QUOTED.sub("''", source)):
        raise InvalidExpression("uses ?? or ?:, which came after JSONata 2.0.6")
    try:
        tree = Parser().parse(source)
    except JException as error:
        raise InvalidExpression(f"is not JSONata: {error}") from error
    found = _Names()
    found.collect(tree, at_top=True)
    return Expression(frozenset(found.used - found.bound), frozenset(found.states_members), frozenset(found.relative))


@dataclass
class _Names:
    """Collects names from the parser's tree, whose nodes have a type, a value, and their children as attributes."""

    used: set[str] = field(default_factory=set)
    bound: set[str] = field(default_factory=set)
    states_members: set[tuple[str, ...]] = field(default_factory=set)
    relative: set[str] = field(default_factory=set)

    def collect(self, node: Any, at_top: bool) -> None:
        if isinstance(node, list | tuple):
            for child in node:
                self.collect(child, at_top)
        if not isinstance(node, Parser.Symbol):
            return
        match node.type:
            case "variable":
                self._variable(node, at_top)
            case "path":
                self._path(node, at_top)
            case "bind":
                self.bound.add(node.lhs.value)
                self.collect(node.rhs, at_top)
            case "lambda":
                self.bound.update(argument.value for argument in node.arguments)
                self.collect(node.body, at_top)
            case "name" | "wildcard" | "descendant" | "parent":
                if at_top:
                    self.relative.add(str(node.value))
                self._children(node, at_top)
            case kind:
                self._children(node, at_top and kind not in {"sort", "transform"})

    def _variable(self, node: Any, at_top: bool, states_path: tuple[str, ...] = ()) -> None:
        match node.value:
            case "states":
                self.states_members.add(states_path)
            case "" | "$":
                if at_top:
                    self.relative.add(f"${node.value}")
            case name:
                self.used.add(name)
        self._children(node, at_top)

    def _path(self, node: Any, at_top: bool) -> None:
        first, *rest = node.steps
        if first.type == "variable":
            names = []
            for step in rest if not getattr(first, "predicate", None) else []:
                if step.type != "name":
                    break
                names.append(step.value)
            self._variable(first, at_top, tuple(names))
        else:
            self.collect(first, at_top)
        self.collect(rest, at_top=False)
        self.collect(getattr(node, "group", None), at_top=False)

    def _children(self, node: Any, at_top: bool) -> None:
        for name, child in vars(node).items():
            if name in {"focus", "index"} and isinstance(child, str):
                self.bound.add(child)
            elif isinstance(child, list | tuple | Parser.Symbol):
                self.collect(child, at_top and name not in {"predicate", "stages", "group"})


def evaluate(value: Json, states: Fields) -> Json:
    """What Step Functions makes of a field, given `$states`. Raises UndefinedResult."""
    match value:
        case dict():
            return {key: evaluate(child, states) for key, child in value.items()}
        case list():
            return [evaluate(child, states) for child in value]
        case str() if source := expression_in(value):
            if not _result(f"$exists(({source}))", states):
                raise UndefinedResult(source)
            return _result(source, states)
    return value


def _result(source: str, states: Fields) -> Json:
    expression = Jsonata(source)
    expression.assign("states", states)
    return expression.evaluate(None)
