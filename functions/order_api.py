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
from callbacks.fields import unknown_field_problem
from callbacks.json_text import UnreadableJson, read_json
from callbacks.settings import setting
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
    """The body of a request is invalid. The details say why, and repeat nothing of it."""

    def __init__(self, details: list[str]) -> None:
        super().__init__("The request body is invalid.")
        self.details = details


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
    problems = unknown_fields(body, ["orderId", "orderDetails"])
    if not (isinstance(order_id, str) and re.fullmatch(ORDER_ID, order_id)):
        problems.append("orderId must be 1 to 64 of the characters A-Z, a-z, 0-9, _ and -.")
    if not is_text(details, MAX_DETAILS_CHARACTERS):
        problems.append(f"orderDetails must be text of up to {MAX_DETAILS_CHARACTERS:,} characters.")
    if problems:
        raise InvalidBody(problems)
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
    return json_reply(HTTPStatus.OK, order_body(order))


@app.post("/orders/<order_id>/confirmation")
def confirm_order(order_id: str) -> Reply:
    body = json_body()
    is_confirmed, comment = body.get("isConfirmed"), body.get("comment")
    problems = unknown_fields(body, ["isConfirmed", "comment"])
    if not isinstance(is_confirmed, bool):
        problems.append("isConfirmed must be true or false.")
    if not (comment is None or is_text(comment, page.MAX_COMMENT_CHARACTERS)):
        problems.append(f"comment must be text of up to {page.MAX_COMMENT_CHARACTERS:,} characters.")
    if problems:
        raise InvalidBody(problems)
    if not re.fullmatch(ORDER_ID, order_id):
        raise store.UnknownOrder("there is no such order")
    key_id = app.current_event.request_context.identity.api_key_id
    decided_by = f"API key {key_id}" if key_id else "API"
    order = store.decide(order_id, "CONFIRMED" if is_confirmed else "CANCELLED", decided_by, comment)
    logger.info("order decided", state=order.state)
    body = order_body(order)
    if comment and comment != order.comment:
        body["message"] = "The order was decided before, in the same way. Your comment was not kept."
    return json_reply(HTTPStatus.OK, body)


def order_body(order: Order) -> dict[str, Json]:
    """An order as the API shows it."""
    decision = None
    if order.decision and order.decided_at:
        decision = {
            "isConfirmed": order.decision == "CONFIRMED",
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
        body = read_json(raw_body())
    except UnreadableJson as error:
        raise InvalidBody([f"The body {error}."]) from None
    if not isinstance(body, dict):
        raise InvalidBody(["The body is not a JSON object."])
    return body


def raw_body() -> bytes | str:
    event = app.current_event
    body = event.get("body") or ""
    return b64decode(body) if event.get("isBase64Encoded") else str(body)


def unknown_fields(body: dict[str, Json], known: list[str]) -> list[str]:
    problem = unknown_field_problem(body, known)
    return [f"{problem[0].upper()}{problem[1:]}."] if problem else []


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
        return message_reply(HTTPStatus.NOT_FOUND, *UNKNOWN_LINK)
    return order_page(HTTPStatus.OK, page.View(order, confirmation_id, asked_by()))


@app.post("/confirmations/<confirmation_id>")
def decide_order(confirmation_id: str) -> Reply:
    order = confirmable(confirmation_id)
    if order is None:
        return message_reply(HTTPStatus.NOT_FOUND, *UNKNOWN_LINK)
    choice, comment = form_field("decision"), form_field("comment").strip()
    view = page.View(order, confirmation_id, asked_by(), choice, comment)
    if order.state == "WAITING" and view.problem:
        return order_page(HTTPStatus.UNPROCESSABLE_ENTITY, view)
    if choice not in page.CHOICES:
        return order_page(HTTPStatus.OK, view)
    try:
        order = store.decide(order.order_id, page.CHOICES[choice], "confirmation link", comment or None)
        logger.info("order decided", state=order.state)
    except store.AlreadySettled as settled:
        return order_page(HTTPStatus.CONFLICT, replace(view, order=settled.order))
    return order_page(HTTPStatus.OK, replace(view, order=order))


def order_page(status: HTTPStatus, view: page.View) -> Reply:
    return page_reply(HTTPStatus.GONE if view.order.state == "EXPIRED" else status, page.confirmation_page(view))


def message_reply(status: HTTPStatus, title: str, text: str) -> Reply:
    return page_reply(status, page.message_page(title, text))


def asked_by() -> str:
    return setting("ASKED_BY")


def confirmable(confirmation_id: str) -> Order | None:
    return store.find_by_confirmation(confirmation_id) if re.fullmatch(CONFIRMATION_ID, confirmation_id) else None


def form_field(name: str) -> str:
    """The one value of a field of the posted form; empty where there is none, or more than one."""
    body = raw_body()
    try:
        text = body.decode() if isinstance(body, bytes) else body
        values = parse_qs(text, max_num_fields=10, errors="strict").get(name, [])
    except ValueError:
        return ""
    return values[0].replace("\r\n", "\n") if len(values) == 1 else ""


def page_reply(status: HTTPStatus, html: str) -> Reply:
    return Response(status, "text/html; charset=utf-8", html, dict(page.SECURITY_HEADERS))


# ------------------------------------------------------------------ what goes wrong
@app.exception_handler(InvalidBody)
def invalid_body(error: InvalidBody) -> Reply:
    return error_reply(HTTPStatus.UNPROCESSABLE_ENTITY, "InvalidRequest", str(error), error.details)


@app.exception_handler(store.UnknownOrder)
def unknown_order(_: store.UnknownOrder) -> Reply:
    return error_reply(HTTPStatus.NOT_FOUND, "OrderUnknown", "There is no such order.")


@app.exception_handler(store.OtherOrder)
def other_order(_: store.OtherOrder) -> Reply:
    return error_reply(HTTPStatus.CONFLICT, "OrderExists", "Another order has this orderId.")


@app.exception_handler(store.AlreadySettled)
def already_settled(error: store.AlreadySettled) -> Reply:
    match error.order.state:
        case "EXPIRED":
            return error_reply(HTTPStatus.GONE, "OrderExpired", "The time to decide this order is over.")
        case "FAILED":
            return error_reply(HTTPStatus.CONFLICT, "OrderFailed", "This order has failed. It cannot be decided.")
        case "STOPPED":
            return error_reply(HTTPStatus.CONFLICT, "OrderStopped", "This order was stopped. It cannot be decided.")
    return error_reply(HTTPStatus.CONFLICT, "AlreadyDecided", f"The order is already {error.order.state.lower()}.")


@app.exception_handler(Exception)
def unavailable(error: Exception) -> Reply:
    """A fault of ours or of AWS. Powertools would log the text of an error that has no handler."""
    logger.error("request failed", reason=describe(error))
    passing = isinstance(error, store.TableUnavailable)
    status = HTTPStatus.SERVICE_UNAVAILABLE if passing else HTTPStatus.INTERNAL_SERVER_ERROR
    words = "Something went wrong here. Please try again in a moment."
    if app.current_event.path.startswith("/confirmations/"):
        reply = message_reply(status, "Please try again", words)
    else:
        reply = error_reply(status, "TryAgain" if passing else "InternalError", words)
    reply.headers["Retry-After"] = "5"
    return reply


@app.not_found
def not_found(_: Exception) -> Reply:
    if app.current_event.path.startswith("/confirmations/"):
        return message_reply(HTTPStatus.NOT_FOUND, *UNKNOWN_LINK)
    return error_reply(HTTPStatus.NOT_FOUND, "NotFound", "There is nothing under this path.")
