"""The API of orders: every status of its contract, decided once, and a page that no scanner decides on."""

import importlib
import io
import json
import time
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import order_api
from orders import store
from tests.unit.order_table import CONFIRMATION_ID, FUTURE, never_started, offered, request, settled
from tests.unit.support import CONTEXT, any_json, client_error, sample_event

PAGE = f"/confirmations/{CONFIRMATION_ID}"

pytestmark = pytest.mark.usefixtures("table")


def error_of(body: Any) -> str:
    assert body.keys() == {"error"}
    assert {"code", "message"} <= body["error"].keys() <= {"code", "message", "details"}
    code: str = body["error"]["code"]
    return code


# ------------------------------------------------------------------ orders
def test_an_order_is_accepted_and_the_same_again_too() -> None:
    for _ in range(2):
        status, body, headers = request("create_order")
        assert (status, body) == (202, {"orderId": "order-1", "state": "PROCESSING"})
        assert headers["Location"] == "./orders/order-1"


def test_another_order_under_the_same_id_is_refused() -> None:
    request("create_order")
    status, body, _ = request("create_order", body={"orderId": "order-1", "orderDetails": "3 books"})
    assert (status, error_of(body)) == (409, "OrderExists")
    assert request("get_order")[1]["orderDetails"] == "2 books, to be paid with 4111111111111111"


def test_a_repeat_tells_the_stream_again(table: Any) -> None:
    request("create_order")
    before = table.get_item(Key={"pk": "ORDER#order-1"})["Item"]
    request("create_order")
    after = table.get_item(Key={"pk": "ORDER#order-1"})["Item"]
    assert after.pop("touchedAt")
    assert after == before


@pytest.mark.parametrize("order_id", ["a", "o" * 64, "_-0Z"])
@pytest.mark.parametrize("details", ["", "d" * 10_000, "Bücher 😀"])
def test_order_ids_and_details_within_their_limits_are_accepted(order_id: str, details: str) -> None:
    assert request("create_order", body={"orderId": order_id, "orderDetails": details})[0] == 202
    assert request("get_order", f"/orders/{order_id}")[1]["orderDetails"] == details


@pytest.mark.parametrize(
    ("body", "details"),
    [
        ({"orderDetails": "d"}, ["orderId"]),
        ({"orderId": "order-1"}, ["orderDetails"]),
        ({"orderId": "", "orderDetails": "d"}, ["orderId"]),
        ({"orderId": "o" * 65, "orderDetails": "d"}, ["orderId"]),
        ({"orderId": "order-1\n", "orderDetails": "d"}, ["orderId"]),
        ({"orderId": "örder", "orderDetails": "d"}, ["orderId"]),
        ({"orderId": 1, "orderDetails": "d"}, ["orderId"]),
        ({"orderId": "order-1", "orderDetails": "d" * 10_001}, ["orderDetails"]),
        ({"orderId": "order-1", "orderDetails": None}, ["orderDetails"]),
        ({}, ["orderId", "orderDetails"]),
        ([], ["The"]),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_bad_order_is_refused_with_what_is_wrong(body: object, details: list[str]) -> None:
    status, answer, _ = request("create_order", body=body)
    assert (status, error_of(answer)) == (422, "InvalidRequest")
    assert answer["error"]["message"] == "The request body is invalid."
    assert [detail.split()[0] for detail in answer["error"]["details"]] == details


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("not JSON", "The body is not JSON."),
        ("", "The body is not JSON."),
        (None, "The body is not JSON."),
        ("[" * 100_000, "The body is nested too deep."),
        ('{"isConfirmed": false, "isConfirmed": true}', "The body has a key twice in one object."),
        ('{"isConfirmed": true, "isConfirmed": true}', "The body has a key twice in one object."),
        ('{"isConfirmed": true, "comment": {"a": 1, "\\u0061": 2}}', "The body has a key twice in one object."),
        (
            '{"isConfirmed": true, "comment": "\\ud83d"}',
            "The body has half an emoji in it (a surrogate without the other).",
        ),
        (
            '{"isConfirmed": true, "comment": NaN}',
            "The body has NaN, Infinity or a number that is too large in it, which is not JSON.",
        ),
        ("null", "The body is not a JSON object."),
    ],
    ids=lambda value: repr(value)[:50],
)
@pytest.mark.parametrize("sample", ["create_order", "confirm_order"])
@pytest.mark.parametrize("encoded", [False, True])
def test_a_body_that_cannot_be_read_decides_nothing(
    table: Any, body: str | None, detail: str, sample: str, encoded: bool
) -> None:
    offered(table)
    event = sample_event(f"order_api/{sample}")
    event["body"] = b64encode((body or "").encode()).decode() if encoded else body
    answer = order_api.lambda_handler(event | {"isBase64Encoded": encoded}, CONTEXT)
    assert (answer["statusCode"], json.loads(answer["body"])["error"]["details"]) == (422, [detail])
    assert request("get_order")[1]["state"] == "WAITING"


