"""What roles allow."""

import json
import re
from collections.abc import Iterator

from callback_lint import sources
from callback_lint.code import modules
from callback_lint.documents import Json, Problem
from callback_lint.flow.syntax import calls_of
from callback_lint.integrations import service_call
from callback_lint.rules import template_rule
from callback_lint.templates import FUNCTIONS, STATE_MACHINES, Resource, Template, listed, referenced

SUCCESS, FAILURE, HEARTBEAT = "states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat"
_ALL = {SUCCESS, FAILURE, HEARTBEAT}

# Actions of these services that can be allowed on one resource, roughly: those that list or create cannot
_ON_ONE_RESOURCE = re.compile(
    r"(?:sqs|sns|dynamodb|s3|kms):(?!List|Describe|Create|GenerateRandom|CheckIfPhone|OptInPhone|Get\w*SMS)\w+"
    r"|states:(?:StartExecution|StartSyncExecution|SendTask\w+)|lambda:Invoke\w+",
    re.IGNORECASE,
)
_WHOLE_SERVICE = re.compile(r"\*|[\w-]+:\*")


@template_rule("EC3002", sources.LEAST_PRIVILEGE)
def grants_name_their_actions_and_resources(template: Template) -> Iterator[Problem]:
    """A role allows all actions of a service, or actions on `*` that could name their resource. Whoever takes the
    function over may end any task and read any queue of the account. Name the actions and the resources.
    """
    for grant in template.grants:
        for action in grant.actions:
            if _WHOLE_SERVICE.fullmatch(action):
                yield grant.says(f"allows Action {action}: name each action")
        known = sorted({action for action in grant.actions if _ON_ONE_RESOURCE.fullmatch(action)})
        if "*" in grant.resources and known and "Condition" not in grant.statement:
            yield grant.says(f"allows {', '.join(known)} on Resource *: name each resource")


@template_rule("EC3003", sources.CALLBACK_POLICY)
def tokens_can_be_answered_with_failure(template: Template) -> Iterator[Problem]:
    """A role may call SendTaskSuccess and not SendTaskFailure. What succeeds works, and whatever fails keeps its
    workflow waiting. Allow both, and SendTaskHeartbeat: SAM's `StepFunctionsCallbackPolicy` does.
    """
    holders: dict[str, set[str]] = {}
    for grant in template.grants:
        holders.setdefault(grant.holder, set()).update(grant.of({SUCCESS, FAILURE}))
    for grant in template.grants:
        half = holders[grant.holder] == {SUCCESS} and grant.holder not in template.unreadable_holders
        if half and grant.of({SUCCESS}):
            yield grant.says(f"allows {SUCCESS} and not {FAILURE}: what fails keeps its workflow waiting")


@template_rule("EC3004", sources.CALLBACK_POLICY)
def whoever_answers_may(template: Template) -> Iterator[Problem]:
    """The code of a function, or a state, calls SendTaskSuccess, SendTaskFailure or SendTaskHeartbeat, which no
    policy of its role allows. Each answer is denied, and the workflow waits for its timeout. Allow it: SAM's
    `StepFunctionsCallbackPolicy` does. Where a policy cannot be read here, nothing is said.
    """
    for resource in template.of_type(*FUNCTIONS, *STATE_MACHINES).values():
        needed = _calls(template, resource)
        holders = _holders(template, resource) if needed else None
        if holders is not None:
            grants = [grant for grant in template.grants if grant.holder in holders]
            if any("NotAction" in grant.statement for grant in grants):
                continue
            granted = {action for grant in grants for action in grant.of(needed)}
            missing = ", ".join(sorted(needed - granted))
            if missing:
                yield resource.says(f"calls {missing}, which no policy of its role allows: each answer is denied")


def _calls(template: Template, resource: Resource) -> set[str]:
    if resource.type in FUNCTIONS:
        return {f"states:{call}" for module in modules(resource) for call in calls_of(module)}
    machine = template.machine_of.get(resource.id)
    calls = (service_call(state.resource) or "" for state in machine.tasks) if machine else ()
    return {f"states:S{call.partition(':')[2][1:]}" for call in calls if call.startswith("sfn:sendTask")}


def _holders(template: Template, resource: Resource) -> set[str] | None:
    """The names under which a role's statements stand in the template; None where not all of them can be read."""
    role = resource.get("Role") or resource.get("RoleArn")
    connectors = template.of_type("AWS::Serverless::Connector")
    if any(referenced(connector.get("Source", "Id")) or connector.get("Source") for connector in connectors.values()):
        return None
    if "Connectors" in resource.body:
        return None
    if role is not None:
        named = template.resources.get(referenced(role) or "")
        if not named or named.type != "AWS::IAM::Role" or named.id in template.unreadable_holders:
            return None
        return {named.id} if _readable([*listed(named.get("ManagedPolicyArns"))]) else None
    if not resource.type.startswith("AWS::Serverless::") or resource.id in template.unreadable_holders:
        return None
    policies = listed(resource.get("Policies"))
    if not _readable(policies):
        return None
    return {resource.id, f"{resource.id}Role"}


def _readable(policies: list[Json]) -> bool:
    """A managed policy of AWS is known by its name, a statement by its text; any other is not known here."""
    for policy in policies:
        match policy:
            case str() if re.search(r"iam::aws:policy/|^AWS|^Amazon|^CloudWatch|^Cloud", policy):
                continue
            case {"Statement": _} | {"PolicyDocument": _}:
                continue
            case dict() if len(policy) == 1 and next(iter(policy)).endswith(("Policy", "Access", "Access_v2")):
                continue  # a policy template of SAM
            case {"Fn::Sub": str(text)} | {"Fn::Join": [_, [*_, str(text)]]} if ":policy/" in text and "aws" in text:
                continue
        return False
    return True


@template_rule("EC3005", sources.CALLBACK_POLICY)
def answers_are_allowed_for_state_machines(template: Template) -> Iterator[Problem]:
    """SendTaskSuccess and its siblings are allowed on an execution's ARN, or on a resource that is no state
    machine. They are checked against the state machine's ARN, so each answer is denied. Name the state machine.
    """
    for grant in template.grants:
        if grant.actions and all(action.lower().startswith("states:sendtask") for action in grant.actions):
            for resource in grant.resources:
                wrong = _wrong_resource(template, resource)
                if wrong:
                    actions = ", ".join(grant.actions)
                    yield grant.says(f"allows {actions} on {wrong}: name the state machine, as AWS checks it")


def _wrong_resource(template: Template, value: Json) -> str | None:
    text = json.dumps(value)
    for kind, what in ((":execution:", "an execution's ARN"), (":express:", "an Express execution's ARN")):
        if kind in text:
            return what
    named = template.resources.get(referenced(value) or "")
    if (
        named
        and named.type not in {*STATE_MACHINES, "AWS::StepFunctions::Activity"}
        and not named.type.startswith(("AWS::CloudFormation::", "Custom::", "AWS::StepFunctions::"))
    ):
        return f"{named.id}, which is no state machine"
    return None
