"""Templates, SAM and plain CloudFormation, as their rules see them.

What cannot be known before the deployment - a parameter, a condition, another stack - is left as the function that
stands there, so that a rule which asks for a number or a resource finds none, and is silent.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from os.path import normpath
from pathlib import Path

from callback_lint.asl import State, StateMachine
from callback_lint.documents import (
    Document,
    Fields,
    Json,
    Problem,
    Step,
    Steps,
    Unreadable,
    fields,
    items,
    number,
    parse_json,
)
from callback_lint.documents import read as read_document

FUNCTIONS = ("AWS::Serverless::Function", "AWS::Lambda::Function")
STATE_MACHINES = ("AWS::Serverless::StateMachine", "AWS::StepFunctions::StateMachine")

DEFAULT_BATCH_SIZE = 10
_SUBSTITUTION = re.compile(r"\$\{(!?)([^}]*)\}")
_SEND_TASK = ["states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat"]
# Holders of these may do more than can be read here
_BROAD_POLICIES = re.compile(r"AdministratorAccess|PowerUserAccess|StepFunctionsFullAccess")


@dataclass(frozen=True)
class Thresholds:
    """From which number on something is a finding."""

    fewest_receives: int = 5  # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    visibility_per_timeout: int = 6  # the same page


@dataclass(frozen=True)
class Place:
    """Where the properties of a resource stand in a document that is no template, and what each is called there."""

    steps: Steps
    names: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Resource:
    """`properties`: those of Globals included."""

    template: "Template"
    id: str
    type: str
    properties: Fields

    def says(self, message: str, *steps: Step) -> Problem:
        """About a property, or about the resource that lacks it."""
        place = self.steps(*steps)
        if not steps or steps[0] not in self.own:
            place = self.steps()
            place = place[:-1] if place[-1] == "Properties" else place
        return Problem(self.template.document.path, self.template.document.line(place), f"{self.id}: {message}")

    def steps(self, *steps: Step) -> Steps:
        """The way to one of its properties, or into one, in the document."""
        place = self.template.places.get(self.id)
        if not place:
            return ("Resources", self.id, "Properties", *steps)
        return (*place.steps, *(place.names.get(str(step), step) for step in steps[:1]), *steps[1:])

    @property
    def body(self) -> Fields:
        return fields(fields(self.template.body.get("Resources")).get(self.id))

    @property
    def own(self) -> Fields:
        return fields(self.body.get("Properties"))

    def get(self, *steps: Step) -> Json:
        """A property; None where there is none."""
        value: Json = self.properties
        for step in steps:
            if isinstance(step, int):
                value = items(value)[step] if step < len(items(value)) else None
            else:
                value = fields(value).get(step)
        return value

    def number(self, name: str, default: int) -> int | None:
        return number(self.properties[name]) if name in self.properties else default


@dataclass(frozen=True, eq=False)
class Feed:
    """A queue that invokes a function, as an event of the function or as a separate event source mapping.

    `queue`: a logical ID, None where it is no resource of the template.
    """

    name: str
    resource: Resource  # which says it
    steps: Steps
    properties: Fields
    queue: str | None
    function: Resource | None

    def says(self, message: str, *steps: Step) -> Problem:
        problem = self.resource.says("", *self.steps, *steps)
        return Problem(problem.path, problem.line, f"{self.name}: {message}")


@dataclass(frozen=True, eq=False)
class Wait:
    """A state that sends its task token to a queue of the template. Times are seconds, None where not known."""

    state: State
    queue: Resource
    timeout: int | None

    @property
    def patience(self) -> int | None:
        """Until it fails if nobody takes the message: nobody sends a heartbeat then."""
        times = [self.timeout, number(self.state.fields.get("HeartbeatSeconds"))]
        return min((time for time in times if time is not None), default=None)


@dataclass(frozen=True, eq=False)
class Grant:
    """A statement that allows something, and the role (or the function of a role that SAM makes) that it belongs to."""

    holder: str
    resource: Resource  # in which it stands
    steps: Steps
    statement: Fields

    def says(self, message: str) -> Problem:
        sid = self.statement.get("Sid")
        return self.resource.says(f"{sid if isinstance(sid, str) else 'a statement'} {message}", *self.steps)

    @property
    def actions(self) -> list[str]:
        return [action for action in listed(self.statement.get("Action")) if isinstance(action, str)]

    @property
    def resources(self) -> list[Json]:
        return listed(self.statement.get("Resource"))

    def of(self, actions: set[str]) -> set[str]:
        """Those of these actions that it allows, be it by a wildcard."""
        patterns = [pattern.lower() for pattern in self.actions]
        return {action for action in actions if any(fnmatchcase(action.lower(), pattern) for pattern in patterns)}


@dataclass(frozen=True, eq=False)
class Template:
    """A template; or a state machine by itself, which is a template that has nothing else.

    `made_of`: what a document that is no template amounts to, and `places` where its resources stand in there.
    """

    document: Document
    own_state_machines: tuple[StateMachine, ...] = ()
    made_of: Fields | None = None
    places: dict[str, Place] = field(default_factory=dict)
    thresholds: Thresholds = field(default_factory=Thresholds)
    unreadable: list[Unreadable] = field(default_factory=list)  # what it names and cannot be read, as far as asked for

    @property
    def body(self) -> Fields:
        if self.made_of is not None:
            return self.made_of
        return {} if self.own_state_machines else fields(self.document.value)

    @property
    def folder(self) -> Path:
        return self.document.path.parent

    def says(self, message: str, *steps: Step) -> Problem:
        return Problem(self.document.path, self.document.line(steps), message)

    @cached_property
    def resources(self) -> dict[str, Resource]:
        return {
            name: Resource(self, name, resource["Type"], self._with_globals(resource))
            for name, resource in fields(self.body.get("Resources")).items()
            if isinstance(resource, dict) and isinstance(resource.get("Type"), str)
        }

    def _with_globals(self, resource: Fields) -> Fields:
        own = fields(resource.get("Properties"))
        kind = resource["Type"].removeprefix("AWS::Serverless::")
        shared = fields(fields(self.body.get("Globals")).get(kind)) if kind != resource["Type"] else {}
        return fields(_merged(shared, own))

    def of_type(self, *types: str) -> dict[str, Resource]:
        return {name: resource for name, resource in self.resources.items() if resource.type in types}

    @property
    def functions(self) -> dict[str, Resource]:
        return self.of_type(*FUNCTIONS)

    @property
    def queues(self) -> dict[str, Resource]:
        return self.of_type("AWS::SQS::Queue")

    # -------------------------------------------------------------- state machines

    @cached_property
    def machine_of(self) -> dict[str, StateMachine]:
        """Every state machine whose definition can be read, by the logical ID of its resource."""
        found: dict[str, StateMachine] = {}
        for name, resource in self.of_type(*STATE_MACHINES).items():
            try:
                machine = _state_machine(resource)
            except Unreadable as unreadable:
                self.unreadable.append(unreadable)
            else:
                if machine:
                    found[name] = machine
        return found

    @property
    def state_machines(self) -> list[StateMachine]:
        return [*self.own_state_machines, *self.machine_of.values()]

    @cached_property
    def waits(self) -> list[Wait]:
        found = []
        for machine in self.machine_of.values():
            for state in machine.waits:
                arguments = fields(state.arguments)
                url = arguments.get("QueueUrl", arguments.get("QueueUrl.$"))
                queue = self.queues.get(referenced(machine.substituted(url)) or "")
                if queue and ":sqs:sendMessage" in state.resource:
                    found.append(Wait(state, queue, number(state.fields.get("TimeoutSeconds"))))
        return found

    # -------------------------------------------------------------- queues and the functions that they feed

    @cached_property
    def feeds(self) -> list[Feed]:
        found = []
        for name, function in self.of_type(FUNCTIONS[0]).items():
            for event_name, event in fields(function.get("Events")).items():
                if fields(event).get("Type") == "SQS":
                    properties = fields(fields(event).get("Properties"))
                    steps = ("Events", event_name, "Properties")
                    queue = referenced(properties.get("Queue"))
                    found.append(Feed(f"{name}.{event_name}", function, steps, properties, queue, function))
        for name, mapping in self.of_type("AWS::Lambda::EventSourceMapping").items():
            source = mapping.get("EventSourceArn")
            queue = referenced(source)
            if queue in self.queues or ":sqs:" in json.dumps(source):
                of = self.functions.get(referenced(mapping.get("FunctionName")) or "")
                found.append(Feed(name, mapping, (), mapping.properties, queue, of))
        return found

    @cached_property
    def read_queues(self) -> set[str]:
        """The queues that a function or a pipe reads."""
        pipes = (referenced(pipe.get("Source")) for pipe in self.of_type("AWS::Pipes::Pipe").values())
        return {queue for queue in (*(feed.queue for feed in self.feeds), *pipes) if queue}

    def dead_letter_queue(self, queue: Resource) -> str | None:
        return referenced(queue.get("RedrivePolicy", "deadLetterTargetArn"))

    # -------------------------------------------------------------- rights

    @cached_property
    def grants(self) -> list[Grant]:
        """Where a condition decides, those of both its branches."""
        found = []
        for name, resource in self.resources.items():
            match resource.type:
                case "AWS::IAM::Role" | "AWS::Serverless::Function" | "AWS::Serverless::StateMachine":
                    for steps, statement in _allowing(resource.get("Policies"), ("Policies",)):
                        found.append(Grant(name, resource, steps, statement))
                case "AWS::IAM::Policy" | "AWS::IAM::ManagedPolicy" | "AWS::IAM::RolePolicy":
                    roles = [*items(resource.get("Roles")), resource.get("RoleName")]
                    holders = [role for role in map(referenced, roles) if role] or [name]
                    for steps, statement in _allowing(resource.get("PolicyDocument"), ("PolicyDocument",)):
                        found += [Grant(holder, resource, steps, statement) for holder in holders]
        return found

    @cached_property
    def unreadable_holders(self) -> set[str]:
        """The roles with a managed policy of AWS that may hold more rights than can be read here."""
        return {
            name
            for name, resource in self.resources.items()
            for field in ("ManagedPolicyArns", "Policies")
            if any(_BROAD_POLICIES.search(json.dumps(policy)) for policy in listed(resource.get(field)))
        }


# ------------------------------------------------------------------ references


def referenced(value: Json) -> str | None:
    """The logical ID that `!Ref X`, `!GetAtt X.Y` or `!Sub ${X.Y}` names; None for anything else."""
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
            return name
        case {"Fn::GetAtt": str(name)}:
            return name.partition(".")[0]
        case {"Fn::Sub": str(text)} if found := _SUBSTITUTION.fullmatch(text):
            return found[2].partition(".")[0]
    return None


def listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _merged(shared: Json, own: Json) -> Json:
    """What SAM makes of Globals: objects are merged, lists joined, anything else is replaced."""
    match shared, own:
        case dict(), dict():
            return shared | {key: _merged(shared.get(key), value) for key, value in own.items()}
        case list(), list():
            return shared + own
    return own


def _allowing(value: Json, steps: Steps) -> Iterator[tuple[Steps, Fields]]:
    match value:
        case {"Effect": "Allow"}:
            yield steps, value
        case {"StepFunctionsCallbackPolicy": _}:  # SAM's own, which allows all three
            yield steps, {"Effect": "Allow", "Action": _SEND_TASK, "Resource": "of the policy"}
        case dict():
            for key, child in value.items():
                yield from _allowing(child, (*steps, key))
        case list():
            for index, child in enumerate(value):
                yield from _allowing(child, (*steps, index))


# ------------------------------------------------------------------ definitions of state machines


def _state_machine(resource: Resource) -> StateMachine | None:
    """None where its definition is not there, or only known at the deployment. Raises Unreadable."""
    kind = resource.get("Type" if resource.type == STATE_MACHINES[0] else "StateMachineType")
    kind = kind if isinstance(kind, str) else "STANDARD" if kind is None else None
    given = _with_activities(resource, fields(resource.get("DefinitionSubstitutions")))
    document = resource.template.document
    file = definition_file(resource) or _asset(resource)
    if file and is_file(file):
        read = read_document(file)
        return StateMachine(read, fields(read.value), (), given, kind) if is_state_machine(read.value) else None
    if isinstance(resource.own.get("Definition"), dict):
        definition, found = _as_texts(resource.own["Definition"])
        found = _with_activities(resource, found)
        return StateMachine(document, fields(definition), resource.steps("Definition"), {**found, **given}, kind)
    if "DefinitionString" in resource.own:
        text, found, steps = _text(resource.own["DefinitionString"], resource.steps("DefinitionString"))
        if text is not None:
            found = _with_activities(resource, found)
            text = text if document.is_block(steps) else text.replace("\n", " ")  # else its lines are none of the file
            inner = parse_json(text, document.path, document.line_of_text(steps))
            return StateMachine(inner, fields(inner.value), (), {**found, **given}, kind)
    return None


def _with_activities(resource: Resource, given: Fields) -> Fields:
    """What stands for `${Name}`, and of an activity of the template its ARN, so that a Task is seen to wait for it."""
    kind = "AWS::StepFunctions::Activity"
    activities = {
        name: f"arn:aws:states:::activity:{referenced(value)}"
        for name, value in given.items()
        if fields(fields(resource.template.body.get("Resources")).get(referenced(value) or "")).get("Type") == kind
    }
    return {**given, **activities}


def _asset(resource: Resource) -> Path | None:
    """The file of `cdk synth` that DefinitionS3Location names: `asset.<key>`, beside the template."""
    key = resource.get("DefinitionS3Location", "Key")
    return resource.template.folder / f"asset.{key}" if isinstance(key, str) and "\0" not in key else None


def definition_file(resource: Resource) -> Path | None:
    """The local file that DefinitionUri names, which need not exist."""
    uri = resource.get("DefinitionUri")
    if isinstance(uri, str) and uri and "\0" not in uri and not uri.startswith(("s3://", "https://")):
        return Path(normpath(resource.template.folder / uri))
    return None


def is_file(path: Path) -> bool:
    """Where a name is no possible one, there is no file of it either."""
    try:
        return path.is_file()
    except (OSError, ValueError, RuntimeError):
        return False


def exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError, RuntimeError):
        return False


def is_state_machine(value: Json) -> bool:
    return isinstance(value, dict) and {"StartAt", "States"} <= value.keys()


def is_template(value: Json) -> bool:
    match value:
        case {"AWSTemplateFormatVersion": _}:
            return True
        case {"Resources": dict(resources)}:
            types = (fields(resource).get("Type") for resource in resources.values())
            return any(isinstance(type_, str) and type_.startswith(("AWS::", "Custom::")) for type_ in types)
    return False


def _as_texts(value: Json) -> tuple[Json, Fields]:
    """A definition with `${Name}` instead of each function of CloudFormation, and what each stands for."""
    found: Fields = {}

    def replaced(value: Json) -> Json:
        match value:
            case {"Ref": _} | {"Fn::GetAtt": _} if len(value) == 1:
                name = referenced(value) or f"value{len(found)}"
                found[name] = value
                return f"${{{name}}}"
            case {"Fn::Sub": str(text)} if len(value) == 1:
                found.update(_in_sub(text))
                return text
            case dict() if len(value) == 1 and next(iter(value)).startswith("Fn::"):
                name = f"value{len(found)}"
                found[name] = value
                return f"${{{name}}}"
            case dict():
                return {key: replaced(child) for key, child in value.items()}
            case list():
                return [replaced(child) for child in value]
        return value

    return replaced(value), found


def _in_sub(text: str) -> Fields:
    """What each `${Name}` of a `!Sub` stands for."""
    return {
        name: {"Fn::GetAtt": name.split(".", 1)} if "." in name else {"Ref": name}
        for literal, name in _SUBSTITUTION.findall(text)
        if not literal
    }


def _text(value: Json, steps: Steps) -> tuple[str | None, Fields, Steps]:
    """A DefinitionString as far as it can be read, what its `${Name}` stand for, and where the text itself stands."""
    match value:
        case str():
            return value, {}, steps
        case {"Fn::Sub": str(text)}:
            return text, _in_sub(text), (*steps, "Fn::Sub")
        case {"Fn::Sub": [str(text), *given]}:
            return text, _in_sub(text) | fields(given[0] if given else {}), (*steps, "Fn::Sub", 0)
        case {"Fn::Join": [str(separator), list(parts)]}:
            texts: list[str] = []
            found: Fields = {}
            for part in parts:
                text, more = _as_texts(part)
                if not isinstance(text, str):
                    return None, {}, steps
                texts.append(text)
                found |= more
            return separator.join(texts), found, (*steps, "Fn::Join")
    return None, {}, steps
