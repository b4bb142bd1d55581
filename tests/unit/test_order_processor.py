"""An order that is processed gets its link."""

import io
import re
import time
from typing import Any

import pytest

import order_processor
from orders import store
from tests.unit.order_table import CONFIRMATION_ID
from tests.unit.support import CONTEXT, sample_event

pytestmark = pytest.mark.usefixtures("table")


@pytest.fixture
def api_url(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ORDER_API_URL", "https://api.example/v1")
    return "https://api.example/v1"


def test_an_order_gets_an_unguessable_link_that_expires_with_the_wait(api_url: str) -> None:
    store.create("order-1", "2 books")
    links = set()
    for _ in range(2):
        processed = order_processor.lambda_handler(sample_event("order_processor/order"), CONTEXT)
        link = re.fullmatch(rf"{api_url}/confirmations/([\w-]{{32}})", processed["link"])
        assert link
        assert "order-1" not in link[1]
        assert 86_390 < processed["expiresAt"] - time.time() <= 86_400
        order = store.find_by_confirmation(link[1])
        assert order
        assert (order.state, order.expires_at) == ("WAITING", processed["expiresAt"])
        links.add(link[1])
    assert len(links) == 2


def test_a_repeat_does_not_put_off_the_end(api_url: str) -> None:
    store.create("order-1", "2 books")
    first = store.offer_confirmation("order-1", CONFIRMATION_ID, int(time.time()) + 100)
    assert order_processor.lambda_handler(sample_event("order_processor/order"), CONTEXT)["expiresAt"] == first


def test_an_order_that_is_not_there_is_not_processed(api_url: str, table: Any) -> None:
    with pytest.raises(store.UnknownOrder):
        order_processor.lambda_handler(sample_event("order_processor/order"), CONTEXT)
    assert table.scan()["Items"] == []


@pytest.mark.parametrize(
    "event", [None, {}, {"orderId": "order-1"}, {"orderId": "order 1", "waitSeconds": 1}], ids=repr
)
def test_a_malformed_event_is_refused(event: Any) -> None:
    with pytest.raises(order_processor.InvalidRequest, match="The input must be like"):
        order_processor.lambda_handler(event, CONTEXT)


def test_a_link_is_not_logged(api_url: str, printed: io.StringIO) -> None:
    store.create("order-1", "2 books")
    link = order_processor.lambda_handler(sample_event("order_processor/order"), CONTEXT)["link"]
    assert link[-32:] not in printed.getvalue()


def test_a_redrive_of_the_first_step_opens_the_order_again(api_url: str) -> None:
    store.create("order-1", "2 books")
    store.end(store.find("order-1"), "STOPPED")  # type: ignore[arg-type]
    order_processor.lambda_handler(sample_event("order_processor/order"), CONTEXT)
    order = store.find("order-1")
    assert order
    assert order.state == "WAITING"
