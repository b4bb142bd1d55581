"""Every rule about state machines finds the fault that it is there for, and is silent on what is sound."""

from pathlib import Path

import pytest

from callback_lint.catalogue import RULES
from callback_lint.documents import Fields, Json
from callback_lint.linter import lint
from planting import DEFINITION, Change, Fault, all_found, both, drop, found, planted, put, state

CATCH, RETRY = state("RequestWork", "Catch"), state("RequestWork", "Retry", 0, "ErrorEquals")
RESOURCE, ARGUMENTS = state("RequestWork", "Resource"), state("RequestWork", "Arguments")
TOKEN = "{% $states.context.Task.Token %}"
PASS = {"Type": "Pass", "End": True}


def wait(resource: str, arguments: Json) -> Change:
    """RequestWork waits in another way."""
    return both(put(*RESOURCE, value=f"arn:aws:states:::{resource}.waitForTaskToken"), put(*ARGUMENTS, value=arguments))


def branch(body: Fields) -> Fields:
    return {"StartAt": "CheckCard", "States": {"CheckCard": body}}


def output(expression: str) -> Change:
    return put(*state("NotifyFailure", "Output"), value=f"{{% {expression} %}}")


FAULTS = [
    # structure
    Fault(
        "EC1003",
        put(
            *state("CheckAll"), value={"Type": "Parallel", "Branches": [branch({"Type": "Pass", "Next": "WorkFailed"})]}
        ),
        "CheckCard: Next leads to 'WorkFailed', which is no state of CheckAll, branch 0",
    ),
    Fault(
        "EC1003", put(*state("CheckCard"), value={"Type": "Choice", "Default": "AskBank"}), "CheckCard: Default leads"
    ),
    Fault(
        "EC1006",
        both(drop(*state("RequestWork", "End")), put(*state("RequestWork", "Next"), value="RequestWork"), drop(*CATCH)),
        "RequestWork: no way leads from it to an end",
    ),
    Fault(
        "EC1021",
        put(*state("RequestWork", "TimeoutSecond"), value=1),
        "RequestWork: TimeoutSecond is no field of a Task: there is TimeoutSeconds",
    ),
    Fault(
        "EC1021",
        put(*DEFINITION, "StartAt", value="Nowhere"),
        "the state machine: StartAt leads to 'Nowhere', which is no state",
    ),
    Fault("EC1021", drop(*state("NotifyFailure", "Next")), "NotifyFailure: has neither Next nor End"),
    Fault(
        "EC1021",
        put(*state("CheckAll"), value={"Type": "Parallel", "Branches": [None]}),
        "CheckAll: Branches.0 is no object",
    ),
    Fault(
        "EC1022",
        put(*state("CheckAll"), value={"Type": "Parallel", "Branches": [branch(PASS), branch(PASS)]}),
        "CheckCard: another state has this name",
    ),
    # waits
    Fault(
        "EC1009", drop(*ARGUMENTS, "MessageBody", "taskToken"), "Arguments: $states.context.Task.Token is not passed"
    ),
    Fault("EC1009", put(*ARGUMENTS, "MessageBody", value="$states.context.Task.Token"), "is not passed on"),
    *(
        Fault("EC1010", put(*RETRY, 0, value=error), f"RequestWork: Retry of {error} asks again")
        for error in ("States.ALL", "States.TaskFailed", "States.Timeout")
    ),
    Fault(
        "EC2003",
        lambda body: put(
            *state("CheckAll"),
            value={
                "Type": "Map",
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
                    **branch(body["Resources"]["Machine"]["Properties"]["Definition"]["States"]["RequestWork"]),
                },
            },
        )(body),
        "CheckCard: Resource waits for a callback in a distributed Map",
    ),
    # errors
    Fault("EC1011", put(*RETRY, value=[]), "RequestWork: Retry names no error"),
    Fault("EC1012", put(*CATCH, 0, "ErrorEquals", value=["States.ALL", "Refused"]), "Catch: States.ALL is not alone"),
    Fault("EC1023", output("$exists($states.input.Cause) ? 1 : 2"), "Output: $exists($states.input.Cause) is true of"),
    Fault(
        "EC1023",
        put(*CATCH, 0, "Output", "Error", value="{% $exists($states.errorOutput.Error) %}"),
        "RequestWork: Catch.0.Output.Error: $exists($states.errorOutput.Error)",
    ),
    Fault("EC1024", drop(*CATCH, 0, "Output"), "WorkFailed: Error: $states.input.Error is null"),
    Fault("EC1024", drop(*CATCH, 0, "Output"), "WorkFailed: Cause: $states.input.Cause is null"),
    Fault(
        "EC1024",
        put(*CATCH, 0, "Output", "Cause", value="{% $states.errorOutput.Cause %}"),
        "WorkFailed: Cause: $states.input.Cause is null",
    ),
    # calls
    *(
        Fault("EC1016", put(*RESOURCE, value=resource), f"RequestWork: Resource {resource}")
        for resource in (
            "arn:aws:states:::sqs:sendMesage.waitForTaskToken",
            "arn:aws:states:::sqs:sendMessage.waitForTaskTokn",
            "arn:aws:states::sqs:sendMessage.waitForTaskToken",
            "arn:aws:states:::dynamodb:putItem.waitForTaskToken",
            "arn:aws:states:::aws-sdk:sqs:sendMessages.waitForTaskToken",
        )
    ),
    Fault(
        "EC1017",
        drop(*state("NotifyFailure", "Arguments")),
        "NotifyFailure: Arguments are missing, which Publish needs",
    ),
    Fault("EC1017", drop(*ARGUMENTS, "MessageBody"), "RequestWork: Arguments.MessageBody is missing"),
    Fault(
        "EC1017", put(*ARGUMENTS, "DelaySeconds", value="5 s"), "Arguments.DelaySeconds is '5 s', which is no integer"
    ),
    Fault(
        "EC1017",
        put(*ARGUMENTS, "MessageAttributes", value={"outcome": {"StringValue": "SUCCEEDED"}}),
        "Arguments.MessageAttributes.outcome.DataType is missing",
    ),
    Fault(
        "EC1017",
        wait("lambda:invoke", {"FunctionName": "f", "InvocationType": "Evnt", "Payload": {"token": TOKEN}}),
        "Arguments.InvocationType is 'Evnt', not one of",
    ),
    # expressions
    Fault("EC1018", output("$states.input.message ?? 'none'"), "NotifyFailure: Output uses ?? or ?:"),
    Fault("EC1018", put(*state("NotifyFailure", "Output"), value="{% $states.input }"), "Output is plain text"),
    *(
        Fault("EC1019", output(source), f"NotifyFailure: Output uses {finding}")
        for source, finding in (
            ("$tostring($states.input)", "$tostring"),
            ("$eval($states.input.message)", "$eval"),
            ("$map($states.input.*, function($item) { $itm })", "$itm"),
            ("$order.orderId", "$order"),
            ("uppercase($states.input.message)", "uppercase where there is nothing"),
            ("$", "$ where there is nothing"),
        )
    ),
    Fault(
        "EC1019",
        both(put(*state("NotifyFailure", "Assign"), value={"reported": True}), output("$reported")),
        "NotifyFailure: Output uses $reported",
    ),
    *(
        Fault("EC1020", output(source), f"NotifyFailure: Output uses {source}: {finding}")
        for source, finding in (
            ("$states.inputs", "there is no such member"),
            ("$states.context.Execution.Idd", "there is no such member"),
            ("$states.context.Task.Token", "only a state that waits"),
            ("$states.context.Map.Item.Value", "an item exists within a Map"),
            ("$states.errorOutput", "an error exists in Catch"),
        )
    ),
    Fault("EC1020", put(*CATCH, 0, "Output", value="{% $states.result %}"), "a result exists in Output and Assign"),
    # tokens
    Fault("EC1025", wait("http:invoke", {"ApiEndpoint": "https://a.example", "RequestBody": {"t": TOKEN}}), "by HTTP"),
    Fault(
        "EC1025",
        put(*ARGUMENTS, "MessageBody", "link", value="{% 'https://a.example/' & $states.context.Task.Token %}"),
        "RequestWork: Arguments.MessageBody.link: the task token becomes a part of a link",
    ),
    Fault(
        "EC1025",
        put(*ARGUMENTS, "MessageBody", value="{% ($t := $states.context.Task.Token; '/approve?t=' & $t) %}"),
        "becomes a part of a link",
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_rule_finds_planted_fault(fault: Fault) -> None:
    findings = found(fault.rule_id, planted(fault.change))
    assert any(fault.finding in finding for finding in findings), findings


SOUND: dict[str, Change] = {
    "as it is": both(),
    "a timeout by expression": put(*state("RequestWork", "TimeoutSeconds"), value="{% $states.input.seconds %}"),
    "a heartbeat": put(*state("RequestWork", "HeartbeatSeconds"), value=60),
    "a token within what is passed on whole": put(*ARGUMENTS, "MessageBody", value="{% $states.context %}"),
    "a token by a variable": put(
        *ARGUMENTS, "MessageBody", value="{% ($t := $states.context.Task.Token; {'token': $t}) %}"
    ),
    "arguments by expression": put(
        *ARGUMENTS, value="{% {'QueueUrl': '${WorkQueueUrl}', 'MessageBody': $states.context.Task.Token} %}"
    ),
    "a token in DynamoDB": wait("aws-sdk:dynamodb:putItem", {"TableName": "t", "Item": {"token": {"S": TOKEN}}}),
    "a function by its ARN": put(*state("NotifyFailure", "Resource"), value="arn:aws:lambda:us-east-1:1:function:f"),
    "a function known later": put(*state("NotifyFailure", "Resource"), value="${NotificationTopicArn}"),
    "an activity": both(
        put(*state("NotifyFailure", "Resource"), value="arn:aws:states:us-east-1:1:activity:a"),
        put(*state("NotifyFailure", "TimeoutSeconds"), value=60),
    ),
    "another partition": put(*state("NotifyFailure", "Resource"), value="arn:aws-cn:states:::sns:publish"),
    "a caught timeout that is passed on": both(
        drop(*CATCH, 0, "Output"),
        put(*CATCH, 0, "ErrorEquals", value=["States.Timeout", "States.HeartbeatTimeout"]),
    ),
    "a guard in the state before": both(
        drop(*CATCH, 0, "Output"),
        put(
            *state("NotifyFailure", "Output"),
            value={
                "Error": "{% $states.input.Error ? $states.input.Error : 'Callback.Failed' %}",
                "Cause": "{% $states.input.Cause ? $states.input.Cause : 'No cause was given.' %}",
            },
        ),
    ),
    "a guard in the Fail itself": both(
        drop(*CATCH, 0, "Output"),
        put(*state("WorkFailed", "Error"), value="Failed"),
        put(*state("WorkFailed", "Cause"), value="{% $states.input.Cause ? $states.input.Cause : 'none' %}"),
    ),
    "an assigned variable": both(
        put(*CATCH, 0, "Assign", value={"order": "{% $states.input %}"}),
        output("$order.items[price > 1].($price := price; $price * 2)"),
    ),
    "an own field called Cause": put(
        *state("RequestWork", "Output"), value="{% $exists($states.input.Cause) ? 1 : $states.result %}"
    ),
    "sorting and positions": output("$states.input.items#$i[$i < 3]^(>price).{'name': name}"),
    "functions of functions": output("$map($states.input.items, function($v, $i) { $v & $i }) ~> $join"),
    "functions of Step Functions": output("$partition($range(0, 9, 1), 3)"),
    "a quoted member": output("$lookup($states.context.Execution, 'Id')"),
    "a Map": put(
        *state("NotifyFailure"),
        value={
            "Type": "Map",
            "Items": "{% $states.input.items %}",
            "ItemSelector": {"item": "{% $states.context.Map.Item.Value.name %}"},
            "ItemProcessor": branch(PASS),
            "Output": "{% $states.result %}",
            "Next": "WorkFailed",
        },
    ),
}


@pytest.mark.parametrize("change", SOUND.values(), ids=list(SOUND))
def test_general_rules_are_silent_on_what_is_sound(change: Change) -> None:
    assert all_found(planted(change)) == []


JSONPATH: Fields = {
    "StartAt": "RequestWork",
    "States": {
        "RequestWork": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Parameters": {
                "QueueUrl": "${WorkQueueUrl}",
                "MessageBody": {"token.$": "$$.Task.Token", "input.$": "$", "note": "{% not JSONata here"},
            },
            "TimeoutSecondsPath": "$.seconds",
            "ResultPath": None,
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "NotifyFailure"}],
            "Next": "CheckCard",
        },
        "CheckCard": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.ok", "BooleanEquals": True, "Next": "WorkDone"}],
            "Default": "NotifyFailure",
        },
        "WorkDone": {"Type": "Succeed"},
        "NotifyFailure": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sns:publish",
            "Parameters": {"TopicArn": "${NotificationTopicArn}", "Message.$": "States.JsonToString($.error)"},
            "Next": "WorkFailed",
        },
        "WorkFailed": {"Type": "Fail", "ErrorPath": "$.error.Error", "CausePath": "$.error.Cause"},
    },
}


