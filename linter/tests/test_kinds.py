"""Of each kind of fault several forms, each found; and of each what looks like one and is none."""

import json
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from callback_lint.catalogue import RULES
from callback_lint.documents import Fields, Json, parse
from callback_lint.linter import template_of

HERE = Path("kind.asl.json")
ARN = "arn:aws:states:::"
TOKEN, EXPRESSION = "$$.Task.Token", "{% $states.context.Task.Token %}"
DONE = {"Type": "Succeed"}


def wait(resource: str = "sqs:sendMessage", arguments: Json = None, **more: Json) -> Fields:
    """A wait in JSONPath, with a timeout."""
    given = {"QueueUrl": "https://q", "MessageBody": {"t.$": TOKEN}} if arguments is None else arguments
    state = {"Type": "Task", "Resource": f"{ARN}{resource}.waitForTaskToken", "Parameters": given}
    return {**state, "TimeoutSeconds": 3600, "Next": "Done", **more}


def jsonata(state: Fields, **more: Json) -> Fields:
    """The same in JSONata."""
    text = (
        json.dumps(state).replace('"Parameters"', '"Arguments"').replace('.$": "$$.Task.Token"', f'": "{EXPRESSION}"')
    )
    return {**json.loads(text), "QueryLanguage": "JSONata", **more}


def task(resource: str, arguments: Json, **more: Json) -> Fields:
    return {"Type": "Task", "Resource": f"{ARN}{resource}", "Parameters": arguments, "Next": "Done", **more}


def without(state: Fields, *names: str) -> Fields:
    return {name: value for name, value in state.items() if name not in names}


def catch(*errors: str) -> list[Json]:
    return [{"ErrorEquals": list(errors), "Next": "Done"}]


def found(state: Fields, **machine: Json) -> set[str]:
    body = {"StartAt": "A", "States": {"A": state, "Done": DONE}, **machine}
    template = template_of(parse(json.dumps(body), HERE))
    assert template
    return {rule.id for rule in RULES.values() if list(rule.problems(template))}


def inside(state: Fields, **around: Json) -> Fields:
    """The state as the only one of a Parallel."""
    state = json.loads(json.dumps(state).replace('"Next": "Done"', '"Next": "B"'))
    branch = {"StartAt": "B", "States": {"B": {**without(state, "Next"), "End": True}}}
    return {"Type": "Parallel", "Branches": [branch], "Next": "Done", **around}


