"""Compares what a role may do with what it needs, by the policy simulator of IAM."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from functools import cache
from typing import Any

import botocore.session

from tests.security.arns import Arn, stack_arns
from tests.security.needs import Role
from tools.stack import Stack

Documents = list[dict[str, Any]]
Simulator = Callable[[list[str], str], set[str]]  # the actions that are allowed on an ARN, of those given

AT_ONCE = 200  # actions in a call of the simulator

# IAM prefix: the SDK's name of the service
SERVICES = {
    "cloudformation": "cloudformation",
    "cloudwatch": "cloudwatch",
    "dynamodb": "dynamodb",
    "events": "events",
    "iam": "iam",
    "kms": "kms",
    "lambda": "lambda",
    "logs": "logs",
    "s3": "s3",
    "secretsmanager": "secretsmanager",
    "sns": "sns",
    "sqs": "sqs",
    "ssm": "ssm",
    "states": "stepfunctions",
    "sts": "sts",
    "xray": "xray",
}
# Actions that are called otherwise than any API, or belong to none
NOT_AN_API = {
    "dynamodb": ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"),
    "iam": ("PassRole",),
    "kms": ("ReEncryptFrom", "ReEncryptTo"),
    "lambda": ("InvokeFunction",),
    "logs": (
        "CreateLogDelivery",
        "DeleteLogDelivery",
        "GetLogDelivery",
        "ListLogDeliveries",
        "Unmask",
        "UpdateLogDelivery",
    ),
    "s3": ("DeleteObjectVersion", "GetObjectVersion", "ListBucket", "PutObjectAcl"),
}


@cache
def known_actions(service: str) -> tuple[str, ...]:
    """Every action of a service, by its IAM prefix. Empty for a service that is not in SERVICES."""
    if service not in SERVICES:
        return ()
    model = botocore.session.get_session().get_service_model(SERVICES[service])
    return tuple(f"{service}:{name}" for name in sorted({*model.operation_names, *NOT_AN_API.get(service, ())}))


def of_principal(stack: Stack, role_arn: str) -> Simulator:
    """Simulates the role as it is deployed."""
    return _simulator(stack, "simulate_principal_policy", PolicySourceArn=role_arn)


def of_documents(stack: Stack, documents: Documents) -> Simulator:
    """Simulates a role that has these policies."""
    texts = [json.dumps(document) for document in documents if document["Statement"]]
    return _simulator(stack, "simulate_custom_policy", PolicyInputList=texts)


def _simulator(stack: Stack, operation: str, **source: object) -> Simulator:
    paginator = stack.client("iam").get_paginator(operation)

    def simulate(actions: list[str], resource: str) -> set[str]:
        allowed = set()
        for start in range(0, len(actions), AT_ONCE):
            names = actions[start : start + AT_ONCE]
            for page in paginator.paginate(ActionNames=names, ResourceArns=[resource], **source):
                decisions = {answer["EvalActionName"]: answer["EvalDecision"] for answer in page["EvaluationResults"]}
                allowed |= {action for action, decision in decisions.items() if decision == "allowed"}
        return allowed

    return simulate


class Privileges:
    """What a role needs and what it must not have, in the terms of a deployed stack."""

    def __init__(self, stack: Stack, role: Role) -> None:
        arns = stack_arns(stack)
        self.needed = {"*" if name == "*" else str(arns[name]): set(actions) for name, actions in role.needs.items()}
        forbidden: defaultdict[str, dict[str, None]] = defaultdict(dict)  # an ordered set of actions by ARN

        def forbid(arns: Iterable[Arn]) -> None:
            for arn in arns:
                for each in (str(arn), arn.but(suffix=""), *arn.near_misses(stack.name)):
                    services = (arn.service, "sts") if arn.service == "iam" else (arn.service,)
                    forbidden[each].update(dict.fromkeys(action for name in services for action in known_actions(name)))

        forbid(arns[name] for name in role.needs if name != "*")  # first, for a fault is likely here
        forbidden["*"].update(dict.fromkeys(action for name in SERVICES for action in known_actions(name)))
        forbid(arns.values())
        everywhere = self.needed.get("*", set())
        self.forbidden = {
            arn: [action for action in actions if action not in everywhere | self.needed.get(arn, set())]
            for arn, actions in forbidden.items()
        }

    def faults(self, simulate: Simulator) -> Iterator[str]:
        """What is missing, then what is too much."""
        for arn, actions in self.needed.items():
            for action in sorted(actions - simulate(sorted(actions), arn)):
                yield f"{action} on {arn} is needed and denied"
        for arn, forbidden in self.forbidden.items():
            for action in sorted(simulate(forbidden, arn)):
                yield f"{action} on {arn} is not needed and allowed"


def inline_policies(stack: Stack, role_name: str) -> Documents:
    iam = stack.client("iam")
    names = iam.list_role_policies(RoleName=role_name)["PolicyNames"]
    return [iam.get_role_policy(RoleName=role_name, PolicyName=name)["PolicyDocument"] for name in names]


def mutants(documents: Documents) -> Iterator[tuple[str, Documents]]:
    """The policies with one fault each, and what it is: a statement too many, removed, widened or cut down."""
    pass_roles = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"}
    yield "with one to pass roles", [*documents, {"Version": "2012-10-17", "Statement": [pass_roles]}]
    for number, document in enumerate(documents):
        for position, statement in enumerate(document["Statement"]):
            name = statement["Sid"]
            for fault, replacement in _faulty(statement):
                copy = deepcopy(documents)
                copy[number]["Statement"][position : position + 1] = replacement
                yield f"{name} {fault}", copy


def _faulty(statement: dict[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    actions = _as_list(statement["Action"])
    yield "removed", []
    if _as_list(statement["Resource"]) != ["*"]:
        yield "on every resource", [{**statement, "Resource": "*"}]
        stem = _as_list(statement["Resource"])[0].rstrip(":*")[:-1]
        yield "on resources of a like name", [{**statement, "Resource": f"{stem}*"}]
    for service in sorted({action.partition(":")[0] for action in actions}):
        yield f"with {service}:*", [{**statement, "Action": [*actions, f"{service}:*"]}]
        one_more = next(action for action in known_actions(service) if action not in actions)
        yield f"with {one_more}", [{**statement, "Action": [*actions, one_more]}]
    for action in actions if len(actions) > 1 else []:
        yield f"without {action}", [{**statement, "Action": [other for other in actions if other != action]}]


def _as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
