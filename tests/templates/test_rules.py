"""Our templates and state machines keep every rule of this project, and each rule finds the fault planted for it."""

from pathlib import Path

import pytest

from callback_lint.documents import Json, read
from callback_lint.linter import template_of
from callback_lint.templates import Template
from planting import DEFINITION, SOUND, Change, Fault, both, drop, of, planted, put, state
from tests.templates.rule import rules
from tools import PROJECT
from tools.deployment import template_file
from tools.stack import STACKS, WORKFLOWS

RULES = rules()
TEMPLATES = [PROJECT / template_file(STACKS[name]) for name in WORKFLOWS]

CATCH, RETRY = state("RequestWork", "Catch"), state("RequestWork", "Retry", 0, "ErrorEquals")
EVENT = of("WorkerFunction", "Events", "Work", "Properties")
WORKER_STATEMENTS = of("WorkerRole", "Policies", 0, "PolicyDocument", "Statement")
KEY_STATEMENTS = of("Key", "KeyPolicy", "Statement")
LAYER = "arn:aws:lambda:${AWS::Region}:017000801446:layer:AWSLambdaPowertoolsPythonV3-python314-${Architecture}"
PASS = {"Type": "Pass", "End": True}
TOKEN = "{% $states.context.Task.Token %}"


def template(path: Path) -> Template:
    found = template_of(read(path))
    assert found
    return found


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_own_templates_keep_every_rule(rule: str, path: Path) -> None:
    assert list(RULES[rule](template(path))) == []


def resource(name: str, kind: str, **properties: Json) -> Change:
    return put("Resources", name, value={"Type": kind, "Properties": properties})


