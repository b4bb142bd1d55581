"""An answer is accepted once, and a file has its end, wherever the inbox breaks off."""

from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.exchange import (
    NONE_FAILED,
    NOT_JSON,
    TOKEN,
    Exchange,
    asked,
    assert_rejected,
    break_off,
    exchange_in,
    interrupt,
)
from tests.unit.fake_s3 import FakeS3
from tests.unit.support import client_error, failed_records

exchange = pytest.fixture(asked)


CALLS = 12  # of an answer: read, find, heartbeat, claim, copy, deliver, remove, forget, and read that nothing is left


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", range(CALLS))
@pytest.mark.parametrize("name", ["success.json", "failure.json"])
def test_an_answer_is_taken_once_wherever_it_breaks_off(exchange: Exchange, name: str, call: int, after: bool) -> None:
    # Given
    key = exchange.drop(name, "{}")
    with pytest.MonkeyPatch.context() as patch:
        break_off(exchange, patch, call, after=after)
        exchange.notify(key)
    # When the event comes again
    assert exchange.notify(key) == NONE_FAILED
    # Then
    assert exchange.step_functions.settled == {TOKEN}
    assert exchange.processed() == [(name, "{}")]
    assert exchange.keys("tokens/") == exchange.keys("rejected/") == exchange.versions("inbound/") == []


@pytest.mark.parametrize("call", range(CALLS))
def test_an_answer_has_one_end_though_two_take_it_at_once(call: int) -> None:
    """The second overtakes the first before this call of it, and breaks off before any call of its own, or not."""
    for other in range(CALLS + 1):
        with exchange_in(FakeS3()) as exchange:
            # Given
            exchange.ask()
            key = exchange.drop("success.json", "{}")
            # When
            with pytest.MonkeyPatch.context() as patch:
                interrupt(patch, call, partial(overtake, exchange, key, other))
                exchange.notify(key)
            # Then
            assert exchange.notify(key) == NONE_FAILED
            assert exchange.step_functions.settled == {TOKEN}
            assert exchange.processed() == [("success.json", "{}")], other
            assert exchange.keys("tokens/") == exchange.keys("rejected/") == exchange.versions("inbound/") == [], other


def overtake(exchange: Exchange, key: str, call: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        break_off(exchange, patch, call, after=False)
        exchange.notify(key)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", range(6))
def test_a_file_is_rejected_wherever_that_breaks_off(exchange: Exchange, call: int, after: bool) -> None:
    key = exchange.drop("success.json", "{")
    with pytest.MonkeyPatch.context() as patch:
        break_off(exchange, patch, call, after=after)
        exchange.notify(key)
    assert exchange.notify(key) == NONE_FAILED
    assert_rejected(exchange, key, ("{", NOT_JSON))


def test_the_breaks_reach_every_call_of_an_answer(exchange: Exchange) -> None:
    key = exchange.drop("success.json")
    with pytest.MonkeyPatch.context() as patch:
        made = break_off(exchange, patch, 1000, after=False)
        exchange.notify(key)
    assert made() <= CALLS


@pytest.mark.parametrize(
    "error",
    [
        client_error("SlowDown", "CopyObject"),
        client_error("AccessDenied", "CopyObject"),
        ReadTimeoutError(endpoint_url="https://s3"),
    ],
    ids=str,
)
@pytest.mark.parametrize("operation", ["get_object", "copy_object", "put_object", "delete_object"])
def test_a_fault_of_the_bucket_brings_the_event_back(exchange: Exchange, operation: str, error: Exception) -> None:
    key = exchange.drop("success.json")

    def fail(**_: Any) -> None:
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exchange.s3, operation, fail)
        assert failed_records(exchange.notify(key)) == ["message-1"]
    assert exchange.notify(key) == NONE_FAILED
    assert [name for name, _ in exchange.processed()] == ["success.json"]


FILES = [("success.json", "{}"), ("success.json", "{"), ("failure.json", "{}"), ("heartbeat", ""), ("odd.json", "{}")]


@given(
    dropped=st.lists(st.sampled_from(FILES), min_size=1, max_size=5),
    steps=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 12), st.booleans()), max_size=8),
    asked_after=st.integers(0, 8),
)
@settings(max_examples=60, deadline=None)
def test_whatever_is_dropped_in_whatever_order_its_events_come_all_has_its_end(
    dropped: list[tuple[str, str]], steps: list[tuple[int, int, bool]], asked_after: int
) -> None:
    """Events come twice, late, out of order, before the request, and each processing of one may break off."""
    with exchange_in(FakeS3()) as exchange:
        # Given
        keys = [exchange.drop(name, content) for name, content in dropped]
        for number, (which, call, after) in enumerate(steps):
            if number == asked_after:
                exchange.ask()
            with pytest.MonkeyPatch.context() as patch:
                break_off(exchange, patch, call, after=after)
                exchange.notify(keys[which % len(keys)])
        exchange.ask()
        # When each event comes for the last time
        for key in keys:
            assert exchange.notify(key) == NONE_FAILED
        # Then one usable answer has decided, if there was one, and every file is kept but the heartbeats
        usable = any(content == "{}" and name != "odd.json" for name, content in dropped)
        assert exchange.step_functions.settled == ({TOKEN} if usable else set())
        assert exchange.versions("inbound/") == []
        assert (exchange.keys("tokens/") == []) == usable
        assert len(exchange.keys("processed/")) == usable
        rejected = [
            (key.rpartition("/")[2], content.decode()) for key in {*keys} for content, _ in exchange.rejected(key)
        ]
        assert sorted(rejected + exchange.processed()) == sorted(file for file in dropped if file[0] != "heartbeat")
