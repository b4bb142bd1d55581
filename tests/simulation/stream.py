"""A DynamoDB table, which is moto's, and its stream: each change of an item, in order for each item, at least once.

A mapping invokes a function with batches of a shard, one at a time, as the event source mapping in the template says:
filters; the batch again from the first record that failed; halves of it where the function itself fails; and the queue
of what was given up. Which items share a shard is unknown, so that a story has one for all, or one for each.
"""

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from moto.dynamodb.exceptions import ConditionalCheckFailed
from moto.dynamodb.models import DynamoDBBackend

from tests.simulation.aws import FunctionFailed
from tests.simulation.patterns import matches
from tests.unit.state_machine import Fields

if TYPE_CHECKING:
    from tests.simulation.aws import Aws


class Table:
    """The operations that functions and state machines call; a read that is not consistent may be a write behind."""

    def __init__(self, aws: "Aws", name: str) -> None:
        self.aws, self.name = aws, name
        self._moto = DynamoDBBackend("us-east-1", "123456789012")
        key, kind = {"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "pk", "AttributeType": "S"}
        self._moto.create_table(name, [key], None, [kind], None, None, None, "PAY_PER_REQUEST", None, [], None, None)
        self._before: dict[str, Fields | None] = {}

    def item(self, pk: str) -> Fields | None:
        found = self._moto.get_item(self.name, {"pk": {"S": pk}})
        item: Fields | None = found.to_json()["Attributes"] if found else None
        return item

    def items(self, prefix: str) -> list[Fields]:
        keys = [pk for pk in self._before if pk.startswith(prefix)]
        return [item for item in map(self.item, keys) if item]

    def get_item(self, *, TableName: str, Key: Fields, ConsistentRead: bool = False) -> Fields:  # noqa: ARG002, N803
        pk = Key["pk"]["S"]
        item = self.item(pk) if ConsistentRead else self._before.get(pk)
        return {"Item": item} if item else {}

    def put_item(self, *, TableName: str, Item: Fields, **arguments: Any) -> Fields:  # noqa: N803
        return self._write("put_item", Item["pk"]["S"], TableName, Item, **_conditions(arguments))

    def update_item(self, *, TableName: str, Key: Fields, UpdateExpression: str, **arguments: Any) -> Fields:  # noqa: N803
        conditions = {"expression_attribute_names": None, **_conditions(arguments)}
        return self._write(
            "update_item", Key["pk"]["S"], TableName, Key, update_expression=UpdateExpression, **conditions
        )

    def delete_item(self, *, TableName: str, Key: Fields, **arguments: Any) -> Fields:  # noqa: N803
        return self._write("delete_item", Key["pk"]["S"], TableName, Key, **_conditions(arguments))

    def _write(self, operation: str, pk: str, *arguments: Any, **named: Any) -> Fields:
        before = self.item(pk)
        try:
            getattr(self._moto, operation)(*arguments, **named)
        except ConditionalCheckFailed:
            code = "ConditionalCheckFailedException"
            raise ClientError({"Error": {"Code": code, "Message": code}}, operation) from None
        after = self.item(pk)
        self._before[pk] = before
        if before != after:  # or else the stream has no record of it
            name = "MODIFY" if before and after else "INSERT" if after else "REMOVE"
            for mapping in self.aws.mappings:
                mapping.add(Record(self.aws.number(), self.aws.now, pk, name, after))
        return {"Attributes": after} if after else {}


def _conditions(arguments: Fields) -> Fields:
    return {
        "condition_expression": arguments.get("ConditionExpression"),
        "expression_attribute_values": arguments.get("ExpressionAttributeValues", {}),
    }


@dataclass(frozen=True)
class Record:
    number: int
    written_at: float
    pk: str
    name: str
    image: Fields | None

    def __str__(self) -> str:
        return f"record {self.number} ({self.name} {self.pk.partition('#')[0]})"

    def event(self) -> Fields:
        change = {"Keys": {"pk": {"S": self.pk}}, "SequenceNumber": str(self.number), "StreamViewType": "NEW_IMAGE"}
        if self.image is not None:
            change["NewImage"] = self.image
        return {"eventID": str(self.number), "eventName": self.name, "eventSource": "aws:dynamodb", "dynamodb": change}


@dataclass(eq=False)
class Shard:
    """`failures` counts those of its first record, `at_most` is the half of a batch that failed."""

    pending: list[Record] = field(default_factory=list)
    done: list[Record] = field(default_factory=list)
    failures: int = 0
    at_most: int | None = None
    due_at: float = 0
    is_busy: bool = False

    def go_on(self, count: int) -> None:
        """Past some records: what fails next fails for the first time."""
        self.done += self.pending[:count]
        del self.pending[:count]
        self.failures, self.due_at = 0, 0


class Mapping:
    def __init__(self, aws: "Aws", function: str, properties: Fields) -> None:
        self.aws, self.function = aws, function
        self.filters = [json.loads(each["Pattern"]) for each in properties.get("FilterCriteria", {}).get("Filters", [])]
        self.batch_size: int = properties.get("BatchSize", 100)
        self.max_attempts: int | None = properties.get("MaximumRetryAttempts")
        self.max_age: int = properties.get("MaximumRecordAgeInSeconds", 86_400)
        self.bisects: bool = properties.get("BisectBatchOnFunctionError", False)
        self.reports_failures = "ReportBatchItemFailures" in properties.get("FunctionResponseTypes", [])
        kept = properties.get("DestinationConfig", {}).get("OnFailure", {})
        self.queue: str | None = kept.get("Destination")
        self.one_shard = True
        self.shards: dict[str, Shard] = {}
        self.given_up: list[Record] = []

    def add(self, record: Record) -> None:
        if not self.filters or any(matches(each, record.event()) for each in self.filters):
            self.shards.setdefault("" if self.one_shard else record.pk, Shard()).pending.append(record)

    def due(self) -> list[Shard]:
        ready = [each for each in self.shards.values() if each.pending and not each.is_busy]
        return [each for each in ready if each.due_at <= self.aws.now]

    def next_due(self) -> float | None:
        """When a batch that failed comes again."""
        times = [each.due_at for each in self.shards.values() if each.pending and each.due_at > self.aws.now]
        return min(times, default=None)

    def deliver(self, shard: Shard, size: int) -> None:
        """Invoke the function with the next records of a shard."""
        old = [record for record in shard.pending if record.written_at + self.max_age <= self.aws.now]
        if old:
            self._give_up(shard, len(old))
        batch = shard.pending[: min(size, shard.at_most or self.batch_size)]
        if not batch:
            return
        self.aws.say(f"  {self.function} gets {', '.join(map(str, batch))}")
        shard.is_busy = True
        try:
            answer = self.aws.invoke(self.function, {"Records": [record.event() for record in batch]})
            failed = {each["itemIdentifier"] for each in answer["batchItemFailures"]} if self.reports_failures else ()
            good = next((at for at, each in enumerate(batch) if str(each.number) in failed), len(batch))
            shard.at_most = None
        except FunctionFailed as failure:
            self.aws.say(f"    {self.function} fails: {failure}")
            good = 0
            shard.at_most = max(1, len(batch) // 2) if self.bisects else None
        finally:
            shard.is_busy = False
        if good:
            shard.go_on(good)
        if good < len(batch):
            shard.failures += 1
            shard.due_at = self.aws.now + (0 if shard.failures == 1 else min(2**shard.failures, 60))
            if self.max_attempts is not None and shard.failures > self.max_attempts:
                self._give_up(shard, len(batch) - good)

    def _give_up(self, shard: Shard, count: int) -> None:
        given_up = shard.pending[:count]
        self.aws.say(f"    {', '.join(map(str, given_up))} of {self.function}: given up")
        self.given_up += given_up
        shard.go_on(count)
        shard.at_most = None
        if self.queue:
            self.aws.queues[self.queue].send(json.dumps({"DDBStreamBatchInfo": {"batchSize": count}}))

    def begin_again(self, shard: Shard, count: int) -> None:
        """The poller has not noted its last batches: what it delivered comes again, and all that came after it."""
        again = shard.done[-count:]
        del shard.done[-count:]
        shard.pending[:0] = again
        shard.due_at = 0
