"""Finds the task token of a wait in what the history says was sent. Whoever may read a history may answer."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tools import ToolError
from tools.waits.history import ACTIVITY, Task

Json = Any
Path = tuple[str | int, ...]

# How a definition says "the task token", in JSONPath and in JSONata: as a field's whole value, or within an expression
_ALONE = re.compile(r"\$\$\.Task\.Token|\{%\s*\$states\.context\.Task\.Token\s*%\}")
_WITHIN = re.compile(r"\$\$(\.Task(\.Token)?)?(?![.\w])|\$states\.context(\.Task(\.Token)?)?(?![.\w])")
_TOKEN = re.compile(r"[A-Za-z0-9+/_-]{32,2048}={0,2}")  # AWS documents at most 2,048 characters, and no form


class NoToken(ToolError):
    """The token of a wait cannot be found. The text says why, and holds nothing of what was sent."""


class Withheld(NoToken):
    """The history does not have what was sent."""


def find_token(task: Task, definition: Json) -> str:
    """The token of a wait. `definition`: of the execution's state machine, which says where the token was put.

    Raises Withheld where the history does not have what was sent, NoToken where that does not show which part is it.
    """
    if task.resource == ACTIVITY:
        raise NoToken("An activity's task is answered by its worker: no history has its token.")
    sent = task.parameters
    if sent is None:
        raise Withheld(
            "The history withholds what was sent, and so the token. Where a key of yours encrypts the state machine's "
            "data, reading it takes kms:Decrypt."
        )
    given = task.input_text  # the token is made when the state is entered: what its input holds is another's
    for found in _places(sent, _template(definition, task.state)):
        candidates = {token for token in found if token not in given}
        if len(candidates) > 1:
            raise NoToken(f"What {task.state} sent has {len(candidates)} parts that may be its token.")
        if candidates:
            return candidates.pop()
    raise NoToken(f"What {task.state} sent holds no task token: nobody can answer it.")


def _places(sent: Json, template: Json) -> Iterator[list[str]]:
    """What may be the token, the surest place first."""
    texts = list(_texts(template))
    alone = [_at(sent, path) for path, text in texts if _ALONE.fullmatch(text.strip())]
    yield [value for value in alone if isinstance(value, str)]
    within = [_at(sent, path) for path, text in texts if _WITHIN.search(text)]
    yield [token for value in within for _, text in _texts(value) for token in _TOKEN.findall(text)]
    named = [text for path, text in _texts(sent) if path and "token" in str(path[-1]).lower()]
    yield [text for text in named if _TOKEN.fullmatch(text)]


def _template(value: Json, state: str) -> Json:
    """The Parameters or Arguments of a state, wherever in the definition it stands; None without such a state."""
    if isinstance(value, Mapping):
        found = value.get("States", {}).get(state)
        if found:
            return found.get("Arguments", found.get("Parameters"))
    children = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return next((found for child in children if (found := _template(child, state)) is not None), None)


def _texts(value: Json, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text in it, and the way there. `Name.$`, as JSONPath writes a field that is computed, is `Name`."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for name, child in value.items():
            yield from _texts(child, (*path, str(name).removesuffix(".$")))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _texts(child, (*path, index))


def _at(value: Json, path: Sequence[str | int]) -> Json:
    """What stands there; as much of the way as leads on is gone, for the service may be sent a text."""
    for step in path:
        if isinstance(value, str) and value[:1] in ("{", "["):
            try:
                value = json.loads(value)
            except ValueError:
                return value
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value
