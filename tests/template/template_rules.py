"""The rules that every template of this project keeps. A rule takes a template and yields what breaks it."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

from tests.template.asl_rules import waits
from tests.template.project import FUNCTIONS, ROOT, Fields, Json, StateMachine, Template, referenced

Rule: TypeAlias = Callable[[Template], Iterator[str]]

RUNTIME = "python3.14"
POWERTOOLS_LAYERS = {36: "3.31.1"}  # version of the public layer: version of Powertools in it

_SUBSTITUTION = re.compile(r"\$\{([^}]*)\}")
_LAYER = re.compile(
    r"arn:aws:lambda:\$\{AWS::Region\}:017000801446:layer:AWSLambdaPowertoolsPythonV3-"
    + RUNTIME.replace(".", "")
    + r"-\$\{Architecture\}:(\d+)"
)
_POWERTOOLS_PIN = re.compile(r"^aws-lambda-powertools==(\S+)$", re.MULTILINE)

# What AWS takes where a template says nothing
_DEFAULT_FUNCTION_TIMEOUT = 3
_DEFAULT_VISIBILITY_TIMEOUT = 30
_DEFAULT_MESSAGE_RETENTION = 345_600

_FEWEST_RECEIVES = 3  # with fewer a message may be given up for what its neighbours did
_VISIBILITY_PER_FUNCTION_TIMEOUT = 6  # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html


# ------------------------------------------------------------------ state machines


def definitions_exist(template: Template) -> Iterator[str]:
    for machine in template.state_machines:
        if machine.definition is None or machine.file.parent != ROOT / "statemachine":
            uri = machine.properties.get("DefinitionUri")
            yield f"{machine.logical_id}: DefinitionUri {uri!r} is no file of statemachine/"


def substitutions_are_those_of_the_definition(template: Template) -> Iterator[str]:
    for machine in template.state_machines:
        given = set(machine.properties.get("DefinitionSubstitutions", {}))
        used = set(_SUBSTITUTION.findall(machine.file.read_text(encoding="utf-8"))) if machine.definition else set()
        for name in sorted(used - given):
            yield f"{machine.logical_id}: DefinitionSubstitutions lacks {name}, which {machine.file.name} uses"
        for name in sorted(given - used):
            yield f"{machine.logical_id}: DefinitionSubstitutions has {name}, which {machine.file.name} does not use"


def only_standard_workflows_wait(template: Template) -> Iterator[str]:
    for machine in template.state_machines:
        for name, _ in waits(machine.definition or {}):
            if machine.properties.get("Type") != "STANDARD":
                yield f"{machine.logical_id}: {name} waits for a callback, which Type STANDARD alone can do; say it"


def messages_outlive_the_wait(template: Template) -> Iterator[str]:
    """A message that expires before its wait does is a callback lost without a trace."""
    queues = template.resources("AWS::SQS::Queue")
    for wait in queue_waits(template):
        if wait.queue not in queues:
            yield f"{wait.machine}: QueueUrl of {wait.state} is no queue of this template"
            continue
        retention = queues[wait.queue].get("MessageRetentionPeriod", _DEFAULT_MESSAGE_RETENTION)
        if not isinstance(retention, int) or retention <= wait.timeout:
            yield f"{wait.queue}: MessageRetentionPeriod {retention} does not exceed the {wait.timeout} of {wait.state}"


@dataclass(frozen=True)
class QueueWait:
    """A state that sends its task token to a queue; `queue` is a logical ID, or None where it is no resource."""

    machine: str
    state: str
    timeout: int  # seconds
    patience: int  # seconds until it fails if nobody takes the message: nobody sends a heartbeat then
    queue: str | None


def queue_waits(template: Template) -> Iterator[QueueWait]:
    for machine in template.state_machines:
        for name, state in waits(machine.definition or {}):
            match state:
                case {"Arguments": {"QueueUrl": str(url)}, "TimeoutSeconds": int(timeout)}:
                    patience = min(timeout, state.get("HeartbeatSeconds", timeout))
                    yield QueueWait(machine.logical_id, name, timeout, patience, referenced(_substituted(url, machine)))


def _substituted(text: str, machine: StateMachine) -> Json:
    substitution = _SUBSTITUTION.fullmatch(text)
    return machine.properties.get("DefinitionSubstitutions", {}).get(substitution[1]) if substitution else None


# ------------------------------------------------------------------ queues and the functions that they feed


def events_of_queues_name_queues_of_the_template(template: Template) -> Iterator[str]:
    for name, event, _ in template.queue_events():
        if referenced(event.get("Queue")) not in template.resources("AWS::SQS::Queue"):
            yield f"{name}: Queue is no queue of this template"
    for name in template.resources("AWS::Lambda::EventSourceMapping"):
        yield f"{name}: write an event source mapping as an event of its function"


def messages_stay_hidden_while_they_are_worked_on(template: Template) -> Iterator[str]:
    for name, function, queue_name, queue in _fed(template):
        visibility = queue.get("VisibilityTimeout", _DEFAULT_VISIBILITY_TIMEOUT)
        timeout = function.get("Timeout", _DEFAULT_FUNCTION_TIMEOUT)
        if not isinstance(visibility, int) or not isinstance(timeout, int):
            yield f"{queue_name}: VisibilityTimeout and the Timeout of {name} must be numbers"
        elif visibility < _VISIBILITY_PER_FUNCTION_TIMEOUT * timeout:
            yield f"{queue_name}: VisibilityTimeout {visibility} is under 6 x the Timeout {timeout} of {name}"


def messages_that_fail_are_put_aside(template: Template) -> Iterator[str]:
    for name, _, queue_name, queue in _fed(template):
        policy = queue.get("RedrivePolicy", {})
        target, receives = referenced(policy.get("deadLetterTargetArn")), policy.get("maxReceiveCount")
        if target == queue_name or target not in template.resources("AWS::SQS::Queue"):
            yield f"{queue_name}: feeds {name} and has no RedrivePolicy to another queue of this template"
        elif not isinstance(receives, int) or receives < _FEWEST_RECEIVES:
            yield f"{queue_name}: maxReceiveCount {receives} is under {_FEWEST_RECEIVES}"


def batches_fail_in_part(template: Template) -> Iterator[str]:
    for name, event, _ in template.queue_events():
        if event.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            yield f"{name}: without ReportBatchItemFailures one bad message brings back its whole batch"


def concurrency_of_queues_is_limited(template: Template) -> Iterator[str]:
    """By a number that stands here: the embedded AWS stops every poller at a `!Ref`."""
    for name, event, _ in template.queue_events():
        concurrency = event.get("ScalingConfig", {}).get("MaximumConcurrency")
        if not isinstance(concurrency, int) or not 2 <= concurrency <= 1000:
            yield f"{name}: MaximumConcurrency is {concurrency!r}, not a number from 2 to 1000"


def _fed(template: Template) -> Iterator[tuple[str, Fields, str, Fields]]:
    """Every function with a queue that feeds it: event name, function, logical ID of the queue, queue."""
    queues = template.resources("AWS::SQS::Queue")
    for name, event, function in template.queue_events():
        queue_name = referenced(event.get("Queue"))
        if queue_name in queues:
            yield name, function, queue_name, queues[queue_name]


# ------------------------------------------------------------------ functions


def handlers_exist(template: Template) -> Iterator[str]:
    for name, function in template.functions.items():
        code = (template.path.parent / str(function.get("CodeUri"))).resolve()
        module, _, handler = str(function.get("Handler")).rpartition(".")
        file = code / f"{module}.py"
        if code != FUNCTIONS:
            yield f"{name}: CodeUri is {function.get('CodeUri')!r}, not functions/"
        elif not file.is_file() or handler not in _functions_defined_in(file):
            yield f"{name}: Handler {function.get('Handler')} does not exist"


def functions_run_on_the_one_runtime(template: Template) -> Iterator[str]:
    for name, function in template.functions.items():
        if function.get("Runtime") != RUNTIME:
            yield f"{name}: Runtime is {function.get('Runtime')!r}, not {RUNTIME}"
        if function.get("Architectures") != [{"Ref": "Architecture"}]:
            yield f"{name}: Architectures is not the parameter Architecture"
    if template.functions:
        parameter = template.body.get("Parameters", {}).get("Architecture", {})
        if (parameter.get("Default"), parameter.get("AllowedValues")) != ("x86_64", ["x86_64", "arm64"]):
            yield "Parameters.Architecture: is not x86_64, or arm64 by choice"


def powertools_is_the_version_that_the_tests_run(template: Template) -> Iterator[str]:
    for name, function in template.functions.items():
        match function.get("Layers"):
            case [{"Fn::Sub": str(arn)}] if layer := _LAYER.fullmatch(arn):
                version = POWERTOOLS_LAYERS.get(int(layer[1]))
                if version != pinned_powertools():
                    yield f"{name}: layer {layer[1]} is Powertools {version}; the pin is {pinned_powertools()}"
            case layers:
                yield f"{name}: Layers is not the one of Powertools: {layers}"


@cache
def pinned_powertools() -> str:
    pin = _POWERTOOLS_PIN.search((ROOT / "requirements-dev.txt").read_text(encoding="utf-8"))
    assert pin, "requirements-dev.txt pins aws-lambda-powertools"
    return pin[1]


def environment_is_text(template: Template) -> Iterator[str]:
    for name, function in template.functions.items():
        for variable, value in function.get("Environment", {}).get("Variables", {}).items():
            if not isinstance(value, str | dict):
                yield f"{name}: environment variable {variable} is {value!r}; put it in quotes"


def logs_have_a_retention(template: Template) -> Iterator[str]:
    groups = template.resources("AWS::Logs::LogGroup")
    named = {_function_of_log_group(group): group for group in groups.values()}
    for name in template.functions:
        if "RetentionInDays" not in named.get(name, {}):
            yield f"{name}: has no log group /aws/lambda/${{{name}}} with RetentionInDays"
    for name, group in groups.items():
        if "RetentionInDays" not in group:
            yield f"{name}: keeps logs for ever, without RetentionInDays"


@cache
def answers_tokens(module: str) -> bool:
    """Whether a module, or one that it imports, calls `send_task_…` of task_callback."""
    file = FUNCTIONS / f"{module}.py"
    if not file.is_file():
        return False
    for node in ast.walk(_parsed(file)):
        if isinstance(node, ast.Import) and any(_answers(alias.name) for alias in node.names):
            return True
        if isinstance(node, ast.ImportFrom) and any(_answers(str(node.module), alias.name) for alias in node.names):
            return True
    return False


def _answers(module: str, name: str | None = None) -> bool:
    if module == "task_callback":
        return name is None or name.startswith("send_task_")
    return answers_tokens(module)


def _functions_defined_in(file: Path) -> set[str]:
    return {node.name for node in _parsed(file).body if isinstance(node, ast.FunctionDef)}


@cache
def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


# ------------------------------------------------------------------ every resource


def no_resource_has_a_physical_name(template: Template) -> Iterator[str]:
    """Names collide: two stacks in one account, a replacement and what it replaces.

    A function's log group has to have one; an inline policy is named within its role only.
    """
    for name, resource in template.body["Resources"].items():
        properties = resource.get("Properties", {})
        kind = resource["Type"].rpartition("::")[2]
        if resource["Type"] == "AWS::IAM::Policy":
            continue
        for field in ("Name", f"{kind}Name"):
            if field in properties and not (kind == "LogGroup" and _function_of_log_group(properties)):
                yield f"{name}: has a physical name, {field}"


def _function_of_log_group(group: Fields) -> str | None:
    match group.get("LogGroupName"):
        case {"Fn::Sub": str(name)} if function := re.fullmatch(r"/aws/lambda/\$\{(\w+)\}", name):
            return function[1]
    return None


# By the id that cfn-lint shows; the id of a rule never changes
RULES: dict[str, Rule] = {
    "EC2001": definitions_exist,
    "EC2002": substitutions_are_those_of_the_definition,
    "EC2003": only_standard_workflows_wait,
    "EC2004": messages_outlive_the_wait,
    "EC2005": events_of_queues_name_queues_of_the_template,
    "EC2006": messages_stay_hidden_while_they_are_worked_on,
    "EC2007": messages_that_fail_are_put_aside,
    "EC2008": batches_fail_in_part,
    "EC2009": concurrency_of_queues_is_limited,
    "EC2010": handlers_exist,
    "EC2011": functions_run_on_the_one_runtime,
    "EC2012": powertools_is_the_version_that_the_tests_run,
    "EC2013": environment_is_text,
    "EC2014": logs_have_a_retention,
    "EC2015": no_resource_has_a_physical_name,
}
