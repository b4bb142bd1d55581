"""The payment as a durable function on the embedded AWS: deployed, invoked, answered by its worker, notified."""

import json
import shutil
from pathlib import Path
from typing import Any
from uuid import uuid4

import aws_durable_execution_sdk_python
import pytest

from tools import PROJECT
from tools.deployment import deploy
from tools.engine.engine import Engine
from tools.engine.rest import call
from tools.stack import poll

pytestmark = [
    pytest.mark.slow,
    pytest.mark.local("it makes a function durable as ministack wants it"),
]

EXAMPLE = PROJECT / "examples" / "durable_payment"
ORDER = {"orderId": "order-1", "amount": 12.5}


class Payments:
    def __init__(self, engine: Engine, outputs: dict[str, str]) -> None:
        self.aws_lambda, self.sqs = engine.client("lambda"), engine.client("sqs")
        self.function = outputs["PaymentFunctionName"]
        # ministack's CloudFormation drops DurableConfig, and its Lambda looks for a field in it that AWS does not have
        url = f"{engine.endpoint_url}/2015-03-31/functions/{self.function}/configuration"
        assert call("PUT", url, body={"DurableConfig": {"Enabled": True}}).status == 200
        self.notifications = self.sqs.create_queue(QueueName=f"durable-{uuid4().hex[:8]}")["QueueUrl"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.notifications, AttributeNames=["QueueArn"])
        arn = attributes["Attributes"]["QueueArn"]
        engine.client("sns").subscribe(TopicArn=outputs["NotificationTopicArn"], Protocol="sqs", Endpoint=arn)

    def run(self, payment: object) -> dict[str, Any]:
        """The execution, when it has ended."""
        answer = self.aws_lambda.invoke(FunctionName=self.function, Payload=json.dumps(payment))
        arn = answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-durable-execution-arn"]

        def ended() -> dict[str, Any] | None:
            execution: dict[str, Any] = self.aws_lambda.get_durable_execution(DurableExecutionArn=arn)
            return None if execution["Status"] == "RUNNING" else execution

        return poll(f"end of {arn}", ended)

    def notified(self) -> list[dict[str, Any]]:
        found = self.sqs.receive_message(QueueUrl=self.notifications, MaxNumberOfMessages=10, WaitTimeSeconds=2)
        return [json.loads(json.loads(message["Body"])["Message"]) for message in found.get("Messages", [])]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """As `sam build` makes it, with the SDK beside the code."""
    shutil.copytree(EXAMPLE, tmp_path / "built")
    sdk = Path(aws_durable_execution_sdk_python.__file__).parent
    shutil.copytree(sdk, tmp_path / "built" / sdk.name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "built"


@pytest.mark.parametrize("rate", [1, 0])
def test_a_deployed_payment_is_answered_by_its_worker(engine: Engine, project: Path, rate: int) -> None:
    name = f"durable-payment-{rate}"
    # On AWS 0 switches the heartbeats off; ministack's callback then times out at once
    parameters = {"PaymentSuccessRate": str(rate), "HeartbeatSeconds": "3600"}
    payments = Payments(engine, deploy(engine, stack_name=name, parameters=parameters, directory=project))
    execution = payments.run(ORDER)
    [body] = payments.notified()
    assert (body["orderId"], body["executionId"]) == ("order-1", execution["DurableExecutionArn"])
    if rate:
        assert (execution["Status"], json.loads(execution["Result"])) == ("SUCCEEDED", body)
        assert body["message"] == "Payment processed successfully."
    else:
        error = execution["Error"]
        assert (execution["Status"], error["ErrorData"]) == ("FAILED", "Failed to process payment")
        assert (body["Error"], body["Cause"]) == (error["ErrorData"], error["ErrorMessage"])
