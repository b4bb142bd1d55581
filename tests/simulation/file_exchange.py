"""Stories of the file exchange: outbox, bucket, partner, inbox, and the token in the bucket while it waits."""

import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from exchange import bucket
from exchange.uuids import uuid_of
from tests.simulation.aws import Aws, Client
from tests.simulation.sqs import Message
from tests.simulation.stepfunctions import TOKEN_MARK, Execution
from tests.simulation.story import WHICH, Story
from tests.unit.fake_s3 import FakeS3
from tests.unit.state_machine import Failure

BUCKET = "ExchangeBucket"
FILES = [  # each content says which file it is
    ("success.json", '"file {}"'),
    ("failure.json", '{{"error": "Partner.Refused", "cause": "file {}"}}'),
    ("success.json", '"file {}'),
    ("success.json", '{{"a": "file {}", "a": 2}}'),
    ("heartbeat", "file {}"),
    ("odd.txt", "file {}"),
]


class ReportingS3(FakeS3):
    """Each object that is written is an event for EventBridge."""

    def __init__(self, aws: Aws) -> None:
        super().__init__()
        self._aws = aws

    def _add(self, key: str, body: bytes | None, metadata: dict[str, str]) -> dict[str, Any]:
        if body is not None:
            detail = {"bucket": {"name": BUCKET}, "object": {"key": key}}
            self._aws.emit({"source": "aws.s3", "detail-type": "Object Created", "detail": detail})
        return super()._add(key, body, metadata)


class FileExchanges(Story):
    template, state_machine = "templates/file-exchange.yaml", "FileExchangeStateMachine"

    def prepare(self) -> None:
        self.s3 = ReportingS3(self.aws)
        client = Client(self.aws, self.s3)
        self.aws.patch.setattr(bucket, "_s3", client)
        self.aws.patch.setattr(bucket, "_s3_for_copies", lambda: client)
        self.files: list[str] = []
        self.stored: set[str] = set()  # tokens that lay in the bucket
        self.again: set[str] = set()

    def inputs(self) -> list[Any]:
        return [{"info": {"orderId": "order-1"}}, {"failTimes": 2}, None, {"failTimes": 3}]

    # -------------------------------------------------------------- what may happen
    @precondition(lambda self: len(self.files) < 4)
    @rule(which=WHICH, file=st.sampled_from(FILES))
    def drop(self, which: int, file: tuple[str, str]) -> None:
        """The partner drops a file, early, late, or the same again."""
        execution = self.all[which % len(self.all)]
        self.step(f"the partner drops {file[0]} for {execution.name}", [], lambda: self._drop(execution, *file))

    def _drop(self, execution: Execution, name: str, content: str) -> None:
        self.files.append(f"file {len(self.files)}")
        key = f"inbound/{uuid_of(execution.arn)}/{name}"
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=content.format(len(self.files) - 1))

    @precondition(lambda self: self.aws.queues["OutboxQueue"].delivered and len(self.again) < 2)
    @rule(which=WHICH)
    def send_again_by_hand(self, which: int) -> None:
        """Somebody sends a message again, as operations.md says, perhaps of a wait that is over."""
        old = self.aws.queues["OutboxQueue"].delivered
        message = old[which % len(old)]
        self.again.add(message.id)
        self.step(f"somebody sends {message} again", [], lambda: self.aws.queues["OutboxQueue"].send(message.body))

    # -------------------------------------------------------------- what must hold
    def token(self, execution: Execution) -> str | None:
        key = f"tokens/{uuid_of(execution.arn)}.json"
        if not self.s3.list_objects_v2(Bucket=BUCKET, Prefix=key)["Contents"]:
            return None
        return str(json.loads(self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())["taskToken"])

    @invariant()
    def a_stored_token_stays_while_its_workflow_waits(self) -> None:
        for each in self.all:
            token = self.token(each)
            if each.waits and each.tokens[-1] in self.stored:
                self.require(token == each.tokens[-1], f"the token of {each.name}, which waits, is gone")
            if token:
                self.stored.add(token)

    def stored_for_others(self) -> list[tuple[str, str]]:
        versions = [*self.s3.list_object_versions(Bucket=BUCKET)["Versions"]]
        bodies = [
            self.s3.get_object(Bucket=BUCKET, **each)["Body"].read().decode()
            for each in versions
            if not each["Key"].startswith("tokens/")
        ]
        return [("written where the partner reads", "\n".join(bodies))]

    def do_what_is_asked(self) -> bool:
        """The partner answers what is still asked."""
        asked = [
            each
            for each in self.all
            if each.waits
            and self.token(each) == each.tokens[-1]
            and not self.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"inbound/{uuid_of(each.arn)}/")["Contents"]
        ]
        for each in asked:
            self._drop(each, *FILES[0])
        return bool(asked)

    def may_fail(self, message: Message) -> bool:
        """The event of a file that comes before its request is written out comes again."""
        return message not in self.aws.queues["QuarantineQueue"].messages

    def check_the_end(self) -> None:
        self.check_quarantine([])
        contents = self.s3.list_objects_v2(Bucket=BUCKET)["Contents"]
        keys = [each["Key"] for each in contents]
        self.require(not [key for key in keys if key.startswith("tokens/")], "a token is left that nobody waits under")
        self.require(not self.s3.list_object_versions(Bucket=BUCKET, Prefix="inbound/")["Versions"], "a file is left")
        kept = [self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode() for key in keys]
        for each in self.all:
            for answer in each.answers:
                said = json.dumps(answer.value.output if isinstance(answer.value, Failure) else answer.value)
                decided = [file for file in self.files if file in said]
                self.require(
                    TOKEN_MARK not in said and all(any(file in text for text in kept) for file in decided),
                    f"the file that answered {each.name} is not kept",
                )
                self.require(
                    "{" not in said or isinstance(answer.value, Failure), "a file that says two things has answered"
                )