FAULTS: list[tuple[str, Fields, Fields]] = [
    # a timeout that nothing catches
    ("EC1027", wait(Catch=catch("States.TaskFailed")), {}),
    ("EC1027", jsonata(wait(Catch=catch("SQS.SdkClientException", "Refused"))), {}),
    ("EC1027", wait(Catch=catch("States.HeartbeatTimeout"), HeartbeatSeconds=60), {}),
    ("EC1027", inside(wait(Catch=catch("Refused")), Catch=catch("States.TaskFailed")), {}),
    ("EC1027", {**without(wait(Catch=catch("Refused")), "TimeoutSeconds"), "TimeoutSecondsPath": "$.s"}, {}),
    ("EC1027", inside(wait(), Catch=catch("States.TaskFailed")), {}),
    # no timeout
    ("EC1007", without(wait(), "TimeoutSeconds"), {}),
    ("EC1007", without(wait(HeartbeatSeconds=60), "TimeoutSeconds"), {}),
    ("EC1007", without(wait(), "TimeoutSeconds"), {"TimeoutSeconds": 600}),
    ("EC1007", {"Type": "Task", "Resource": "arn:aws:states:eu-west-1:1:activity:a", "Next": "Done"}, {}),
    ("EC1028", wait("ecs:runTask", {"TaskDefinition": "t", "Overrides": {"t.$": TOKEN}}), {}),
    ("EC1028", wait("aws-sdk:ecs:runTask", {"TaskDefinition": "t", "Overrides": {"t.$": TOKEN}}), {}),
    # times
    ("EC1030", wait(), {"TimeoutSeconds": 3600}),
    ("EC1030", inside(wait()), {"TimeoutSeconds": 60}),
    ("EC1030", wait(HeartbeatSeconds=900), {"TimeoutSeconds": 900}),
    # where a token must not go
    ("EC1025", wait("sns:publish", {"TopicArn": "t", "Message.$": TOKEN}), {}),
    ("EC1025", wait("aws-sdk:sns:publish", {"TopicArn": "t", "Message": {"t.$": TOKEN}}), {}),
    ("EC1025", jsonata(wait("events:putEvents", {"Entries": [{"Detail": {"t.$": TOKEN}}]})), {}),
    ("EC1025", wait("aws-sdk:eventbridge:putEvents", {"Entries": [{"Detail.$": TOKEN}]}), {}),
    ("EC1025", wait("aws-sdk:ses:sendEmail", {"Message": {"Body": {"Text": {"Data.$": TOKEN}}}}), {}),
    ("EC1025", wait("aws-sdk:sesv2:sendBulkEmail", {"BulkEmailEntries": [{"t.$": TOKEN}]}), {}),
    (
        "EC1025",
        wait("apigateway:invoke", {"ApiEndpoint": "a", "QueryParameters": {"t.$": "States.Array($$.Task.Token)"}}),
        {},
    ),
    ("EC1025", wait("apigateway:invoke", {"ApiEndpoint": "a", "Path.$": "States.Format('/t/{}', $$.Task.Token)"}), {}),
    ("EC1025", wait("states:startExecution", {"StateMachineArn": "m", "Name.$": TOKEN}), {}),
    ("EC1025", wait("http:invoke", {"ApiEndpoint": "https://a", "RequestBody": {"t.$": TOKEN}}), {}),
    (
        "EC1025",
        wait(
            "lambda:invoke", {"FunctionName": "f", "Payload": {"u.$": "States.Format('https://a?t={}', $$.Task.Token)"}}
        ),
        {},
    ),
    ("EC1025", wait("aws-sdk:cloudwatchlogs:putLogEvents", {"LogEvents": [{"Message.$": TOKEN}]}), {}),
    # a token where there is none
    ("EC1020", task("lambda:invoke", {"FunctionName": "f", "Payload": {"t.$": TOKEN}}), {}),
    ("EC1020", {"Type": "Pass", "Parameters": {"t.$": "$$.Task.Token"}, "Next": "Done"}, {}),
    ("EC1020", task("sqs:sendMessage", {"QueueUrl": "q", "MessageBody.$": "$$['Task']['Token']"}), {}),
    ("EC1020", jsonata(task("lambda:invoke", {"FunctionName": "f", "Payload": {"t.$": TOKEN}})), {}),
    ("EC1020", {"Type": "Pass", "Parameters": {"n.$": "$$.State.RetryCount"}, "Next": "Done"}, {}),
    (
        "EC1020",
        {
            "Type": "Pass",
            "QueryLanguage": "JSONata",
            "Output": "{% $states.context.State.RetryCount %}",
            "Next": "Done",
        },
        {},
    ),
    (
        "EC1020",
        {
            "Type": "Wait",
            "QueryLanguage": "JSONata",
            "Seconds": "{% $states.context.State.RetryCount %}",
            "Next": "Done",
        },
        {},
    ),
    ("EC1020", {"Type": "Pass", "Parameters": {"n.$": "$$.Executions.Id"}, "Next": "Done"}, {}),
    # what is waited on
    ("EC1016", {**wait(), "Resource": "arn:aws:lambda:us-east-1:1:function:f.waitForTaskToken"}, {}),
    ("EC1016", {**wait(), "Resource": "arn:aws:lambda:us-east-1:1:function:f:live.waitForTaskToken"}, {}),
    ("EC1016", {**wait(), "Resource": "arn:aws:states:us-east-1:1:activity:a.waitForTaskToken"}, {}),
    ("EC1016", {**wait(), "Resource": "arn:aws:states:us-east-1:1:sqs:sendMesage.waitForTaskToken"}, {}),
    # two query languages
    ("EC1026", {"Type": "Pass", "Output": {"a": 1}, "Next": "Done"}, {}),
    ("EC1026", {**wait(), "Arguments": {}}, {}),
    ("EC1026", {"Type": "Pass", "Parameters": {"a": 1}, "Next": "Done"}, {"QueryLanguage": "JSONata"}),
    ("EC1026", {"Type": "Pass", "QueryLanguage": "JSONata", "ResultPath": "$.a", "Next": "Done"}, {}),
    ("EC1026", {"Type": "Pass", "InputPath": "$.a", "Next": "Done"}, {"QueryLanguage": "JSONata"}),
    ("EC1026", {"Type": "Choice", "Choices": [{"Condition": "{% true %}", "Next": "Done"}], "Default": "Done"}, {}),
    (
        "EC1026",
        {"Type": "Choice", "Choices": [{"Variable": "$.a", "IsNull": True, "Next": "Done"}]},
        {"QueryLanguage": "JSONata"},
    ),
    ("EC1026", {"Type": "Wait", "SecondsPath": "$.s", "Next": "Done"}, {"QueryLanguage": "JSONata"}),
    ("EC1026", {"Type": "Fail", "CausePath": "$.s"}, {"QueryLanguage": "JSONata"}),
    # the form of the language
    ("EC1021", {"Type": "Pass", "Next": "Done", "TimeoutSeconds": 5}, {}),
    ("EC1021", {"Type": "Pass", "Next": "Done", "Catch": catch("States.ALL")}, {}),
    ("EC1021", {"Type": "Wait", "Seconds": 1.5, "Next": "Done"}, {}),
    ("EC1021", wait(TimeoutSeconds=0.5), {}),
    ("EC1021", wait(TimeoutSeconds="60"), {}),
    ("EC1021", wait(HeartbeatSeconds=0), {}),
    ("EC1021", wait(Retry=[{"ErrorEquals": ["A"], "MaxAttempts": 1.5}]), {}),
    ("EC1021", wait(Retry=[{"ErrorEquals": ["A"], "BackoffRate": 0.5}]), {}),
    ("EC1021", wait(Retry=[{"MaxAttempts": 1}]), {}),
    ("EC1021", wait(Catch=[{"ErrorEquals": ["States.ALL"]}]), {}),
    (
        "EC1021",
        {"Type": "Map", "Iterator": {"StartAt": "D", "States": {"D": DONE}}, "MaxConcurrency": 1.5, "End": True},
        {},
    ),
    (
        "EC1021",
        {"Type": "Map", "Iterator": {"StartAt": "D", "States": {"D": DONE}}, "ToleratedFailureCount": 0.5, "End": True},
        {},
    ),
    (
        "EC1021",
        {
            "Type": "Map",
            "Iterator": {"StartAt": "D", "States": {"D": DONE}},
            "ToleratedFailurePercentage": 101,
            "End": True,
        },
        {},
    ),
    ("EC1021", {"Type": "Choice", "Choices": [{"Variable": "$.a", "NumericEqual": 1, "Next": "Done"}]}, {}),
    ("EC1021", DONE, {"TimeoutSecond": 1}),
    ("EC1021", DONE, {"TimeoutSeconds": 1.5}),
    # names of errors
    *(
        ("EC1011", wait(Retry=[{"ErrorEquals": [error]}]), {})
        for error in (
            "States.Timout",
            "States.TimeOut",
            "States.TaskFaild",
            "states.ALL",
            "STATES.Timeout",
            "State.Timeout",
            "Sqs.SdkClientException",
            "sqs.SdkClientException",
            "SQS.SdkClientExeption",
            "SQS.QueueDoesNotExists",
            "Lambda.TooManyRequestException",
            "Lambda.ServiceExceptions",
            "Lambda.UnknownError",
            "Lambda.Unkown",
            "SNS.InternalErorException",
            "DynamoDB.ConditionalCheckFailException",
        )
    ),
    ("EC1011", {**wait(), "Resource": "arn:aws:lambda:us-east-1:1:function:f", "Catch": catch("Lamda.Unknown")}, {}),
    ("EC1011", inside(wait(), Catch=catch("Sqs.SdkClientException")), {}),
    (
        "EC1011",
        task(
            "aws-sdk:sqs:sendMessage",
            {"QueueUrl": "q", "MessageBody": "m"},
            Retry=[{"ErrorEquals": ["SQS.SdkClientException"]}],
        ),
        {},
    ),
    # names of executions
    ("EC1029", task("states:startExecution", {"StateMachineArn": "m", "Name": "daily"}), {}),
    ("EC1029", task("states:startExecution.sync:2", {"StateMachineArn": "m", "Name": "${Name}"}), {}),
    ("EC1029", task("aws-sdk:sfn:startExecution", {"StateMachineArn": "m", "Name": "daily"}), {}),
    ("EC1029", jsonata(task("states:startExecution", {"StateMachineArn": "m", "Name": "{% 'a' & 'b' %}"})), {}),
    ("EC1029", wait("states:startExecution", {"StateMachineArn": "m", "Name": "x", "Input": {"t.$": TOKEN}}), {}),
    # FIFO
    ("EC2020", wait(arguments={"QueueUrl": "https://q.fifo", "MessageBody.$": TOKEN}), {}),
    ("EC2020", task("sqs:sendMessage", {"QueueUrl": "https://q.fifo", "MessageBody": "m"}), {}),
    ("EC2020", task("sns:publish", {"TopicArn": "arn:aws:sns:us-east-1:1:t.fifo", "Message": "m"}), {}),
    (
        "EC2020",
        wait(
            arguments={"QueueUrl": "https://q.fifo", "MessageBody.$": TOKEN, "MessageGroupId": "g", "DelaySeconds": 5}
        ),
        {},
    ),
    # a token that is stored too late
    (
        "EC1033",
        {
            "Type": "Parallel",
            "Branches": [
                {
                    "StartAt": "S",
                    "States": {
                        "S": {
                            **without(
                                wait("aws-sdk:dynamodb:putItem", {"TableName": "t", "Item": {"t": {"S.$": TOKEN}}}),
                                "Next",
                            ),
                            "End": True,
                        }
                    },
                },
                {
                    "StartAt": "M",
                    "States": {"M": {**without(task("aws-sdk:sesv2:sendEmail", {"Content": {}}), "Next"), "End": True}},
                },
            ],
            "Next": "Done",
        },
        {},
    ),
]


