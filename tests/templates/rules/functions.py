"""How this project sets up its functions and their logs."""

import re
from collections.abc import Iterator
from functools import cache

from callback_lint.documents import Json, Problem, fields, items
from callback_lint.templates import STATE_MACHINES, Resource, Template, referenced
from tests.templates.rule import template_rule
from tools import PROJECT

RUNTIME = "python3.14"
POWERTOOLS_LAYERS = {36: "3.31.1"}  # version of the public layer: version of Powertools in it
STATE_MACHINE_LOG = "/aws/vendedlogs/states/${AWS::StackName}-"

_WRITING = {"logs:CreateLogStream", "logs:PutLogEvents"}
_LAYER = re.compile(
    r"arn:aws:lambda:\$\{AWS::Region\}:017000801446:layer:AWSLambdaPowertoolsPythonV3-"
    + RUNTIME.replace(".", "")
    + r"-\$\{Architecture\}:(\d+)"
)
_POWERTOOLS_PIN = re.compile(r"^aws-lambda-powertools==(\S+)$", re.MULTILINE)


@template_rule
def concurrency_of_queues_is_limited(template: Template) -> Iterator[Problem]:
    """By a number that stands here: the embedded AWS stops every poller at a `!Ref`."""
    for feed in template.feeds:
        concurrency = fields(feed.properties.get("ScalingConfig")).get("MaximumConcurrency")
        if not isinstance(concurrency, int) or not 2 <= concurrency <= 1000:
            what = f"ScalingConfig.MaximumConcurrency is {concurrency!r}, not a number from 2 to 1000"
            yield feed.says(what, "ScalingConfig")


@template_rule
def functions_run_on_the_one_runtime(template: Template) -> Iterator[Problem]:
    for function in template.functions.values():
        if function.get("Runtime") != RUNTIME:
            yield function.says(f"Runtime is {function.get('Runtime')!r}, not {RUNTIME}", "Runtime")
        if function.get("Architectures") != [{"Ref": "Architecture"}]:
            yield function.says("Architectures is not the parameter Architecture", "Architectures")


@template_rule
def powertools_is_the_version_that_the_tests_run(template: Template) -> Iterator[Problem]:
    for function in template.functions.values():
        match function.get("Layers"):
            case [{"Fn::Sub": str(arn)}] if layer := _LAYER.fullmatch(arn):
                version = POWERTOOLS_LAYERS.get(int(layer[1]))
                if version != _pinned_powertools():
                    what = f"Layers: layer {layer[1]} is Powertools {version}; the pin is {_pinned_powertools()}"
                    yield function.says(what, "Layers")
            case _:
                yield function.says("Layers is not the one of Powertools", "Layers")


@cache
def _pinned_powertools() -> str:
    pin = _POWERTOOLS_PIN.search((PROJECT / "requirements-dev.txt").read_text(encoding="utf-8"))
    return pin[1] if pin else "not in requirements-dev.txt"


@template_rule
def functions_log_to_a_group_of_the_template(template: Template) -> Iterator[Problem]:
    """One that is there before the function, so that its first lines and metrics are not lost."""
    groups = template.of_type("AWS::Logs::LogGroup")
    for function in template.functions.values():
        group = referenced(function.get("LoggingConfig", "LogGroup"))
        if group not in groups:
            yield function.says("LoggingConfig.LogGroup is no log group of this template", "LoggingConfig")
            continue
        role = referenced(function.get("Role"))
        allowed = {
            action
            for grant in template.grants
            if grant.holder == role and group in map(referenced, grant.resources)
            for action in grant.of(_WRITING)
        }
        if allowed < _WRITING:
            yield function.says(f"Role may not {', '.join(sorted(_WRITING - allowed))} to {group}", "Role")


@template_rule
def logs_of_state_machines_are_vended(template: Template) -> Iterator[Problem]:
    """Others each take a part of the account's resource policy, until deployments fail."""
    groups = template.of_type("AWS::Logs::LogGroup")
    for machine in template.of_type(*STATE_MACHINES).values():
        named = [_log_group(destination) for destination in items(machine.get("Logging", "Destinations"))]
        group = groups.get(named[0] or "") if named else None
        if not group:
            yield machine.says("Logging.Destinations names no log group of this template", "Logging")
        elif not is_vended(group):
            yield group.says(f"LogGroupName is not !Sub {STATE_MACHINE_LOG}…", "LogGroupName")


def _log_group(destination: Json) -> str | None:
    return referenced(fields(fields(destination).get("CloudWatchLogsLogGroup")).get("LogGroupArn"))


def is_vended(group: Resource) -> bool:
    return str(fields(group.get("LogGroupName")).get("Fn::Sub")).startswith(STATE_MACHINE_LOG)


@template_rule
def no_resource_has_a_physical_name(template: Template) -> Iterator[Problem]:
    """Names collide: two stacks in one account, a replacement and what it replaces."""
    for resource in template.resources.values():
        for field in ("Name", f"{resource.type.rpartition('::')[2]}Name"):
            if field in resource.properties and not is_vended(resource):
                yield resource.says(f"{field} is a physical name", field)
