"""Histories in the shapes that AWS gives them, for tests: each event names the one before it in its branch."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

Fields = dict[str, Any]

BEGIN = datetime(2026, 11, 20, 10, tzinfo=UTC)
TOKEN = "AQCEAAAAKgAAAAMAAAAAAAAAAT0k" + "x7/+Zq9" * 30 + "=="
OTHER_TOKEN = TOKEN.replace("Zq9", "Yp8")
QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/shop-WorkQueue-5E6F"


class History:
    """Event by event, one a second. Each method returns the id of its last event, after which the next may come."""

    def __init__(self, given: object = None) -> None:
        self.events: list[Fields] = []
        self.given = json.dumps(given)
        self.add("ExecutionStarted", 0, input=self.given)

    def add(self, kind: str, after: int, **details: object) -> int:
        number = len(self.events) + 1
        own = kind[0].lower() + kind[1:]
        name = "stateEntered" if kind.endswith("StateEntered") else "stateExited" if "StateExited" in kind else own
        event: Fields = {"id": number, "previousEventId": after, "type": kind}
        event["timestamp"] = BEGIN + timedelta(seconds=number)
        self.events.append(event | ({f"{name}EventDetails": details} if details else {}))
        return number

    def enter(self, name: str, after: int = 0, kind: str = "Task") -> int:
        return self.add(f"{kind}StateEntered", after, name=name, input=self.given)

    def leave(self, name: str, after: int, kind: str = "Task") -> int:
        return self.add(f"{kind}StateExited", after, name=name, output=self.given)

    def send(self, after: int, sent: object = None, resource: str = "sqs:sendMessage", **limits: int) -> int:
        """A task that waits is scheduled, started and submitted."""
        service, _, action = resource.rpartition(":")
        which = {"resource": f"{action}.waitForTaskToken", "resourceType": service}
        if sent is None:
            sent = {"QueueUrl": QUEUE, "MessageBody": {"taskToken": TOKEN, "payload": json.loads(self.given)}}
        after = self.add("TaskScheduled", after, parameters=json.dumps(sent), region="eu-west-1", **which, **limits)
        return self.add("TaskSubmitted", self.add("TaskStarted", after, **which), output="{}", **which)

    def wait(
        self, name: str, after: int = 0, sent: object = None, resource: str = "sqs:sendMessage", **limits: int
    ) -> int:
        """A state that waits is entered, and asks."""
        return self.send(self.enter(name, after), sent, resource, **limits)

    def items(self, name: str, count: int, after: int) -> list[int]:
        """A Map is entered: the ids of the events that start its items."""
        start = self.add("MapStateStarted", self.enter(name, after, "Map"), length=count)
        return [self.add("MapIterationStarted", start, name=name, index=index) for index in range(count)]

    def branches(self, name: str, after: int = 0) -> int:
        """A Parallel is entered: the id of the event after which each branch begins."""
        return self.add("ParallelStateStarted", self.enter(name, after, "Parallel"))
