"""Stories of the file exchange: outbox, bucket, partner, inbox, and the token in the bucket while it waits."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from exchange import bucket
from exchange.uuids import uuid_of
from file_exchange_inbox import NOBODY_WAITS
from tests.simulation.aws import FAULTS, FINE, PAUSES, Aws, Client, Faults
from tests.simulation.sqs import Message
from tests.simulation.stepfunctions import TOKEN_MARK, Execution
from tests.simulation.story import SELDOM, SOME_FAULTS, WHICH, Story
from tests.unit.fake_s3 import FakeS3
from tests.unit.state_machine import Failure

BUCKET = "ExchangeBucket"
FILES = [  # each content says which file it is
    ("success.json", '"file {}."'),
    ("failure.json", '{{"error": "Partner.Refused", "cause": "file {}."}}'),
    ("success.json", '"file {}.'),
    ("success.json", '{{"a": "file {}.", "a": 2}}'),
    ("heartbeat", "file {}."),
    ("odd.txt", "file {}."),
    ("success.json.reason.txt", "file {}."),
]
ANSWERS = FILES[:2]
MANY_FILES = 4
CALL = st.integers(0, 7)  # of a function, for one message
FAULT = st.sampled_from(FAULTS)
FIRST = st.integers(0, 3)  # a call on which depends what the function does next; 0: none


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
    examples = 1600  # it has the longest way of them all

    def prepare(self) -> None:
        self.s3 = ReportingS3(self.aws)
        client = Client(self.aws, self.s3)
        self.aws.patch.setattr(bucket, "_s3", client)
        self.aws.patch.setattr(bucket, "_s3_for_copies", lambda: client)
        self.aws.cleanup.callback(self.aws.invocations.end)
        self.files: list[str] = []
        self.heartbeats: set[str] = set()
        self.removed: set[str] = set()  # files that somebody has removed
        self.tokens_removed: set[str] = set()
        self.answered: set[str] = set()  # tokens of requests to which the partner has dropped an answer
        self.stored: set[str] = set()  # tokens that lay in the bucket
        self.again: set[str] = set()
        self.rejected = 0
        self.rejected_before_redrive: set[str] = set()  # files, perhaps not removed yet from where they are accepted

    def inputs(self) -> list[Any]:
        request = {"info": {"orderId": "order-1"}}
        return [request, request, request, {"failTimes": 2}, None, {"failTimes": 3}]

    def step(self, words: str, faults: Faults, action: Callable[[], object]) -> None:
        if words.startswith("redrive"):
            kept = [body for _, body in self.versions("rejected/")]
            self.rejected_before_redrive |= {file for file in self.files if any(file in body for body in kept)}
        super().step(words, faults, lambda: self.aws.invocations.run(action))

    # -------------------------------------------------------------- what may happen
    @initialize(
        then=st.sampled_from(["", "deliver", "overtake", "answer", "answer early"]),
        call=CALL,
        which=WHICH,
        fault=FAULT,
        first=FIRST,
    )
    def begin(self, then: str, call: int, which: int, fault: str, first: int) -> None:
        self.start(0, [])
        if then in ("deliver", "answer"):
            self.deliver(0, 1, [])
        if then == "answer early":
            self.drop(0, ANSWERS[which % 2])
            self.overtake(which, call, 0)
        if then == "overtake":
            self.overtake(0, call, which)
        if then == "answer":
            self.answer(0, ANSWERS[which % 2], call, fault, first)

    @precondition(lambda self: self.times["stop"] < SELDOM and self.running)
    @rule(which=WHICH)
    def stop(self, which: int) -> None:
        self.times["stop"] += 1
        super().stop(which)

    @precondition(lambda self: self.times["stop"] < SELDOM and self.running)
    @rule(which=WHICH)
    def stop_and_redrive(self, which: int) -> None:
        arn = self.running[which % len(self.running)].arn
        self.stop(which)
        self.step("redrive it", [], lambda: self.aws.step_functions.redrive_execution(executionArn=arn))

    @precondition(lambda self: self.aws.deliverable())
    @rule(which=WHICH, call=CALL)
    def pause(self, which: int, call: int) -> None:
        """A function pauses before one of its calls."""
        self.step("deliver", [*[FINE] * call, PAUSES], lambda: self.aws.deliver(which, 3))

    @precondition(lambda self: self.aws.invocations.paused)
    @rule(which=WHICH, faults=SOME_FAULTS)
    def go_on(self, which: int, faults: Faults) -> None:
        self.step("a function goes on", faults, lambda: self.aws.invocations.resume(which))

    @precondition(lambda self: self.aws.deliverable())
    @rule(which=WHICH, call=CALL, what=WHICH)
    def overtake(self, which: int, call: int, what: int) -> None:
        """While a function pauses, something may happen, and all is delivered; then the function goes on."""
        self.pause(which, call)
        if self.aws.invocations.paused:
            possible: list[Callable[[int], object]] = [lambda _: None]
            if self.running:
                possible += [self.stop, self.stop_and_redrive]
            if len(self.files) < MANY_FILES:
                possible.append(lambda which: self.drop(which, ANSWERS[which % 2]))
            possible[what % len(possible)](what)
            self.step("all is delivered", [], lambda: [self.aws.deliver(0, 10) for _ in range(5)])
            self.go_on(-1, [])

    @precondition(lambda self: len(self.files) < MANY_FILES)
    @rule(which=WHICH, file=st.sampled_from([*ANSWERS, *FILES]))
    def drop(self, which: int, file: tuple[str, str]) -> None:
        """The partner drops a file, early, late, or the same again."""
        execution = self.all[which % len(self.all)]
        self.step(f"the partner drops {file[0]} for {execution.name}", [], lambda: self._drop(execution, *file))

    def _drop(self, execution: Execution, name: str, content: str) -> None:
        self.files.append(f"file {len(self.files)}.")
        if (name, content) in ANSWERS and self.is_asked(execution):
            self.answered.add(execution.tokens[-1])
        if name == "heartbeat":
            self.heartbeats.add(self.files[-1])
        key = f"inbound/{uuid_of(execution.arn)}/{name}"
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=content.format(len(self.files) - 1))

    @precondition(lambda self: self.times["remove"] < SELDOM and self.keys("inbound/") + self.keys("tokens/"))
    @rule(which=WHICH)
    def remove_by_hand(self, which: int) -> None:
        """Somebody removes a file that is not accepted yet, or a token."""
        self.times["remove"] += 1
        keys = self.keys("inbound/") + self.keys("tokens/")
        key = keys[which % len(keys)]
        self.step(f"somebody removes {key}", [], lambda: self._remove(key))

    def _remove(self, key: str) -> None:
        body = "".join(body for each, body in self.versions(key) if each == key)
        if key.startswith("tokens/"):
            self.tokens_removed.add(json.loads(self.body(key))["taskToken"])
        self.removed |= {file for file in self.files if file in body}
        self.answered -= {each.tokens[-1] for each in self.all if each.tokens and uuid_of(each.arn) in key}
        self.s3.delete_object(Bucket=BUCKET, Key=key)

    @precondition(lambda self: len(self.files) < MANY_FILES and any(self.is_asked(each) for each in self.all))
    @rule(which=WHICH, file=st.sampled_from(FILES[:4]), call=CALL, fault=FAULT, first=FIRST)
    def answer(self, which: int, file: tuple[str, str], call: int, fault: str, first: int) -> None:
        """The partner answers, and one call of the function that accepts the answer fails, or is its last.

        Where it is not the first that the event comes to, the first pauses before a call meanwhile.
        """
        asked = [each for each in self.all if self.is_asked(each)]
        execution, queue = asked[which % len(asked)], self.aws.queues["InboundQueue"]
        self.step(f"the partner answers {execution.name}", [], lambda: self._drop(execution, *file))
        event = queue.messages[-1:]
        if first:
            self.step("deliver", [*[FINE] * first, PAUSES], lambda: self.aws.deliver_batch(queue.name, event))
        self.step("deliver", [*[FINE] * call, fault], lambda: self.aws.deliver_batch(queue.name, event))
        if first:
            self.go_on(-1, [])

    @precondition(lambda self: self.aws.queues["OutboxQueue"].delivered and len(self.again) < 2)
    @rule(which=WHICH)
    def send_again_by_hand(self, which: int) -> None:
        """Somebody sends a message again, as operations.md says, perhaps of a wait that is over."""
        old = self.aws.queues["OutboxQueue"].delivered
        message = old[which % len(old)]
        self.again.add(message.id)
        self.step(f"somebody sends {message} again", [], lambda: self.aws.queues["OutboxQueue"].send(message.body))

    # -------------------------------------------------------------- what must hold
    def keys(self, prefix: str) -> list[str]:
        return [each["Key"] for each in self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]]

    def body(self, key: str) -> str:
        return str(self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode())

    def versions(self, *prefixes: str) -> list[tuple[str, str]]:
        """Key and content of every version, those that are removed, too."""
        listed = [self.s3.list_object_versions(Bucket=BUCKET, Prefix=prefix)["Versions"] for prefix in prefixes]
        found = [each for versions in listed for each in versions]
        return [(each["Key"], self.s3.get_object(Bucket=BUCKET, **each)["Body"].read().decode()) for each in found]

    def token(self, execution: Execution) -> str | None:
        key = f"tokens/{uuid_of(execution.arn)}.json"
        return str(json.loads(self.body(key))["taskToken"]) if self.keys(key) else None

    def is_asked(self, execution: Execution) -> bool:
        """Whether the request of the wait it is in is written out."""
        key = f"outbound/{uuid_of(execution.arn)}/request.json"
        return execution.waits and self.token(execution) == execution.tokens[-1] and bool(self.keys(key))

    @invariant()
    def a_stored_token_stays_while_its_workflow_waits(self) -> None:
        for each in self.all:
            token = self.token(each)
            if each.waits and each.tokens[-1] in self.stored - self.tokens_removed:
                self.require(token == each.tokens[-1], f"the token of {each.name}, which waits, is gone")
            if token:
                self.stored.add(token)

    @invariant()
    def an_answer_comes_again_while_its_workflow_waits(self) -> None:
        """Until it has come three times."""
        reasons = [key for key in self.keys("rejected/") if key.endswith("/reason.txt")]
        if len(reasons) == self.rejected:
            return
        self.rejected = len(reasons)
        for each in self.all:
            uuid = uuid_of(each.arn)
            events = [message for message in self.aws.queues["InboundQueue"].delivered if uuid in message.body]
            waits = each.waits and not (each.redrives and self.keys(f"outbound/{uuid}/"))  # for the first time
            rejected = [key for key in reasons if uuid in key and NOBODY_WAITS in self.body(key)]
            if waits and rejected and each.tokens[-1] not in self.tokens_removed:
                self.require(max(message.receives for message in events) >= 3, f"{each.name} was answered too early")

    def stored_for_others(self) -> list[tuple[str, str]]:
        bodies = [body for _, body in self.versions("inbound/", "outbound/", "processed/", "rejected/")]
        return [("written where the partner reads", "\n".join(bodies))]

    def do_what_is_asked(self) -> bool:
        """The partner answers what is still asked, once."""
        asked = [each for each in self.all if self.is_asked(each) and each.tokens[-1] not in self.answered]
        for each in asked:
            self._drop(each, *FILES[0])
        return bool(asked) or self.aws.invocations.resume(0)

    def may_time_out(self, execution: Execution) -> bool:
        return execution.tokens[-1] in self.tokens_removed or super().may_time_out(execution)

    def may_fail(self, message: Message) -> bool:
        """The event of a file that comes before its request is written out comes again."""
        return message not in self.aws.queues["QuarantineQueue"].messages

    def check_the_end(self) -> None:
        self.check_quarantine([])
        self.require(not self.keys("tokens/"), "a token is left that nobody waits under")
        self.require(not self.keys("inbound/"), "a file is left")
        contents = self.versions("processed/", "rejected/")
        self.require(len(set(contents)) == len(dict(contents)), "what is kept was replaced")
        for file in [file for file in self.files if file not in self.removed]:
            kept = any(file in body for _, body in contents)
            self.require(kept or file in self.heartbeats, f"{file} is not kept")
        for each in self.all:
            for answer in each.answers:
                self.check_answer(each, answer.value, contents)

    def check_answer(self, execution: Execution, value: Any, contents: list[tuple[str, str]]) -> None:
        said = json.dumps(value.output if isinstance(value, Failure) else value)
        self.require(TOKEN_MARK not in said, f"a token has answered {execution.name}")
        self.require("{" not in said or isinstance(value, Failure), "a file that says two things has answered")
        for file in [file for file in self.files if file in said]:
            keys = {key.partition("/")[0] for key, body in contents if file in body}
            by_hand = file in self.removed or set(execution.tokens) & self.tokens_removed
            self.require(
                "processed" in keys and ("rejected" not in keys or by_hand or file in self.rejected_before_redrive),
                f"{file}, which has answered {execution.name}, is {' and '.join(sorted(keys)) or 'not kept'}",
            )
