"""What tells a person: alarms, and the notification of each end."""

from collections.abc import Callable, Iterator

from callback_lint.documents import Fields, Json, Problem, fields, items, number
from callback_lint.templates import Resource, Template, listed, referenced
from tests.templates.rule import template_rule
from tests.templates.rules.encryption import attached

_TOLD = {"Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]}
_OWN_RECEIVES = 5  # of a dead-letter queue, beside those of the queue before it, which are counted on


@template_rule
def queues_that_wait_for_a_person_have_an_alarm(template: Template) -> Iterator[Problem]:
    watched = {queue for queue, metric, _ in _queue_alarms(template) if metric == "ApproximateNumberOfMessagesVisible"}
    for name in sorted(filter(None, _last_resorts(template.body))):
        if name in template.queues and name not in template.read_queues | watched:
            what = "no function reads it, and no alarm tells that ApproximateNumberOfMessagesVisible is above 0"
            yield template.queues[name].says(what)


@template_rule
def alarms_say_what_to_do_and_reach_somebody(template: Template) -> Iterator[Problem]:
    for alarm in template.of_type("AWS::CloudWatch::Alarm").values():
        if not alarm.get("AlarmDescription"):
            yield alarm.says("AlarmDescription does not say what to do")
        if alarm.get("AlarmActions") != _TOLD:
            yield alarm.says("AlarmActions are not the topic AlarmTopicArn where there is one", "AlarmActions")


@template_rule
def lateness_alarms_go_off_by_half_of_the_wait(template: Template) -> Iterator[Problem]:
    """Early enough to act before the first workflow times out."""
    ages: dict[str, list[int | None]] = {}
    for queue, metric, alarm in _queue_alarms(template):
        if metric == "ApproximateAgeOfOldestMessage":
            ages.setdefault(queue, []).append(number(alarm.get("Threshold")))
    for wait in template.waits:
        early = [age for age in ages.get(wait.queue.id, []) if age and wait.patience and age <= wait.patience // 2]
        if wait.patience and not early:
            what = f"alarms on ApproximateAgeOfOldestMessage go off at {ages.get(wait.queue.id, 'no age')}"
            yield wait.queue.says(f"{what}, not by half of the {wait.patience} s that {wait.state.name} waits")


@template_rule
def dead_letter_queues_have_an_end(template: Template) -> Iterator[Problem]:
    """The receives of the queue before go on being counted in a dead-letter queue."""
    for name in sorted(template.read_queues & template.queues.keys()):
        queue = template.queues[name]
        before = [each for each in template.queues.values() if template.dead_letter_queue(each) == name]
        if not before:
            continue
        follower = template.dead_letter_queue(queue)
        if follower not in template.queues or follower in template.read_queues:
            yield queue.says("RedrivePolicy names no queue of this template that waits for a person", "RedrivePolicy")
        receives = [number(each.get("RedrivePolicy", "maxReceiveCount")) or 0 for each in (queue, *before)]
        if receives[0] < max(receives[1:]) + _OWN_RECEIVES:
            what = (
                f"maxReceiveCount {receives[0]} is under {max(receives[1:])}, of the queue before, and {_OWN_RECEIVES}"
            )
            yield queue.says(what, "RedrivePolicy", "maxReceiveCount")


@template_rule
def stopped_executions_are_reported(template: Template) -> Iterator[Problem]:
    """A state machine that is stopped cannot report it: a rule of EventBridge does."""
    for name, machine in template.machine_of.items():
        arns = (fields(state.arguments).get("TopicArn") for state in machine.tasks if ":sns:publish" in state.resource)
        topics = {referenced(machine.substituted(arn)) for arn in arns}
        for topic in sorted(template.of_type("AWS::SNS::Topic").keys() & topics):
            rules = [
                rule
                for rule in template.of_type("AWS::Events::Rule").values()
                if _is_about_stops_of(name, rule.get("EventPattern"))
                and any(_tells(target, topic, template) for target in items(rule.get("Targets")))
            ]
            if not rules:
                what = f"no AWS::Events::Rule on ABORTED publishes to {topic} with an InputTransformer and"
                yield template.resources[name].says(f"{what} a DeadLetterConfig to an encrypted queue that lets it in")
            elif topic not in attached(template, "AWS::SNS::TopicPolicy", "Topics", _lets_events("sns:Publish")):
                yield template.resources[topic].says("no AWS::SNS::TopicPolicy lets events.amazonaws.com publish")


def _is_about_stops_of(machine: str, pattern: Json) -> bool:
    detail = fields(fields(pattern).get("detail"))
    about = [referenced(arn) for arn in items(detail.get("stateMachineArn"))]
    return (
        "aws.states" in items(fields(pattern).get("source"))
        and "ABORTED" in items(detail.get("status"))
        and (machine in about)
    )


def _tells(target: Json, topic: str, template: Template) -> bool:
    queue = referenced(fields(fields(target).get("DeadLetterConfig")).get("Arn"))
    return (
        referenced(fields(target).get("Arn")) == topic
        and "InputTransformer" in fields(target)
        and queue in attached(template, "AWS::SQS::QueuePolicy", "Queues", _lets_events("sqs:SendMessage"))
        and queue in template.queues
        and "KmsMasterKeyId" in template.queues[queue].properties
    )


def _lets_events(action: str) -> Callable[[Fields], bool]:
    return lambda statement: (
        statement.get("Effect") == "Allow"
        and "events.amazonaws.com" in listed(fields(statement.get("Principal")).get("Service"))
        and action in listed(statement.get("Action"))
    )


def _queue_alarms(template: Template) -> Iterator[tuple[str, str, Resource]]:
    """Every alarm on a queue of the template: the queue, the metric, and the alarm."""
    for alarm in template.of_type("AWS::CloudWatch::Alarm").values():
        for dimension in map(fields, items(alarm.get("Dimensions"))):
            queue = referenced(dimension.get("Value"))
            if dimension.get("Name") == "QueueName" and queue:
                yield queue, str(alarm.get("MetricName")), alarm


def _last_resorts(value: Json) -> set[str | None]:
    """Whatever a queue, a subscription, a function or a rule of EventBridge gives up to."""
    found: set[str | None] = set()
    for key, child in value.items() if isinstance(value, dict) else enumerate(items(value)):
        if key == "deadLetterTargetArn":
            found.add(referenced(child))
        elif key in {"DeadLetterConfig", "OnFailure"}:
            found.update(map(referenced, fields(child).values()))
        found |= _last_resorts(child)
    return found