@pytest.mark.parametrize(
    ("rule_id", "state", "machine"), FAULTS, ids=[f"{rule}-{number}" for number, (rule, *_) in enumerate(FAULTS)]
)
def test_each_form_of_a_fault_is_found(rule_id: str, state: Fields, machine: Fields) -> None:
    assert rule_id in found(state, **machine)


MAP = {"StartAt": "D", "States": {"D": DONE}}
SILENT: list[tuple[Fields, Fields]] = [
    (wait(), {}),
    (jsonata(wait()), {}),
    (wait(Catch=catch("States.Timeout")), {}),
    (wait(Catch=[*catch("Refused"), *catch("States.ALL")]), {}),
    (wait(Catch=catch("States.TaskFailed", "States.Timeout"), HeartbeatSeconds=60), {}),
    (inside(wait(Catch=catch("Refused")), Catch=catch("States.ALL")), {}),
    (wait(), {"TimeoutSeconds": 3601}),
    (wait("ecs:runTask", {"TaskDefinition": "t", "Overrides": {"t.$": TOKEN}}, HeartbeatSeconds=60), {}),
    ({"Type": "Task", "Resource": "arn:aws:states:eu-west-1:1:activity:a", "TimeoutSeconds": 60, "Next": "Done"}, {}),
    (wait("apigateway:invoke", {"ApiEndpoint": "a", "Method": "POST", "RequestBody": {"t.$": TOKEN}}), {}),
    (
        wait(
            "apigateway:invoke",
            {"ApiEndpoint": "a", "Method": "POST", "Headers": {"t.$": "States.Array($$.Task.Token)"}},
        ),
        {},
    ),
    (
        wait("states:startExecution", {"StateMachineArn": "m", "Name.$": "$$.Execution.Name", "Input": {"t.$": TOKEN}}),
        {},
    ),
    (task("states:startExecution", {"StateMachineArn": "m", "Name.$": "States.Format('a-{}', $.id)"}), {}),
    (task("states:startExecution", {"StateMachineArn": "m", "Name.$": "States.UUID()"}), {}),
    (jsonata(task("states:startExecution", {"StateMachineArn": "m", "Name": "{% 'a' & $uuid() %}"})), {}),
    (jsonata(task("states:startExecution", {"StateMachineArn": "m", "Name": "{% $states.input.id %}"})), {}),
    (task("states:startExecution", {"StateMachineArn": "m"}), {}),
    ({**wait(), "Resource": "arn:aws:states:us-east-1:111122223333:sqs:sendMessage.waitForTaskToken"}, {}),
    ({**wait(), "Resource": "arn:aws-us-gov:states:::sqs:sendMessage.waitForTaskToken"}, {}),
    (task("aws-sdk:ec2:modifyInstanceAttribute", {"InstanceId": "i", "DisableApiTermination": {"Value": "true"}}), {}),
    (task("sqs:sendMessage", {"QueueUrl": "q", "MessageBody": "m", "DelaySeconds": "5"}), {}),
    (
        task(
            "lambda:invoke", {"FunctionName": "f", "Payload": {"n.$": "$$.State.RetryCount", "id.$": "$$.Execution.Id"}}
        ),
        {},
    ),
    (
        jsonata(
            task("lambda:invoke", {"FunctionName": "f", "Payload": {"n": "{% $states.context.State.RetryCount %}"}})
        ),
        {},
    ),
    ({"Type": "Pass", "ResultPath": None, "InputPath": None, "OutputPath": None, "Next": "Done"}, {}),
    ({"Type": "Succeed", "InputPath": "$.a", "OutputPath": None, "Comment": "done"}, {}),
    ({"Type": "Succeed", "QueryLanguage": "JSONata", "Output": "{% $states.input %}"}, {}),
    ({"Type": "Fail", "Error": "E", "Cause": "C", "Comment": "why"}, {}),
    ({"Type": "Fail", "ErrorPath": "$.e", "CausePath": "States.Format('{}', $.c)"}, {}),
    ({"Type": "Wait", "Seconds": 0, "Next": "Done"}, {}),
    ({"Type": "Wait", "Timestamp": "2030-01-01T00:00:00Z", "Next": "Done"}, {}),
    ({"Type": "Wait", "QueryLanguage": "JSONata", "Seconds": "{% 5 %}", "Next": "Done"}, {}),
    *(
        ({"Type": "Map", "ItemProcessor": MAP, "Next": "Done", name: value}, {})
        for name, value in (
            ("ToleratedFailurePercentage", 0.5),
            ("ToleratedFailurePercentage", 100),
            ("ToleratedFailureCount", 0),
            ("MaxConcurrency", 0),
            ("MaxConcurrencyPath", "$.n"),
            ("ItemsPath", "$$.Execution.Input.items"),
            ("ResultPath", None),
            ("Label", "l"),
            ("ItemBatcher", {"MaxItemsPerBatch": 5}),
            ("Comment", "c"),
        )
    ),
    (
        wait(
            Retry=[
                {
                    "ErrorEquals": ["SQS.SdkClientException"],
                    "BackoffRate": 1.5,
                    "MaxDelaySeconds": 5,
                    "JitterStrategy": "FULL",
                }
            ]
        ),
        {},
    ),
    *(
        (wait(Catch=[*catch(error), *catch("States.ALL")]), {})
        for error in (
            "SQS.SdkClientException",
            "SQS.AmazonSQSException",
            "SQS.QueueDoesNotExistException",
            "Lambda.Unknown",
            "Lambda.TooManyRequestsException",
            "Lambda.ServiceException",
            "Lambda.AWSLambdaException",
            "Refused",
            "Callback.TimedOut",
            "Order.Refused",
            "java.lang.Exception",
            "States.Http.StatusCode.404",
            "${Error}",
            "Lambda.ClientExecutionTimeoutException",
            "DynamoDB.ConditionalCheckFailedException",
            "ValueError",
        )
    ),
    (
        task(
            "aws-sdk:sqs:sendMessage",
            {"QueueUrl": "q", "MessageBody": "m"},
            Retry=[{"ErrorEquals": ["Sqs.SqsException"]}],
        ),
        {},
    ),
    (wait(arguments={"QueueUrl": "https://q.fifo", "MessageBody.$": TOKEN, "MessageGroupId": "g"}), {}),
    (wait(arguments={"QueueUrl": "https://q", "MessageBody.$": TOKEN, "MessageGroupId.$": "$.tenant"}), {}),
    (
        {
            "Type": "Choice",
            "Choices": [
                {
                    "And": [
                        {"Variable": "$.a", "IsPresent": True},
                        {"Not": {"Variable": "$.a", "NumericLessThanPath": "$.b"}},
                    ],
                    "Next": "Done",
                }
            ],
            "Default": "Done",
        },
        {},
    ),
    (
        {
            "Type": "Choice",
            "QueryLanguage": "JSONata",
            "Choices": [{"Condition": "{% true %}", "Next": "Done", "Assign": {"a": 1}, "Output": 1}],
            "Default": "Done",
        },
        {},
    ),
]


