"""JSONata expressions: parsed once, not at each evaluation, and by the engine's clock."""

import time
from collections import deque
from typing import Any

from jsonata import Jsonata  # type: ignore[import-untyped]
from jsonata.functions import Functions  # type: ignore[import-untyped]
from jsonata.timebox import Timebox  # type: ignore[import-untyped]
from jsonata.utils import Utils  # type: ignore[import-untyped]
from ministack.services import stepfunctions as sfn

from tools.engine.contract.clock import clock

MOST_MILLISECONDS = 1000  # of CPU time: an expression that has to wait for the machine is no endless loop
MOST_KEPT = 2000

_parsed: dict[str, deque[Any]] = {}  # those that nobody evaluates right now: one at a time may use each

Timebox.current_milli_time = staticmethod(lambda: round(1000 * time.thread_time()))


def evaluate(
    expression: str, data: object, context: dict[str, Any] | None = None, result: object = None, error: object = None
) -> Any:
    """The value of an expression. Raises ministack's error, States.QueryEvaluationError, as its own evaluation does."""
    context = context or {}
    seen = {name: value for name, value in context.items() if name not in ("QueryLanguage", "variables")}
    bindings = {name: Utils.NULL_VALUE if value is None else value for name, value in _variables(context).items()}
    bindings["states"] = {"input": data, "result": result, "errorOutput": error, "context": seen}
    if len(_parsed) > MOST_KEPT:
        _parsed.clear()
    idle = _parsed.setdefault(expression, deque())
    try:
        parsed = idle.pop() if idle else _parse(expression)
        Jsonata.CURRENT.jsonata = parsed  # what functions of higher order evaluate with
        parsed.environment.set_runtime_bounds(MOST_MILLISECONDS, None)
        value = parsed.evaluate(None, bindings)
    except sfn._ExecutionError:
        raise
    except Exception as problem:
        code = getattr(problem, "error", None)
        message = f"{code}: {problem}" if isinstance(code, str) and code else str(problem)
        raise sfn._ExecutionError("States.QueryEvaluationError", message) from problem
    idle.append(parsed)
    if value is None:
        raise sfn._ExecutionError(
            "States.QueryEvaluationError", f"JSONata expression did not return a result: {expression}"
        )
    return Utils.convert_nulls(value)


def _variables(context: dict[str, Any]) -> dict[str, Any]:
    variables: dict[str, Any] = context.get("variables", {})
    return variables


def _parse(expression: str) -> Any:
    parsed = Jsonata.jsonata(expression)
    parsed.set_output_convert_nulls(False)  # so that null, a value, differs from nothing
    sfn._register_sfn_jsonata_functions(parsed)
    parsed.register_lambda("millis", _millis)
    parsed.register_lambda(
        "now", lambda picture=None, zone=None: Functions.datetime_from_millis(_millis(), picture, zone)
    )
    return parsed


def _millis() -> int:
    return int(clock.now() * 1000)