FAULTS = [
    Fault(
        "jsonata_is_the_query_language",
        drop(*DEFINITION, "QueryLanguage"),
        "the state machine: QueryLanguage is not JSONata",
    ),
    Fault(
        "jsonata_is_the_query_language",
        put(*state("WorkFailed", "QueryLanguage"), value="JSONPath"),
        "WorkFailed: QueryLanguage stands",
    ),
    Fault("names_are_verb_and_noun", put(*state("Notify"), value=PASS), "Notify: a state is named by verb and noun"),
    Fault(
        "failures_end_in_fail",
        put(*state("WorkFailed"), value={"Type": "Succeed"}),
        "Catch ends in WorkFailed, which is no Fail",
    ),
    Fault("fails_say_why", drop(*state("WorkFailed", "Cause")), "WorkFailed: Cause is missing"),
    Fault(
        "tasks_have_a_timeout",
        drop(*state("NotifyFailure", "TimeoutSeconds")),
        "NotifyFailure: TimeoutSeconds is missing",
    ),
    Fault(
        "tasks_have_a_timeout",
        put(*state("NotifyFailure", "TimeoutSeconds"), value="soon"),
        "NotifyFailure: TimeoutSeconds",
    ),
    Fault(
        "publishes_and_functions_are_tried_again",
        drop(*state("NotifyFailure", "Retry", 0, "ErrorEquals", 1)),
        "NotifyFailure: Retry lacks",
    ),
    Fault(
        "publishes_and_functions_are_tried_again",
        put(*state("NotifyFailure", "Retry", 0, "MaxAttempts"), value=0),
        "NotifyFailure: Retry lacks",
    ),
    Fault(
        "publishes_and_functions_are_tried_again",
        both(
            put(*state("NotifyFailure", "Resource"), value="arn:aws:states:::lambda:invoke"),
            put(*state("NotifyFailure", "Retry", 0, "ErrorEquals"), value=["Lambda.ServiceException"]),
        ),
        "NotifyFailure: Retry lacks",
    ),
    Fault("waits_on_queues_retry_errors_of_the_service", drop(*RETRY, 3), "RequestWork: Retry names not exactly"),
    Fault(
        "waits_on_queues_retry_errors_of_the_service",
        put(*RETRY, 0, value="Refused"),
        "RequestWork: Retry names not exactly",
    ),
    Fault(
        "concurrency_of_queues_is_limited",
        drop(*EVENT, "ScalingConfig"),
        "WorkerFunction.Work: ScalingConfig.MaximumConcurrency is None",
    ),
    Fault(
        "concurrency_of_queues_is_limited",
        put(*EVENT, "ScalingConfig", "MaximumConcurrency", value={"Ref": "Most"}),
        "is {'Ref': 'Most'}",
    ),
    Fault(
        "functions_run_on_the_one_runtime",
        put(*of("WorkerFunction", "Runtime"), value="python3.13"),
        "Runtime is 'python3.13'",
    ),
    Fault(
        "functions_run_on_the_one_runtime",
        drop("Globals", "Function", "Architectures"),
        "Architectures is not the parameter",
    ),
    Fault(
        "powertools_is_the_version_that_the_tests_run",
        put("Globals", "Function", "Layers", value=[{"Fn::Sub": f"{LAYER}:35"}]),
        "35 is Powertools None",
    ),
    Fault(
        "powertools_is_the_version_that_the_tests_run",
        drop("Globals", "Function", "Layers"),
        "WorkerFunction: Layers is not the one of Powertools",
    ),
    Fault(
        "functions_log_to_a_group_of_the_template",
        drop("Globals", "Function", "LoggingConfig"),
        "WorkerFunction: LoggingConfig.LogGroup is no log",
    ),
    Fault(
        "functions_log_to_a_group_of_the_template",
        drop(*WORKER_STATEMENTS, 3),
        "Role may not logs:CreateLogStream, logs:PutLogEvents to FunctionLog",
    ),
    Fault(
        "no_resource_has_a_physical_name",
        put(*of("WorkQueue", "QueueName"), value="work"),
        "WorkQueue: QueueName is a physical name",
    ),
    Fault(
        "no_resource_has_a_physical_name", put(*of("Machine", "Name"), value="work"), "Machine: Name is a physical name"
    ),
    Fault(
        "no_resource_has_a_physical_name",
        put(*of("FunctionLogGroup", "LogGroupName"), value="/functions"),
        "FunctionLogGroup: LogGroupName is a",
    ),
    Fault(
        "logs_of_state_machines_are_vended",
        drop(*of("MachineLogGroup", "LogGroupName")),
        "MachineLogGroup: LogGroupName is not !Sub",
    ),
    Fault(
        "logs_of_state_machines_are_vended",
        drop(*of("Machine", "Logging")),
        "Machine: Logging.Destinations names no log group",
    ),
    Fault(
        "functions_have_a_role_of_their_own",
        drop(*of("WorkerFunction", "Role")),
        "WorkerFunction: Role is no role of this template",
    ),
    Fault(
        "functions_have_a_role_of_their_own",
        put(*of("ReporterFunction", "Role"), value={"Fn::GetAtt": ["WorkerRole", "Arn"]}),
        "ReporterFunction: Role WorkerRole is that of WorkerFunction, too",
    ),
    Fault(
        "functions_have_a_role_of_their_own",
        put(*of("WorkerRole", "ManagedPolicyArns"), value=["a"]),
        "WorkerRole: ManagedPolicyArns allow more",
    ),
    Fault(
        "functions_may_answer_if_they_do",
        drop(*WORKER_STATEMENTS, 1),
        "worker.lambda_handler answers task tokens and its role may not",
    ),
    Fault(
        "functions_may_answer_if_they_do",
        put(*of("ReporterFunction", "Handler"), value="nobody.handler"),
        "answers no task token and its role",
    ),
    Fault(
        "tokens_are_answered_whole_and_of_one_state_machine",
        drop(*WORKER_STATEMENTS, 1, "Action", 1),
        "SendTaskSuccess only",
    ),
    Fault(
        "tokens_are_answered_whole_and_of_one_state_machine",
        put(*WORKER_STATEMENTS, 1, "Resource", value="*"),
        "allows task tokens of *, which is no state",
    ),
    Fault(
        "tokens_are_answered_whole_and_of_one_state_machine",
        both(
            resource("Other", "AWS::StepFunctions::StateMachine"),
            put(*WORKER_STATEMENTS, 1, "Resource", value=[{"Ref": "Machine"}, {"Ref": "Other"}]),
        ),
        "allows task tokens of Other beside those of another state machine",
    ),
    Fault(
        "roles_of_state_machines_trust_this_account",
        drop(*of("MachineRole", "AssumeRolePolicyDocument", "Statement", 0, "Condition")),
        "MachineRole: AssumeRolePolicyDocument lacks the Condition StringEquals aws:SourceAccount",
    ),
    Fault(
        "roles_of_state_machines_trust_this_account",
        drop(*of("Machine", "Role")),
        "Machine: Role is no role of this template",
    ),
    Fault(
        "requests_without_tls_are_refused",
        drop(*of("QueuePolicy", "Queues", 0)),
        "WorkQueue: no AWS::SQS::QueuePolicy denies sqs:*",
    ),
    Fault(
        "requests_without_tls_are_refused",
        drop(*of("TopicPolicy", "PolicyDocument", "Statement", 0)),
        "Topic: no AWS::SNS::TopicPolicy denies",
    ),
    *(
        Fault("services_that_need_the_key_may_use_it", change, finding)
        for change, finding in (
            (drop(*KEY_STATEMENTS, 1), "KeyPolicy: sns.amazonaws.com may not kms:Decrypt, kms:GenerateDataKey"),
            (
                drop(*KEY_STATEMENTS, 1, "Condition"),
                "lets sns.amazonaws.com use the key for whomever, without a Condition",
            ),
            (drop(*KEY_STATEMENTS, 2), "KeyPolicy: events.amazonaws.com may not kms:Decrypt, kms:GenerateDataKey"),
            (drop(*KEY_STATEMENTS, 3, "Action", 0), "KeyPolicy: logs.${AWS::Region}.amazonaws.com may not kms:Decrypt"),
            (
                drop("Resources", "StopRule"),
                "KeyPolicy: events.amazonaws.com may kms:Decrypt, kms:GenerateDataKey with",
            ),
            (put(*KEY_STATEMENTS, 1, "Principal", value="*"), "KeyPolicy allows what nothing here needs"),
        )
    ),
    Fault(
        "queues_that_wait_for_a_person_have_an_alarm",
        drop("Resources", "QuarantineAlarm"),
        "QuarantineQueue: no function reads it, and no alarm tells",
    ),
    Fault(
        "queues_that_wait_for_a_person_have_an_alarm",
        put(*of("QuarantineAlarm", "MetricName"), value="NumberOfMessagesSent"),
        "QuarantineQueue: no func",
    ),
    Fault(
        "alarms_say_what_to_do_and_reach_somebody",
        drop(*of("WorkLateAlarm", "AlarmDescription")),
        "AlarmDescription does not say what to do",
    ),
    Fault(
        "alarms_say_what_to_do_and_reach_somebody",
        put(*of("WorkLateAlarm", "AlarmActions"), value=[]),
        "WorkLateAlarm: AlarmActions are not the topic",
    ),
    Fault(
        "lateness_alarms_go_off_by_half_of_the_wait",
        put(*of("WorkLateAlarm", "Threshold"), value=3600),
        "go off at [3600], not by half of the 3600 s",
    ),
    Fault(
        "lateness_alarms_go_off_by_half_of_the_wait",
        drop("Resources", "WorkLateAlarm"),
        "go off at no age, not by half of the 3600 s that RequestWork",
    ),
    Fault(
        "lateness_alarms_go_off_by_half_of_the_wait",
        put(*state("RequestWork", "HeartbeatSeconds"), value=60),
        "[1800], not by half of the 60 s",
    ),
    Fault(
        "dead_letter_queues_have_an_end",
        drop(*of("DeadLetterQueue", "RedrivePolicy")),
        "DeadLetterQueue: RedrivePolicy names no queue",
    ),
    Fault(
        "dead_letter_queues_have_an_end",
        put(*of("DeadLetterQueue", "RedrivePolicy", "maxReceiveCount"), value=9),
        "DeadLetterQueue: maxReceiveCount 9 is under 5, of the queue before, and 5",
    ),
    *(
        Fault("stopped_executions_are_reported", change, "Machine: no AWS::Events::Rule on ABORTED publishes to Topic")
        for change in (
            drop("Resources", "StopRule"),
            put(*of("StopRule", "EventPattern", "detail", "status"), value=["FAILED"]),
            put(*of("StopRule", "EventPattern", "detail", "stateMachineArn"), value=[{"Ref": "Other"}]),
            drop(*of("StopRule", "Targets", 0, "InputTransformer")),
            drop(*of("StopRule", "Targets", 0, "DeadLetterConfig")),
            drop(*of("QueuePolicy", "PolicyDocument", "Statement", 1)),
        )
    ),
    Fault(
        "stopped_executions_are_reported",
        drop(*of("TopicPolicy", "PolicyDocument", "Statement", 1)),
        "Topic: no AWS::SNS::TopicPolicy lets",
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_rule_finds_planted_fault(fault: Fault) -> None:
    findings = [problem.message for problem in RULES[fault.rule_id](planted(fault.change))]
    assert any(fault.finding in finding for finding in findings), findings


def test_every_rule_has_a_planted_fault() -> None:
    assert RULES.keys() - {fault.rule_id for fault in FAULTS} == set()


@pytest.mark.parametrize("rule", RULES)
def test_rule_is_silent_on_the_sound_template(rule: str) -> None:
    assert list(RULES[rule](template(SOUND))) == []


ASK_AGAIN = {
    "Type": "Task",
    "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
    "Arguments": {"QueueUrl": "${WorkQueueUrl}", "MessageBody": {"token": TOKEN}},
    "TimeoutSeconds": 60,
    "End": True,
}
HANDLED: dict[str, Change] = {
    "by another wait": both(put(*state("AskAgain"), value=ASK_AGAIN), put(*CATCH, 0, "Next", value="AskAgain")),
    "after an error of a service": both(
        put(*state("LookUp"), value=PASS),
        put(*state("NotifyFailure", "Catch"), value=[{"ErrorEquals": ["SNS.NotFoundException"], "Next": "LookUp"}]),
    ),
}


@pytest.mark.parametrize("change", HANDLED.values(), ids=list(HANDLED))
def test_a_failure_that_is_handled_need_not_end_in_a_fail(change: Change) -> None:
    assert list(RULES["failures_end_in_fail"](planted(change))) == []


def test_every_state_machine_is_in_a_template() -> None:
    files = [PROJECT / template_file(section) for section in STACKS.values()]
    texts = "".join(file.read_text(encoding="utf-8") for file in files)
    machines = (PROJECT / "statemachine").iterdir()
    assert [file.name for file in machines if f"statemachine/{file.name}\n" not in texts] == []


def test_no_function_needs_a_build() -> None:
    assert list((PROJECT / "functions").rglob("requirements*.txt")) == []