def in_jsonpath(*changes: Change) -> Change:
    return both(put(*DEFINITION, value=JSONPATH), *changes)


def test_general_rules_are_silent_on_sound_jsonpath() -> None:
    assert all_found(planted(in_jsonpath())) == []


@pytest.mark.parametrize(
    ("rule_id", "change", "finding"),
    [
        (
            "EC1009",
            drop(*state("RequestWork", "Parameters", "MessageBody", "token.$")),
            "$$.Task.Token is not passed on",
        ),
        ("EC1009", put(*state("RequestWork", "Parameters", "MessageBody"), value="$$.Task.Token"), "is not passed on"),
        ("EC1007", drop(*state("RequestWork", "TimeoutSecondsPath")), "TimeoutSeconds is missing"),
        ("EC1017", put(*state("RequestWork", "Parameters", "Body.$"), value="$"), "Parameters.Body.$ does not exist"),
        (
            "EC1025",
            put(
                *state("RequestWork", "Parameters", "MessageBody", "link.$"),
                value="States.Format('https://a.example/?token={}', $$.Task.Token)",
            ),
            "MessageBody.link.$: the task token becomes a part of a link",
        ),
        ("EC1003", put(*state("CheckCard", "Choices", 0, "Next"), value="Nowhere"), "CheckCard: Next leads"),
    ],
)
def test_rule_finds_planted_fault_in_jsonpath(rule_id: str, change: Change, finding: str) -> None:
    assert any(finding in message for message in found(rule_id, planted(in_jsonpath(change))))


def test_a_state_in_jsonata_within_jsonpath_is_read_as_such() -> None:
    jsonata = {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% $nowhere %}", "End": True}
    messages = found("EC1019", planted(in_jsonpath(put(*state("CheckCard"), value=jsonata))))
    assert messages == [
        "CheckCard: Output uses $nowhere, which is no function of Step Functions' JSONata, nor assigned before"
    ]


def test_general_rules_are_silent_on_all_that_the_language_allows() -> None:
    """Where cfn-lint or the SDK for Python knows less than Step Functions."""
    report = lint([Path(__file__).parent / "unusual"], RULES)
    assert (report.files, report.findings, report.errors) == (2, [], [])
