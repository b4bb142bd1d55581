"""What tasks call: errors of services by AWS's names, attributes of a message, and the limit of a state's data."""

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.engine.aws import Aws, only
from tools.stack import poll

pytestmark = pytest.mark.local("its own state machines, on the embedded AWS")

STATES = "arn:aws:states:::"
ALSO = "https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html"


@pytest.fixture
def table(aws: Aws) -> str:
    name = f"contract-{uuid4().hex[:8]}"
    aws.engine.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


def task(language: str, resource: str, arguments: dict[str, Any], **fields: object) -> dict[str, Any]:
    given = {"Arguments" if language == "JSONata" else "Parameters": arguments}
    return {"Type": "Task", "Resource": f"{STATES}{resource}", "End": True, **given, **fields}


TOPIC = "arn:aws:sns:us-east-1:000000000000:no-such-topic"
KEY = {"pk": {"S": "1"}}
CONDITION = {"ConditionExpression": "attribute_exists(pk)"}
# What is called, and the error; those of SQS as recorded in services/test_sqs_task_service.py
ERRORS: dict[str, tuple[str, dict[str, Any], str]] = {
    "no queue, by a name": (
        "sqs:sendMessage",
        {"QueueUrl": "no-such-queue", "MessageBody": "x"},
        "SQS.SdkClientException",
    ),
    "no queue, by a URL": ("sqs:sendMessage", {"QueueUrl": "{queue}-no", "MessageBody": "x"}, "SQS.AmazonSQSException"),
    "no message": ("sqs:sendMessage", {"QueueUrl": "{queue}", "MessageBody": None}, "SQS.AmazonSQSException"),
    "strange characters": (
        "sqs:sendMessage",
        {"QueueUrl": "{queue}", "MessageBody": "\uffff"},
        "SQS.AmazonSQSException",
    ),
    "no topic": ("sns:publish", {"TopicArn": TOPIC, "Message": "x"}, "SNS.NotFoundException"),
    "condition": (
        "dynamodb:putItem",
        {"TableName": "{table}", "Item": KEY, **CONDITION},
        "DynamoDB.ConditionalCheckFailedException",
    ),
    "no table": ("dynamodb:getItem", {"TableName": "no-such-table", "Key": KEY}, "DynamoDB.ResourceNotFoundException"),
    "no key": (
        "dynamodb:getItem",
        {"TableName": "{table}", "Key": {"x": {"S": "1"}}},
        "DynamoDB.AmazonDynamoDBException",
    ),
    "condition, by SDK": (
        "aws-sdk:dynamodb:putItem",
        {"TableName": "{table}", "Item": KEY, **CONDITION},
        "DynamoDb.ConditionalCheckFailedException",
    ),
    "no table, by SDK": (
        "aws-sdk:dynamodb:getItem",
        {"TableName": "no-such-table", "Key": KEY},
        "DynamoDb.ResourceNotFoundException",
    ),
    "no key, by SDK": (
        "aws-sdk:dynamodb:getItem",
        {"TableName": "{table}", "Key": {"x": {"S": "1"}}},
        "DynamoDb.DynamoDbException",
    ),
    "no execution, by SDK": (
        "aws-sdk:sfn:describeExecution",
        {"ExecutionArn": "arn:aws:states:us-east-1:000000000000:execution:no:no"},
        "Sfn.ExecutionDoesNotExistException",
    ),
    "no state machine": (
        "states:startExecution",
        {"StateMachineArn": "arn:aws:states:us-east-1:000000000000:stateMachine:no", "Input": {}},
        "StepFunctions.StateMachineDoesNotExistException",
    ),
    "no function": ("lambda:invoke", {"FunctionName": "no-such-function"}, "Lambda.ResourceNotFoundException"),
}


@pytest.mark.parametrize("what", ERRORS)
def test_an_error_of_a_service_has_the_name_that_aws_gives_it(aws: Aws, language: str, table: str, what: str) -> None:
    resource, arguments, error = ERRORS[what]
    known = {"{queue}": aws.queue_url, "{table}": table, "{queue}-no": f"{aws.queue_url}-no"}
    arguments = {
        name: known.get(value, value) if isinstance(value, str) else value for name, value in arguments.items()
    }
    execution = aws.start(only(task(language, resource, arguments)), language)
    end = aws.end(execution)
    assert (end["status"], end["error"]) == ("FAILED", error), end.get("cause")
    assert aws.types(execution)[2:] == ["TaskScheduled", "TaskStarted", "TaskFailed", "ExecutionFailed"]


def test_a_send_that_fails_fails_the_task_that_would_wait(aws: Aws, language: str) -> None:
    arguments = {"QueueUrl": f"{aws.queue_url}-no", "MessageBody": "x"}
    execution = aws.start(only(task(language, "sqs:sendMessage.waitForTaskToken", arguments)), language)
    assert aws.end(execution)["error"] == "SQS.AmazonSQSException"


