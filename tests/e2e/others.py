"""State machines of somebody else, in JSONPath and without a stack, whose tasks wait."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

from tools import answer
from tools.aws import Aws
from tools.engine.engine import Engine
from tools.stack import poll
from tools.waits.find import Finder, Wait, machines


class Others:
    """`queue` is what they ask."""

    def __init__(self, engine: Engine) -> None:
        self.aws = Aws(engine.client, "the embedded AWS")
        self.step_functions = engine.client("stepfunctions")
        self.queue = engine.client("sqs").create_queue(QueueName=f"others-{uuid4().hex[:8]}")["QueueUrl"]

    def ask(self, **limits: int) -> dict[str, Any]:
        """A state that sends the token, beside what else a message may hold."""
        body = {"replyWith.$": "$$.Task.Token", "checksum": "0123456789abcdef" * 8, "item.$": "$"}
        resource = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
        sent = {"QueueUrl": self.queue, "MessageBody": body}
        return {"Type": "Task", "Resource": resource, "Parameters": sent, "End": True, **limits}

    def start(self, states: dict[str, Any], given: object = None, count: int = 1) -> str:
        """The state machine, of which so many executions were started."""
        definition = json.dumps({"StartAt": next(iter(states)), "States": states})
        role, name = "arn:aws:iam::000000000000:role/any", f"others-{uuid4().hex[:8]}"
        made = self.step_functions.create_state_machine(name=name, definition=definition, roleArn=role)
        arn, data = str(made["stateMachineArn"]), json.dumps(given)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: self.step_functions.start_execution(stateMachineArn=arn, input=data), range(count)))
        return arn

    def waits(self, machine: str, count: int) -> list[Wait]:
        def check() -> list[Wait] | None:
            found = Finder(self.aws).find(machines(self.aws, machine=machine)).waits
            return found if len(found) == count else None

        return poll(f"{count} waits of {machine}", check)

    def answer_all(self, waits: list[Wait], machine: str) -> list[Any]:
        """Answers each wait with its event's number; the outputs of the executions, which must have succeeded."""
        for wait in waits:
            assert answer.send(self.aws, wait, answer.Answer(output=str(wait.event))) == "DELIVERED"
        described = [self.end(arn) for arn in self.executions(machine)]
        assert {each["status"] for each in described} == {"SUCCEEDED"}
        return [json.loads(each["output"]) for each in described]

    def executions(self, machine: str) -> list[str]:
        listed = self.step_functions.list_executions(stateMachineArn=machine)["executions"]
        return [each["executionArn"] for each in listed]

    def end(self, arn: str) -> Any:
        def check() -> Any:
            described = self.step_functions.describe_execution(executionArn=arn)
            return described if described["status"] != "RUNNING" else None

        return poll(f"end of {arn}", check)


def block(states: dict[str, Any]) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states}
