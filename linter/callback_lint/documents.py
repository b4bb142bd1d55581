"""Reads JSON and YAML, and remembers the line of everything in it."""

import json
import re
import stat
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import yaml  # type: ignore[import-untyped]

Json: TypeAlias = Any
Fields: TypeAlias = dict[str, Any]
Step: TypeAlias = str | int
Steps: TypeAlias = tuple[Step, ...]

MOST_LEVELS = 100  # of nesting; AWS's own limits lie far below
MOST_VALUES = 500_000  # in one file, aliases counted as often as they are used
MOST_BYTES = 10_000_000  # a state machine may have 1 MB, a template 1 MB: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html

# A text of JSON, or what some writers put between texts and JSON does not have
_COMMENT = re.compile(r'"(?:\\.|[^"\\\n])*"|(//[^\n]*|/\*.*?\*/)', re.DOTALL)
_TRAILING_COMMA = re.compile(r'"(?:\\.|[^"\\\n])*"|(,)(?=\s*[}\]])')
_BARE_SUBSTITUTION = re.compile(r"(?<=[:\[,])(\s*)(\$\{[^}\"]*\})(?=\s*[,}\]])")
_MERGE, _TEXT, _BOOLEAN = (f"tag:yaml.org,2002:{name}" for name in ("merge", "str", "bool"))
_SHORT_FORMS = {"Ref": "Ref", "Condition": "Condition"}  # !Sub is Fn::Sub


@dataclass(frozen=True, order=True)
class Problem:
    """What breaks a rule, and where. The message begins with the name of the state or resource that it is about."""

    path: Path
    line: int
    message: str


class Unreadable(Exception):
    """A file, or a text in one, that is no JSON or YAML. The text says where and why."""

    def __init__(self, path: Path, line: int, problem: str) -> None:
        super().__init__(f"{path}:{line}: {problem}")


@dataclass(frozen=True)
class Flaw:
    """What makes a text no JSON, or another YAML than it seems, although it can be read."""

    line: int
    problem: str
    is_json: bool  # else YAML


@dataclass(frozen=True, eq=False)
class Document:
    """What a file, or a text in one, holds. `tree`: the nodes, from which lines are read, or what makes them."""

    path: Path
    value: Json
    tree: yaml.Node | Callable[[], yaml.Node | None] | None
    first_line: int = 1
    flaws: tuple[Flaw, ...] = ()
    _index: dict[int, dict[str, tuple[int, yaml.Node]]] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def nodes(self) -> yaml.Node | None:
        return self.tree() if callable(self.tree) else self.tree

    def line(self, steps: Steps) -> int:
        """The line of a field or an item; of what it is missing from, where it does not exist."""
        return self._found(steps)[1] + self.first_line

    def line_of_text(self, steps: Steps) -> int:
        """The line on which a text itself begins: of a block (`|`), the one after its mark."""
        node, line = self._found(steps)
        if isinstance(node, yaml.ScalarNode):
            line = node.start_mark.line + (node.style in {"|", ">"})
        return line + self.first_line

    def is_block(self, steps: Steps) -> bool:
        """Whether a text stands as a block (`|`), whose lines are lines of the file."""
        node, _ = self._found(steps)
        return isinstance(node, yaml.ScalarNode) and node.style in {"|", ">"}

    def _found(self, steps: Steps) -> tuple[yaml.Node | None, int]:
        node, line = self.nodes, self.nodes.start_mark.line if self.nodes else 0
        for step in steps:
            if isinstance(node, yaml.MappingNode):
                found = self._entries(node).get(str(step))
                if not found:
                    break
                line, node = found
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                line = node.start_mark.line
            elif not str(step).startswith("Fn::"):  # else it stands in the node's tag: !Sub
                break
        return node, int(line)

    def _entries(self, mapping: yaml.MappingNode) -> dict[str, tuple[int, yaml.Node]]:
        """By key: its line, and what it holds."""
        if id(mapping) not in self._index:
            entries = reversed(mapping.value)
            self._index[id(mapping)] = {str(key.value): (key.start_mark.line, child) for key, child in entries}
        return self._index[id(mapping)]


