"""The rules about the alarms, on which a person must act."""

from collections.abc import Iterator

from tests.template.dead_letter_rules import queue_alarms
from tests.template.deployed import deployed
from tests.template.project import Template
from tests.template.template_rules import Rule, queue_waits


def alarms_say_what_to_do_and_reach_somebody(template: Template) -> Iterator[str]:
    with_topic = deployed(template, AlarmTopicArn="arn:aws:sns:us-east-1:123456789012:alarms")
    without = deployed(template).resources("AWS::CloudWatch::Alarm")
    for name, alarm in with_topic.resources("AWS::CloudWatch::Alarm").items():
        if not alarm.get("AlarmDescription"):
            yield f"{name}: AlarmDescription does not say what to do"
        if alarm.get("AlarmActions") != [{"Ref": "AlarmTopicArn"}]:
            yield f"{name}: AlarmActions are not the topic that the parameter AlarmTopicArn names"
        if without.get(name, {}).get("AlarmActions"):
            yield f"{name}: has AlarmActions where AlarmTopicArn is empty"


def lateness_alarms_go_off_at_half_of_the_wait(template: Template) -> Iterator[str]:
    """Early enough to act before the first workflow times out."""
    ages: dict[str, list[int]] = {}
    for queue, metric, alarm in queue_alarms(template):
        if metric == "ApproximateAgeOfOldestMessage":
            ages.setdefault(queue, []).append(alarm.get("Threshold", 0))
    for wait in queue_waits(template):
        if wait.queue and ages.get(wait.queue) != [wait.patience // 2]:
            yield (
                f"{wait.queue}: alarms on ApproximateAgeOfOldestMessage go off at {ages.get(wait.queue, 'no age')}, "
                f"not at half of the {wait.patience} s that {wait.state} waits"
            )


RULES: dict[str, Rule] = {
    "EC5003": alarms_say_what_to_do_and_reach_somebody,
    "EC5004": lateness_alarms_go_off_at_half_of_the_wait,
}