def test_attributes_of_a_publish_arrive_with_it(aws: Aws, language: str) -> None:
    # Given a queue that is subscribed to a topic for one outcome only
    sns = aws.engine.client("sns")
    topic = sns.create_topic(Name=f"contract-{uuid4().hex[:8]}")["TopicArn"]
    policy = {"FilterPolicy": json.dumps({"outcome": ["FAILED"]})}
    name = aws.queue_url.rpartition("/")[2]
    sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:000000000000:{name}", Attributes=policy
    )
    # When
    for outcome in ("SUCCEEDED", "FAILED"):
        attributes = {
            "outcome": {"DataType": "String", "StringValue": outcome},
            "attempts": {"DataType": "Number", "StringValue": "2"},
        }
        arguments = {"TopicArn": topic, "Message": {"said": outcome}, "MessageAttributes": attributes}
        assert aws.end(aws.start(only(task(language, "sns:publish", arguments)), language))["status"] == "SUCCEEDED"
    # Then
    message = aws.message()
    assert json.loads(message["Message"]) == {"said": "FAILED"}
    assert message["MessageAttributes"] == {
        "outcome": {"Type": "String", "Value": "FAILED"},
        "attempts": {"Type": "Number", "Value": "2"},
    }


TOO_MUCH = "ü" * 131_072  # two bytes each, and two quotation marks


@pytest.mark.parametrize("names", [["States.DataLimitExceeded"], ["States.ALL"]])
def test_an_output_of_more_than_256_kib_is_caught_by_its_name_and_by_all(aws: Aws, names: list[str]) -> None:
    # As recorded in error_handling/test_states_errors.py, against AWS's documentation for States.ALL
    processor = only({"Type": "Pass", "Output": TOO_MUCH[:1000], "End": True})
    states = {
        "Grow": {
            "Type": "Map",
            "Items": "{% [1..140] %}",
            "ItemProcessor": processor,
            "Catch": [{"ErrorEquals": names, "Output": "{% $states.errorOutput.Error %}", "Next": "Caught"}],
            "Output": "{% $join($states.result) %}",
            "Next": "Caught",
        },
        "Caught": {"Type": "Succeed"},
    }
    execution = aws.start({"StartAt": "Grow", "States": states}, "JSONata")
    assert json.loads(aws.end(execution)["output"]) == "States.DataLimitExceeded"


def test_a_pass_that_yields_more_than_256_kib_fails_the_execution(aws: Aws, language: str) -> None:
    # As recorded in error_handling/test_states_errors.py::test_start_large_input
    result = "Output" if language == "JSONata" else "Result"
    for text, status in ((TOO_MUCH[:-1], "SUCCEEDED"), (TOO_MUCH, "FAILED")):
        execution = aws.start(only({"Type": "Pass", result: text, "End": True}), language)
        end = aws.end(execution)
        assert end["status"] == status
    assert end["error"] == "States.DataLimitExceeded"
    assert end["cause"] == (
        "The state/task 'Only' returned a result with a size exceeding the maximum number of bytes service limit."
    )
    assert aws.types(execution) == ["ExecutionStarted", "PassStateEntered", "ExecutionFailed"]


def test_an_ended_execution_publishes_its_error_and_cause(aws: Aws) -> None:
    # https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
    events, name = aws.engine.client("events"), f"contract-{uuid4().hex[:8]}"
    pattern = {"source": ["aws.states"], "detail": {"status": ["ABORTED", "FAILED", "TIMED_OUT"]}}
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    queue = aws.sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = aws.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
    # When
    waiting: dict[str, Any] = {"Type": "Wait", "Seconds": 900, "End": True}
    stopped, late = aws.start(only(waiting)), aws.start(only(waiting, TimeoutSeconds=60))
    bare = aws.start(only(waiting))
    failed = aws.start(only({"Type": "Fail", "Error": "Work.Refused", "Cause": "It is blurred."}))
    aws.sfn.stop_execution(executionArn=stopped, error="Order.Withdrawn", cause="The customer called.")
    aws.sfn.stop_execution(executionArn=bare)
    aws.engine.skip(60)
    # Then
    details: dict[str, dict[str, Any]] = {}

    def complete() -> bool | None:
        received = aws.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in received.get("Messages", []):
            detail = json.loads(message["Body"])["detail"]
            details[detail["executionArn"]] = detail
        return {stopped, late, bare, failed} <= details.keys() or None

    poll("event of each execution", complete)
    seen = {
        arn: (details[arn]["status"], details[arn]["error"], details[arn]["cause"])
        for arn in (stopped, late, bare, failed)
    }
    assert seen == {
        stopped: ("ABORTED", "Order.Withdrawn", "The customer called."),
        late: ("TIMED_OUT", None, None),
        bare: ("ABORTED", None, None),
        failed: ("FAILED", "Work.Refused", "It is blurred."),
    }
    assert details[failed]["redriveStatus"] == "REDRIVABLE"
