"""What roles allow."""

import re
from collections.abc import Iterator

from callback_lint.documents import Problem
from callback_lint.rules import template_rule
from callback_lint.templates import Template

SUCCESS, FAILURE = "states:SendTaskSuccess", "states:SendTaskFailure"

# Actions of these services that can be allowed on one resource, roughly: those that list or create cannot
_ON_ONE_RESOURCE = re.compile(
    r"(?:sqs|sns|dynamodb|s3|kms):(?!List|Describe|Create|GenerateRandom|CheckIfPhone|OptInPhone|Get\w*SMS)\w+"
    r"|states:(?:StartExecution|StartSyncExecution|SendTask\w+)|lambda:Invoke\w+",
    re.IGNORECASE,
)
_WHOLE_SERVICE = re.compile(r"\*|[\w-]+:\*")


@template_rule("EC3002")
def grants_name_their_actions_and_resources(template: Template) -> Iterator[Problem]:
    for grant in template.grants:
        for action in grant.actions:
            if _WHOLE_SERVICE.fullmatch(action):
                yield grant.says(f"allows Action {action}: name each action")
        known = sorted({action for action in grant.actions if _ON_ONE_RESOURCE.fullmatch(action)})
        if "*" in grant.resources and known and "Condition" not in grant.statement:
            yield grant.says(f"allows {', '.join(known)} on Resource *: name each resource")


@template_rule("EC3003")
def tokens_can_be_answered_with_failure(template: Template) -> Iterator[Problem]:
    """A role with SendTaskSuccess and without SendTaskFailure hangs every failing run."""
    holders: dict[str, set[str]] = {}
    for grant in template.grants:
        holders.setdefault(grant.holder, set()).update(grant.of({SUCCESS, FAILURE}))
    for grant in template.grants:
        half = holders[grant.holder] == {SUCCESS} and grant.holder not in template.unreadable_holders
        if half and grant.of({SUCCESS}):
            yield grant.says(f"allows {SUCCESS} and not {FAILURE}: what fails keeps its workflow waiting")
