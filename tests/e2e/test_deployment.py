"""Deploying: parameters are obeyed or refused, and a stack built first works like one that was not."""

import subprocess
import sys
from pathlib import Path

import pytest

from local.deployment import deploy
from local.engine import Engine
from tests.e2e.conftest import deployed, set_seconds
from tests.e2e.stack import Notifications

Order = dict[str, object]


@pytest.mark.parametrize(("rate", "status"), [("1", "SUCCEEDED"), ("0", "FAILED")])
def test_the_share_of_successes_is_the_parameter(engine: Engine, order: Order, rate: str, status: str) -> None:
    stack = deployed(engine, stack_name=f"rate-{rate}", parameters={"PaymentSuccessRate": rate})
    executions = stack.start_all([{**order, "orderId": str(number)} for number in range(12)])
    assert {stack.ended(execution_id)["status"] for execution_id in executions} == {status}


@pytest.mark.parametrize("rate", ["1.1", "-0.1", "half"])
def test_a_share_of_successes_outside_0_to_1_is_refused(engine: Engine, rate: str) -> None:
    with pytest.raises(Exception, match="PaymentSuccessRate"):
        deploy(engine.client_environment(), stack_name="refused", parameters={"PaymentSuccessRate": rate})


def test_a_stack_that_was_built_first_works(engine: Engine, project_copy: Path, order: Order) -> None:
    sam = Path(sys.executable).with_name("sam")
    environment = {**engine.client_environment(), "PATH": f"{sam.parent}:/usr/bin:/bin", "HOME": str(project_copy)}
    subprocess.run([sam, "build"], cwd=project_copy, env=environment, check=True, capture_output=True)
    stack = deployed(engine, directory=project_copy, stack_name="built")
    assert stack.ended(stack.start(order))["status"] in {"SUCCEEDED", "FAILED"}


def test_a_callback_that_never_comes_ends_in_a_timeout_and_a_notification(
    engine: Engine, project_copy: Path, order: Order
) -> None:
    # Given a stack whose wait is 1 second, not an hour
    set_seconds(project_copy / "statemachine/payment_callback.asl.json", "RequestPayment", TimeoutSeconds=1)
    stack = deployed(engine, directory=project_copy, stack_name="impatient")
    # When the worker does not answer
    with Notifications(stack) as notifications, stack.consumer_off("PaymentWorkerFunctionName"):
        execution_id = stack.start(order)
        end = stack.ended(execution_id)
        [notification] = notifications.of(execution_id)
    # Then
    assert (end["status"], end["error"]) == ("FAILED", "States.Timeout")
    assert (notification["outcome"], notification["Error"]) == ("FAILED", "States.Timeout")
    assert stack.states_entered(execution_id) == ["RequestPayment", "NotifyFailure", "PaymentFailed"]
