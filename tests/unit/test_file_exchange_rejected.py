"""Files that no workflow can take are kept with the reason, and nothing that is kept is replaced."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange import bucket
from file_exchange_inbox import (
    BAD_FAILURE,
    EMPTY,
    MAX_KEY_BYTES,
    ODD_KEY,
    RESERVED_ERROR,
    TOO_LARGE,
)
from tests.unit.exchange import (
    HALF_AN_EMOJI,
    NONE_FAILED,
    NOT_JSON,
    SENT_AT,
    SUCCESS,
    TOKEN,
    UUID,
    Exchange,
    asked,
    assert_rejected,
    break_off,
    exchange_in,
)
from tests.unit.fake_s3 import FakeS3

TWICE = "The file has a key twice in one object."
NO_NUMBER = "The file has NaN, Infinity or a number that is too large in it, which is not JSON."
TOO_DEEP = "The file is nested too deep."
NOT_TEXT = "The file is not text in UTF-8."

exchange = pytest.fixture(asked)


# ------------------------------------------------------------------ files that no workflow can take
@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("success.json", "", EMPTY),
        ("success.json", "{", NOT_JSON),
        ("success.json", b"\xff\xfe\xfa", NOT_TEXT),
        ("success.json", b'"\xe9"', NOT_TEXT),
        ("success.json", "\ufeff", NOT_JSON),
        ("success.json", "\ufeff\ufeff{}", NOT_JSON),
        ("success.json", "{} {}", NOT_JSON),
        ("success.json", '{"paid": false, "paid": true}', TWICE),
        ("success.json", '[{"order": {"id": 1, "id": 1}}]', TWICE),
        ("success.json", r'{"id": 1, "\u0069d": 2}', TWICE),
        ("success.json", "NaN", NO_NUMBER),
        ("success.json", "[1e999]", NO_NUMBER),
        ("success.json", r'"\ud83d"', HALF_AN_EMOJI),
        ("success.json", r'{"\ude00\ud83d": 1}', HALF_AN_EMOJI),
        ("success.json", "[" * 100_000, TOO_DEEP),
        ("success.json", "9" * 5_000, NO_NUMBER),
        ("failure.json", "", EMPTY),
        ("failure.json", '{"error": "OutOfStock", "error": "Shipped"}', TWICE),
        ("failure.json", "[]", BAD_FAILURE),
        ("failure.json", '"OutOfStock"', BAD_FAILURE),
        ("failure.json", '{"error": 5}', BAD_FAILURE),
        ("failure.json", '{"error": "OutOfStock", "cause": ["None is left."]}', BAD_FAILURE),
        ("failure.json", '{"error": "States.Timeout"}', RESERVED_ERROR),
        ("failure.json", '{"error": "SQS.SdkClientException"}', RESERVED_ERROR),
        ("failure.json", '{"error": "Callback.TimedOut"}', RESERVED_ERROR),
        ("failure.json", '{"error": "DynamoDb.TransactionConflictException"}', RESERVED_ERROR),
        ("failure.json", '{"error": " s3.NoSuchKey"}', RESERVED_ERROR),
        ("result.json", "{}", ODD_KEY),
        ("success.JSON", "{}", ODD_KEY),
        ("my answer+50%é.json", "{}", ODD_KEY),
        ("success.json ", "{}", ODD_KEY),
        ("success.json\n", "{}", ODD_KEY),
        ("%73uccess.json", "{}", ODD_KEY),
        (f"inbound/{UUID.upper()}/success.json", "{}", ODD_KEY),
        (f"inbound/{UUID}/more/success.json", "{}", ODD_KEY),
        ("inbound/success.json", "{}", ODD_KEY),
        (f"inbound/{UUID}/", "", ODD_KEY),
        (f"inbound/../tokens/{UUID}.json", "{}", ODD_KEY),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_file_that_cannot_be_used_is_kept_with_the_reason_and_the_wait_goes_on(
    exchange: Exchange, name: str, content: str | bytes, reason: str
) -> None:
    # When
    key = exchange.drop(name, content)
    assert exchange.notify(key) == NONE_FAILED
    # Then
    assert_rejected(exchange, key, (content, reason))
    assert exchange.step_functions.calls == []
    # And a good answer is taken
    exchange.notify(exchange.drop("success.json"))
    assert [operation for operation, _ in exchange.answers()] == ["success"]


def test_a_key_that_leaves_no_room_for_a_folder_is_kept_under_its_hash(exchange: Exchange) -> None:
    key = "inbound/" + "é" * 508
    assert exchange.notify(exchange.drop(key, "1")) == NONE_FAILED
    assert_rejected(exchange, key, ("1", ODD_KEY))
    assert all(sha256(key.encode()).hexdigest() in kept for kept in exchange.keys("rejected/"))


def test_a_file_too_large_to_be_moved_stays_with_the_reason_and_the_wait_goes_on(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "MAX_COPY_BYTES", 10)
    assert exchange.notify(exchange.drop("success.json", '"more than 10 bytes"')) == NONE_FAILED
    assert exchange.keys("inbound/") == [SUCCESS]
    [reason] = exchange.keys("rejected/")
    assert exchange.text(reason).startswith(TOO_LARGE)
    exchange.notify(exchange.drop("success.json", "{}"))
    assert [operation for operation, _ in exchange.answers()] == ["success"]


# ------------------------------------------------------------------ what is kept, and why
def test_no_file_replaces_what_is_kept_or_the_reason(exchange: Exchange) -> None:
    """Whatever a partner drops under the names of what lies in rejected/ and processed/ is kept beside it."""
    # Given
    exchange.notify(exchange.drop("success.json", "{"))
    exchange.notify(exchange.drop("success.json", "1"))
    kept = {key: exchange.text(key) for key in exchange.keys("rejected/") + exchange.keys("processed/")}
    # When
    forged = [f"inbound/{UUID}/success.json.reason.txt"]
    for key in kept:
        path = key.removeprefix("rejected/").removeprefix("inbound/")
        forged += [f"inbound/{path}", f"inbound/{path}/content", f"inbound/{path}/reason.txt", f"inbound/../{key}"]
    for number, key in enumerate(forged):
        for content in (f"{number}, first", f"{number}, second"):
            assert exchange.notify(exchange.drop(key, content)) == NONE_FAILED
    # Then
    assert {key: exchange.text(key) for key in kept} == kept
    for number, key in enumerate(forged):
        assert_rejected(exchange, key, (f"{number}, first", ODD_KEY), (f"{number}, second", ODD_KEY))
    assert len(exchange.versions("rejected/")) == len(exchange.keys("rejected/"))


@given(keys=st.lists(st.text("/.\u00e9content", max_size=509), min_size=1, max_size=4))
@settings(max_examples=15, deadline=None)
def test_every_file_that_is_rejected_is_kept_under_a_name_of_its_own(keys: list[str]) -> None:
    with exchange_in(FakeS3()) as exchange:
        for number, name in enumerate(keys * 2):
            assert exchange.notify(exchange.drop(f"inbound/{name}", str(number))) == NONE_FAILED
        for name in keys:
            numbers = [number for number, each in enumerate(keys * 2) if each == name]
            assert_rejected(exchange, f"inbound/{name}", *((str(number), ODD_KEY) for number in numbers))
        assert len(exchange.versions("rejected/")) == len(exchange.keys("rejected/")) == 4 * len(keys)
        assert all(len(key.encode()) <= MAX_KEY_BYTES for key in exchange.keys("rejected/"))


def test_an_answer_after_a_redrive_is_kept_beside_one_that_came_too_late(exchange: Exchange) -> None:
    # Given an answer that was copied to processed/ when the wait was stopped
    exchange.drop("success.json", "1")
    with pytest.MonkeyPatch.context() as patch:
        break_off(exchange, patch, call=5, after=True)
        exchange.notify(SUCCESS)
    exchange.step_functions.settled.add(TOKEN)
    exchange.notify(SUCCESS)
    # When
    exchange.ask("new", SENT_AT + 1)
    exchange.notify(exchange.drop("success.json", "2"))
    # Then
    assert sorted(exchange.processed()) == [("success.json", "1"), ("success.json", "2")]
    assert exchange.answers()[-1] == ("success", {"output": "2"})
