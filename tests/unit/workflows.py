"""State machines and templates as data, and what tests of several workflows expect of them."""

import json
import re
from typing import Any

from tests.unit.state_machine import (
    PROJECT,
    Fields,
    read_definition,
    read_template,
)

PAYMENT, ASYNC_API, MANUAL, EXCHANGE, CONFIRMATION = (
    read_definition(name)
    for name in ("payment_callback", "async_api", "manual_callback", "file_exchange", "order_confirmation")
)
TEMPLATES = {
    name: read_template(name)
    for name in (
        "template.yaml",
        "templates/manual-callback.yaml",
        "templates/async-api.yaml",
        "templates/file-exchange.yaml",
        "templates/order-confirmation.yaml",
    )
}
ORDER: Fields = json.loads((PROJECT / "events/payment_callback/order.json").read_text())
REQUEST: Fields = json.loads((PROJECT / "events/async_api/success.json").read_text())

PAID = "Payment processed successfully."
DECLINED = {"Error": "Failed to process payment", "Cause": "Invalid Credit Card"}

# A bare SendTaskFailure gives null for both, AWS "" or nothing where it has nothing to say
CAUSES: list[Fields] = [{"Cause": ""}, {"Cause": None}, {}]
NO_CAUSE = "No cause was given."
ERRORS = {
    "SQS.KmsThrottledException": "Callback.KmsThrottledException",
    "States.Permissions": "Callback.Permissions",
    "Payment.InvalidRequest": "Payment.InvalidRequest",
    "Failed to process payment": "Failed to process payment",
    "": "Callback.Failed",
    None: "Callback.Failed",
}
TOO_LONG = "The input or the answer is larger than the 262,144 bytes that a state may have."


def resources(template: str, kind: str) -> dict[str, Fields]:
    """The properties of every resource of a type, by logical ID."""
    found = TEMPLATES[template]["Resources"].items()
    return {name: resource.get("Properties", {}) for name, resource in found if resource["Type"] == kind}


def transformed(event: Fields, transformer: Fields) -> str:
    """What EventBridge makes of an event: each `<name>` of the template is the JSON that its path leads to, or ""."""

    def value(name: re.Match[str]) -> str:
        found: Any = event
        for key in transformer["InputPathsMap"][name[1]].removeprefix("$.").split("."):
            found = found.get(key, "")
        return json.dumps(found)

    return re.sub(r"<(\w+)>", value, transformer["InputTemplate"])
