"""The rules about what functions and state machines may do."""

import re
from collections.abc import Iterator

from tests.template.grants import grants
from tests.template.project import Json, Template, referenced
from tests.template.template_rules import Rule, answers_tokens

SEND_TASK_ACTIONS = {"states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat"}

# https://docs.aws.amazon.com/service-authorization/latest/reference: no resource type
WITHOUT_RESOURCES = {
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}

_PART_OF_A_RESOURCE = re.compile(r"\$\{\w+\.Arn\}/[^*]*\*")  # ${Bucket.Arn}/outbound/*


def functions_have_a_role_of_their_own(template: Template) -> Iterator[str]:
    """The role that SAM would make allows every queue and every log group."""
    roles = template.resources("AWS::IAM::Role")
    holders: dict[str, str] = {}
    for name, function in template.functions.items():
        match function.get("Role"):
            case {"Fn::GetAtt": [str(role), "Arn"]} if role in roles:
                if role in holders:
                    yield f"{name}: has its role, {role}, in common with {holders[role]}"
                holders[role] = name
                if "ManagedPolicyArns" in roles[role]:
                    yield f"{role}: ManagedPolicyArns allow more than {name} needs"
            case _:
                yield f"{name}: Role is no role of this template"


def grants_name_their_actions_and_resources(template: Template) -> Iterator[str]:
    for grant in grants(template.transformed):
        if {"NotAction", "NotResource"} & grant.statement.keys():
            yield f"{grant} says what it does not allow, and so allows what nobody thought of"
        for action in grant.actions:
            if "*" in action or "?" in action:
                yield f"{grant} allows {action}; name each action"
        if any(map(_is_wild, grant.resources)) and not set(grant.actions) <= WITHOUT_RESOURCES:
            known = ", ".join(sorted(set(grant.actions) - WITHOUT_RESOURCES))
            yield f"{grant} allows {known} on {grant.resources}; name each resource"


def _is_wild(resource: Json) -> bool:
    match resource:
        case {"Fn::Sub": str(text)}:
            return "*" in text and not _PART_OF_A_RESOURCE.fullmatch(text)
    return "*" in str(resource)


def task_tokens_are_answered_whole_and_of_one_state_machine(template: Template) -> Iterator[str]:
    """A role with SendTaskSuccess and without SendTaskFailure hangs every failing run."""
    machines = template.transformed.resources("AWS::StepFunctions::StateMachine")
    answered: dict[str, set[str]] = {}
    for grant in grants(template.transformed):
        allowed = grant.of(SEND_TASK_ACTIONS)
        if not allowed:
            continue
        if allowed < SEND_TASK_ACTIONS:
            yield f"{grant} allows {', '.join(sorted(allowed))} only"
        for resource in grant.resources:
            machine = referenced(resource)
            if machine in machines:
                answered.setdefault(grant.role, set()).add(machine)
            else:
                yield f"{grant} allows task tokens of {resource}, which is no state machine of this template"
    for role, of in answered.items():
        if len(of) > 1:
            yield f"{role}: may answer task tokens of more than one state machine: {', '.join(sorted(of))}"


def functions_may_answer_if_they_do(template: Template) -> Iterator[str]:
    answering = {grant.role for grant in grants(template.transformed) if grant.of(SEND_TASK_ACTIONS)}
    for name, function in template.functions.items():
        module = str(function.get("Handler")).rpartition(".")[0]
        allowed = referenced(function.get("Role")) in answering
        if answers_tokens(module) and not allowed:
            yield f"{name}: {module} answers task tokens and its role may not"
        if allowed and not answers_tokens(module):
            yield f"{name}: {module} answers no task token and its role may"


RULES: dict[str, Rule] = {
    "EC3001": functions_have_a_role_of_their_own,
    "EC3002": grants_name_their_actions_and_resources,
    "EC3003": task_tokens_are_answered_whole_and_of_one_state_machine,
    "EC3004": functions_may_answer_if_they_do,
}
