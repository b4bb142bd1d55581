"""The models do as the embedded AWS does: the same calls, in the same order, on both."""

import json
import time
from typing import Any, Protocol

import pytest
from botocore.exceptions import ClientError

from tests.engine.aws import Aws as Embedded
from tests.engine.test_functions import log, make_function
from tests.simulation.aws import Aws
from tests.simulation.file_exchange import BUCKET, ReportingS3
from tests.simulation.mutants import property_of
from tests.simulation.stream import Mapping
from tests.unit.state_machine import PROJECT
from tools.engine.engine import Engine
from tools.stack import poll

pytestmark = [pytest.mark.slow, pytest.mark.local("its own state machine, on the embedded AWS")]

# Of a wait of 86,400 seconds with a heartbeat each 3,600: what is called, in order
SCRIPTS = {
    "answered twice": ["success", "success", "failure", "heartbeat"],
    "failed, then answered": ["failure", "success", "redrive", "old success", "success", "redrive"],
    "stopped": ["stop", "success", "stop", "redrive", "old success", "failure"],
    "missed heartbeat": ["skip 3601", "success", "redrive", "heartbeat", "success"],
    "kept alive": ["skip 3000", "heartbeat", "skip 3000", "heartbeat", "skip 3000", "success"],
    "forged": ["forged", "success"],
}


class Side(Protocol):
    client: Any

    def start(self) -> str: ...
    def newest_token(self) -> str: ...
    def skip(self, seconds: int) -> None: ...


class Model:
    def __init__(self) -> None:
        self.aws = Aws("templates/manual-callback.yaml")
        self.client = self.aws.step_functions

    def start(self) -> str:
        arn = self.client.start_execution(stateMachineArn="ManualCallbackStateMachine", name="one", input="{}")
        return str(arn["executionArn"])

    def newest_token(self) -> str:
        self.aws.go_on()
        return str(json.loads(self.aws.queues["ManualCallbackQueue"].messages[-1].body)["token"])

    def skip(self, seconds: int) -> None:
        until = self.aws.now + seconds
        while (deadline := self.aws.next_deadline()) and deadline <= until:
            self.aws.pass_time(deadline)
            self.aws.go_on()
        self.aws.now = until


class OnEngine:
    def __init__(self, engine: Engine) -> None:
        self.aws = Embedded(engine)
        self.client = self.aws.sfn
        self.token = ""

    def start(self) -> str:
        text = (PROJECT / "statemachine/manual_callback.asl.json").read_text()
        definition = json.loads(text.replace("${ManualCallbackQueueUrl}", self.aws.queue_url))
        machine = self.aws.machine(definition, "JSONata")
        return str(self.client.start_execution(stateMachineArn=machine, input="{}")["executionArn"])

    def newest_token(self) -> str:
        received = self.aws.sqs.receive_message(QueueUrl=self.aws.queue_url, WaitTimeSeconds=1).get("Messages", [])
        if received:
            self.token = json.loads(received[-1]["Body"])["token"]
        return self.token

    def skip(self, seconds: int) -> None:
        self.aws.engine.skip(seconds)


def played(side: Side, script: list[str]) -> list[str]:
    """What each call came to: ok, or the code of its error; and how the execution stands after it."""
    arn = side.start()
    tokens = [side.newest_token()]
    answers = []
    for step in script:
        word, _, argument = step.partition(" ")
        token = {"old": tokens[0], "forged": "forged"}.get(word, tokens[-1])
        try:
            match argument if word == "old" else word:
                case "success" | "forged":
                    side.client.send_task_success(taskToken=token, output="1")
                case "failure":
                    side.client.send_task_failure(taskToken=token, error="Work.Refused", cause="")
                case "heartbeat":
                    side.client.send_task_heartbeat(taskToken=token)
                case "stop":
                    side.client.stop_execution(executionArn=arn)
                case "redrive":
                    side.client.redrive_execution(executionArn=arn)
                    tokens.append(side.newest_token())
                case "skip":
                    side.skip(int(argument))
            answers.append("ok")
        except ClientError as error:
            answers.append(error.response["Error"]["Code"])
        if isinstance(side, Model):
            side.aws.go_on()
    status = poll(
        "end", lambda: (s := side.client.describe_execution(executionArn=arn)["status"]) != "RUNNING" and s, 10
    )
    return [*answers, str(status)]


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_callbacks_are_answered_as_the_embedded_aws_does(engine: Engine, script: list[str]) -> None:
    model = Model()
    try:
        assert played(model, script) == played(OnEngine(engine), script)
    finally:
        model.aws.cleanup.close()


