"""Every role of a deployed stack may do what it needs, and nothing else."""

import pytest

from tests.e2e.given import Stacks
from tests.security.arns import stack_arns
from tests.security.needs import TABLES
from tests.security.privileges import Privileges, inline_policies, mutants, of_documents, of_principal
from tools.stack import WORKFLOWS, Stack

every_stack = pytest.mark.parametrize("name", WORKFLOWS)
every_role = pytest.mark.parametrize(("name", "role"), [(name, role) for name in TABLES for role in TABLES[name]])


def role_names(stack: Stack) -> dict[str, str]:
    """Names of the stack's roles by logical ID."""
    return {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for resource in stack.resources()
        if resource["ResourceType"] == "AWS::IAM::Role"
    }


@every_stack
def test_every_role_of_the_stack_has_a_table(name: str, stacks: Stacks) -> None:
    assert set(role_names(stacks[name])) == set(TABLES[name])


@every_role
def test_a_role_may_do_what_it_needs_and_nothing_else(name: str, role: str, stacks: Stacks) -> None:
    stack = stacks[name]
    faults = Privileges(stack, TABLES[name][role]).faults(of_principal(stack, str(stack_arns(stack)[role])))
    assert list(faults) == []


@every_role
def test_a_role_has_no_policy_that_others_write(name: str, role: str, stacks: Stacks) -> None:
    """AWS changes its managed policies without asking, and the table would not say so before the next run."""
    stack = stacks[name]
    attached = stack.client("iam").list_attached_role_policies(RoleName=role_names(stack)[role])
    assert [policy["PolicyName"] for policy in attached["AttachedPolicies"]] == []


@every_role
def test_a_role_is_for_one_service(name: str, role: str, stacks: Stacks) -> None:
    stack, expected = stacks[name], TABLES[name][role]
    found = stack.client("iam").get_role(RoleName=role_names(stack)[role])["Role"]
    [statement] = found["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": expected.trusted}
    account = {"StringEquals": {"aws:SourceAccount": found["Arn"].split(":")[4]}}
    assert statement.get("Condition") == (account if expected.this_account_only else None)


# ------------------------------------------------------------------ the test of the test
@pytest.mark.slow
@every_role
def test_a_statement_removed_or_widened_is_noticed(name: str, role: str, stacks: Stacks) -> None:
    """Beside the test above, which finds no fault in the policies as they are: so each fault is the mutant's own."""
    stack = stacks[name]
    privileges = Privileges(stack, TABLES[name][role])
    mutated = list(mutants(inline_policies(stack, role_names(stack)[role])))
    assert len(mutated) > 15
    unnoticed = [
        what for what, documents in mutated if next(privileges.faults(of_documents(stack, documents)), None) is None
    ]
    assert unnoticed == []
