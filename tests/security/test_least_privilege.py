"""Every role of a deployed stack may do what it needs, and nothing else."""

import os

import pytest

from local.deployment import configured_stack_name
from tests.e2e.conftest import deployed
from tests.e2e.stack import Stack
from tests.security.arns import stack_arns, stack_resources
from tests.security.needs import TABLES
from tests.security.privileges import Privileges, inline_policies, mutants, of_documents, of_principal

every_stack = pytest.mark.parametrize("deployment", TABLES, indirect=True, ids=str)
every_role = pytest.mark.parametrize(
    ("deployment", "role"), [(name, role) for name, table in TABLES.items() for role in table], indirect=["deployment"]
)
Deployment = tuple[str, Stack]


@pytest.fixture(scope="module")
def deployment(request: pytest.FixtureRequest) -> Deployment:
    """The name of a table, and the stack that it is of."""
    name: str = request.param
    if name == "default":
        return name, request.getfixturevalue("stack")
    if "STACK_NAME" in os.environ:
        pytest.skip("STACK_NAME names the stack of another table")
    engine = request.getfixturevalue("engine")
    return name, deployed(engine, config_env=name, stack_name=configured_stack_name(name))


def role_names(stack: Stack) -> dict[str, str]:
    """Names of the stack's roles by logical ID."""
    return {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for resource in stack_resources(stack)
        if resource["ResourceType"] == "AWS::IAM::Role"
    }


@every_stack
def test_every_role_of_the_stack_has_a_table(deployment: Deployment) -> None:
    name, stack = deployment
    assert set(role_names(stack)) == set(TABLES[name])


@every_role
def test_a_role_may_do_what_it_needs_and_nothing_else(deployment: Deployment, role: str) -> None:
    name, stack = deployment
    privileges = Privileges(stack, TABLES[name][role])
    assert sum(map(len, TABLES[name][role].near_misses.values())) >= 30
    assert list(privileges.faults(of_principal(stack, str(stack_arns(stack)[role])))) == []


@every_role
def test_a_role_has_no_policy_that_others_write(deployment: Deployment, role: str) -> None:
    """AWS changes its managed policies without asking, and the table would not say so before the next run."""
    _, stack = deployment
    attached = stack.client("iam").list_attached_role_policies(RoleName=role_names(stack)[role])
    assert [policy["PolicyName"] for policy in attached["AttachedPolicies"]] == []


@every_role
def test_a_role_is_for_one_service(deployment: Deployment, role: str) -> None:
    name, stack = deployment
    found = stack.client("iam").get_role(RoleName=role_names(stack)[role])["Role"]
    [statement] = found["AssumeRolePolicyDocument"]["Statement"]
    services = statement["Principal"]["Service"]
    assert set(statement["Principal"]) == {"Service"}
    assert ([services] if isinstance(services, str) else services) == [TABLES[name][role].trusted]


# ------------------------------------------------------------------ the test of the test
@every_role
def test_a_statement_removed_or_widened_is_noticed(deployment: Deployment, role: str) -> None:
    name, stack = deployment
    privileges = Privileges(stack, TABLES[name][role])
    documents = inline_policies(stack, role_names(stack)[role])
    assert list(privileges.faults(of_documents(stack, documents))) == []  # so each fault below is the mutant's own
    unnoticed = [
        what
        for what, mutant in mutants(documents)
        if next(privileges.faults(of_documents(stack, mutant)), None) is None
    ]
    assert unnoticed == []
