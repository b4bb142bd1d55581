"""The rules about where a message ends that nobody could handle."""

from collections.abc import Iterator

from tests.template.project import Fields, Json, Template, referenced
from tests.template.template_rules import Rule, queue_waits


def dead_letters_are_read_by_a_function(template: Template) -> Iterator[str]:
    """Else what waits for a message that nobody could handle waits until its timeout."""
    queues, read = template.resources("AWS::SQS::Queue"), _read(template)
    followers = {name: _dead_letter_queue(queue) for name, queue in queues.items()}
    at_work = read | {wait.queue for wait in queue_waits(template) if wait.queue}
    for name in sorted(at_work & queues.keys()):
        follower = followers[name]
        if follower not in queues or follower == name:
            yield f"{name}: has no RedrivePolicy to another queue of this template"
        elif name in followers.values():
            if follower in read:
                yield f"{name}: its own dead letters go to {follower}, which is no end: a function reads it"
        elif follower not in read:
            yield f"{name}: its dead letters go to {follower}, which no function reads"


def queues_that_wait_for_a_person_have_an_alarm(template: Template) -> Iterator[str]:
    queues, read = template.resources("AWS::SQS::Queue"), _read(template)
    watched = {queue for queue, metric, _ in queue_alarms(template) if metric == "ApproximateNumberOfMessagesVisible"}
    last_resorts = {name for name in _last_resorts(template.transformed.body) if name}
    for name in sorted(last_resorts & queues.keys()):
        if name not in read | watched:
            yield f"{name}: no function reads it, and no alarm tells that ApproximateNumberOfMessagesVisible is above 0"


def queue_alarms(template: Template) -> Iterator[tuple[str, str, Fields]]:
    """Every alarm on a queue of the template: the queue, the metric, and the alarm's properties."""
    for alarm in template.resources("AWS::CloudWatch::Alarm").values():
        for dimension in alarm.get("Dimensions", []):
            queue = referenced(dimension.get("Value"))
            if dimension.get("Name") == "QueueName" and queue:
                yield queue, str(alarm.get("MetricName")), alarm


def _read(template: Template) -> set[str]:
    """The queues that feed a function."""
    return {queue for _, event, _ in template.queue_events() if (queue := referenced(event.get("Queue")))}


def _dead_letter_queue(queue: Fields) -> str | None:
    return referenced(queue.get("RedrivePolicy", {}).get("deadLetterTargetArn"))


def _last_resorts(value: Json) -> Iterator[str | None]:
    """Whatever a queue, a subscription, a function or a rule of EventBridge gives up to."""
    match value:
        case dict():
            for key, child in value.items():
                if key == "deadLetterTargetArn":
                    yield referenced(child)
                elif key in {"DeadLetterConfig", "OnFailure"}:
                    yield from map(referenced, child.values())
                yield from _last_resorts(child)
        case list():
            for child in value:
                yield from _last_resorts(child)


RULES: dict[str, Rule] = {
    "EC5001": dead_letters_are_read_by_a_function,
    "EC5002": queues_that_wait_for_a_person_have_an_alarm,
}
