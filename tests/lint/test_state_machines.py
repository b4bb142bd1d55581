"""Every rule of asl_rules.py finds the fault that it is there for, planted into the payment callback."""

import copy

import pytest

from tests.template import asl_rules
from tests.template.asl_rules import RULES
from tests.template.planting import Change, Fault, both, drop, put, rename
from tests.template.project import ROOT, Fields, read_definition

PAYMENT_CALLBACK = read_definition(ROOT / "statemachine" / "payment_callback.asl.json")

CATCH = ("RequestPayment", "Catch")
RETRY = ("RequestPayment", "Retry", 0, "ErrorEquals")
RESOURCE = ("RequestPayment", "Resource")
PASS = {"Type": "Pass", "End": True}


def branch(state: Fields) -> Fields:
    return {"StartAt": "CheckCard", "States": {"CheckCard": state}}


FAULTS: list[Fault[Fields]] = [
    # form
    Fault(
        asl_rules.jsonata_is_the_query_language,
        put("NotifySuccess", "QueryLanguage", value="JSONPath"),
        "NotifySuccess: QueryLanguage",
    ),
    Fault(
        asl_rules.jsonata_is_the_query_language,
        put("NotifySuccess", "ResultPath", value=None),
        "NotifySuccess: ResultPath is JSONPath",
    ),
    Fault(
        asl_rules.jsonata_is_the_query_language,
        put("RequestPayment", "TimeoutSecondsPath", value="$.seconds"),
        "RequestPayment: TimeoutSecondsPath is JSONPath",
    ),
    Fault(asl_rules.names_are_verb_and_noun, rename("NotifySuccess", "Notify Success"), "Notify Success: a state"),
    Fault(asl_rules.names_are_verb_and_noun, rename("NotifySuccess", "Notify"), "Notify: a state"),
    Fault(
        asl_rules.names_are_verb_and_noun,
        put("CheckAll", value={"Type": "Parallel", "Branches": [branch(PASS), branch(PASS)], "End": True}),
        "CheckCard: two states",
    ),
    # ways through the machine
    Fault(
        asl_rules.transitions_lead_to_a_state,
        put("RequestPayment", "Next", value="NotifySucess"),
        "RequestPayment: leads to 'NotifySucess'",
    ),
    Fault(
        asl_rules.transitions_lead_to_a_state,
        put(*CATCH, 1, "Next", value="NotifyFailed"),
        "RequestPayment: leads to 'NotifyFailed'",
    ),
    Fault(
        asl_rules.transitions_lead_to_a_state, rename("RequestPayment", "SendPayment"), "StartAt is 'RequestPayment'"
    ),
    Fault(
        asl_rules.transitions_lead_to_a_state,
        put("CheckAll", value={"Type": "Parallel", "Branches": [branch({"Type": "Pass", "Next": "PaymentFailed"})]}),
        "CheckCard: leads to 'PaymentFailed', which is no state of CheckAll, branch 0",
    ),
    Fault(
        asl_rules.transitions_lead_to_a_state,
        put("CheckCard", value={"Type": "Choice", "Choices": [{"Next": "AskCard"}], "Default": "AskBank"}),
        "CheckCard: leads to 'AskBank'",
    ),
    Fault(asl_rules.states_go_on_or_end, drop("NotifyFailure", "Next"), "NotifyFailure: needs a Next or an End"),
    Fault(asl_rules.states_go_on_or_end, put("NotifyFailure", "End", value=True), "NotifyFailure: needs a Next"),
    Fault(asl_rules.states_go_on_or_end, put("NotifySuccess", "End", value=False), "NotifySuccess: needs a Next"),
    Fault(
        asl_rules.states_go_on_or_end,
        put("PaymentFailed", "Next", value="NotifyFailure"),
        "PaymentFailed: a Fail ends the execution; it has no Next",
    ),
    Fault(
        asl_rules.states_go_on_or_end,
        put("CheckCard", value={"Type": "Choice", "Choices": [{"Next": "PaymentFailed"}]}),
        "CheckCard: a Choice",
    ),
    Fault(
        asl_rules.every_state_is_reachable,
        put("RequestPayment", "Next", value="NotifyFailure"),
        "NotifySuccess: no way leads to it",
    ),
    Fault(
        asl_rules.every_state_leads_to_an_end,
        both(drop("NotifySuccess", "End"), put("NotifySuccess", "Next", value="NotifySuccess")),
        "NotifySuccess: no way leads from it to an end",
    ),
    # waiting for a callback
    Fault(
        asl_rules.every_task_has_a_timeout, drop("RequestPayment", "TimeoutSeconds"), "RequestPayment: TimeoutSeconds"
    ),
    Fault(asl_rules.every_task_has_a_timeout, drop("NotifyFailure", "TimeoutSeconds"), "NotifyFailure: TimeoutSeconds"),
    Fault(
        asl_rules.every_task_has_a_timeout,
        put("RequestPayment", "TimeoutSeconds", value="3600"),
        "RequestPayment: TimeoutSeconds is '3600'",
    ),
    Fault(
        asl_rules.heartbeats_are_shorter_than_timeouts,
        put("RequestPayment", "HeartbeatSeconds", value=3600),
        "RequestPayment: HeartbeatSeconds 3600",
    ),
    Fault(
        asl_rules.waits_pass_their_token_on,
        drop("RequestPayment", "Arguments", "MessageBody", "taskToken"),
        "RequestPayment: waits for a callback",
    ),
    Fault(
        asl_rules.waits_pass_their_token_on,
        put("RequestPayment", "Arguments", "MessageBody", "taskToken", value="$states.context.Task.Token"),
        "RequestPayment: waits for a callback",
    ),
    *(
        Fault(asl_rules.answers_are_final, put(*RETRY, 0, value=error), f"RequestPayment: retries {error}")
        for error in (
            "States.ALL",
            "States.TaskFailed",
            "States.Timeout",
            "States.HeartbeatTimeout",
            "Failed to process payment",
            "SNS.AmazonSNSException",
        )
    ),
    # errors
    Fault(
        asl_rules.error_names_exist,
        put(*CATCH, 0, "ErrorEquals", 0, value="States.TimeOut"),
        "RequestPayment: Catch names States.TimeOut",
    ),
    Fault(
        asl_rules.error_names_exist,
        put(*CATCH, 0, "ErrorEquals", 0, value="States.HeartbeatTimeout"),
        "RequestPayment: Catch names States.HeartbeatTimeout twice",
    ),
    Fault(asl_rules.error_names_exist, put(*RETRY, value=[]), "RequestPayment: Retry names no error"),
    Fault(
        asl_rules.all_errors_come_last_and_alone,
        put(*CATCH, 0, "ErrorEquals", value=["States.ALL"]),
        "RequestPayment: States.ALL is not alone in the last Catch",
    ),
    Fault(
        asl_rules.all_errors_come_last_and_alone,
        put(*CATCH, 1, "ErrorEquals", value=["States.ALL", "Payment.Refused"]),
        "RequestPayment: States.ALL is not alone in the last Catch",
    ),
    Fault(
        asl_rules.waits_catch_timeouts_before_all_errors,
        drop(*CATCH, 0),
        "RequestPayment: catches States.ALL, but not States.Timeout before it",
    ),
    Fault(
        asl_rules.waits_catch_timeouts_before_all_errors,
        drop(*CATCH, 0, "ErrorEquals", 1),
        "RequestPayment: catches States.ALL, but not States.HeartbeatTimeout before it",
    ),
    Fault(
        asl_rules.failures_end_in_fail,
        both(drop("NotifyFailure", "Next"), put("NotifyFailure", "End", value=True)),
        "RequestPayment: what it catches ends in NotifyFailure, which is no Fail",
    ),
    Fault(
        asl_rules.failures_end_in_fail,
        put(*CATCH, 1, "Next", value="NotifySuccess"),
        "RequestPayment: what it catches ends in NotifySuccess, which is no Fail",
    ),
    Fault(
        asl_rules.failures_end_in_fail,
        put("PaymentFailed", value={"Type": "Succeed"}),
        "RequestPayment: what it catches ends in PaymentFailed, which is no Fail",
    ),
    Fault(asl_rules.fails_say_why, drop("PaymentFailed", "Cause"), "PaymentFailed: a Fail without Cause"),
    # integrations
    *(
        Fault(asl_rules.integrations_exist, put(*RESOURCE, value=resource), f"RequestPayment: Resource {resource}")
        for resource in (
            "arn:aws:states:::sqs:sendMesage.waitForTaskToken",
            "arn:aws:states:::sqs:sendMessage.waitForTaskTokn",
            "arn:aws:states::sqs:sendMessage.waitForTaskToken",
            "arn:aws:states:::dynamodb:putItem.waitForTaskToken",
            "arn:aws:states:::aws-sdk:sqs:sendMessages.waitForTaskToken",
            "arn:aws:states:::aws-sdk:stepfunctions:sendTaskSuccess",
            "arn:aws:states:::aws-sdk:sqs:SendMessage",
            "arn:aws:lambda:us-east-1:123456789012:function:name",
        )
    ),
    Fault(
        asl_rules.arguments_are_those_of_the_api,
        drop("NotifySuccess", "Arguments"),
        "NotifySuccess: Arguments of Publish are missing",
    ),
    Fault(
        asl_rules.arguments_are_those_of_the_api,
        put("RequestPayment", "Arguments", "MesageBody", value="{}"),
        "RequestPayment: Arguments.MesageBody does not exist",
    ),
    Fault(
        asl_rules.arguments_are_those_of_the_api,
        drop("RequestPayment", "Arguments", "MessageBody"),
        "RequestPayment: Arguments.MessageBody is missing",
    ),
    Fault(
        asl_rules.arguments_are_those_of_the_api,
        drop("NotifySuccess", "Arguments", "TopicArn"),
        "NotifySuccess: Arguments.TopicArn is missing",
    ),
    Fault(
        asl_rules.arguments_are_those_of_the_api,
        put("RequestPayment", "Arguments", "DelaySeconds", value="5"),
        "RequestPayment: Arguments.DelaySeconds is '5', which is no integer",
    ),
    Fault(
        asl_rules.arguments_are_those_of_the_api,
        put("NotifySuccess", "Arguments", "MessageAttributes", "outcome", value="SUCCEEDED"),
        "NotifySuccess: Arguments.MessageAttributes.outcome is 'SUCCEEDED', which is no structure",
    ),
    Fault(
        asl_rules.arguments_are_those_of_the_api,
        drop("NotifySuccess", "Arguments", "MessageAttributes", "outcome", "DataType"),
        "NotifySuccess: Arguments.MessageAttributes.outcome.DataType is missing",
    ),
    Fault(
        asl_rules.arguments_are_those_of_the_api,
        both(
            put("NotifySuccess", "Resource", value="arn:aws:states:::lambda:invoke"),
            put("NotifySuccess", "Arguments", value={"FunctionName": "f", "InvocationType": "Evnt"}),
        ),
        "NotifySuccess: Arguments.InvocationType is 'Evnt', not one of",
    ),
    # expressions
    *(
        Fault(asl_rules.expressions_can_be_read, put("NotifySuccess", "Output", value=text), finding)
        for text, finding in (
            ("{% $string($states.input %}", "NotifySuccess: Output is not JSONata"),
            ("{% $states.input.message ?? 'none' %}", "NotifySuccess: Output uses ?? or ?:"),
            ("{% $states.input }", "NotifySuccess: Output is plain text"),
            ("{ $states.input }", "NotifySuccess: Output is plain text"),
        )
    ),
    *(
        Fault(asl_rules.functions_and_variables_exist, put("NotifySuccess", "Output", value=text), finding)
        for text, finding in (
            ("{% $tostring($states.input) %}", "NotifySuccess: Output uses $tostring"),
            ("{% $eval($states.input.message) %}", "NotifySuccess: Output uses $eval"),
            ("{% $states.input.message ~> $upper %}", "NotifySuccess: Output uses $upper"),
            ("{% $map($states.input.*, function($item) { $itm }) %}", "NotifySuccess: Output uses $itm"),
            ("{% $order.orderId %}", "NotifySuccess: Output uses $order"),
            ("{% uppercase($states.input.message) %}", "NotifySuccess: Output uses uppercase where there is nothing"),
            ("{% states.input %}", "NotifySuccess: Output uses states where there is nothing"),
            ("{% $ %}", "NotifySuccess: Output uses $ where there is nothing"),
        )
    ),
    Fault(
        asl_rules.functions_and_variables_exist,
        both(
            put("NotifySuccess", "Assign", value={"ended": True}),
            put("NotifySuccess", "Output", value="{% $ended %}"),
        ),
        "NotifySuccess: Output uses $ended",
    ),
    *(
        Fault(asl_rules.states_members_exist, put("NotifySuccess", "Output", value=text), finding)
        for text, finding in (
            ("{% $states.inptu %}", "NotifySuccess: Output uses $states.inptu: there is no such member"),
            ("{% $string($states.inptu) & 'x' %}", "$states.inptu: there is no such member"),
            ("{% $states %}", "NotifySuccess: Output uses $states: say which"),
            ("{% $states.errorOutput %}", "$states.errorOutput: an error is there in Catch only"),
            ("{% $states.context %}", "$states.context: say which"),
            ("{% $states.context.Execution.ID %}", "$states.context.Execution.ID: there is no such member"),
            ("{% $states.context.Execution.Id.Arn %}", "$states.context.Execution.Id.Arn: there is no such member"),
            ("{% $states.context.Task.Token %}", "$states.context.Task.Token: a task token is there in Arguments"),
            ("{% $states.context.Map.Item.Value %}", "$states.context.Map.Item.Value: an item is there within a Map"),
        )
    ),
    Fault(
        asl_rules.states_members_exist,
        put("NotifySuccess", "Arguments", "Message", value="{% $states.result %}"),
        "NotifySuccess: Arguments.Message uses $states.result: a result is there in Output and Assign",
    ),
    Fault(
        asl_rules.states_members_exist,
        put(*CATCH, 0, "Output", value="{% $states.result %}"),
        "RequestPayment: Catch.0.Output uses $states.result",
    ),
    Fault(
        asl_rules.states_members_exist,
        put("NotifySuccess", "Arguments", "Message", value="{% $states.context.Task.Token %}"),
        "NotifySuccess: Arguments.Message uses $states.context.Task.Token",
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_rule_finds_planted_fault(fault: Fault[Fields]) -> None:
    definition = copy.deepcopy(PAYMENT_CALLBACK)
    fault.change(definition["States"])

    findings = list(fault.rule(definition))

    assert any(fault.finding in finding for finding in findings), findings


def test_jsonpath_at_the_top_level_is_found() -> None:
    definition = {key: value for key, value in PAYMENT_CALLBACK.items() if key != "QueryLanguage"}
    assert list(asl_rules.jsonata_is_the_query_language(definition))


def test_every_rule_has_a_planted_fault() -> None:
    assert set(RULES.values()) == {fault.rule for fault in FAULTS}


SOUND = [
    put("RequestPayment", "TimeoutSeconds", value="{% $states.input.seconds %}"),
    put("RequestPayment", "HeartbeatSeconds", value=60),
    both(
        put(*RESOURCE, value="arn:aws:states:::aws-sdk:dynamodb:putItem.waitForTaskToken"),
        put(
            "RequestPayment",
            "Arguments",
            value={"TableName": "orders", "Item": {"token": {"S": "{% $states.context.Task.Token %}"}}},
        ),
        put(*RETRY, value=["DynamoDb.DynamoDbException"]),
    ),
    both(
        put("NotifySuccess", "Resource", value="arn:aws:states:::aws-sdk:sfn:sendTaskHeartbeat"),
        put("NotifySuccess", "Arguments", value={"TaskToken": "{% $states.input.token %}"}),
    ),
    both(
        put("RequestPayment", "Assign", value={"order": "{% $states.input %}"}),
        put("NotifySuccess", "Output", value="{% $order.items[price > 1].($price := price; $price * 2) %}"),
    ),
    put("NotifySuccess", "Output", value="{% $states.input.items#$i[$i < 3]^(>price).{'name': name} %}"),
    put("NotifySuccess", "Output", value="{% $map($states.input.items, function($v, $i) { $v & $i }) ~> $join %}"),
    put("NotifySuccess", "Output", value="{% $partition($range(0, 9, 1), 3) %}"),
    put(*CATCH, 0, "Output", value="{% $states.errorOutput %}"),
    put(
        "NotifySuccess",
        value={
            "Type": "Map",
            "Items": "{% $states.input.items %}",
            "ItemSelector": {"item": "{% $states.context.Map.Item.Value.name %}"},
            "ItemProcessor": branch(PASS),
            "Output": "{% $states.result %}",
            "End": True,
        },
    ),
]


@pytest.mark.parametrize("change", SOUND)
def test_rules_find_nothing_in_what_is_sound(change: Change) -> None:
    definition = copy.deepcopy(PAYMENT_CALLBACK)
    change(definition["States"])
    assert [finding for rule in RULES.values() for finding in rule(definition)] == []