def fields(value: Json) -> Fields:
    """The value where it is an object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def items(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def texts_in(value: Json) -> list[str]:
    """The texts of a list."""
    return [item for item in items(value) if isinstance(item, str)]


def number(value: Json) -> int | None:
    """A whole number, be it in quotes; None where it is not known before the deployment, or is none."""
    if isinstance(value, str) and re.fullmatch(r"\d{1,15}", value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def read(path: Path) -> Document:
    """Raises Unreadable."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable(path, 1, "is no regular file")
        if status.st_size > MOST_BYTES:
            raise Unreadable(path, 1, f"is larger than {MOST_BYTES // 1_000_000} MB")
        content = path.read_bytes()
        if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content[:100]:
            raise Unreadable(path, 1, "is UTF-16: save it as UTF-8")
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable(path, 1, "is not UTF-8") from None
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        raise Unreadable(path, 1, getattr(error, "strerror", None) or type(error).__name__) from None
    return parse(text.replace("\r\n", "\n"), path)


def parse(text: str, path: Path, first_line: int = 1) -> Document:
    """Raises Unreadable."""
    if path.suffix == ".json" or text.lstrip().startswith(("{", "[")):
        try:
            return parse_json(text, path, first_line)
        except Unreadable:
            if path.suffix == ".json":
                raise
    return _yaml(text, path, first_line)


def parse_json(text: str, path: Path, first_line: int = 1) -> Document:
    """JSON, of which `${Name}` may be a part without quotes. Comments and trailing commas are read, as flaws.

    Raises Unreadable.
    """
    flaws: tuple[Flaw, ...] = ()
    try:
        try:
            value = _loaded(text)
        except json.JSONDecodeError as error:
            plain = _without(_TRAILING_COMMA, _without(_COMMENT, text))
            if plain == text:
                raise
            value, text = _loaded(plain), plain
            flaws = (Flaw(first_line + error.lineno - 1, "a comment or a trailing comma", is_json=True),)
    except RecursionError:
        raise Unreadable(path, first_line, f"is nested more than {MOST_LEVELS} levels deep") from None
    except json.JSONDecodeError as error:
        raise Unreadable(path, first_line + error.lineno - 1, f"is not JSON: {error.msg}") from None
    except ValueError as error:
        raise Unreadable(path, first_line, str(error)) from None
    _check_levels(value, path, first_line)

    def nodes() -> yaml.Node | None:
        try:
            return _nodes(text.replace("\t", " "), path, first_line)
        except Unreadable:
            return None  # JSON that is no YAML: all of it is on its first line

    return Document(path, value, nodes, first_line, flaws)


def _without(pattern: re.Pattern[str], text: str) -> str:
    """Blanks for what the pattern's group finds, so that lines and columns stay."""
    return pattern.sub(lambda found: re.sub(r"[^\n]", " ", found[1]) if found[1] else found[0], text)


def _loaded(text: str) -> Json:
    try:
        return json.loads(text, object_pairs_hook=_without_duplicates)
    except json.JSONDecodeError:
        quoted = _BARE_SUBSTITUTION.sub(r'\1"\2"', text)  # "TimeoutSeconds": ${Seconds}
        if quoted == text:
            raise
        return json.loads(quoted, object_pairs_hook=_without_duplicates)


def _without_duplicates(pairs: list[tuple[str, Json]]) -> Fields:
    fields: Fields = {}
    for key, value in pairs:
        if key in fields:
            raise ValueError(f"{key!r} is there twice in one object, of which only the last would count")
        fields[key] = value
    return fields


def _check_levels(value: Json, path: Path, first_line: int) -> None:
    level, count = [value], 0
    for _ in range(MOST_LEVELS):
        level = [child for each in level for child in _children(each)]
        count += len(level)
    if level:
        raise Unreadable(path, first_line, f"is nested more than {MOST_LEVELS} levels deep")
    if count > MOST_VALUES:
        raise Unreadable(path, first_line, f"holds more than {MOST_VALUES:,} values")