def test_a_queue_gives_up_a_message_as_the_embedded_aws_does(engine: Engine) -> None:
    sqs = engine.client("sqs")
    dead = sqs.create_queue(QueueName="model-dead")["QueueUrl"]
    dead_arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 2})
    attributes = {"VisibilityTimeout": "1", "RedrivePolicy": policy}
    url = sqs.create_queue(QueueName="model", Attributes=attributes)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="body")
    counts = []
    for _ in range(4):
        found = sqs.receive_message(QueueUrl=url, AttributeNames=["ApproximateReceiveCount"]).get("Messages", [])
        counts.append([each["Attributes"]["ApproximateReceiveCount"] for each in found])
        time.sleep(1.1)
    kept = [each["Body"] for each in sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=2).get("Messages", [])]

    model = Aws("template.yaml", lambda template: _twice(template))
    try:
        queue = model.queues["PaymentQueue"]
        queue.send("body")
        expected = []
        for _ in range(4):
            batch = queue.receive(queue.visible())
            expected.append([message.record("")["attributes"]["ApproximateReceiveCount"] for message in batch])
            model.pass_time(model.now + queue.visibility)
        assert (counts, kept) == (expected, [message.body for message in model.queues["DeadLetterQueue"].messages])
    finally:
        model.cleanup.close()


def _twice(template: Any) -> None:
    template["Resources"]["PaymentQueue"]["Properties"]["RedrivePolicy"]["maxReceiveCount"] = 2


def test_a_queue_forgets_an_old_message_as_the_embedded_aws_does(engine: Engine) -> None:
    """The least that a queue can be told to keep messages is a minute."""
    sqs = engine.client("sqs")
    attributes = {"VisibilityTimeout": "0", "MessageRetentionPeriod": "60"}
    url = sqs.create_queue(QueueName="model-forgetful", Attributes=attributes)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="body")
    kept = []
    for seconds in (50, 15):
        time.sleep(seconds)
        kept.append([each["Body"] for each in sqs.receive_message(QueueUrl=url).get("Messages", [])])

    model = Aws("template.yaml", property_of("PaymentQueue", "MessageRetentionPeriod", 60))
    try:
        queue, expected = model.queues["PaymentQueue"], []
        queue.send("body")
        for seconds in (50, 15):
            model.now += seconds
            expected.append([message.body for message in queue.visible()])
        assert kept == expected == [["body"], []]
    finally:
        model.cleanup.close()


def drop(s3: Any, bucket: str) -> None:
    """Files that are new, overwritten, refused, elsewhere, and removed."""
    for key in ("inbound/1/success.json", "inbound/1/success.json", "outbound/1/request.json", "inbound/a b+\u00e9"):
        s3.put_object(Bucket=bucket, Key=key, Body="content")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket=bucket, Key="inbound/1/success.json", Body="more", IfNoneMatch="*")
    s3.delete_object(Bucket=bucket, Key="inbound/1/success.json")


def reported(body: str) -> tuple[str, str]:
    """What the inbox reads of an event, but for the bucket's name."""
    event = json.loads(body)
    return event["detail-type"], event["detail"]["object"]["key"]


