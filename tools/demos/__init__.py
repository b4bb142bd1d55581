"""Demos, one module a workflow: each starts executions on the embedded AWS and shows what came of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tools import ToolError
from tools.demos import async_api, file_exchange, manual_callback, order_confirmation, payment_callback
from tools.engine.engine import Engine


@dataclass(frozen=True)
class Demo:
    """`config_env` is the section of samconfig.toml; `run` gets the stack's outputs and says whether all went well."""

    config_env: str
    run: Callable[[Engine, Mapping[str, str]], bool]


DEMOS = {
    "payment-callback": Demo("default", payment_callback.run),
    "manual-callback": Demo("manual-callback", manual_callback.run),
    "async-api": Demo("async-api", async_api.run),
    "file-exchange": Demo("file-exchange", file_exchange.run),
    "order-confirmation": Demo("order-confirmation", order_confirmation.run),
}


def find_demo(name: str) -> Demo:
    """Raises ToolError for a name that no demo has."""
    if name not in DEMOS:
        raise ToolError(f"There is no demo {name!r}: choose from {', '.join(DEMOS)}.")
    return DEMOS[name]
