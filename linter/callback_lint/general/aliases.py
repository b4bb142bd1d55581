"""Aliases, and the events that go past them."""

from collections.abc import Iterator

from callback_lint import sources
from callback_lint.documents import Json, Problem, Steps, fields, items
from callback_lint.rules import template_rule
from callback_lint.templates import STATE_MACHINES, Resource, Template, referenced

# Where a resource names what it invokes or starts
_TARGETS: dict[str, tuple[str, ...]] = {
    "AWS::Lambda::EventSourceMapping": ("FunctionName",),
    "AWS::SNS::Subscription": ("Endpoint",),
    "AWS::Scheduler::Schedule": ("Target", "Arn"),
    "AWS::Pipes::Pipe": ("Target",),
}


@template_rule("EC2022", sources.ALIASES)
def events_reach_the_alias(template: Template) -> Iterator[Problem]:
    """A function or a state machine has an alias (`AutoPublishAlias`), and an event source names the function or
    the state machine itself. It goes past the alias: a gradual deployment and its rollback have no effect on it.
    Name the alias (`!Ref WorkerFunction.Alias`); in a state machine of SAM set `UseAliasAsEventTarget: true`.
    """
    aliased = {
        name
        for name, resource in template.resources.items()
        if resource.type.startswith("AWS::Serverless::") and resource.get("AutoPublishAlias") is not None
    }
    for name in aliased:
        resource = template.resources[name]
        uses = resource.get("UseAliasAsEventTarget") in (True, "true", "True")
        if resource.type in STATE_MACHINES and fields(resource.get("Events")) and not uses:
            yield resource.says(
                "Events start the state machine past its alias: UseAliasAsEventTarget is not set", "Events"
            )
    for resource in template.resources.values():
        for steps, value in _targets(resource):
            if _named(value) in aliased:
                yield resource.says(f"{steps[0]} names {_named(value)} and goes past its alias", *steps)


def _targets(resource: Resource) -> Iterator[tuple[Steps, Json]]:
    steps = _TARGETS.get(resource.type)
    if steps:
        yield steps, resource.get(*steps)
    if resource.type == "AWS::Events::Rule":
        for position, target in enumerate(items(resource.get("Targets"))):
            yield ("Targets", position, "Arn"), fields(target).get("Arn")
    if resource.type == "AWS::S3::Bucket":
        for position, each in enumerate(items(resource.get("NotificationConfiguration", "LambdaConfigurations"))):
            yield ("NotificationConfiguration", "LambdaConfigurations", position), fields(each).get("Function")


def _named(value: Json) -> str | None:
    """The logical ID of a function or a state machine that is named without its alias."""
    match value:
        case {"Ref": str(name)} if "." not in name:
            return name
        case {"Fn::GetAtt": [str(name), "Arn"]}:
            return name
        case {"Fn::GetAtt": str(text)} if text.endswith(".Arn"):
            return text.removesuffix(".Arn")
        case {"Fn::Sub": str()}:
            return referenced(value) if ".Alias" not in value["Fn::Sub"] else None
    return None