def test_a_bucket_reports_files_as_the_embedded_aws_does(engine: Engine) -> None:
    model = Aws("templates/file-exchange.yaml")
    try:
        drop(ReportingS3(model), BUCKET)
        expected = sorted(reported(each.body) for each in model.queues["InboundQueue"].messages)
        [pattern] = [
            each["Properties"]["EventPattern"]
            for each in model.resources.values()
            if each["Type"] == "AWS::Events::Rule" and each["Properties"]["EventPattern"]["source"] == ["aws.s3"]
        ]
    finally:
        model.cleanup.close()

    aws, bucket = Embedded(engine), "model-exchange"
    s3, events = engine.client("s3"), engine.client("events")
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}})
    pattern = pattern | {"detail": {**pattern["detail"], "bucket": {"name": [bucket]}}}
    events.put_rule(Name=bucket, EventPattern=json.dumps(pattern))
    [arn] = aws.sqs.get_queue_attributes(QueueUrl=aws.queue_url, AttributeNames=["QueueArn"])["Attributes"].values()
    events.put_targets(Rule=bucket, Targets=[{"Id": "queue", "Arn": arn}])
    drop(s3, bucket)
    found: list[tuple[str, str]] = []

    def all_reported() -> bool:
        messages = aws.sqs.receive_message(QueueUrl=aws.queue_url, WaitTimeSeconds=1, MaxNumberOfMessages=10)
        found.extend(reported(each["Body"]) for each in messages.get("Messages", []))
        return len(found) >= len(expected)

    poll("every event", lambda: all_reported() or None, 20)
    assert sorted(found) == expected


FOLLOWER = """
import json

def lambda_handler(event, context):
    names = [each["eventName"] + " " + each["dynamodb"]["Keys"]["pk"]["S"] for each in event["Records"]]
    print(json.dumps({"batch": names, "images": [each["dynamodb"].get("NewImage") for each in event["Records"]]}))
    failed = [each for each, name in zip(event["Records"], names) if name == "MODIFY b"]
    return {"batchItemFailures": [{"itemIdentifier": each["dynamodb"]["SequenceNumber"]} for each in failed]}
"""
MAPPING = {"BatchSize": 10, "MaximumRetryAttempts": 2, "FunctionResponseTypes": ["ReportBatchItemFailures"]}


def write(dynamodb: Any, table: str) -> None:
    """Changes of two items; one that changes nothing, which has a record here and none on AWS, is left out."""
    for pk in "ab":
        dynamodb.put_item(TableName=table, Item={"pk": {"S": pk}})
    for pk in "ba":
        dynamodb.update_item(
            TableName=table,
            Key={"pk": {"S": pk}},
            UpdateExpression="SET n = :n",
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeValues={":n": {"N": "2"}},
        )
    dynamodb.delete_item(TableName=table, Key={"pk": {"S": "a"}})
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        dynamodb.delete_item(TableName=table, Key={"pk": {"S": "a"}}, ConditionExpression="attribute_exists(pk)")


def put_next(dynamodb: Any, table: str) -> None:
    dynamodb.put_item(TableName=table, Item={"pk": {"S": "next"}})


def test_a_stream_gives_up_a_batch_as_the_embedded_aws_does(engine: Engine) -> None:
    aws, table = Embedded(engine), "OrderTable"
    name, dynamodb = make_function(aws, FOLLOWER), engine.client("dynamodb")
    stream = aws.table(table)
    write(dynamodb, table)
    engine.client("lambda").create_event_source_mapping(
        FunctionName=name, EventSourceArn=stream, StartingPosition="TRIM_HORIZON", **MAPPING
    )

    def batches(count: int) -> list[str]:
        def found() -> list[str] | None:
            lines = [line.strip() for line in log(aws, name) if line.startswith('{"batch"')]
            return lines if len(lines) >= count else None

        return poll(f"{count} batches", found)

    batches(3)
    put_next(dynamodb, table)

    model = Aws("templates/order-confirmation.yaml")
    try:
        namespace: dict[str, Any] = {}
        exec(FOLLOWER, namespace)  # noqa: S102 - ours
        model.patch.setattr(model, "invoke", lambda _, event: namespace["lambda_handler"](event, None))
        model.mappings = [Mapping(model, "Follower", MAPPING)]
        write(model.tables[table], table)
        for _ in range(3):
            [shard] = model.mappings[0].shards.values()
            model.mappings[0].deliver(shard, 10)
        put_next(model.tables[table], table)
        model.mappings[0].deliver(shard, 10)
        assert batches(4) == model.printed.getvalue().splitlines()
    finally:
        model.cleanup.close()
