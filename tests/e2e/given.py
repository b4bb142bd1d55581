"""A stack that the environment names (STACK_NAME), on AWS or wherever else the AWS configuration points.

Tests take its messages, switch its triggers off and break its functions, so it must be one that nothing else uses.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from callback_lint.documents import fields, read
from callback_lint.templates import STATE_MACHINES, Template, referenced
from tools import PROJECT
from tools.deployment import template_file
from tools.engine.engine import Engine
from tools.stack import STACKS, Stack, deployed


def machine_of(section: str) -> str:
    """The first output of a workflow's template that is the ARN of a state machine. Raises pytest.UsageError."""
    template = Template(read(PROJECT / template_file(section)))
    for name, output in fields(fields(template.document.value).get("Outputs")).items():
        if referenced(fields(output).get("Value")) in template.of_type(*STATE_MACHINES):
            return name
    raise pytest.UsageError(f"{template_file(section)}: no output has the ARN of a state machine. Add one to Outputs.")


# By workflow, the output that no other workflow's stack has
MACHINES = {workflow: machine_of(section) for workflow, section in STACKS.items()}

WHO = """Tests use the AWS configuration of this shell, as the AWS CLI does. Name a profile and a region:
  AWS_PROFILE=work AWS_REGION=eu-central-1 make test-aws STACK=name
`aws sts get-caller-identity` says whether the credentials are good. For the embedded AWS: eval "$(make -s env)"."""
BUSY = (
    "Tests would take its messages. Name a stack that nothing else uses, or stop its executions and purge its queues."
)


@dataclass(frozen=True)
class GivenStack:
    workflow: str
    account: str
    stack: Stack

    def __str__(self) -> str:
        where = "AWS" if self.stack.on_aws else self.stack.endpoint_url
        return (
            f"Stack {self.stack.name}: workflow {self.workflow}, "
            f"account {self.account}, region {self.stack.session.region_name}, {where}"
        )


def given_stack(name: str) -> GivenStack:
    """The stack of this name, idle and its queues empty. Raises pytest.UsageError, which says what to do."""
    try:
        session = boto3.Session(region_name=os.environ.get("AWS_REGION"))
        cloudformation = session.client("cloudformation")
        account = session.client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise pytest.UsageError(f"AWS cannot be asked: {error}\n{WHO}") from error
    try:
        [described] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        where = f"account {account}, region {session.region_name}"
        raise pytest.UsageError(f"Stack {name} cannot be read in {where}: {error}\n{WHO}") from error
    if not described["StackStatus"].endswith(("CREATE_COMPLETE", "UPDATE_COMPLETE")):
        raise pytest.UsageError(f"Stack {name} is in state {described['StackStatus']}: deploy it again.")
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}
    workflows = [workflow for workflow, machine in MACHINES.items() if machine in outputs]
    if not workflows:
        raise pytest.UsageError(
            f"Stack {name} is none of this project: it has none of the outputs {[*MACHINES.values()]}."
        )
    endpoint = cloudformation.meta.endpoint_url
    on_aws = (urlsplit(endpoint).hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))
    stack = Stack(name, outputs, session, None if on_aws else endpoint, dict(os.environ))
    if work := [*running(stack), *(f"{depth} messages in {queue}" for queue, depth in held(stack).items())]:
        raise pytest.UsageError("\n  ".join([f"Stack {name} is in use:", *work[:10]]) + f"\n{BUSY}")
    return GivenStack(workflows[0], account, stack)


def running(stack: Stack) -> list[str]:
    """The executions that run, of every state machine in the outputs."""
    pages = stack.client("stepfunctions").get_paginator("list_executions")
    return [
        execution["executionArn"]
        for arn in stack.outputs.values()
        if ":stateMachine:" in arn
        for page in pages.paginate(stateMachineArn=arn, statusFilter="RUNNING")
        for execution in page["executions"]
    ]


def held(stack: Stack) -> dict[str, int]:
    """How many messages wait in each queue that has some; in test queues they only tell of what was."""
    queues = [name for name in stack.outputs if name.endswith("QueueUrl") and "Test" not in name]
    return {queue: depth for queue in queues if (depth := stack.depth(queue))}


def leave_idle(stack: Stack) -> None:
    """Stops what still runs and drops what still waits: it came with the tests, for the stack was idle before them."""
    for execution_id in running(stack):
        stack.stop(execution_id)
    stack.let_aws_catch_up(30)  # the approximate counts of queues
    for queue in held(stack):
        stack.client("sqs").purge_queue(QueueUrl=stack.outputs[queue])


class Stacks(dict[str, Stack]):
    """By workflow. One that is not there is deployed to the embedded AWS; without an engine, the test is skipped."""

    def __init__(self, engine: Engine | None, given: Mapping[str, Stack]) -> None:
        super().__init__(given)
        self.engine = engine

    def __missing__(self, workflow: str) -> Stack:
        if self.engine is None:
            pytest.skip(f"the stack is none of {workflow}")
        self[workflow] = deployed(self.engine, config_env=STACKS[workflow])
        return self[workflow]
