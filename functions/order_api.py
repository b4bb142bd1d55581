"""The HTTP API of orders, and the page on which a person decides one.

Bodies are read by hand: two fields do not make up for the half of a cold start that pydantic takes.
"""

import json
import os
import re
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, CORSConfig, Response
from aws_lambda_powertools.utilities.typing import LambdaContext

from callbacks.entry import PrintableError, describe, lambda_entry, logger
from orders import page, store
from orders.model import ORDER_ID, Order

CONFIRMATION_ID = r"[A-Za-z0-9_-]{20,64}"
MAX_DETAILS_CHARACTERS = 10_000

_origin = os.environ.get("ALLOWED_ORIGIN")
# debug=False: it would print every event, and confirmation ids are credentials
app = APIGatewayRestResolver(
    cors=CORSConfig(allow_origin=_origin, expose_headers=["Location", "Retry-After"]) if _origin else None, debug=False
)

Json = Any
Reply = Response[str]


class InvalidBody(PrintableError):
    """The body of a request is not as it must be. The text says why, and repeats nothing of it."""

    def __init__(self, message: str, details: list[str] | None = None) -> None:
        super().__init__(message)
        self.details = details or []


@lambda_entry
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    if not (
        isinstance(event, dict) and isinstance(event.get("path"), str) and isinstance(event.get("httpMethod"), str)
    ):
        raise NotARequest("not an event of API Gateway: it has no path or httpMethod; the folder events/ holds samples")
    return app.resolve(event, context)


class NotARequest(PrintableError):
    """The event is not as API Gateway sends it."""


# ------------------------------------------------------------------ orders, for programs
@app.post("/orders")
def create_order() -> Reply:
    body = json_body()
    order_id, details = body.get("orderId"), body.get("orderDetails")
    problems = []
    if not (isinstance(order_id, str) and re.fullmatch(ORDER_ID, order_id)):
        problems.append("orderId must be 1 to 64 of the characters A-Z, a-z, 0-9, _ and -.")
    if not is_text(details, MAX_DETAILS_CHARACTERS):
        problems.append(f"orderDetails must be text of up to {MAX_DETAILS_CHARACTERS:,} characters.")
    refuse_others(body, {"orderId", "orderDetails"}, problems)
    order = store.create(str(order_id), str(details))
    # Relative, so that it leads there whatever the stage or the base path of a domain
    return json_reply(
        HTTPStatus.ACCEPTED, {"orderId": order.order_id, "state": order.state}, Location=f"./orders/{order.order_id}"
    )


@app.get("/orders/<order_id>")
def get_order(order_id: str) -> Reply:
    order = store.find(order_id) if re.fullmatch(ORDER_ID, order_id) else None
    if order is None:
        raise store.UnknownOrder("there is no such order")
    return json_reply(HTTPStatus.OK, told(order))


@app.post("/orders/<order_id>/confirmation")
def confirm_order(order_id: str) -> Reply:
    body = json_body()
    is_confirmed, comment = body.get("isConfirmed"), body.get("comment")
    problems = []
    if not isinstance(is_confirmed, bool):
        problems.append("isConfirmed must be true or false.")
    if not (comment is None or is_text(comment, page.MAX_COMMENT_CHARACTERS)):
        problems.append(f"comment must be text of up to {page.MAX_COMMENT_CHARACTERS:,} characters.")
    refuse_others(body, {"isConfirmed", "comment"}, problems)
    if not re.fullmatch(ORDER_ID, order_id):
        raise store.UnknownOrder("there is no such order")
    key_id = app.current_event.request_context.identity.api_key_id
    decided_by = f"API key {key_id}" if key_id else "API"
    order = store.decide(order_id, "confirm" if is_confirmed else "cancel", decided_by, comment)
    logger.info("order decided", state=order.state)
    return json_reply(HTTPStatus.OK, told(order))


def told(order: Order) -> dict[str, Json]:
    """An order as the API tells it."""
    decision = None
    if order.decision and order.decided_at:
        decision = {
            "isConfirmed": order.decision == "confirm",
            "decidedAt": timestamp(order.decided_at),
            "decidedBy": order.decided_by,
            "comment": order.comment,
        }
    return {
        "orderId": order.order_id,
        "orderDetails": order.order_details,
        "state": order.state,
        "expiresAt": timestamp(order.expires_at) if order.expires_at else None,
        "decision": decision,
    }


def json_body() -> dict[str, Json]:
    """The body of the request, a JSON object. Raises InvalidBody."""
    try:
        body = json.loads(raw_body())
        json.dumps(body, ensure_ascii=False).encode()  # half an emoji cannot be kept
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise InvalidBody("The body must be a JSON object.")
    return body


def raw_body() -> str:
    event = app.current_event
    body = event.get("body") or ""
    return b64decode(body).decode() if event.get("isBase64Encoded") else str(body)


def refuse_others(body: dict[str, Json], known: set[str], problems: list[str]) -> None:
    """Raises InvalidBody if there are problems, fields that are not known among them."""
    if body.keys() - known:
        problems.append(f"There must be no other fields than {' and '.join(sorted(known))}.")
    if problems:
        raise InvalidBody("The body is not as it must be.", problems)


def is_text(value: object, limit: int) -> bool:
    return isinstance(value, str) and len(value) <= limit


