"""Reads the `{% JSONata %}` of a state machine, and finds the task token in it.

AWS runs JSONata 2.0.6, of which `$eval` is left out and six functions are added; nothing but `$states` and
variables is there at the top level:
https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from jsonata.jexception import JException  # type: ignore[import-untyped]
from jsonata.parser import Parser  # type: ignore[import-untyped]

from callback_lint.asl import State, StateMachine, dotted, own_texts, texts
from callback_lint.documents import Json, Problem, Steps

_JSONATA_FUNCTIONS = """
    abs append assert average base64decode base64encode boolean ceil contains count decodeUrl decodeUrlComponent
    distinct each encodeUrl encodeUrlComponent error exists filter floor formatBase formatInteger formatNumber
    fromMillis join keys length lookup lowercase map match max merge millis min not now number pad parseInteger
    power random reduce replace reverse round shuffle sift single sort split spread sqrt string substring
    substringAfter substringBefore sum toMillis trim type uppercase zip
"""
_STEP_FUNCTIONS_FUNCTIONS = "partition range hash random uuid parse"
TASK_TOKEN = ("context", "Task", "Token")
FUNCTIONS = frozenset(f"{_JSONATA_FUNCTIONS} {_STEP_FUNCTIONS_FUNCTIONS}".split())

_WRAPPED = re.compile(r"\{%(.*)%\}", re.DOTALL)
_JSONPATH_TOKEN = re.compile(r"\$\$(\s*$|\.Task|\[['\"]Task)")
_SUBSTITUTION = re.compile(r"\$\{\w[^}'\"]*\}")
_QUOTED = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`[^`]*`""", re.DOTALL)
_NEWER_OPERATOR = re.compile(r"(?<!\()\?[?:]")


class InvalidExpression(Exception):
    """This is not JSONata as Step Functions reads it."""


@dataclass(frozen=True)
class Expression:
    """What an expression uses.

    `variables`: every `$name` that it uses and does not bind itself, `$states` left out.
    `states_members`: every path into `$states`, `("context", "Task", "Token")`, cut at the first step that is no name.
    `relative`: what it takes from the context item at the top level, where there is none: `$`, `$$`, a bare name.
    `tested`: those of `states_members` that `$exists` asks for.
    `is_only`: the path into `$states` that is all there is of it.
    """

    variables: frozenset[str]
    states_members: frozenset[tuple[str, ...]]
    relative: frozenset[str]
    tested: frozenset[tuple[str, ...]]
    is_only: tuple[str, ...] | None

    @property
    def has_token(self) -> bool:
        """Whether it uses the task token, or something that holds it."""
        return any(TASK_TOKEN[: len(members)] == members for members in self.states_members)


def expression_in(text: str) -> str | None:
    """The expression within `{% %}`; None for plain text. Delimiters count at the very ends only.

    What a template puts instead of `${Name}` is unknown, and so is taken for a number.
    """
    wrapped = _WRAPPED.fullmatch(text)
    return _SUBSTITUTION.sub("0", wrapped[1]).strip() if wrapped else None


@cache
def parse(source: str) -> Expression:
    """Raises InvalidExpression."""
    if _NEWER_OPERATOR.search(_QUOTED.sub("''", source)):
        raise InvalidExpression("uses ?? or ?:, which came after JSONata 2.0.6")
    try:
        tree = Parser().parse(source)
    except JException as error:
        raise InvalidExpression(f"is not JSONata: {error}") from error
    except (RecursionError, IndexError, TypeError, AttributeError, ValueError, KeyError):  # of the parser
        raise InvalidExpression("is not JSONata that can be read") from None
    found = _Names()
    found.collect(tree, at_top=True)
    is_only = next(iter(found.states_members)) if re.fullmatch(r"\$states(\.\w+)+", source) else None
    return Expression(
        frozenset(found.used - found.bound),
        frozenset(found.states_members),
        frozenset(found.relative),
        frozenset(found.tested),
        is_only,
    )


@dataclass
class _Names:
    """Collects names from the parser's tree, whose nodes have a type, a value, and their children as attributes."""

    used: set[str] = field(default_factory=set)
    bound: set[str] = field(default_factory=set)
    states_members: set[tuple[str, ...]] = field(default_factory=set)
    relative: set[str] = field(default_factory=set)
    tested: set[tuple[str, ...]] = field(default_factory=set)

    def collect(self, node: Json, at_top: bool) -> None:
        if isinstance(node, list | tuple):
            for child in node:
                self.collect(child, at_top)
        if isinstance(node, Parser.Symbol):
            self._collect(node, at_top)

    def _collect(self, node: Json, at_top: bool) -> None:
        match node.type:
            case "variable":
                self._variable(node, at_top)
            case "path":
                self._path(node, at_top)
            case "bind":
                self.bound.add(node.lhs.value)
                self.collect(node.rhs, at_top)
            case "function" if getattr(node.procedure, "value", None) == "exists":
                before, self.states_members = self.states_members, set()
                self._children(node, at_top)
                self.tested |= self.states_members
                self.states_members |= before
            case "lambda":
                self.bound.update(argument.value for argument in node.arguments)
                self.collect(node.body, at_top)
            case "name" | "wildcard" | "descendant" | "parent":
                if at_top:
                    self.relative.add(str(node.value))
                self._children(node, at_top)
            case kind:
                self._children(node, at_top and kind not in {"sort", "transform"})

    def _variable(self, node: Json, at_top: bool, states_path: tuple[str, ...] = ()) -> None:
        match node.value:
            case "states":
                self.states_members.add(states_path)
            case "" | "$":
                if at_top:
                    self.relative.add(f"${node.value}")
            case name:
                self.used.add(name)
        self._children(node, at_top)

    def _path(self, node: Json, at_top: bool) -> None:
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

    def _children(self, node: Json, at_top: bool) -> None:
        for name, child in vars(node).items():
            if name in {"focus", "index"} and isinstance(child, str):
                self.bound.add(child)
            elif isinstance(child, list | tuple | Parser.Symbol):
                self.collect(child, at_top and name not in {"predicate", "stages", "group"})


@dataclass(frozen=True, eq=False)
class Use:
    """An expression and where in a state it is used."""

    state: State
    steps: Steps
    source: str
    expression: Expression

    def says(self, message: str) -> Problem:
        return self.state.says(f"{dotted(self.steps)} {message}", *self.steps)


def expressions(machine: StateMachine) -> Iterator[Use]:
    """Every expression that can be read; EC1018 reports the others."""
    for state in machine.states:
        for steps, text in own_texts(state) if state.is_jsonata else ():
            source = expression_in(text)
            if source is not None:
                try:
                    yield Use(state, steps, source, parse(source))
                except InvalidExpression:
                    continue


def only_path(text: Json) -> tuple[str, ...] | None:
    """The path into `$states` that an expression is, and nothing else."""
    source = expression_in(text) if isinstance(text, str) else None
    try:
        return parse(source).is_only if source else None
    except InvalidExpression:
        return None


def token_is_in(value: Json, is_jsonata: bool) -> bool | None:
    """Whether the task token is anywhere in a value; None where that is not known."""
    unknown = False
    for steps, text in texts(value):
        source = expression_in(text)
        if not is_jsonata:
            if str(steps[-1] if steps else "").endswith(".$") and _JSONPATH_TOKEN.search(text):
                return True
        elif source is not None:
            try:
                if parse(source).has_token:
                    return True
            except InvalidExpression:
                unknown = True
    return None if unknown else False
