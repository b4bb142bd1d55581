"""What the desk leaves out of everything that it sends: task tokens and the data of cards."""

import json
import re
from typing import Any

MASK = "•••"
# Fields that hold a card's data or somebody's right, by their names
_SECRET_FIELD = re.compile(
    r"card|cvv|cvc|csc|expir|^pan$|token|secret|passw|credential|authori[sz]ation|api.?key|iban|signature",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"(?<!\d)(?:\d{13,19}|\d{4}([ -])\d{4,6}\1\d{4,5}(?:\1\d{1,7})?)(?!\d)")
# Longer than any name, UUID or digest of 256 bits, and shorter than any token; as it is, or as a URL has it
_LONG = re.compile(r"[A-Za-z0-9+/=_%-]{80,}")
_TOKEN = re.compile(r"(?:[A-Za-z0-9+/=_-]|%2[BF]|%3D){80,}", re.IGNORECASE)


def masked(text: str) -> str:
    """A JSON text, indented, with masks for values that are secret by their field's name or their form.

    JSON in a text within it is looked into. What is no JSON is masked as a text.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return mask_text(text)
    return mask_text(json.dumps(_masked(value), indent=2, ensure_ascii=False))


def _masked(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {
            mask_text(name): MASK if _SECRET_FIELD.search(name) and child not in (None, "") else _masked(child)
            for name, child in value.items()
        }
    if isinstance(value, list):
        return [_masked(child) for child in value]
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        return masked(value)
    return value


def mask_text(text: str) -> str:
    """A text with masks for what may be a task token and for the numbers of cards."""
    return _DIGITS.sub(_mask_card, _LONG.sub(lambda found: _TOKEN.sub(MASK, found[0]), text))


def _mask_card(found: re.Match[str]) -> str:
    digits = [int(digit) for digit in found[0] if digit.isdigit()]
    doubled = [digit if place % 2 == 0 else sum(divmod(2 * digit, 10)) for place, digit in enumerate(reversed(digits))]
    return MASK if sum(doubled) % 10 == 0 else found[0]  # the check digit of every card
