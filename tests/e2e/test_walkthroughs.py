"""The commands of the documents work as printed: typed into a shell, in a clone of the project, block after block.

A block that is marked is not run; `<!-- prints: … -->` above a block says what its output has in it, within a minute.
"""

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.documents.pages import Block, Page, pages
from tests.documents.shell import ScriptFailed, Shell
from tools import PROJECT
from tools.engine.engine import Engine
from tools.stack import poll

pytestmark = [pytest.mark.slow, pytest.mark.local("the documents deploy stacks under their own names")]

PAGES = {path: page for path, page in pages().items() if any(block.is_run for block in page.blocks)}
POINT_THE_SHELL = 'eval "$(make -s env)"\nexport PATH="$PWD/.venv/bin:$PATH"'
ENVIRONMENTS = (".venv", ".venv-engine")
NOT_CLONED = (".*", "__pycache__")

# What the pages about troubles begin with, as commands of the same shell
UNUSABLE_MESSAGE_AND_FAILURE = r"""
output() { aws cloudformation describe-stacks --stack-name payment-callback --output text \
  --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue"; }
aws sqs send-message --endpoint-url "$AWS_ENDPOINT_URL" --queue-url "$(output QuarantineQueueUrl)" --message-body '{}'
aws stepfunctions start-execution --state-machine-arn "$(output StateMachineWaitForCallbackArn)" --input '{}'
"""
TRIGGER_OFF = r"""
sam deploy --parameter-overrides PaymentSuccessRate=1
output() { aws cloudformation describe-stacks --stack-name payment-callback --output text \
  --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue"; }
MAPPING=$(aws lambda list-event-source-mappings --function-name "$(output PaymentWorkerFunctionName)" \
  --query 'EventSourceMappings[0].UUID' --output text)
aws lambda update-event-source-mapping --uuid "$MAPPING" --no-enabled
STOPPED=$(aws stepfunctions start-execution --state-machine-arn "$(output StateMachineWaitForCallbackArn)" \
  --input file://events/payment_callback/order.json --query executionArn --output text)
BODY=$(aws sqs receive-message --endpoint-url "$AWS_ENDPOINT_URL" --queue-url "$(output PaymentQueueUrl)" \
  --wait-time-seconds 20 --query 'Messages[0].Body' --output text)
aws stepfunctions stop-execution --execution-arn "$STOPPED"
aws sqs purge-queue --endpoint-url "$AWS_ENDPOINT_URL" --queue-url "$(output PaymentQueueUrl)"
aws sqs send-message --endpoint-url "$AWS_ENDPOINT_URL" --queue-url "$(output PaymentQueueUrl)" --message-body "$BODY"
aws stepfunctions start-execution --state-machine-arn "$(output StateMachineWaitForCallbackArn)" \
  --input file://events/payment_callback/order.json
"""
GIVEN = {"docs/operations.md": UNUSABLE_MESSAGE_AND_FAILURE, "docs/troubleshooting.md": TRIGGER_OFF}


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """Where a reader is after `make up`, in its own clone and with its own embedded AWS."""
    clone = tmp_path / "a clone"
    shutil.copytree(PROJECT, clone, ignore=shutil.ignore_patterns(*NOT_CLONED))
    for name in ENVIRONMENTS:
        (clone / name).symlink_to((PROJECT / name).resolve())
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "VIRTUAL_"))}
    shell = Shell(environment, tmp_path, clone)
    try:
        shell.run(".venv/bin/python -m tools up")
        yield shell
    finally:
        shell.run(".venv/bin/python -m tools down")


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_commands_work_as_printed(page: Page, shell: Shell) -> None:
    engine = Engine.attach(shell.folder / ".aws-local")
    assert engine
    blocks = [block for block in page.blocks if block.is_run]
    if not any("make -s env" in block.text for block in blocks):
        shell.run(POINT_THE_SHELL)
    if page.path in GIVEN:
        shell.run(GIVEN[page.path])
    for block in blocks:
        with ExitStack() as afterwards:
            if "stop-execution" in block.text and "--status-filter RUNNING" in block.text:
                start_unanswered(engine, shell, blocks)
                afterwards.callback(all_stopped, engine)
            type_in(shell, block)


def type_in(shell: Shell, block: Block) -> None:
    """Runs a block, and again until it prints what it should if that is said: in this order, whatever the spaces."""
    expected = re.compile(".*".join(re.escape("".join(text.split())) for text in block.prints))
    deadline = time.monotonic() + 60
    while True:
        try:
            printed = shell.run(block.text)
            if expected.search("".join(printed.split())):
                return
        except ScriptFailed as error:
            printed = str(error)
        assert block.prints, f"{block} fails: {printed}"
        assert time.monotonic() < deadline, f"{block} does not print {block.prints}: {printed}"
        time.sleep(0.5)


def start_unanswered(engine: Engine, shell: Shell, blocks: list[Block]) -> None:
    """Starts again what the page starts, while no function takes messages, so that there is something to stop."""
    lambda_ = engine.client("lambda")
    for mapping in lambda_.list_event_source_mappings()["EventSourceMappings"]:
        lambda_.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    starts = [block for block in blocks if "stepfunctions start-execution" in block.text]
    if starts:
        shell.run(starts[0].text)
    poll("waiting execution", lambda: executions(engine, "RUNNING") or None)


def all_stopped(engine: Engine) -> None:
    assert executions(engine, "RUNNING") == []


def executions(engine: Engine, status: str) -> list[dict[str, Any]]:
    client = engine.client("stepfunctions")
    machines = client.list_state_machines()["stateMachines"]
    return [
        execution
        for machine in machines
        for execution in client.list_executions(stateMachineArn=machine["stateMachineArn"], statusFilter=status)[
            "executions"
        ]
    ]