@pytest.mark.parametrize(("state", "machine"), SILENT)
def test_what_is_legal_has_no_finding(state: Fields, machine: Fields) -> None:
    assert found(state, **machine) - {"EC1005"} == set()  # Done is not always led to


@pytest.mark.parametrize("error", ["States.Done", "States.QuorumMet"])
@pytest.mark.parametrize("given", ["{error}", "{{% '{error}' %}}", "{{% $x ? '{error}' : 'Other' %}}"])
def test_a_name_that_a_fail_gives_exists(error: str, given: str) -> None:
    fail = {"Type": "Fail", "Error": given.format(error=error)}
    around = {
        "Type": "Parallel",
        "Branches": [{"StartAt": "F", "States": {"F": fail}}],
        "Catch": catch(error),
        "Next": "Done",
    }
    assert "EC1011" not in found(around)


def test_a_wait_is_said_to_be_bounded_by_what_bounds_it() -> None:
    def message(state: Fields, **machine: Json) -> str:
        body = {"StartAt": "A", "States": {"A": state, "Done": DONE}, **machine}
        template = template_of(parse(json.dumps(body), HERE))
        assert template
        [problem] = RULES["EC1007"].problems(template)
        return problem.message

    open_wait = without(wait(), "TimeoutSeconds")
    assert "for a year" in message(open_wait)
    assert "after 60 s, but heartbeats" in message({**open_wait, "HeartbeatSeconds": 60})
    assert "after $.s, but heartbeats" in message({**open_wait, "HeartbeatSecondsPath": "$.s"})
    assert "ends the whole execution after 600 s" in message(open_wait, TimeoutSeconds=600)