def _children(value: Json) -> Iterator[Json]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


class _Loader(yaml.CSafeLoader):  # type: ignore[misc]
    """Makes of CloudFormation's short forms (`!Ref X`) their long ones; dates, times and names stay text."""

    def __init__(self, first_line: int) -> None:
        super().__init__("")
        self.first_line = first_line
        self.flaws: list[Flaw] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names: set[str] = set()
        for key, child in node.value:
            name = str(key.value)
            if name in names and key.tag != _MERGE:
                raise yaml.MarkedYAMLError(problem=f"{name!r} is there twice", problem_mark=key.start_mark)
            names.add(name)
            if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
                key.tag = _TEXT
            if name == "States" and isinstance(child, yaml.MappingNode):
                self._as_names(of for of, _ in child.value)
            elif name in {"StartAt", "Next"}:
                self._as_names([child])
        return {str(key): value for key, value in super().construct_mapping(node, deep).items()}

    def _as_names(self, nodes: Iterable[yaml.Node]) -> None:
        for node in nodes:
            if node.tag == _BOOLEAN:
                line = node.start_mark.line + self.first_line
                self.flaws.append(Flaw(line, f"{node.value} is a boolean in YAML 1.1: quote it", is_json=False))
                node.tag = _TEXT


def _short_form(loader: _Loader, tag: str, node: yaml.Node) -> Json:
    value: Json
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if tag == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True) if isinstance(node, yaml.MappingNode) else None
    return {_SHORT_FORMS.get(tag, f"Fn::{tag}"): value}


_Loader.add_multi_constructor("!", _short_form)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: loader.construct_scalar(node))


def _yaml(text: str, path: Path, first_line: int) -> Document:
    nodes = _nodes(text, path, first_line)
    if nodes is None:
        return Document(path, None, None, first_line)
    loader = _Loader(first_line)
    try:
        value = loader.construct_document(nodes)
    except yaml.MarkedYAMLError as error:
        raise _unreadable(error, path, first_line) from None
    except (ValueError, TypeError) as error:
        raise Unreadable(path, first_line, f"is not YAML: {error}") from None
    return Document(path, value, nodes, first_line, tuple(loader.flaws))


def _nodes(text: str, path: Path, first_line: int) -> yaml.Node | None:
    """The tree of nodes. Its depth is looked at first, because the reader in C has no limit."""
    try:
        level = 0
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            level += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if level > MOST_LEVELS:
                raise Unreadable(path, first_line, f"is nested more than {MOST_LEVELS} levels deep")
        nodes: yaml.Node | None = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        raise _unreadable(error, path, first_line) from None
    except (yaml.YAMLError, ValueError) as error:
        raise Unreadable(path, first_line, f"is not YAML: {error}") from None
    if nodes and _count(nodes, {}, path, first_line) > MOST_VALUES:
        raise Unreadable(path, first_line, f"holds more than {MOST_VALUES:,} values")
    return nodes


def _count(node: yaml.Node, counted: dict[int, int], path: Path, first_line: int, level: int = 0) -> int:
    """How many values there are once every alias is followed. An alias of what it stands in is refused."""
    if level > MOST_LEVELS:
        raise Unreadable(path, node.start_mark.line + first_line, f"is nested more than {MOST_LEVELS} levels deep")
    if id(node) not in counted:
        children = node.value if isinstance(node, yaml.CollectionNode) else []
        below = (child for entry in children for child in (entry if isinstance(entry, tuple) else (entry,)))
        counted[id(node)] = 1 + sum(_count(child, counted, path, first_line, level + 1) for child in below)
    return counted[id(node)]


def _unreadable(error: yaml.MarkedYAMLError, path: Path, first_line: int) -> Unreadable:
    mark = error.problem_mark or error.context_mark
    return Unreadable(path, (mark.line if mark else 0) + first_line, f"is not YAML: {error.problem or error.context}")
