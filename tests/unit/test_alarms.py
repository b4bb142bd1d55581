"""What alarms somebody, by the templates: the embedded AWS has no logs of state machines."""

import re
from fnmatch import fnmatchcase
from typing import Any

import pytest

from tests.unit.state_machine import (
    Fields,
)
from tests.unit.workflows import (
    TEMPLATES,
    resources,
)

WAIT = {"resourceType": "sqs", "resource": "sendMessage.waitForTaskToken"}
PUBLISH = {"resourceType": "sns", "resource": "publish"}
LOGGED = [
    # type and details of a line that Step Functions logs, and the metrics that count it
    ("TaskTimedOut", {**WAIT, "error": "States.Timeout"}, {"CallbacksTimedOut"}),
    ("TaskTimedOut", {**PUBLISH, "error": "States.Timeout"}, set()),
    ("TaskFailed", {**WAIT, "error": "Failed to process payment"}, set()),
    *(
        ("ExecutionFailed", {"error": error}, {"MachineryFaults"})
        for error in ("SNS.NotFoundException", "States.Permissions", "States.DataLimitExceeded", "States.Runtime")
    ),
    *(
        ("ExecutionFailed", {"error": error}, set())
        for error in (
            "Failed to process payment",
            "Payment.InvalidRequest",
            "Callback.TimedOut",
            "Callback.Undeliverable",
            "Callback.InvalidOutput",
            "Callback.Failed",
            "Callback.SQS.SdkClientException",  # what an answer by a name of AWS's is called
            "AsyncApi.RequestFailed",
        )
    ),
    ("ExecutionAborted", {"error": "SQS.Nonsense"}, set()),
]
CAUGHT = [
    *(
        ("ExecutionFailed", {"error": f"Callback.{name}"}, {"MachineryFaults"})
        for name in ("AmazonSQSException", "Permissions")
    ),
    ("ExecutionFailed", {"error": "States.Timeout"}, {"MachineryFaults"}),  # of a publish
]
UNCAUGHT = [
    ("ExecutionFailed", {"error": "SQS.KmsAccessDeniedException"}, {"MachineryFaults"}),
    ("ExecutionFailed", {"error": "States.Timeout"}, set()),  # which CallbacksTimedOut counts
]


@pytest.mark.parametrize("template", TEMPLATES)
def test_faults_of_the_machinery_and_lost_callbacks_alarm_and_refusals_do_not(template: str) -> None:
    filters = resources(template, "AWS::Logs::MetricFilter").values()
    of_state_machine = [one for one in filters if one["LogGroupName"] != {"Ref": "FunctionLogGroup"}]
    for kind, details, expected in [*LOGGED, *(UNCAUGHT if "manual" in template else CAUGHT)]:
        if "manual" in template and details["error"].startswith("SNS."):
            continue  # it publishes nothing
        line = {"type": kind, "details": details}
        counted = {metric(one) for one in of_state_machine if matches(one["FilterPattern"], line)}
        assert counted == {f"${{AWS::StackName}}-{name}" for name in expected}, line


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_function_that_does_not_succeed_alarms(template: str) -> None:
    [errors] = [
        one
        for one in resources(template, "AWS::Logs::MetricFilter").values()
        if metric(one) == "${AWS::StackName}-FunctionErrors"
    ]
    assert errors["LogGroupName"] == {"Ref": "FunctionLogGroup"}
    alarming = [
        status
        for status in ("success", "failure", "error", "timeout")
        if matches(errors["FilterPattern"], {"type": "platform.report", "record": {"status": status}})
    ]
    assert alarming == ["failure", "error", "timeout"]
    assert not matches(errors["FilterPattern"], {"level": "INFO", "message": "payment request answered"})


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_metric_that_is_counted_has_its_alarm(template: str) -> None:
    alarms = resources(template, "AWS::CloudWatch::Alarm").values()
    watched = {str(alarm["MetricName"]) for alarm in alarms if alarm["Namespace"] == "CallbackWorkflows"}
    assert watched == {
        str(one["MetricTransformations"][0]["MetricName"])
        for one in resources(template, "AWS::Logs::MetricFilter").values()
    }


def metric(metric_filter: Fields) -> str:
    [transformation] = metric_filter["MetricTransformations"]
    return str(transformation["MetricName"]["Fn::Sub"])


def matches(pattern: str, line: Fields) -> bool:
    """Whether a filter pattern of CloudWatch Logs matches a line: terms joined by && and ||.

    `*` in a text is any text, and what stands between two `%` is a regular expression.
    """

    def term(comparison: re.Match[str]) -> str:
        found: Any = line
        for key in comparison["path"].split("."):
            found = found.get(key, {})
        if not isinstance(found, str):
            return "False"
        if comparison["regex"]:
            assert re.fullmatch(r"[\w:#=@/;,^$?\[\]{}|\\*+.-]*", comparison["regex"]), "CloudWatch Logs takes no other"
            return str(re.search(comparison["regex"], found) is not None)
        return str(fnmatchcase(found, comparison["value"]) == (comparison["operator"] == "="))

    comparisons = r'\$\.(?P<path>[\w.]+) (?P<operator>!?=) (?:"(?P<value>[^"]*)"|%(?P<regex>[^%]*)%)'
    terms = re.sub(comparisons, term, pattern.strip("{} "))
    return bool(eval(terms.replace("&&", "and").replace("||", "or"), {}))  # noqa: S307 - of True, False, and, or, ( )


def test_a_rejected_file_alarms() -> None:
    rejected = resources("templates/file-exchange.yaml", "AWS::Logs::MetricFilter")["FilesRejectedMetricFilter"]
    assert matches(rejected["FilterPattern"], {"message": "file rejected"})
    assert not matches(rejected["FilterPattern"], {"message": "answer accepted"})


def test_a_decision_that_is_not_carried_out_alarms() -> None:
    filters = resources("templates/order-confirmation.yaml", "AWS::Logs::MetricFilter")
    pattern = filters["DecisionsNotCarriedOutMetricFilter"]["FilterPattern"]
    assert matches(pattern, {"level": "ERROR", "message": "decision not carried out"})
    assert not matches(pattern, {"level": "INFO", "message": "decision delivered"})
