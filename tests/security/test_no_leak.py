"""Nothing that a function prints, returns or raises holds a piece of a task token or of a card number.

Every function runs over its samples and over hostile events, as deployed and with everything on that prints more.
"""

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from tests.security import leak_probe
from tests.security.leak_probe import CASE, END
from tests.security.sample_secrets import leaks

FUNCTIONS = Path(__file__).parents[2] / "functions"
SHOWN = 12  # lines in a failure's text

# What it returns is the request for the partner, which the execution's input says
ANSWERS_WITH_ITS_INPUT = "file_exchange_processor"

MODULES = [path.stem for path in sorted(FUNCTIONS.glob("*.py")) if "def lambda_handler" in path.read_text()]


Probe = Callable[..., dict[str, str]]


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probe]:
    """Tells what the function of a folder and a name prints, by the case in which it does."""
    output = tmp_path_factory.mktemp("probe") / "output"
    command = [sys.executable, leak_probe.__file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as runs:
        requests, answers = runs.stdin, runs.stdout
        assert requests
        assert answers

        def run(folder: Path, module: str, *options: str) -> dict[str, str]:
            output.unlink(missing_ok=True)
            print(json.dumps([str(output), str(folder), module, *options]), file=requests, flush=True)
            answers.readline()
            text = output.read_text(errors="replace")
            if module == ANSWERS_WITH_ITS_INPUT:
                text = re.sub(rf"{END}returned {{.*", f"{END}returned its input", text)
            printed = dict(part.partition("\n")[::2] for part in f"\n{text}".split(f"\n{CASE}")[1:])
            assert "done" in printed, text[-2000:]
            return printed

        yield run
        requests.close()


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


@pytest.mark.parametrize("module", MODULES)
def test_a_function_leaks_nothing_and_its_logger_alone_speaks(probe: Probe, module: str) -> None:
    printed = probe(FUNCTIONS, module)
    samples = "\n".join(text for case, text in printed.items() if case.startswith("sample "))
    assert len(printed) > 50
    assert leaking(printed) == []
    assert printed["cold start"] == ""
    assert re.findall(r"^[A-Z]+:[\w.]+:.*", samples, re.MULTILINE) == []  # as the root logger words it
    assert f"{END}returned" in samples


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_a_function_leaks_nothing_with_everything_on_that_prints_more(probe: Probe, module: str) -> None:
    printed = probe(FUNCTIONS, module, "--loud")
    assert len(printed) > 50
    assert leaking(printed) == []


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
def test_a_handler_that_logs_its_event_is_noticed(probe: Probe, functions_copy: Path, module: str) -> None:
    plant(functions_copy, module, "logger.info(event)")
    assert leaking(probe(functions_copy, module, "--samples"))


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
def test_a_leak_on_any_way_out_is_noticed(probe: Probe, functions_copy: Path, line: str) -> None:
    plant(functions_copy, "payment_worker", line)
    assert leaking(probe(functions_copy, "payment_worker", "--samples"))


def test_a_leak_by_the_sdk_is_noticed(probe: Probe, functions_copy: Path) -> None:
    plant(functions_copy, "payment_worker", "import logging; logging.getLogger('botocore').setLevel(logging.DEBUG)")
    assert leaking(probe(functions_copy, "payment_worker", "--samples", "--loud"))
