"""The one reader of JSON that comes from outside: messages, bodies of requests, files."""

import json
from typing import Any

from callbacks.printable import PrintableError


class UnreadableJson(PrintableError):
    """The text cannot be read as JSON. The error says why, in words that follow "it", and repeats nothing of it."""


class _SaysTwoThings(ValueError):
    pass


def read_json(text: str | bytes, *, allow_nan: bool = False) -> Any:  # noqa: ANN401 - any JSON
    """The value of a JSON text. Bytes are UTF-8, or UTF-16 or UTF-32. One byte order mark at the start is ignored.

    Raises UnreadableJson for what is not JSON, and for JSON that says two things or that cannot be passed on: a key
    that an object has twice, half an emoji (a surrogate without the other), and, unless they are allowed, NaN, Infinity
    and numbers too large for a float. Where allowed, the latter are read as infinity.
    """
    try:
        value = _decoder.decode(_decoded(text) if isinstance(text, bytes) else text.removeprefix("\ufeff"))
        json.dumps(value, allow_nan=allow_nan, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise UnreadableJson(json_problem(error)) from None
    return value


def json_problem(error: Exception) -> str:
    """Why a text could not be read, or a value not be written as JSON in UTF-8, in words that follow "it"."""
    match error:
        case RecursionError():
            return "is nested too deep"
        case _SaysTwoThings():
            return "has a key twice in one object"
        case UnicodeDecodeError():
            return "is not text in UTF-8"
        case UnicodeEncodeError():
            return "has half an emoji in it (a surrogate without the other)"
        case json.JSONDecodeError() | TypeError():
            return "is not JSON"
    return "has NaN, Infinity or a number that is too large in it, which is not JSON"


def _decoded(text: bytes) -> str:
    return text.decode(json.detect_encoding(text))  # by a codec that takes a byte order mark away


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise _SaysTwoThings
    return fields


def _integer(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:  # more digits than Python takes for an int
        return float(digits)


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer)
