"""What the unit tests share: events, a Lambda context, and a fake of the Step Functions client."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError
from hypothesis import strategies as st

EVENTS = Path(__file__).parents[2] / "events"

any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def make_lambda_context(remaining_ms: int = 15_000) -> LambdaContext:
    context = SimpleNamespace(
        function_name="function",
        memory_limit_in_mb=256,
        invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:function",
        aws_request_id="00000000-0000-4000-8000-000000000000",
        get_remaining_time_in_millis=lambda: remaining_ms,
    )
    return cast("LambdaContext", context)


CONTEXT = make_lambda_context()


def client_error(code: str, operation: str = "SendTaskSuccess") -> ClientError:
    """What botocore raises for this error code. Its text repeats the token, as AWS's own does."""
    message = "Invalid Token: 'THE-TASK-TOKEN'"
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@dataclass
class FakeStepFunctions:
    """Records every callback as (operation, arguments); `errors` are raised by the next calls, in order."""

    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    settled: set[str] = field(default_factory=set)

    def _call(self, operation: str, arguments: dict[str, str]) -> dict[str, Any]:
        self.calls.append((operation, arguments))
        if self.errors:
            raise self.errors.pop(0)
        if arguments["taskToken"] in self.settled:
            raise client_error("TaskTimedOut")
        if operation != "heartbeat":
            self.settled.add(arguments["taskToken"])
        return {}

    def send_task_success(self, **arguments: str) -> dict[str, Any]:
        return self._call("success", arguments)

    def send_task_failure(self, **arguments: str) -> dict[str, Any]:
        return self._call("failure", arguments)

    def send_task_heartbeat(self, **arguments: str) -> dict[str, Any]:
        return self._call("heartbeat", arguments)

    def answers(self, token: str) -> list[str]:
        """The operations that were called for this token."""
        return [operation for operation, arguments in self.calls if arguments["taskToken"] == token]


def sample_event(name: str) -> dict[str, Any]:
    """An event of events/, by its path without the ending: `payment_worker/payment`."""
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return event


def sqs_event(*bodies: str) -> dict[str, Any]:
    """An SQS event whose record number n (from 1) has the message id `message-n`."""
    return {
        "Records": [
            {
                "messageId": f"message-{number}",
                "receiptHandle": "handle",
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1795168800000"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:queue",
                "awsRegion": "us-east-1",
            }
            for number, body in enumerate(bodies, 1)
        ]
    }


def failed_records(response: Any) -> list[str]:
    return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]
