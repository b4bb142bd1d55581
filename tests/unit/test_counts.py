"""What costs time or money and can be counted: the same on every machine, however busy. `make bench` measures the rest.

How many states an execution enters is in tests/e2e/test_cost.py.
"""

import ast
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import payment_worker
from tests.unit.state_machine import PROJECT, Fields, read_template
from tests.unit.support import CONTEXT, FakeStepFunctions, sqs_event

FUNCTIONS = PROJECT / "functions"
HANDLERS = sorted(path.stem for path in FUNCTIONS.glob("*.py") if "def lambda_handler" in path.read_text())

# Each takes milliseconds of every cold start, and none is needed
DENIED = {
    "asyncio",
    "aws_lambda_powertools.utilities.batch",
    "aws_lambda_powertools.utilities.data_classes",
    "aws_lambda_powertools.utilities.parser",
    "aws_xray_sdk",
    "boto3",
    "fastjsonschema",
    "jsonschema",
    "multiprocessing",
    "pydantic",
    "requests",
    "s3transfer",
}
ALLOWED = {  # of these, by function
    "order_api": {"asyncio", "aws_lambda_powertools.utilities.data_classes"},  # with Powertools' router of paths
}


@pytest.fixture(scope="module")
def functions() -> list[Fields]:
    """The properties of every function of every template."""
    return [
        resource["Properties"]
        for template in ("template.yaml", *(f"templates/{path.name}" for path in (PROJECT / "templates").iterdir()))
        for resource in read_template(template)["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
    ]


@pytest.fixture(scope="module")
def loaded() -> dict[str, set[str]]:
    """The modules that each function has loaded once it is imported, in a process that is not this one."""
    script = Path(__file__).with_name("loaded_modules.py")
    variables = {"PYTHONPATH": str(FUNCTIONS), "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(
        [sys.executable, "-P", script, *HANDLERS], env={**os.environ, **variables}, stdout=subprocess.PIPE, check=True
    )
    lines = map(json.loads, result.stdout.splitlines())
    return {function: set(modules) for line in lines for function, modules in line.items()}


@pytest.mark.parametrize("function", HANDLERS)
def test_a_cold_start_imports_nothing_heavy_that_it_does_not_need(function: str, loaded: dict[str, set[str]]) -> None:
    assert loaded[function] & DENIED == ALLOWED.get(function, set())


def test_a_batch_of_ten_takes_ten_calls_one_a_token(
    step_functions: FakeStepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAYMENT_SUCCESS_RATE", "0.5")
    body = {"payload": {"orderId": "order-1", "amount": 1}}
    event = sqs_event(*(json.dumps({"taskToken": f"token-{number}", **body}) for number in range(10)))
    payment_worker.lambda_handler(event, CONTEXT)
    calls = Counter(arguments["taskToken"] for _, arguments in step_functions.calls)
    assert calls == {f"token-{number}": 1 for number in range(10)}


def test_ten_messages_take_one_invocation(functions: list[Fields]) -> None:
    """Ten is AWS's own BatchSize, and the largest without a batching window."""
    events = [event for function in functions for event in function.get("Events", {}).values()]
    sizes = [event["Properties"].get("BatchSize", 10) for event in events if event["Type"] == "SQS"]
    assert set(sizes) == {10}


def test_everything_in_the_package_is_of_use_to_a_function_that_is_deployed(functions: list[Fields]) -> None:
    handlers = {function["Handler"].removesuffix(".lambda_handler") for function in functions}
    used, found = set[str](), handlers
    while found:
        used |= found
        found = {name for module in found for name in imports_of(module)} - used
    files = {str(path.relative_to(FUNCTIONS)) for path in FUNCTIONS.rglob("*") if path.is_file()}
    package = {file for file in files if "__pycache__" not in file}
    assert {str(file_of(module).relative_to(FUNCTIONS)) for module in used} == package


def imports_of(module: str) -> set[str]:
    """The modules of the package that one of them names, and the packages that hold these."""
    names = set[str]()
    for node in ast.walk(ast.parse(file_of(module).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    parents = {name.rpartition(".")[0] for name in names} - {""}
    return {name for name in names | parents if file_of(name).exists()}


def file_of(module: str) -> Path:
    path = FUNCTIONS.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
