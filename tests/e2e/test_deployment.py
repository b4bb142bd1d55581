"""The local deployment: parameters are obeyed or refused, and nothing that was saved, built or cut off spoils it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import PROJECT, version
from tools.deployment import deploy
from tools.engine.engine import Engine
from tools.stack import deployed

pytestmark = [pytest.mark.slow, pytest.mark.local("it deploys its own stacks")]

Order = dict[str, object]

# As `sam deploy --guided --profile work --tags team=payments` leaves the section
GUIDED = r"""version = 0.1

[default.global.parameters]
stack_name = "payment-callback"
region = "eu-central-1"

[default.deploy.parameters]
capabilities = "CAPABILITY_IAM"
s3_bucket = "aws-sam-cli-managed-default-samclisourcebucket-abc"
s3_prefix = "my-payments"
fail_on_empty_changeset = false
stack_name = "my-payments"
region = "eu-central-1"
profile = "work"
confirm_changeset = true
disable_rollback = true
parameter_overrides = "PaymentSuccessRate=\"0.9\" LogRetentionDays=\"30\" AlarmTopicArn=\"\""
image_repositories = ["Function=123456789012.dkr.ecr.eu-central-1.amazonaws.com/repository"]
tags = "team=\"payments\""
"""


@pytest.mark.parametrize(("rate", "status"), [("1", "SUCCEEDED"), ("0", "FAILED")])
def test_the_share_of_successes_is_the_parameter(engine: Engine, order: Order, rate: str, status: str) -> None:
    stack = deployed(engine, stack_name=f"rate-{rate}", parameters={"PaymentSuccessRate": rate})
    executions = stack.start_all([{**order, "orderId": str(number)} for number in range(12)])
    assert {stack.ended(execution_id)["status"] for execution_id in executions} == {status}


@pytest.mark.parametrize("rate", ["1.1", "-0.1", "half"])
def test_a_share_of_successes_outside_0_to_1_is_refused(engine: Engine, rate: str) -> None:
    with pytest.raises(Exception, match="PaymentSuccessRate"):
        deploy(engine, stack_name="refused", parameters={"PaymentSuccessRate": rate})


def test_what_was_saved_or_built_for_aws_is_not_deployed_locally(engine: Engine, project_copy: Path) -> None:
    (project_copy / "samconfig.toml").write_text(GUIDED)
    build = project_copy / ".aws-sam/build"
    build.mkdir(parents=True)
    (build / "template.yaml").write_text("not a template")
    deploy(engine, directory=project_copy)
    [stack] = engine.client("cloudformation").describe_stacks(StackName="payment-callback")["Stacks"]
    parameters = {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in stack["Parameters"]}
    assert (parameters["PaymentSuccessRate"], stack["Tags"]) == ("0.5", [{"Key": "Version", "Value": version()}])


def test_a_reader_who_leaves_ends_nothing(project_copy: Path) -> None:
    shutil.copytree(PROJECT / "tools", project_copy / "tools")
    shutil.copytree(PROJECT / "events", project_copy / "events")
    shutil.copy(PROJECT / "pyproject.toml", project_copy)
    for name in (".venv", ".venv-engine"):
        (project_copy / name).symlink_to((PROJECT / name).resolve())

    def first_line(command: str) -> str:
        """Of `python -m tools COMMAND | head -1`, which ends well and says nothing else."""
        shell = ["bash", "-o", "pipefail", "-c", f'"$0" -m tools {command} | head -1', sys.executable]
        run = subprocess.run(shell, cwd=project_copy, capture_output=True, text=True, check=False)
        assert (run.returncode, run.stderr) == (0, "")
        return run.stdout

    try:
        assert first_line("up") == "Starting the embedded AWS ...\n"
        assert "The embedded AWS runs" in first_line("demo")
        assert "The embedded AWS runs" in first_line("status")
        assert first_line("env").startswith("unset")
    finally:
        first_line("down")
