"""Makes docs/order-confirmation-openapi.json of the code: PYTHONPATH=functions .venv/bin/python -m tests.openapi

Routes, patterns and limits are read from `order_api`; what a route takes and answers is told here, by the name of its
function. That the API does as told is what tests/e2e/test_order_confirmation_openapi.py is for.
"""

import json
import os
import re
from dataclasses import dataclass, field
from typing import Any

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")  # for the client that order_api makes when it is imported

import order_api
from orders.model import ORDER_ID as ORDER_ID_PATTERN
from orders.page import MAX_COMMENT_CHARACTERS
from tools import PROJECT

FILE = PROJECT / "docs/order-confirmation-openapi.json"

Schema = dict[str, Any]


def _object(optional: tuple[str, ...] = (), **properties: Schema) -> Schema:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


TEXT: Schema = {"type": "string"}
TIME: Schema = {"type": "string", "format": "date-time"}
ORDER_ID: Schema = {"type": "string", "pattern": f"^{ORDER_ID_PATTERN}$"}
DETAILS: Schema = {"type": "string", "maxLength": order_api.MAX_DETAILS_CHARACTERS}
COMMENT: Schema = {"type": "string", "maxLength": MAX_COMMENT_CHARACTERS}
STATE: Schema = {"enum": ["PROCESSING", "WAITING", "CONFIRMED", "CANCELLED", "EXPIRED", "FAILED"]}
SCHEMAS: dict[str, Schema] = {
    "NewOrder": _object(orderId=ORDER_ID, orderDetails=DETAILS),
    "AcceptedOrder": _object(orderId=ORDER_ID, state=STATE),
    "Confirmation": _object(("comment",), isConfirmed={"type": "boolean"}, comment=_or_null(COMMENT)),
    "Decision": _object(
        isConfirmed={"type": "boolean"}, decidedAt=TIME, decidedBy=_or_null(TEXT), comment=_or_null(COMMENT)
    ),
    "Order": _object(
        orderId=ORDER_ID,
        orderDetails=DETAILS,
        state=STATE,
        expiresAt=_or_null(TIME),
        decision=_or_null(_ref("Decision")),
    ),
    "Error": _object(
        error=_object(("details",), code=TEXT, message=TEXT, details={"type": "array", "items": TEXT}),
    ),
    "Choice": _object(("comment",), decision={"enum": ["confirm", "cancel"]}, comment=COMMENT),
}
PARAMETERS: dict[str, Schema] = {
    "orderId": ORDER_ID,
    "confirmationId": {"type": "string", "pattern": f"^{order_api.CONFIRMATION_ID}$"},
}
BY_GATEWAY = {403: "The API key is missing or wrong, or there is no such path.", 429: "Too many requests."}
UNAVAILABLE = "Nothing was done. Try again after the seconds in Retry-After."


@dataclass(frozen=True)
class Operation:
    """What a route does. `answers` by status: the description, and the schema's name (none: a page)."""

    summary: str
    answers: dict[int, tuple[str, str | None]]
    body: tuple[str, str] | None = None  # the media type and the schema's name
    api_key: bool = True
    headers: dict[int, str] = field(default_factory=dict)


OPERATIONS = {
    "create_order": Operation(
        "Start the confirmation of an order. The same order again gets the same answer.",
        {
            202: ("The workflow is started.", "AcceptedOrder"),
            409: ("Another order has this orderId.", "Error"),
            422: ("The body is not as it must be; details say how.", "Error"),
        },
        body=("application/json", "NewOrder"),
        headers={202: "Location"},
    ),
    "get_order": Operation(
        "How an order stands.",
        {200: ("The order.", "Order"), 404: ("There is no such order.", "Error")},
    ),
    "confirm_order": Operation(
        "Confirm or cancel an order. The first decision counts; the same again gets the same answer.",
        {
            200: ("The order, decided so.", "Order"),
            404: ("There is no such order.", "Error"),
            409: ("The order was decided otherwise, or its workflow failed.", "Error"),
            410: ("The time to decide is over.", "Error"),
            422: ("The body is not as it must be; details say how.", "Error"),
        },
        body=("application/json", "Confirmation"),
    ),
    "show_order": Operation(
        "The page on which a person decides. Nothing is decided by opening it.",
        {
            200: ("The form, or what was decided.", None),
            404: ("The link is not known.", None),
            410: ("The time to decide is over.", None),
        },
        api_key=False,
    ),
    "decide_order": Operation(
        "What the form of the page sends.",
        {
            200: ("What was decided.", None),
            404: ("The link is not known.", None),
            409: ("What was decided before, or that the workflow failed.", None),
            410: ("The time to decide is over.", None),
            422: ("The form again: there was no choice, or the comment is too long.", None),
        },
        body=("application/x-www-form-urlencoded", "Choice"),
        api_key=False,
    ),
}


def describe() -> Schema:
    """The API in the words of OpenAPI. A route that OPERATIONS does not know is a KeyError."""
    paths: dict[str, Schema] = {}
    for route in order_api.app._static_routes + order_api.app._dynamic_routes:  # there is no other list
        path = re.sub(r"<(\w+)_id>", r"{\1Id}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route.func.__name__, path)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Order confirmation", "version": "1"},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": SCHEMAS,
            "responses": {
                str(status): {"description": description, "content": _content("Error")}
                for status, description in BY_GATEWAY.items()
            },
            "securitySchemes": {"ApiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key"}},
        },
    }


def _operation(name: str, path: str) -> Schema:
    told = OPERATIONS[name]
    answers = {
        status: {"description": description, "content": _content(schema)}
        for status, (description, schema) in told.answers.items()
    }
    for status, header in told.headers.items():
        answers[status]["headers"] = {header: {"required": True, "schema": TEXT}}
    for status in BY_GATEWAY:
        answers[status] = {"$ref": f"#/components/responses/{status}"}
    answers[503] = {"description": UNAVAILABLE, "content": _content("Error" if told.api_key else None)}
    operation: Schema = {
        "operationId": name,
        "summary": told.summary,
        "parameters": [
            {"name": parameter, "in": "path", "required": True, "schema": PARAMETERS[parameter]}
            for parameter in re.findall(r"{(\w+)}", path)
        ],
        "security": [{"ApiKey": []}] if told.api_key else [],
        "responses": {str(status): answers[status] for status in sorted(answers)},
    }
    if told.body:
        media_type, schema = told.body
        operation["requestBody"] = {"required": True, "content": {media_type: {"schema": _ref(schema)}}}
    return operation


def _content(schema: str | None) -> Schema:
    return {"application/json": {"schema": _ref(schema)}} if schema else {"text/html": {"schema": TEXT}}


def as_text() -> str:
    return json.dumps(describe(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(as_text())
