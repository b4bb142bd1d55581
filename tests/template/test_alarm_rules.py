"""Every rule about dead letters and alarms finds the fault that it is there for, planted into the payment callback."""

import pytest

from tests.template import alarm_rules, dead_letter_rules
from tests.template.planting import Fault, drop, findings_in_payment_callback, missed, of, put
from tests.template.project import Template

RULES = {**alarm_rules.RULES, **dead_letter_rules.RULES}

LATE, QUARANTINED = "PaymentRequestsLateAlarm", "QuarantineNotEmptyAlarm"

FAULTS: list[Fault[Template]] = [
    # dead letters
    Fault(
        dead_letter_rules.dead_letters_are_read_by_a_function,
        drop(*of("DeadLetterReporterFunction", "Events")),
        "PaymentQueue: its dead letters go to DeadLetterQueue, which no function reads",
    ),
    Fault(
        dead_letter_rules.dead_letters_are_read_by_a_function,
        drop(*of("PaymentQueue", "RedrivePolicy")),
        "PaymentQueue: has no RedrivePolicy to another queue of this template",
    ),
    Fault(
        dead_letter_rules.dead_letters_are_read_by_a_function,
        drop(*of("DeadLetterQueue", "RedrivePolicy")),
        "DeadLetterQueue: has no RedrivePolicy to another queue of this template",
    ),
    Fault(
        dead_letter_rules.dead_letters_are_read_by_a_function,
        put(
            *of("DeadLetterQueue", "RedrivePolicy", "deadLetterTargetArn"),
            value={"Fn::GetAtt": ["PaymentQueue", "Arn"]},
        ),
        "DeadLetterQueue: its own dead letters go to PaymentQueue, which is no end: a function reads it",
    ),
    Fault(
        dead_letter_rules.queues_that_wait_for_a_person_have_an_alarm,
        drop("Resources", QUARANTINED),
        "QuarantineQueue: no function reads it, and no alarm tells",
    ),
    Fault(
        dead_letter_rules.queues_that_wait_for_a_person_have_an_alarm,
        put(*of(QUARANTINED, "MetricName"), value="NumberOfMessagesSent"),
        "QuarantineQueue: no function reads it, and no alarm tells",
    ),
    Fault(
        dead_letter_rules.queues_that_wait_for_a_person_have_an_alarm,
        put(
            *of("PaymentWorkerFunction", "DeadLetterQueue"),
            value={"Type": "SQS", "TargetArn": {"Fn::GetAtt": ["NotificationTestQueue", "Arn"]}},
        ),
        "NotificationTestQueue: no function reads it, and no alarm tells",
    ),
    # alarms
    Fault(
        alarm_rules.alarms_say_what_to_do_and_reach_somebody,
        drop(*of(LATE, "AlarmDescription")),
        "PaymentRequestsLateAlarm: AlarmDescription does not say what to do",
    ),
    Fault(
        alarm_rules.alarms_say_what_to_do_and_reach_somebody,
        drop(*of(LATE, "AlarmActions")),
        "PaymentRequestsLateAlarm: AlarmActions are not the topic",
    ),
    Fault(
        alarm_rules.alarms_say_what_to_do_and_reach_somebody,
        put(*of(LATE, "AlarmActions"), value=[{"Ref": "AlarmTopicArn"}]),
        "PaymentRequestsLateAlarm: has AlarmActions where AlarmTopicArn is empty",
    ),
    Fault(
        alarm_rules.lateness_alarms_go_off_at_half_of_the_wait,
        put(*of(LATE, "Threshold"), value=3600),
        "PaymentQueue: alarms on ApproximateAgeOfOldestMessage go off at [3600], not at half of the 3600 s",
    ),
    Fault(
        alarm_rules.lateness_alarms_go_off_at_half_of_the_wait,
        drop("Resources", LATE),
        "PaymentQueue: alarms on ApproximateAgeOfOldestMessage go off at no age, not at half of the 3600 s",
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_rule_finds_planted_fault(fault: Fault[Template]) -> None:
    assert fault.finding in findings_in_payment_callback(fault)


def test_every_rule_has_a_planted_fault() -> None:
    assert missed(FAULTS, RULES) == set()
