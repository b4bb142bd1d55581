"""JSON from outside: read as it is, or refused with words that say why."""

import codecs
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbacks.json_text import UnreadableJson, read_json
from tests.unit.support import any_json

finite_json = any_json.filter(lambda value: "NaN" not in json.dumps(value) and "Infinity" not in json.dumps(value))


@given(finite_json, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"]), st.booleans())
def test_json_is_read_as_it_is_with_and_without_a_byte_order_mark(value: Any, encoding: str, mark: bool) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert read_json(f"\ufeff{text}" if mark else text) == value
    assert read_json(json.dumps(value).encode(encoding)) == value


TWICE = "has a key twice in one object"
HALF = "has half an emoji in it (a surrogate without the other)"
NO_NUMBER = "has NaN, Infinity or a number that is too large in it, which is not JSON"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"isConfirmed": false, "isConfirmed": true}', TWICE),
        ('{"a": 1, "a": 1}', TWICE),
        ('{"a": 1, "\\u0061": 1}', TWICE),
        ('[{"x": {"": 1, "b": 2, "": 3}}]', TWICE),
        ('{"__proto__": 1, "__proto__": 2}', TWICE),
        ('"\\ud83d"', HALF),
        ('{"\\ude00": 1}', HALF),
        ('["\\ude00\\ud83d"]', HALF),
        ('"\ud83d"', HALF),
        ("NaN", NO_NUMBER),
        ('{"a": [-Infinity]}', NO_NUMBER),
        ("1e400", NO_NUMBER),
        ("9" * 5_000, NO_NUMBER),
        ("[" * 100_000, "is nested too deep"),
        ('{"a":' * 100_000, "is nested too deep"),
        (b'"\xff"', "is not text in UTF-8"),
        (codecs.BOM_UTF8 * 2 + b"1", "is not JSON"),
        ("\ufeff\ufeff1", "is not JSON"),
        ("", "is not JSON"),
        (b"", "is not JSON"),
        ("\ufeff", "is not JSON"),
        ("{} {}", "is not JSON"),
        ('{"a": 1,}', "is not JSON"),
        ("{'a': 1}", "is not JSON"),
        ('"\n"', "is not JSON"),
    ],
)
def test_what_says_two_things_or_is_no_json_is_refused(text: str | bytes, problem: str) -> None:
    with pytest.raises(UnreadableJson) as raised:
        read_json(text)
    assert str(raised.value) == problem


def test_a_whole_emoji_and_a_key_in_two_objects_are_fine() -> None:
    assert read_json('[{"a": "\\ud83d\\ude00"}, {"a": {"a": "😀"}}]') == [{"a": "😀"}, {"a": {"a": "😀"}}]


@pytest.mark.parametrize("text", ["Infinity", "1e400", "9" * 5_000])
def test_a_number_that_is_too_large_is_infinity_where_that_is_allowed(text: str) -> None:
    assert read_json(text, allow_nan=True) == float("inf")


@given(st.text() | st.binary())
def test_any_text_is_read_or_refused_and_never_repeated(text: str | bytes) -> None:
    try:
        read_json(text)
    except UnreadableJson as error:
        assert len(text) < 12 or str(text) not in str(error)
        assert error.__cause__ is None


@given(any_json, st.text(), any_json)
def test_a_key_twice_is_refused_wherever_it_stands(inner: Any, key: str, other: Any) -> None:
    name = json.dumps(key)
    twice = f"{{{name}: {json.dumps(inner)}, {name}: {json.dumps(other)}}}"
    for text in (twice, f"[1, {twice}]", f'{{"x": {{"y": [{twice}]}}}}'):
        with pytest.raises(UnreadableJson, match="twice"):
            read_json(text, allow_nan=True)