def timestamp(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def json_reply(status: HTTPStatus, body: dict[str, Json], **headers: str) -> Reply:
    return Response(status, "application/json", json.dumps(body), {"Cache-Control": "no-store", **headers})


def error_reply(status: HTTPStatus, code: str, message: str, details: list[str] | None = None) -> Reply:
    more = {"details": details} if details else {}
    return json_reply(status, {"error": {"code": code, "message": message, **more}})


# ------------------------------------------------------------------ the page, for people
UNKNOWN_LINK = ("This link is not known", "It may be incomplete, or too old. Please ask whoever sent it to you.")


@app.get("/confirmations/<confirmation_id>")
def show_order(confirmation_id: str) -> Reply:
    order = confirmable(confirmation_id)
    if order is None:
        return page_reply(HTTPStatus.NOT_FOUND, page.message_page(*UNKNOWN_LINK))
    return page_of(order, confirmation_id)


@app.post("/confirmations/<confirmation_id>")
def decide_order(confirmation_id: str) -> Reply:
    order = confirmable(confirmation_id)
    if order is None:
        return page_reply(HTTPStatus.NOT_FOUND, page.message_page(*UNKNOWN_LINK))
    decision, comment = form_field("decision"), form_field("comment").strip()
    problem = None
    if decision not in store.DECISIONS:
        problem = "Please choose whether to confirm or to cancel, then send."
    elif len(comment) > page.MAX_COMMENT_CHARACTERS:
        problem = f"Please keep the comment to {page.MAX_COMMENT_CHARACTERS:,} characters."
    if problem and order.state != "WAITING":
        return page_of(order, confirmation_id)
    if problem:
        typed = order if order.decision else replace(order, comment=comment)
        body = page.confirmation_page(typed, confirmation_id, problem)
        return page_reply(HTTPStatus.UNPROCESSABLE_ENTITY, body)
    try:
        order = store.decide(order.order_id, decision, "confirmation link", comment or None)
        logger.info("order decided", state=order.state)
    except store.AlreadySettled as settled:
        problem = "This was decided before, and your answer changed nothing." if settled.order.decision else None
        return page_of(settled.order, confirmation_id, HTTPStatus.CONFLICT, problem)
    return page_of(order, confirmation_id)


def page_of(
    order: Order, confirmation_id: str, status: HTTPStatus = HTTPStatus.OK, problem: str | None = None
) -> Reply:
    status = HTTPStatus.GONE if order.state == "EXPIRED" else status
    return page_reply(status, page.confirmation_page(order, confirmation_id, problem))


def confirmable(confirmation_id: str) -> Order | None:
    return store.find_by_confirmation(confirmation_id) if re.fullmatch(CONFIRMATION_ID, confirmation_id) else None


def form_field(name: str) -> str:
    """The one value of a field of the posted form; empty where there is none, or more than one."""
    try:
        values = parse_qs(raw_body(), max_num_fields=10, errors="strict").get(name, [])
    except ValueError:
        return ""
    return values[0].replace("\r\n", "\n") if len(values) == 1 else ""


def page_reply(status: HTTPStatus, html: str) -> Reply:
    return Response(status, "text/html; charset=utf-8", html, dict(page.SECURITY_HEADERS))


# ------------------------------------------------------------------ what goes wrong
def invalid_body(error: InvalidBody) -> Reply:
    return error_reply(HTTPStatus.UNPROCESSABLE_ENTITY, "InvalidRequest", str(error), error.details)


def unknown_order(_: store.UnknownOrder) -> Reply:
    return error_reply(HTTPStatus.NOT_FOUND, "OrderUnknown", "There is no such order.")


def other_order(_: store.OtherOrder) -> Reply:
    return error_reply(HTTPStatus.CONFLICT, "OrderExists", "Another order has this orderId.")


def already_settled(error: store.AlreadySettled) -> Reply:
    if error.order.state == "EXPIRED":
        return error_reply(HTTPStatus.GONE, "OrderExpired", "The time to decide this order is over.")
    if error.order.state == "FAILED":
        return error_reply(HTTPStatus.CONFLICT, "OrderFailed", "The order cannot be decided: its workflow has failed.")
    return error_reply(HTTPStatus.CONFLICT, "AlreadyDecided", "The order is decided otherwise.")


def unavailable(error: Exception) -> Reply:
    """A fault of ours or of AWS. Powertools would log the text of an error that has no handler."""
    logger.error("request failed", reason=describe(error))
    passing = isinstance(error, store.TableUnavailable)
    status = HTTPStatus.SERVICE_UNAVAILABLE if passing else HTTPStatus.INTERNAL_SERVER_ERROR
    words = "Something went wrong here. Please try again in a moment."
    if app.current_event.path.startswith("/confirmations/"):
        reply = page_reply(status, page.message_page("Please try again", words))
    else:
        reply = error_reply(status, "TryAgain" if passing else "InternalError", words)
    reply.headers["Retry-After"] = "5"
    return reply


def not_found(_: Exception) -> Reply:
    if app.current_event.path.startswith("/confirmations/"):
        return page_reply(HTTPStatus.NOT_FOUND, page.message_page(*UNKNOWN_LINK))
    return error_reply(HTTPStatus.NOT_FOUND, "NotFound", "There is nothing under this path.")


app.exception_handler(InvalidBody)(invalid_body)
app.exception_handler(store.UnknownOrder)(unknown_order)
app.exception_handler(store.OtherOrder)(other_order)
app.exception_handler(store.AlreadySettled)(already_settled)
app.exception_handler(Exception)(unavailable)
app.not_found(not_found)
