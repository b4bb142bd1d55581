"""State machines for tests of the callback contract, in both query languages, and what became of them."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tools.engine.engine import Engine
from tools.stack import poll

LANGUAGES = ("JSONPath", "JSONata")
ROLE = "arn:aws:iam::000000000000:role/any"
SQS = "arn:aws:states:::sqs:sendMessage"

Definition = dict[str, Any]
_numbers = count(1)


def wait(language: str, queue_url: str, **fields: object) -> Definition:
    """A state that sends its input and a token to a queue, and waits; fields of both languages, or of this one."""
    body: Definition
    if language == "JSONata":
        body = {"input": "{% $states.input %}", "token": "{% $states.context.Task.Token %}"}
    else:
        body = {"input.$": "$", "token.$": "$$.Task.Token"}
    given = {"Arguments" if language == "JSONata" else "Parameters": {"QueueUrl": queue_url, "MessageBody": body}}
    return {"Type": "Task", "Resource": f"{SQS}.waitForTaskToken", "End": True, **given, **fields}


def only(state: Definition, **fields: object) -> Definition:
    """A state machine of one state, Only; fields are the machine's own."""
    return {"StartAt": "Only", "States": {"Only": state}, **fields}


def code(call: Callable[[], object]) -> str:
    """The code of the error that a call ends in."""
    with pytest.raises(ClientError) as refused:
        call()
    return str(refused.value.response["Error"]["Code"])


@dataclass
class Aws:
    engine: Engine
    sfn: Any = field(init=False)
    sqs: Any = field(init=False)
    queue_url: str = field(init=False)

    def __post_init__(self) -> None:
        self.sfn, self.sqs = self.engine.client("stepfunctions"), self.engine.client("sqs")
        self.queue_url = self.sqs.create_queue(QueueName=f"contract-{next(_numbers)}")["QueueUrl"]

    def table(self, name: str) -> str:
        """A table with the key `pk`, and the ARN of its stream."""
        made = self.engine.client("dynamodb").create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )
        return str(made["TableDescription"]["LatestStreamArn"])

    def machine(self, definition: Definition, language: str = "JSONPath") -> str:
        made = self.sfn.create_state_machine(
            name=f"contract-{next(_numbers)}",
            definition=json.dumps({"QueryLanguage": language, **definition}),
            roleArn=ROLE,
        )
        return str(made["stateMachineArn"])

    def start(self, definition: Definition, language: str = "JSONPath", data: object = None) -> str:
        machine = self.machine(definition, language)
        return str(self.sfn.start_execution(stateMachineArn=machine, input=json.dumps(data or {}))["executionArn"])

    def waiting(self, language: str, data: object = None, **fields: object) -> tuple[str, str]:
        """An execution that waits in its only state, and the token."""
        execution = self.start(only(wait(language, self.queue_url, **fields)), language, data)
        return execution, self.token()

    def message(self) -> dict[str, Any]:
        """The next message that a state has sent."""

        def received() -> dict[str, Any] | None:
            found = self.sqs.receive_message(QueueUrl=self.queue_url, WaitTimeSeconds=1).get("Messages")
            if not found:
                return None
            self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=found[0]["ReceiptHandle"])
            body: dict[str, Any] = json.loads(found[0]["Body"])
            return body

        return poll("message", received)

    def token(self) -> str:
        return str(self.message()["token"])

    def end(self, execution: str) -> dict[str, Any]:
        """What DescribeExecution says of an execution that has ended."""

        def ended() -> dict[str, Any] | None:
            described: dict[str, Any] = self.sfn.describe_execution(executionArn=execution)
            return None if described["status"] == "RUNNING" else described

        return poll(f"end of {execution}", ended, every=0.05)

    def events(self, execution: str) -> list[dict[str, Any]]:
        pages = self.sfn.get_paginator("get_execution_history").paginate(executionArn=execution)
        return [event for page in pages for event in page["events"]]

    def types(self, execution: str) -> list[str]:
        return [event["type"] for event in self.events(execution)]

    def details(self, execution: str, kind: str) -> list[dict[str, Any]]:
        """The details of all events of a type."""
        name = f"{kind[0].lower()}{kind[1:]}EventDetails"
        return [event.get(name, {}) for event in self.events(execution) if event["type"] == kind]
