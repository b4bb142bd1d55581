"""Whose rights this project's roles have."""

from collections.abc import Iterator

from callback_lint.code import Module, imported, modules
from callback_lint.documents import Json, Problem, items
from callback_lint.general.tokens import calls_back
from callback_lint.templates import STATE_MACHINES, Template, referenced
from tests.templates.rule import template_rule

SEND_TASK_ACTIONS = {"states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat"}

_OF_THIS_ACCOUNT = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


@template_rule
def functions_have_a_role_of_their_own(template: Template) -> Iterator[Problem]:
    """The role that SAM would make allows every queue and every log group."""
    roles = template.of_type("AWS::IAM::Role")
    holders: dict[str, str] = {}
    for name, function in template.functions.items():
        role = roles.get(referenced(function.get("Role")) or "")
        if not role:
            yield function.says("Role is no role of this template", "Role")
        elif holders.setdefault(role.id, name) != name:
            yield function.says(f"Role {role.id} is that of {holders[role.id]}, too", "Role")
        elif "ManagedPolicyArns" in role.properties:
            yield role.says(f"ManagedPolicyArns allow more than {name} needs", "ManagedPolicyArns")


@template_rule
def functions_may_answer_if_they_do(template: Template) -> Iterator[Problem]:
    answering = {grant.holder for grant in template.grants if grant.of(SEND_TASK_ACTIONS)}
    for function in template.functions.values():
        allowed = referenced(function.get("Role")) in answering
        answers = any(_answers_tokens(module) for module in modules(function))
        if answers != allowed:
            what = "answers task tokens and its role may not" if answers else "answers no task token and its role may"
            yield function.says(f"Handler {function.get('Handler')} {what}", "Role")


def _answers_tokens(module: Module) -> bool:
    """Whether it uses `send_task_…` of callbacks.task, which is the only module that has them."""
    return module.path.parts[-2:] != ("callbacks", "task.py") and (
        calls_back(module) or any(".send_task_" in name for name in imported(module.tree))
    )


@template_rule
def tokens_are_answered_whole_and_of_one_state_machine(template: Template) -> Iterator[Problem]:
    machines = template.of_type(*STATE_MACHINES)
    answered: dict[str, set[str]] = {}
    for grant in template.grants:
        allowed = grant.of(SEND_TASK_ACTIONS)
        if allowed and allowed < SEND_TASK_ACTIONS:
            yield grant.says(f"allows {', '.join(sorted(allowed))} only")
        for resource in grant.resources if allowed else []:
            machine = referenced(resource)
            if machine not in machines:
                yield grant.says(f"allows task tokens of {resource}, which is no state machine of this template")
            elif machine not in answered.setdefault(grant.holder, set()):
                answered[grant.holder].add(machine)
                if len(answered[grant.holder]) > 1:
                    yield grant.says(f"allows task tokens of {machine} beside those of another state machine")


@template_rule
def roles_of_state_machines_trust_this_account(template: Template) -> Iterator[Problem]:
    for machine in template.of_type(*STATE_MACHINES).values():
        role = template.of_type("AWS::IAM::Role").get(referenced(machine.get("Role")) or "")
        if not role:
            yield machine.says("Role is no role of this template", "Role")
        elif not all(map(_is_of_this_account, items(role.get("AssumeRolePolicyDocument", "Statement")) or [None])):
            what = "AssumeRolePolicyDocument lacks the Condition StringEquals aws:SourceAccount !Ref AWS::AccountId"
            yield role.says(what, "AssumeRolePolicyDocument")


def _is_of_this_account(statement: Json) -> bool:
    return isinstance(statement, dict) and statement.get("Condition") == _OF_THIS_ACCOUNT
