"""The description of the API and its code name the same routes, patterns and limits. Schemathesis tests the rest."""

import re
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

import order_api
from orders.model import ORDER_ID
from orders.page import CHOICES, MAX_COMMENT_CHARACTERS
from tools import PROJECT

DESCRIBED: dict[str, Any] = yaml.safe_load((PROJECT / "docs/order-confirmation-openapi.yaml").read_text())
SCHEMAS = DESCRIBED["components"]["schemas"]


def test_every_route_is_described() -> None:
    routes = order_api.app._static_routes + order_api.app._dynamic_routes  # there is no other list
    assert {
        (path, method, operation["operationId"])
        for path, methods in DESCRIBED["paths"].items()
        for method, operation in methods.items()
    } == {(re.sub(r"<(\w+)_id>", r"{\1Id}", route.path), route.method.lower(), route.func.__name__) for route in routes}


@pytest.mark.parametrize(
    ("schema", "described"),
    [
        (SCHEMAS["NewOrder"]["properties"]["orderId"], {"pattern": f"^{ORDER_ID}$"}),
        (SCHEMAS["NewOrder"]["properties"]["orderDetails"], {"maxLength": order_api.MAX_DETAILS_CHARACTERS}),
        (SCHEMAS["Choice"]["properties"]["comment"], {"maxLength": MAX_COMMENT_CHARACTERS}),
        (SCHEMAS["Choice"]["properties"]["decision"], {"enum": list(CHOICES)}),
        (
            DESCRIBED["components"]["parameters"]["confirmationId"]["schema"],
            {"pattern": f"^{order_api.CONFIRMATION_ID}$"},
        ),
    ],
)
def test_patterns_and_limits_are_those_of_the_code(schema: dict[str, Any], described: dict[str, Any]) -> None:
    assert schema == schema | described
