"""Mermaid of a state machine, and of what a template's resources send each other."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from callback_lint.asl import State, StateMachine, texts
from callback_lint.documents import Fields, Json, fields, items, number, texts_in
from callback_lint.templates import FUNCTIONS, STATE_MACHINES, Template, referenced

_BEGIN = '%%{init: {"flowchart": {"wrappingWidth": 280, "nodeSpacing": 25, "rankSpacing": 35}}}%%\nflowchart TB'
_ENTITIES = str.maketrans({"#": "#35;", "&": "#amp;", '"': "#quot;", "<": "#lt;", ">": "#gt;"})
_UNITS = ((86400, "days"), (3600, "h"), (60, "min"), (1, "s"))


class Edge(NamedTuple):
    source: str
    target: str
    label: str = ""
    dashed: bool = False


def _drawn(nodes: dict[str, str], edges: Iterable[Edge], more: Sequence[str] = ()) -> str:
    """`nodes`: the shape of each, with its text. Edges alike are one, with all their labels; others name no node."""
    lines = [_BEGIN, *(f"{name}{shape}" for name, shape in nodes.items())]
    labels: dict[tuple[str, str, bool], dict[str, None]] = {}
    for edge in edges:
        if {edge.source, edge.target} <= nodes.keys():
            labels.setdefault((edge.source, edge.target, edge.dashed), {})[edge.label] = None
    for (source, target, dashed), all_of_them in labels.items():
        label = "<br>".join(filter(None, all_of_them))
        lines.append(f"{source} {'-.->' if dashed else '-->'} " + (f'|"{label}"| ' if label else "") + target)
    return "\n    ".join([*lines, *more])


def _plain(text: str) -> str:
    """A text that Mermaid takes for nothing else."""
    return text.translate(_ENTITIES)


def _duration(seconds: int) -> str:
    """60 is `1 min`, but 86400 is `24 h`."""
    fitting = (unit for unit in _UNITS if seconds % unit[0] == 0 and not seconds == unit[0] == 86400)
    size, unit = next(fitting)
    return f"{seconds // size} {unit}"


# ------------------------------------------------------------------ states


def states(machine: StateMachine) -> str:
    """The states and the ways between them: those of errors are dashed, waits for a task token have a thick frame."""
    top = machine.scopes[0].states.values()
    edges = [Edge("start", _id(machine.definition.get("StartAt"))), *(edge for state in top for edge in _ways(state))]
    nodes = {"start": "(( ))"} | {_id(state.name): _shape(state) for state in top}
    if any(edge.target == "succeeded" for edge in edges):
        nodes["succeeded"] = "([SUCCEEDED])"
    waits = ",".join(_id(state.name) for state in top if state.waits)
    return _drawn(nodes, edges, ["classDef waits stroke-width:4px", f"class {waits} waits"] if waits else [])


def _id(name: Json) -> str:
    return re.sub(r"\W", "_", str(name))


def _shape(state: State) -> str:
    lines = [f"<b>{_plain(state.name)}</b>"]
    if state.kind == "Choice":
        return f'{{"{lines[0]}"}}'
    if state.kind == "Fail":
        return f'(["{lines[0]}<br>FAILED"])'
    if state.kind == "Wait":
        lines.append(_plain(f"waits: {state.fields.get('Seconds')} s"))
    if state.kind == "Task":
        lines.append(_plain(" ".join([_integration(state), *_named(state)])))
    if state.waits:
        limits = {"within": "TimeoutSeconds", "heartbeats within": "HeartbeatSeconds"}
        known = {text: number(state.fields.get(name)) for text, name in limits.items()}
        words = [f"{text} {_duration(seconds)}" for text, seconds in known.items() if seconds]
        lines.append("<br>".join(["waits for the task token", ", ".join(words)]))
    for _, retrier in state.handlers("Retry"):
        lines.append(f"{retrier.get('MaxAttempts', 3) or 'no'} retries on {_plain(_errors(retrier))}")
    return f'["{"<br>".join(lines)}"]'


def _errors(handler: Fields) -> str:
    """The names of errors; those of one service are shortened to `SQS.…`."""
    words = []
    for service, group in groupby(texts_in(handler.get("ErrorEquals")), lambda name: name.partition(".")[0]):
        names = list(group)
        words += [f"{service}.…"] if len(names) > 1 and service != "States" else names
    return ", ".join(words)


def _ways(state: State) -> Iterator[Edge]:
    name = _id(state.name)
    for _, choice in state.handlers("Choices"):
        condition = str(choice.get("Condition", "")).removeprefix("{%").removesuffix("%}").strip()
        yield Edge(name, _id(choice.get("Next")), _plain(condition).replace(" and ", "<br>and "))
    if "Default" in state.fields:
        yield Edge(name, _id(state.fields["Default"]), "otherwise")
    if "Next" in state.fields or (state.ends and state.kind != "Fail"):
        yield Edge(name, _id(state.fields.get("Next", "succeeded")))
    caught: dict[str, list[str]] = {}
    for _, catcher in state.handlers("Catch"):
        caught.setdefault(_id(catcher.get("Next")), []).extend(texts_in(catcher.get("ErrorEquals")))
    for target, errors in caught.items():
        others = "any other error" if len(caught) > 1 else "any error"
        yield Edge(name, target, others if "States.ALL" in errors else "<br>".join(map(_plain, errors)), dashed=True)


def _integration(state: State) -> str:
    """`sqs:sendMessage` of its Resource."""
    return state.resource.partition(":states:::")[2].removesuffix(".waitForTaskToken")


def _named(state: State) -> list[str]:
    """The resources of the template that its arguments name."""
    return [name for _, text in texts(state.arguments) if (name := referenced(state.machine.substituted(text)))]


# ------------------------------------------------------------------ resources

_SHAPES = {
    **dict.fromkeys(FUNCTIONS, "[{}]"),
    **dict.fromkeys(STATE_MACHINES, "[[{}]]"),
    **dict.fromkeys(("AWS::SQS::Queue", "AWS::DynamoDB::Table", "AWS::S3::Bucket"), "[({})]"),
    "AWS::Serverless::Api": "[/{}\\]",
    "AWS::SNS::Topic": "{{{{{}}}}}",
    "AWS::Events::Rule": ">{}]",
}
_SOURCES = {"Api": "RestApiId", "DynamoDB": "Stream", "SNS": "Topic", "SQS": "Queue"}  # the property that names it
_DATA = re.compile(r"(?:s3|dynamodb):(Get|Put|Update|Delete)(?:Item|Object)")
_VERBS = {"Get": "reads", "Put": "writes", "Update": "writes", "Delete": "removes"}


def resources(template: Template, others: Iterable[tuple[str, ...]] = ()) -> str:
    """What works and what holds data, and the ways between: those of answers and of what went wrong are dashed.

    `others`: from, label, to, where one end is a resource and the other somebody whom no template knows, in lower case.
    Raises ValueError for any other.
    """
    drawn = {name: each.type for name, each in template.resources.items() if each.type in _SHAPES}
    nodes = {name: _SHAPES[kind].format(name) for name, kind in drawn.items()}
    edges = [*_sent(template), *_fed(template), *_passed_on(template), *_granted(template)]
    for line in others:
        ends = {*line[::2]} - drawn.keys()
        if len(line) != 3 or len(ends) != 1 or not min(ends).islower():
            raise ValueError(f"{' | '.join(line)}: not FROM | LABEL | TO, of a resource and a name in lower case")
        nodes |= {_id(end): f"(({end}))" for end in ends}
        edges.append(Edge(_id(line[0]), _id(line[2]), _plain(line[1])))
    return _drawn(nodes, edges)


def _sent(template: Template) -> Iterator[Edge]:
    """What the tasks of state machines call, with their names."""
    for machine_name, machine in template.machine_of.items():
        tasks: dict[tuple[str, str], list[str]] = {}
        for state in machine.tasks:
            what = f"{_integration(state)}{'<br>+ task token' if state.waits else ''}"
            for target in _named(state):
                tasks.setdefault((target, what), []).append(_plain(state.name))
        for (target, what), names in tasks.items():
            yield Edge(machine_name, target, f"{', '.join(names)}:<br>{what}")


def _fed(template: Template) -> Iterator[Edge]:
    """What invokes functions, and where that goes which they fail on."""
    for name, function in template.of_type(FUNCTIONS[0]).items():
        yield _kept(name, fields(function.get("EventInvokeConfig")))
        for event in map(fields, fields(function.get("Events")).values()):
            kind, properties = str(event.get("Type")), fields(event.get("Properties"))
            label = "stream" if kind == "DynamoDB" else ""
            if kind == "Api":
                label = f"{str(properties.get('Method')).upper()} {re.sub(r'{.*?}', '…', str(properties.get('Path')))}"
            source = referenced(properties.get(_SOURCES.get(kind, ""))) or ""
            if not label.startswith("OPTIONS"):
                yield Edge(source, name, label)
            yield _kept(source if "RedrivePolicy" in properties else name, properties)


def _passed_on(template: Template) -> Iterator[Edge]:
    """What queues, topics and rules pass on, and where that goes which nobody takes."""
    for name, queue in template.queues.items():
        receives = queue.get("RedrivePolicy", "maxReceiveCount")
        yield Edge(name, template.dead_letter_queue(queue) or "", f"after {receives} receives", dashed=True)
    for subscription in template.of_type("AWS::SNS::Subscription").values():
        topic = referenced(subscription.get("TopicArn")) or ""
        yield Edge(topic, referenced(subscription.get("Endpoint")) or "")
        yield _kept(topic, subscription.properties)
    for name, rule in template.of_type("AWS::Events::Rule").items():
        pattern = fields(rule.get("EventPattern"))
        what = texts_in(fields(pattern.get("detail")).get("status")) or texts_in(pattern.get("detail-type"))
        yield from (Edge(source, name, ", ".join(what)) for source in _references(pattern))
        for target in map(fields, items(rule.get("Targets"))):
            yield Edge(name, referenced(target.get("Arn")) or "")
            yield _kept(name, target)


def _kept(source: str, properties: Fields) -> Edge:
    """The queue for what is not delivered or not done, as each service calls it."""
    for name, arn in (("RedrivePolicy", "deadLetterTargetArn"), ("DeadLetterConfig", "Arn")):
        if name in properties:
            return Edge(source, referenced(fields(properties[name]).get(arn)) or "", "undelivered", dashed=True)
    failed = fields(fields(properties.get("DestinationConfig")).get("OnFailure"))
    return Edge(source, referenced(failed.get("Destination")) or "", "failed", dashed=True)


def _granted(template: Template) -> Iterator[Edge]:
    """What the roles of functions may do with state machines, tables and buckets."""
    for name, function in template.functions.items():
        verbs: dict[tuple[str, str], set[str]] = {}
        for grant in template.grants:
            for resource, folder in map(_part, grant.resources):
                if grant.holder not in (name, referenced(function.get("Role"))):
                    continue
                if any(action.startswith("states:SendTask") for action in grant.actions):
                    yield Edge(name, resource, "SendTask…", dashed=True)
                if "states:StartExecution" in grant.actions:
                    yield Edge(name, resource, "StartExecution")
                found = {_VERBS[data[1]] for action in grant.actions if (data := _DATA.match(action))}
                verbs.setdefault((resource, folder), set()).update(found)
        for (resource, folder), does in verbs.items():
            if does:
                yield Edge(
                    name, resource, f"{', '.join(sorted(does, key=list(_VERBS.values()).index))} {folder}".strip()
                )


def _part(target: Json) -> tuple[str, str]:
    """The resource that a statement is about, and the folder in it."""
    match target:
        case {"Fn::Sub": str(text)} if found := re.fullmatch(r"\$\{(\w+)\.Arn\}/(.*?)\*?", text):
            return found[1], found[2]
    return referenced(target) or "", ""


def _references(value: Json) -> Iterator[str]:
    if name := referenced(value):
        yield name
    elif isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from _references(child)
