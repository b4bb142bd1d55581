"""Queues as SQS has them: at least once, in any order, again after the visibility timeout, then into the next queue."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.unit.state_machine import Fields

if TYPE_CHECKING:
    from tests.simulation.aws import Aws


@dataclass(eq=False)
class Message:
    """`failures` counts the receives after which a function failed it, also when nothing else failed any more."""

    id: str
    body: str
    sent_at: float
    visible_at: float
    receives: int = 0
    failures: int = 0
    failed_in_peace: bool = False
    is_deleted: bool = False

    def __str__(self) -> str:
        return self.id

    def fail(self, *, in_peace: bool) -> None:
        self.failures += 1
        self.failed_in_peace |= in_peace

    def record(self, queue: str) -> Fields:
        return {
            "messageId": self.id,
            "receiptHandle": "handle",
            "body": self.body,
            "attributes": {
                "ApproximateReceiveCount": str(self.receives),
                "SentTimestamp": str(int(self.sent_at * 1000)),
            },
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{queue}",
            "awsRegion": "us-east-1",
        }


class Queue:
    """One of a template. The count of receives, and the age, go on in a dead-letter queue."""

    def __init__(self, aws: "Aws", name: str, properties: Fields) -> None:
        self.aws, self.name = aws, name
        self.visibility = properties.get("VisibilityTimeout", 30)
        self.retention = properties.get("MessageRetentionPeriod", 345_600)
        policy: Any = properties.get("RedrivePolicy", {})
        self.next_queue: str | None = policy.get("deadLetterTargetArn")
        self.max_receives: int | None = policy.get("maxReceiveCount")
        self.messages: list[Message] = []
        self.delivered: list[Message] = []

    def send(self, body: str) -> Message:
        number = self.aws.number()
        message = Message(f"message-{number}", body, self.aws.now, self.aws.now)
        self.messages.append(message)
        return message

    def visible(self) -> list[Message]:
        self._forget_the_old()
        return [message for message in self.messages if message.visible_at <= self.aws.now]

    def next_visible(self) -> float | None:
        """When a message that was received comes back."""
        times = [message.visible_at for message in self.messages if message.visible_at > self.aws.now]
        return min(times, default=None)

    def receive(self, messages: list[Message]) -> list[Message]:
        """What a consumer gets of some messages: not those that were received too often, which go to the next queue."""
        received = []
        for message in messages:
            if self.max_receives and message.receives >= self.max_receives and not message.is_deleted:
                assert self.next_queue
                self.aws.say(f"  {message} goes to {self.next_queue}")
                self.messages.remove(message)
                self.aws.queues[self.next_queue].messages.append(message)
                continue
            message.receives += 1
            message.visible_at = self.aws.now + self.visibility
            received.append(message)
            if message not in self.delivered:
                self.delivered.append(message)
        return received

    def delete(self, message: Message) -> None:
        if message in self.messages:  # and not in the next queue by now
            self.messages.remove(message)
            message.is_deleted = True

    def again(self) -> list[Message]:
        """Those that may come again although they are in flight, or have just been deleted."""
        return [message for message in self.delivered if message in self.messages or message.is_deleted]

    def find(self, holds: Callable[[str], bool]) -> list[Message]:
        return [message for message in self.messages if holds(message.body)]

    def _forget_the_old(self) -> None:
        self.messages = [each for each in self.messages if each.sent_at + self.retention > self.aws.now]
