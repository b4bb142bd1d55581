"""Nothing that a function prints, returns or raises holds a piece of a task token or of a card number.

Every function runs over its samples and over hostile events, as deployed and with everything on that prints more.
"""

import ast
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from tests.security import leak_probe
from tests.security.leak_probe import CASE, END
from tests.security.sample_secrets import leaks

FUNCTIONS = Path(__file__).parents[2] / "functions"
SHOWN = 12  # lines in a failure's text

MODULES = [path.stem for path in sorted(FUNCTIONS.glob("*.py"))]


def probe(folder: Path, module: str, *options: str) -> dict[str, str]:
    """What a function of a folder prints, by the case in which it does."""
    command = [sys.executable, leak_probe.__file__, str(folder), module, *options]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False)
    printed = dict(
        part.partition("\n")[::2] for part in f"\n{run.stdout.decode(errors='replace')}".split(f"\n{CASE}")[1:]
    )
    assert "done" in printed, run.stdout[-2000:]
    return printed


def leaking(printed: dict[str, str]) -> list[str]:
    """The first lines that hold a piece of a secret, and the case of each."""
    lines = (
        f"{case}: {line[:400]}"
        for case, text in printed.items()
        if leaks(text)
        for line in text.splitlines()
        if leaks(line)
    )
    return list(islice(lines, SHOWN))


def test_there_are_functions_and_each_has_samples() -> None:
    assert {"payment_worker", "dead_letter_reporter"} <= set(MODULES)
    assert [module for module in MODULES if not list((FUNCTIONS.parent / "events" / module).glob("*.json"))] == []


@pytest.mark.parametrize("options", [[], ["--loud"]], ids=["as-deployed", "loud"])
@pytest.mark.parametrize("module", MODULES)
def test_a_function_leaks_nothing(module: str, options: list[str]) -> None:
    printed = probe(FUNCTIONS, module, *options)
    assert len(printed) > 50
    assert leaking(printed) == []
    samples = [text for case, text in printed.items() if case.startswith("sample ")]
    assert any(f"{END}returned" in text for text in samples), f"no sample works: {samples}"


# ------------------------------------------------------------------ the test of the test
@pytest.fixture
def functions_copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FUNCTIONS, tmp_path / "functions"))


def plant(folder: Path, module: str, line: str) -> None:
    """Make a line the first statement of a handler; `event` in it stands for the handler's first argument."""
    path = folder / f"{module}.py"
    lines = path.read_text().splitlines()
    [handler] = [
        node
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name == "lambda_handler"
    ]
    first = handler.body[0]
    line = line.replace("event", handler.args.args[0].arg)
    imports = "from callbacks.entry import PrintableError, logger, metrics"
    lines.insert(first.lineno - 1, f"{' ' * first.col_offset}{imports}; {line}")
    path.write_text("\n".join(lines))


@pytest.mark.parametrize("module", MODULES)
def test_a_handler_that_logs_its_event_is_noticed(functions_copy: Path, module: str) -> None:
    plant(functions_copy, module, "logger.info(event)")
    assert leaking(probe(functions_copy, module))


@pytest.mark.parametrize(
    "line",
    [
        "print(event)",
        "import sys; print(str(event)[:400], file=sys.stderr)",
        "logger.append_keys(order=event); logger.info('')",
        "metrics.add_metadata('order', event)",
        "raise PrintableError(event)",
        "return event",
        "logger.info(__import__('re').sub('(?<=[0-9])(?=[0-9]{4})', ' ', event['Records'][0]['body'][750:]))",
    ],
)
def test_a_leak_on_any_way_out_is_noticed(functions_copy: Path, line: str) -> None:
    plant(functions_copy, "payment_worker", line)
    assert leaking(probe(functions_copy, "payment_worker", "--samples"))


def test_a_leak_by_the_sdk_is_noticed(functions_copy: Path) -> None:
    plant(functions_copy, "payment_worker", "import logging; logging.getLogger('botocore').setLevel(logging.DEBUG)")
    assert leaking(probe(functions_copy, "payment_worker", "--samples", "--loud"))
