"""A stack that STACK_NAME names: its tests run there, as on AWS; one that is not there or in use is refused."""

import subprocess
import sys

import pytest

from tests.e2e.test_manual_callback import MACHINE, WORK
from tools import PROJECT
from tools.engine.engine import Engine
from tools.stack import Stack, deployed

pytestmark = [pytest.mark.slow, pytest.mark.local("it deploys its own stack")]

E2E = "tests/e2e/test_manual_callback.py::test_a_heartbeat_ends_nothing"
OTHER = "tests/e2e/test_payment_callback.py::test_an_input_that_is_no_payment_fails_at_once_and_says_why"
LOCAL = "tests/e2e/test_sam_cli.py"


@pytest.fixture(scope="module")
def stack(engine: Engine) -> Stack:
    return deployed(engine, config_env="manual-callback", stack_name="given")


def run(stack: Stack, name: str, *tests: str) -> subprocess.CompletedProcess[str]:
    """pytest, in a shell that points at the stack's AWS."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *tests],
        cwd=PROJECT,
        env={**stack.environment, "STACK_NAME": name},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_tests_of_its_workflow_run_and_the_others_say_why_not(stack: Stack) -> None:
    done = run(stack, "given", E2E, OTHER, LOCAL, "tests/aws/test_rights.py")
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    assert f"Stack given: workflow manual-callback, account 000000000000, region us-east-1, {stack.endpoint_url}" in (
        done.stdout
    )
    for reason in (
        "1 left out: the stack is none of payment-callback",
        "left out: not for a stack that was named: it deploys its own stacks",
        "1 left out: on AWS only: the embedded AWS encrypts nothing",
    ):
        assert reason in done.stdout
    assert "failed" not in done.stdout


def test_a_name_that_is_wrong_says_what_to_do(stack: Stack) -> None:
    done = run(stack, "elsewhere", E2E)
    assert done.returncode
    assert "Stack elsewhere cannot be read in account 000000000000, region us-east-1" in done.stderr
    assert "AWS_PROFILE=" in done.stderr


def test_a_stack_that_is_in_use_is_left_alone(stack: Stack) -> None:
    execution_id = stack.start(WORK, MACHINE)
    done = run(stack, "given", E2E)
    assert done.returncode
    assert "Stack given is in use" in done.stderr
    assert execution_id in done.stderr
    stack.stop(execution_id)
    stack.receive("ManualCallbackQueueUrl")