@pytest.mark.parametrize("encoded", [False, True])
def test_a_byte_order_mark_before_the_body_is_passed_over(table: Any, encoded: bool) -> None:
    offered(table)
    event, body = sample_event("order_api/confirm_order"), '\ufeff{"isConfirmed": false}'
    event["body"] = b64encode(body.encode()).decode() if encoded else body
    answer = order_api.lambda_handler(event | {"isBase64Encoded": encoded}, CONTEXT)
    assert json.loads(answer["body"])["state"] == "CANCELLED"


@pytest.mark.parametrize(
    ("sample", "body", "details"),
    [
        ("confirm_order", {"isConfirmd": True}, ["isConfirmed must", "(did you mean isConfirmed?)"]),
        ("confirm_order", {"isConfirmed": True, "coment": "c"}, ["(did you mean comment?)"]),
        ("create_order", {"orderID": "order-2", "orderDetails": "d"}, ["orderId must", "(did you mean orderId?)"]),
        (
            "create_order",
            {"orderId": "order-2", "orderDetails": "d", "orderId2": 1},
            ["The only fields are orderDetails and orderId"],
        ),
        (
            "create_order",
            {"orderId": "order-2", "orderDetails": "d", "x" * 100_000: 1},
            ["The only fields are orderDetails and orderId"],
        ),
    ],
    ids=lambda value: str(value)[:50],
)
def test_an_unknown_field_is_refused_with_the_one_that_it_may_have_meant(
    table: Any, sample: str, body: dict[str, object], details: list[str]
) -> None:
    offered(table)
    status, answer, _ = request(sample, body=body)
    assert status == 422
    assert all(any(each in detail for detail in answer["error"]["details"]) for each in details)
    assert not any(name in str(answer) for name in ("isConfirmd", "coment", "orderID", "orderId2", "xxx"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(body=any_json, sample=st.sampled_from(["create_order", "confirm_order"]))
def test_no_body_is_a_fault_of_the_api(body: object, sample: str) -> None:
    assert request(sample, body=body)[0] in (202, 404, 409, 422)


def test_an_order_tells_its_state_when_it_expires_and_the_decision() -> None:
    request("create_order")
    shown = {"orderId": "order-1", "orderDetails": "2 books, to be paid with 4111111111111111"}
    assert request("get_order")[:2] == (200, {**shown, "state": "PROCESSING", "expiresAt": None, "decision": None})
    store.offer_confirmation("order-1", CONFIRMATION_ID, FUTURE)
    expires_at = "2096-10-02T07:06:40Z"
    waiting = {**shown, "state": "WAITING", "expiresAt": expires_at, "decision": None}
    assert request("get_order")[1] == waiting
    request("confirm_order")
    decided = request("get_order")[1]
    decision = decided.pop("decision")
    assert decided == {**shown, "state": "CONFIRMED", "expiresAt": expires_at}
    assert decision.pop("decidedAt")
    assert decision == {
        "isConfirmed": True,
        "decidedBy": "API key k1l2m3n4o5",
        "comment": "Not 4111111111111111, please.",
    }


@pytest.mark.parametrize("path", ["/orders/order-2", "/orders/order%201", "/orders/" + "o" * 65])
def test_an_unknown_order_is_not_found(path: str) -> None:
    for sample, where in (("get_order", path), ("confirm_order", f"{path}/confirmation")):
        status, body, _ = request(sample, where)
        assert (status, error_of(body)) == (404, "OrderUnknown")


def test_an_unknown_path_is_not_found() -> None:
    status, body, _ = request("get_order", "/order")
    assert (status, error_of(body)) == (404, "NotFound")


# ------------------------------------------------------------------ decisions
@pytest.mark.parametrize(("is_confirmed", "state"), [(True, "CONFIRMED"), (False, "CANCELLED")])
def test_a_decision_is_taken_once_repeated_and_never_turned(
    table: Any,
    is_confirmed: bool,
    state: str,
) -> None:
    offered(table)
    status, body, _ = request("confirm_order", body={"isConfirmed": is_confirmed})
    assert (status, body["state"], body["decision"]["isConfirmed"]) == (200, state, is_confirmed)
    assert request("confirm_order", body={"isConfirmed": is_confirmed})[:2] == (200, body)
    status, refused, _ = request("confirm_order", body={"isConfirmed": not is_confirmed})
    assert (status, error_of(refused)) == (409, "AlreadyDecided")
    assert request("get_order")[1] == body


def test_a_comment_that_comes_after_the_decision_is_not_dropped_without_a_word(table: Any) -> None:
    offered(table)
    first = request("confirm_order")[1]
    again = request("confirm_order")[1]
    assert again == first  # with the comment that is kept
    again = request("confirm_order", body={"isConfirmed": True, "comment": "Another."})[1]
    assert "Your comment was not kept." in again.pop("message")
    assert again == first


def test_a_decision_that_comes_before_the_workflow_waits_is_kept() -> None:
    request("create_order")
    assert request("confirm_order")[0] == 200
    store.offer_confirmation("order-1", CONFIRMATION_ID, FUTURE)
    assert request("get_order")[1]["state"] == "CONFIRMED"


@pytest.mark.parametrize(
    "body",
    [{}, {"isConfirmed": "true"}, {"isConfirmed": 1}, {"isConfirmed": None}, {"isConfirmed": True, "by": "me"}]
    + [{"isConfirmed": True, "comment": comment} for comment in (1, "c" * 1001)],
    ids=lambda body: repr(body)[:40],
)
def test_a_bad_decision_decides_nothing(table: Any, body: object) -> None:
    offered(table)
    status, answer, _ = request("confirm_order", body=body)
    assert (status, error_of(answer)) == (422, "InvalidRequest")
    assert request("get_order")[1]["state"] == "WAITING"


@pytest.mark.parametrize(
    ("how", "by_the_workflow"), [("EXPIRED", True), ("FAILED", True), ("FAILED", False), ("STOPPED", False)]
)
def test_an_order_that_is_over_cannot_be_decided_or_started(table: Any, how: str, by_the_workflow: bool) -> None:
    offered(table)
    if by_the_workflow:
        settled(table, how)
    else:
        store.end(store.find("order-1"), how)  # type: ignore[arg-type]
    before = table.get_item(Key={"pk": "ORDER#order-1"})["Item"]
    expected = {"EXPIRED": (410, "OrderExpired"), "FAILED": (409, "OrderFailed"), "STOPPED": (409, "OrderStopped")}[how]
    for sample, body in (
        ("confirm_order", ...),
        ("confirm_order", {"isConfirmed": False}),
        ("create_order", {"orderId": "order-1", "orderDetails": "2 books"}),
    ):
        status, answer, _ = request(sample, body=body)
        assert (status, error_of(answer)) == expected
    for _ in range(2):
        status, html, _ = request("decide_on_page", PAGE)
        assert (status, "<form" in html) == (expected[0], False)
        assert request("show_confirmation_page", PAGE)[0] == (410 if how == "EXPIRED" else 200)
    assert request("get_order")[1]["state"] == how
    assert request("get_order")[1]["decision"] is None
    assert table.get_item(Key={"pk": "ORDER#order-1"})["Item"] == before


@pytest.mark.parametrize("sample", ["confirm_order", "decide_on_page"])
def test_a_decision_whose_workflow_was_stopped_is_shown_as_stopped(table: Any, sample: str) -> None:
    offered(table)
    decided = request(sample, PAGE if sample == "decide_on_page" else None)
    assert decided[0] == 200
    store.end(store.find("order-1"), "STOPPED")  # type: ignore[arg-type]
    shown = request("get_order")[1]
    assert (shown["state"], shown["decision"]["isConfirmed"]) == ("STOPPED", sample == "confirm_order")
    assert request(sample, PAGE if sample == "decide_on_page" else None)[0] == 409


def test_an_order_that_is_never_started_expires(table: Any) -> None:
    body = {"orderId": "order-1", "orderDetails": "2 books"}
    request("create_order", body=body)
    never_started(table)
    assert request("get_order")[1]["state"] == "EXPIRED"
    for sample, sent in (("confirm_order", ...), ("create_order", body)):
        status, answer, _ = request(sample, body=sent)
        assert (status, error_of(answer)) == (410, "OrderExpired")
    with pytest.raises(store.AlreadySettled):
        store.offer_confirmation("order-1", CONFIRMATION_ID, FUTURE)
    assert request("show_confirmation_page", PAGE)[0] == 404


def test_an_order_that_was_decided_before_it_was_started_can_be_started_late(table: Any) -> None:
    request("create_order")
    request("confirm_order")
    never_started(table)
    assert request("create_order")[:2] == (202, {"orderId": "order-1", "state": "CONFIRMED"})
    assert store.offer_confirmation("order-1", CONFIRMATION_ID, FUTURE) == FUTURE


def test_an_order_of_an_older_version_has_no_time_to_be_started_by(table: Any) -> None:
    request("create_order")
    table.update_item(Key={"pk": "ORDER#order-1"}, UpdateExpression="REMOVE startBy")
    assert request("create_order")[0] == 202
    assert request("confirm_order")[0] == 200
    store.offer_confirmation("order-1", CONFIRMATION_ID, FUTURE)


def test_an_order_expires_by_the_clock(table: Any) -> None:
    offered(table, expires_at=int(time.time()))
    status, body, _ = request("confirm_order")
    assert (status, error_of(body)) == (410, "OrderExpired")
    assert request("get_order")[1]["state"] == "EXPIRED"
    assert request("show_confirmation_page", PAGE)[0] == request("decide_on_page", PAGE)[0] == 410


# ------------------------------------------------------------------ the page
def test_opening_the_page_decides_nothing_and_is_safe(table: Any) -> None:
    offered(table)
    for _ in range(2):
        status, html, headers = request("show_confirmation_page", PAGE)
        assert status == 200
        assert "2 books" in html
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert request("get_order")[1]["state"] == "WAITING"


@pytest.mark.parametrize("form", ["", "decision=", "decision=yes", "decision=confirm&decision=cancel", "%ff", None])
def test_a_post_without_a_choice_decides_nothing(table: Any, form: str | None) -> None:
    offered(table)
    assert request("decide_on_page", PAGE, form)[0] == 422
    assert request("get_order")[1]["state"] == "WAITING"


@pytest.mark.parametrize(
    ("choice", "other", "state"), [("confirm", "cancel", "CONFIRMED"), ("cancel", "confirm", "CANCELLED")]
)
def test_the_page_decides_once_and_shows_what_was_decided(
    table: Any,
    choice: str,
    other: str,
    state: str,
) -> None:
    offered(table)
    for _ in range(2):
        status, html, _ = request("decide_on_page", PAGE, f"decision={choice}&comment=a%0D%0Ab")
        assert (status, "<form" in html) == (200, False)
    decided = request("get_order")[1]
    assert decided["state"] == state
    assert (decided["decision"]["decidedBy"], decided["decision"]["comment"]) == ("confirmation link", "a\nb")
    assert request("decide_on_page", PAGE, f"decision={other}")[0] == 409
    assert "a comment of mine" in request("decide_on_page", PAGE, f"decision={other}&comment=a+comment+of+mine")[1]
    assert request("show_confirmation_page", PAGE)[0] == request("decide_on_page", PAGE, "")[0] == 200


def test_a_comment_that_is_too_long_decides_nothing(table: Any) -> None:
    offered(table)
    assert request("decide_on_page", PAGE, f"decision=confirm&comment={'c' * 1001}")[0] == 422
    assert request("get_order")[1]["state"] == "WAITING"


def test_an_unknown_link_says_so_in_words(table: Any) -> None:
    offered(table)
    for path in (PAGE[:-1], f"{PAGE}x", "/confirmations/order-1", "/confirmations/%3Cscript%3E"):
        for sample in ("show_confirmation_page", "decide_on_page"):
            status, html, _ = request(sample, path)
            assert (status, html.startswith("<!doctype html>")) == (404, True)


def test_a_confirmation_id_is_kept_as_its_hash_only(table: Any) -> None:
    offered(table)
    assert CONFIRMATION_ID not in str(table.scan()["Items"])


# ------------------------------------------------------------------ what goes wrong, and what is logged
class Broken:
    def __getattr__(self, name: str) -> Any:
        raise client_error("ThrottlingException", name)


@pytest.mark.parametrize("sample", ["create_order", "get_order", "confirm_order"])
def test_a_fault_of_the_table_is_shown_as_passing(monkeypatch: pytest.MonkeyPatch, sample: str) -> None:
    monkeypatch.setattr(store, "_dynamodb", Broken())
    status, body, headers = request(sample)
    assert (status, error_of(body), headers["Retry-After"]) == (503, "TryAgain", "5")


@pytest.mark.parametrize("sample", ["show_confirmation_page", "decide_on_page"])
def test_a_fault_of_the_table_is_shown_in_words_on_the_page(monkeypatch: pytest.MonkeyPatch, sample: str) -> None:
    monkeypatch.setattr(store, "_dynamodb", Broken())
    status, html, headers = request(sample)
    assert (status, html.startswith("<!doctype html>"), headers["Retry-After"]) == (503, True, "5")


def test_a_fault_of_ours_says_nothing_of_what_it_was(monkeypatch: pytest.MonkeyPatch, printed: io.StringIO) -> None:
    monkeypatch.delenv("ORDER_TABLE_NAME")
    status, body, _ = request("get_order")
    assert (status, error_of(body)) == (500, "InternalError")
    assert "ORDER_TABLE_NAME" not in str(body)
    assert "ORDER_TABLE_NAME is missing" in printed.getvalue()


def test_nothing_of_a_request_is_logged(table: Any, printed: io.StringIO) -> None:
    offered(table)
    request("create_order", body={"orderId": "order-2", "orderDetails": "details"})
    request("show_confirmation_page", PAGE)
    request("decide_on_page", PAGE)
    log = printed.getvalue()
    assert "order decided" in log
    for secret in (CONFIRMATION_ID, "details", "2 books", "please", "4111111111111111"):
        assert secret not in log


def test_a_body_may_come_encoded(table: Any) -> None:
    offered(table)
    event = sample_event("order_api/decide_on_page")
    event |= {"path": PAGE, "body": b64encode(event["body"].encode()).decode(), "isBase64Encoded": True}
    assert order_api.lambda_handler(event, CONTEXT)["statusCode"] == 200
    assert request("get_order")[1]["state"] == "CANCELLED"


@pytest.mark.parametrize("event", [None, {}, {"path": 1, "httpMethod": "GET"}, {"Records": []}], ids=repr)
def test_an_event_of_something_else_is_refused(event: Any) -> None:
    with pytest.raises(order_api.NotARequest, match="not an event of API Gateway"):
        order_api.lambda_handler(event, CONTEXT)


# ------------------------------------------------------------------ scripts of other origins
SHOP = "https://shop.example"


@pytest.fixture
def api_for_shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module as it is where the template has an AllowedOrigin."""
    monkeypatch.setenv("ALLOWED_ORIGIN", SHOP)
    yield importlib.reload(order_api)
    monkeypatch.delenv("ALLOWED_ORIGIN")
    importlib.reload(order_api)


def from_origin(module: Any, sample: str, origin: str) -> tuple[int, dict[str, list[str]]]:
    event = sample_event(f"order_api/{sample}")
    event["headers"]["Origin"], event["multiValueHeaders"]["Origin"] = origin, [origin]
    answer = module.lambda_handler(event, CONTEXT)
    return answer["statusCode"], answer["multiValueHeaders"]


def test_scripts_of_another_origin_are_not_let_in() -> None:
    assert from_origin(order_api, "preflight", SHOP)[0] == 404
    status, headers = from_origin(order_api, "create_order", SHOP)
    assert status == 202
    assert "Access-Control-Allow-Origin" not in headers


def test_scripts_of_the_allowed_origin_are_let_in_and_no_others(api_for_shop: Any) -> None:
    status, headers = from_origin(api_for_shop, "preflight", SHOP)
    assert (status, headers["Access-Control-Allow-Origin"]) == (204, [SHOP])
    assert "X-Api-Key" in headers["Access-Control-Allow-Headers"][0]
    for sample, expected in (("create_order", 202), ("create_order_invalid", 422)):
        status, headers = from_origin(api_for_shop, sample, SHOP)
        assert (status, headers["Access-Control-Allow-Origin"]) == (expected, [SHOP])
    assert "Access-Control-Allow-Origin" not in from_origin(api_for_shop, "create_order", "https://else.example")[1]
