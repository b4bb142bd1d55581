"""The policy for the partner of a file exchange, as the deployed stack shows it: a folder to read, one to write."""

import json
from typing import Any

import pytest

from tests.e2e.given import Stacks
from tests.security.arns import FOLDERS, stack_arns
from tests.security.privileges import known_actions
from tools.stack import Stack

READ, WRITE, LIST = "s3:GetObject", "s3:PutObject", "s3:ListBucket"
USE_KEY = {"kms:Decrypt", "kms:GenerateDataKey"}


@pytest.fixture(scope="module")
def stack(stacks: Stacks) -> Stack:
    return stacks["file-exchange"]


@pytest.fixture(scope="module")
def policy(stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stack.outputs["PartnerPolicy"])
    return found


def allowed(stack: Stack, policy: dict[str, Any], arn: str, service: str = "s3") -> set[str]:
    """All that the partner may do with an ARN. The simulator is given no context, so that no condition is met."""
    answer = stack.client("iam").simulate_custom_policy(
        PolicyInputList=[json.dumps(policy)], ActionNames=[*known_actions(service)], ResourceArns=[arn]
    )
    return {each["EvalActionName"] for each in answer["EvaluationResults"] if each["EvalDecision"] == "allowed"}


def unconditioned(policy: dict[str, Any]) -> dict[str, Any]:
    """The policy as it is where every condition is met."""
    statements = [
        {name: value for name, value in statement.items() if name != "Condition"} for statement in policy["Statement"]
    ]
    return {**policy, "Statement": statements}


def conditions(policy: dict[str, Any], action: str) -> list[Any]:
    return [each.get("Condition") for each in policy["Statement"] if action in each["Action"]]


@pytest.mark.parametrize("folder", [*FOLDERS, "elsewhere"])
def test_a_partner_reads_outbound_and_writes_inbound(stack: Stack, policy: dict[str, Any], folder: str) -> None:
    bucket = str(stack_arns(stack)["ExchangeBucket"])
    expected = {"outbound": {READ}, "inbound": {WRITE}}.get(folder, set())
    for granted in (policy, unconditioned(policy)):
        assert allowed(stack, granted, f"{bucket}/{folder}/{'0' * 8}/success.json") == expected
        assert allowed(stack, granted, f"{bucket}/{folder}.json") == set()


def test_a_partner_lists_outbound_only_and_may_not_touch_the_bucket(stack: Stack, policy: dict[str, Any]) -> None:
    bucket = str(stack_arns(stack)["ExchangeBucket"])
    assert allowed(stack, policy, bucket) == set()
    assert allowed(stack, unconditioned(policy), bucket) == {LIST}
    assert conditions(policy, LIST) == [{"StringLike": {"s3:prefix": "outbound/*"}}]


def test_a_partner_uses_the_key_through_s3_only(stack: Stack, policy: dict[str, Any]) -> None:
    key = str(stack_arns(stack)["EncryptionKmsKey"])
    assert allowed(stack, policy, key, "kms") == set()
    assert allowed(stack, unconditioned(policy), key, "kms") == USE_KEY
    region = stack.client("s3").meta.region_name
    for action in USE_KEY:
        assert conditions(policy, action) == [{"StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com"}}]


def test_a_partner_reaches_nothing_else_of_the_stack(stack: Stack, policy: dict[str, Any]) -> None:
    for name, arn in stack_arns(stack).items():
        if not name.startswith("ExchangeBucket") and name != "EncryptionKmsKey" and known_actions(arn.service):
            assert allowed(stack, unconditioned(policy), str(arn), arn.service) == set(), name
