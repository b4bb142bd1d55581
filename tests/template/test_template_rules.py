"""Every rule of template_rules.py finds the fault that it is there for, planted into the payment callback."""

import pytest

from tests.template import template_rules
from tests.template.planting import Fault, drop, findings_in_payment_callback, missed, of, put
from tests.template.project import Template
from tests.template.template_rules import RULES

MACHINE, QUEUE, WORKER = "WaitForCallbackStateMachine", "PaymentQueue", "PaymentWorkerFunction"
EVENT = of(WORKER, "Events", "PaymentRequests", "Properties")
LAYER = "arn:aws:lambda:${AWS::Region}:017000801446:layer:AWSLambdaPowertoolsPythonV3-python314-${Architecture}"

FAULTS: list[Fault[Template]] = [
    # state machines
    Fault(
        template_rules.definitions_exist,
        put(*of(MACHINE, "DefinitionUri"), value="statemachine/payment.asl.json"),
        "WaitForCallbackStateMachine: DefinitionUri 'statemachine/payment.asl.json' is no file",
    ),
    Fault(
        template_rules.definitions_exist,
        drop(*of(MACHINE, "DefinitionUri")),
        "WaitForCallbackStateMachine: DefinitionUri None is no file",
    ),
    Fault(
        template_rules.substitutions_are_those_of_the_definition,
        drop(*of(MACHINE, "DefinitionSubstitutions", "PaymentQueueUrl")),
        "WaitForCallbackStateMachine: DefinitionSubstitutions lacks PaymentQueueUrl",
    ),
    Fault(
        template_rules.substitutions_are_those_of_the_definition,
        put(*of(MACHINE, "DefinitionSubstitutions", "QueueUrl"), value={"Ref": QUEUE}),
        "WaitForCallbackStateMachine: DefinitionSubstitutions has QueueUrl",
    ),
    Fault(
        template_rules.only_standard_workflows_wait,
        put(*of(MACHINE, "Type"), value="EXPRESS"),
        "WaitForCallbackStateMachine: RequestPayment waits for a callback",
    ),
    Fault(
        template_rules.messages_outlive_the_wait,
        put(*of(QUEUE, "MessageRetentionPeriod"), value=3600),
        "PaymentQueue: MessageRetentionPeriod 3600 does not exceed the 3600 of RequestPayment",
    ),
    Fault(
        template_rules.messages_outlive_the_wait,
        put(*of(MACHINE, "DefinitionSubstitutions", "PaymentQueueUrl"), value={"Ref": "NotificationTopic"}),
        "WaitForCallbackStateMachine: QueueUrl of RequestPayment is no queue of this template",
    ),
    # queues and the functions that they feed
    Fault(
        template_rules.events_of_queues_name_queues_of_the_template,
        put(*EVENT, "Queue", value={"Fn::GetAtt": ["NotificationTopic", "Arn"]}),
        "PaymentWorkerFunction.PaymentRequests: Queue is no queue of this template",
    ),
    Fault(
        template_rules.events_of_queues_name_queues_of_the_template,
        put("Resources", "Poller", value={"Type": "AWS::Lambda::EventSourceMapping", "Properties": {}}),
        "Poller: write an event source mapping as an event",
    ),
    Fault(
        template_rules.messages_stay_hidden_while_they_are_worked_on,
        put(*of(WORKER, "Timeout"), value=16),
        "PaymentQueue: VisibilityTimeout 90 is under 6 x the Timeout 16",
    ),
    Fault(
        template_rules.messages_stay_hidden_while_they_are_worked_on,
        drop(*of(QUEUE, "VisibilityTimeout")),
        "PaymentQueue: VisibilityTimeout 30 is under 6 x the Timeout 15",
    ),
    Fault(
        template_rules.messages_stay_hidden_while_they_are_worked_on,
        put(*of(WORKER, "Timeout"), value={"Ref": "Seconds"}),
        "PaymentQueue: VisibilityTimeout and the Timeout",
    ),
    Fault(
        template_rules.messages_that_fail_are_put_aside,
        drop(*of(QUEUE, "RedrivePolicy")),
        "PaymentQueue: feeds PaymentWorkerFunction.PaymentRequests and has no RedrivePolicy",
    ),
    Fault(
        template_rules.messages_that_fail_are_put_aside,
        put(*of(QUEUE, "RedrivePolicy", "maxReceiveCount"), value=1),
        "PaymentQueue: maxReceiveCount 1",
    ),
    Fault(
        template_rules.batches_fail_in_part,
        drop(*EVENT, "FunctionResponseTypes"),
        "PaymentWorkerFunction.PaymentRequests: without ReportBatchItemFailures",
    ),
    Fault(
        template_rules.concurrency_of_queues_is_limited,
        drop(*EVENT, "ScalingConfig"),
        "PaymentWorkerFunction.PaymentRequests: MaximumConcurrency is None",
    ),
    Fault(
        template_rules.concurrency_of_queues_is_limited,
        put(*EVENT, "ScalingConfig", "MaximumConcurrency", value={"Ref": "Concurrency"}),
        "PaymentWorkerFunction.PaymentRequests: MaximumConcurrency is {'Ref': 'Concurrency'}",
    ),
    # functions
    Fault(
        template_rules.handlers_exist,
        put(*of(WORKER, "Handler"), value="payment_worker.handler"),
        "PaymentWorkerFunction: Handler payment_worker.handler does not exist",
    ),
    Fault(
        template_rules.handlers_exist,
        put(*of(WORKER, "Handler"), value="worker.lambda_handler"),
        "PaymentWorkerFunction: Handler worker.lambda_handler does not exist",
    ),
    Fault(
        template_rules.handlers_exist,
        put(*of(WORKER, "CodeUri"), value="functions/payment_worker/"),
        "PaymentWorkerFunction: CodeUri is 'functions/payment_worker/'",
    ),
    Fault(
        template_rules.functions_run_on_the_one_runtime,
        put(*of(WORKER, "Runtime"), value="python3.13"),
        "PaymentWorkerFunction: Runtime is 'python3.13'",
    ),
    Fault(
        template_rules.functions_run_on_the_one_runtime,
        drop("Globals", "Function", "Architectures"),
        "PaymentWorkerFunction: Architectures is not the parameter Architecture",
    ),
    Fault(
        template_rules.functions_run_on_the_one_runtime,
        put("Parameters", "Architecture", "Default", value="arm64"),
        "Parameters.Architecture: is not x86_64",
    ),
    Fault(
        template_rules.powertools_is_the_version_that_the_tests_run,
        put("Globals", "Function", "Layers", value=[{"Fn::Sub": f"{LAYER}:35"}]),
        "PaymentWorkerFunction: layer 35 is Powertools None",
    ),
    Fault(
        template_rules.powertools_is_the_version_that_the_tests_run,
        put("Globals", "Function", "Layers", value=[{"Fn::Sub": f"{LAYER.replace('314', '313')}:36"}]),
        "PaymentWorkerFunction: Layers is not the one of Powertools",
    ),
    Fault(
        template_rules.environment_is_text,
        put("Globals", "Function", "Environment", "Variables", "BATCH_SIZE", value=10),
        "PaymentWorkerFunction: environment variable BATCH_SIZE is 10",
    ),
    Fault(
        template_rules.logs_have_a_retention,
        drop("Resources", "PaymentWorkerLogGroup"),
        "PaymentWorkerFunction: has no log group",
    ),
    Fault(
        template_rules.logs_have_a_retention,
        drop(*of("PaymentWorkerLogGroup", "RetentionInDays")),
        "PaymentWorkerFunction: has no log group",
    ),
    Fault(
        template_rules.logs_have_a_retention,
        drop(*of("WaitForCallbackStateMachineLogGroup", "RetentionInDays")),
        "WaitForCallbackStateMachineLogGroup: keeps logs for ever",
    ),
    # every resource
    Fault(
        template_rules.no_resource_has_a_physical_name,
        put(*of(QUEUE, "QueueName"), value="payments"),
        "PaymentQueue: has a physical name, QueueName",
    ),
    Fault(
        template_rules.no_resource_has_a_physical_name,
        put(*of(MACHINE, "Name"), value="payments"),
        "WaitForCallbackStateMachine: has a physical name, Name",
    ),
    Fault(
        template_rules.no_resource_has_a_physical_name,
        put(*of("PaymentWorkerLogGroup", "LogGroupName"), value="/payments"),
        "PaymentWorkerLogGroup: has a physical name, LogGroupName",
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_rule_finds_planted_fault(fault: Fault[Template]) -> None:
    assert fault.finding in findings_in_payment_callback(fault)


def test_every_rule_has_a_planted_fault() -> None:
    assert missed(FAULTS, RULES) == set()