@pytest.mark.parametrize("field", ["QueryLanguage", "Comment", "TimeoutSeconds", "StartAt"])
def test_a_field_of_the_state_machine_within_states_is_named_as_what_it_is(field: str) -> None:
    body = {"StartAt": "Done", "States": {field: "JSONata", "Done": DONE}}
    template = template_of(parse(json.dumps(body), HERE))
    assert template
    messages = [problem.message for problem in RULES["EC1021"].problems(template)]
    assert messages == [f"{field}: stands within States, where it is taken for a state: it belongs beside StartAt"]


@pytest.mark.parametrize("name", ["No", "yes", "On", "off", "true"])
def test_names_that_yaml_reads_as_booleans_are_named_once(name: str) -> None:
    text = f"StartAt: {name}\nStates:\n  {name}: {{Type: Pass, Next: 'Other'}}\n  Other: {{Type: Succeed}}\n"
    template = template_of(parse(text, Path("kind.asl.yaml")))
    assert template
    assert isinstance(next(iter(yaml.safe_load(text)["States"])), bool)  # as CloudFormation and SAM read it
    assert {rule.id for rule in RULES.values() if list(rule.problems(template))} == {"EC1032"}
    quoted = template_of(parse(text.replace(name, f'"{name}"'), Path("kind.asl.yaml")))
    assert quoted
    assert {rule.id for rule in RULES.values() if list(rule.problems(quoted))} == set()


@pytest.mark.parametrize(
    "named", [{"Ref": "Activity"}, {"Fn::GetAtt": ["Activity", "Arn"]}, {"Fn::Sub": "${Activity}"}]
)
def test_an_activity_of_the_template_is_known_by_its_reference(named: Json) -> None:
    state = {"Type": "Task", "Resource": named, "End": True}
    machine = {
        "Type": "AWS::Serverless::StateMachine",
        "Properties": {"Definition": {"StartAt": "A", "States": {"A": state}}},
    }
    activity = {"Type": "AWS::StepFunctions::Activity", "Properties": {"Name": "a"}}
    template = template_of(parse(json.dumps({"Resources": {"Machine": machine, "Activity": activity}}), HERE))
    assert template
    assert [problem.message[:25] for problem in RULES["EC1007"].problems(template)] == ["A: TimeoutSeconds is miss"]
