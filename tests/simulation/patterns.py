"""What EventBridge does with an event, before it delivers it."""

import json
import re
from typing import Any

from tests.unit.state_machine import Fields


def matches(pattern: Any, value: Any) -> bool:
    """Whether an event, or a record of a stream, is as a pattern has it."""
    match pattern:
        case dict():
            return isinstance(value, dict) and all(
                any(matches(either, value) for either in each)
                if key == "$or"
                else (key in value or each == [{"exists": False}]) and matches(each, value.get(key))
                for key, each in pattern.items()
            )
        case list():
            return any(_matches_one(each, value) for each in pattern)
    return bool(pattern == value)


def _matches_one(pattern: Any, value: Any) -> bool:
    match pattern:
        case {"prefix": str() as prefix}:
            return isinstance(value, str) and value.startswith(prefix)
        case {"exists": bool() as exists}:
            return exists is (value is not None)
        case {"numeric": [">", int() as bound]}:
            return isinstance(value, int) and value > bound
    return bool(pattern == value)


def transformed(event: Fields, transformer: Fields | None) -> Any:
    if transformer is None:
        return event
    text: str = transformer["InputTemplate"]
    for name, path in transformer["InputPathsMap"].items():
        value: Any = event
        for part in re.findall(r"[^$.]+", path):
            value = value.get(part)
        text = text.replace(f"<{name}>", json.dumps(value))
    return json.loads(text)
