"""Demos, one module a workflow: each starts executions on the embedded AWS and shows what came of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from tools import FLAGSHIP, ToolError
from tools.engine.engine import Engine

DEMOS = sorted(
    path.stem.replace("_", "-")
    for path in Path(__file__).parent.glob("*.py")
    if path.stem not in ("__init__", "common")
)


@dataclass(frozen=True)
class Demo:
    """`config_env` is the section of samconfig.toml; `run` gets the stack's outputs and says whether all went well."""

    config_env: str
    run: Callable[[Engine, Mapping[str, str]], bool]


def find_demo(name: str) -> Demo:
    """Raises ToolError for a name that no demo has."""
    if name not in DEMOS:
        raise ToolError(f"There is no demo {name!r}: choose from {', '.join(DEMOS)}.")
    module = import_module(f"tools.demos.{name.replace('-', '_')}")
    return Demo("default" if name == FLAGSHIP else name, module.run)
