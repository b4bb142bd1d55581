"""The commands of docs/local-invoke.md work as printed, in a shell of `make env`."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.documents.pages import commands
from tests.documents.shell import Shell
from tests.e2e.given import Stacks
from tools import PROJECT
from tools.engine.engine import Engine
from tools.engine.layers import cache_layers
from tools.stack import STACKS

pytestmark = [pytest.mark.local("the page is about the embedded AWS"), pytest.mark.usefixtures("image")]

DOCUMENT = "docs/local-invoke.md"
# `make invoke`, with the engine of this test run instead of the one that `make up` started
INVOKE = """
import sys
from pathlib import Path
from tools.engine.engine import Engine
from tools.invoke import invoke
_, directory, function, event, config_env = sys.argv
sys.exit(invoke(Engine.attach(Path(directory)), function, event, config_env=config_env))
"""
MAKE = """
make() {{
  [ "$1 $2" = "-s invoke" ] && local "${{@:3}}" && PYTHONPATH={project} {python} -c {invoke} {engine} \\
    "$FUNCTION" "$EVENT" "${{CONFIG_ENV:-default}}"
}}
"""


@pytest.fixture
def shell(stacks: Stacks, engine: Engine, tmp_path: Path) -> Shell:
    environment = stacks["payment-callback"].environment
    tools = Path(sys.executable).parent
    shell = Shell({**environment, "PATH": f"{tools}:{environment['PATH']}"}, tmp_path)
    cache_layers(engine)
    words = {"project": PROJECT, "python": sys.executable, "invoke": INVOKE, "engine": engine.directory}
    shell.run(MAKE.format_map({name: shlex.quote(str(word)) for name, word in words.items()}))
    return shell


def test_by_itself(shell: Shell) -> None:
    [block] = commands(DOCUMENT, "By itself")
    answers = answered(shell.run(block.replace("--skip-pull-image", "--skip-pull-image --container-dns 127.0.0.1")))
    assert [min(answer) for answer in answers] == ["batchItemFailures", "errorMessage"]


def test_with_a_live_token(shell: Shell) -> None:
    start, answer_it = commands(DOCUMENT, "Against the embedded AWS, with a live token")
    shell.run(start)
    answer, end = answered(shell.run(answer_it).replace("SUCCEEDED\t", '"SUCCEEDED" '))[:2]
    assert (answer, end) == ({"action": "success", "outcome": "DELIVERED"}, "SUCCEEDED")


def test_events_made_by_sam_cli(shell: Shell, stacks: Stacks) -> None:
    alone, others = commands(DOCUMENT, "Events made by SAM CLI")
    assert answered(shell.run(alone)) == [{"batchItemFailures": []}]
    assert all(stacks[name].outputs for name in STACKS)
    logged, ordered, dropped = answered(shell.run(others))
    assert (logged, ordered["statusCode"], dropped) == (None, 202, {"batchItemFailures": []})


def test_what_is_deployed(shell: Shell) -> None:
    [block] = commands(DOCUMENT, "What is deployed")
    output = shell.run(block)
    assert output.startswith('{"batchItemFailures": []}')
    expected = '"outcome":"SUCCEEDED"', "Invalid Credit Card"
    assert any(end in output for end in expected)
    for word in ("payment request answered", "DeadLetterReporterFunction", "PaymentQueueUrl", "Cloud Endpoint"):
        assert word in output


def answered(output: str) -> list[Any]:
    """The JSON texts that commands have printed, one behind the other."""
    answers, rest = [], output.strip()
    while rest:
        answer, end = json.JSONDecoder().raw_decode(rest)
        answers.append(answer)
        rest = rest[end:].strip()
    return answers
