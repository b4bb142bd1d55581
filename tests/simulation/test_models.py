"""The models do as the embedded AWS does: the same calls, in the same order, on both."""

import json
import time
from typing import Any, Protocol

import pytest
from botocore.exceptions import ClientError

from tests.engine.aws import Aws as Embedded
from tests.simulation.aws import Aws
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
