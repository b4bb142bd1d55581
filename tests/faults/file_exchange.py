"""The file exchange: a partner who drops files of every kind, and the faults of files and of their events."""

import json
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import cycle
from random import Random
from typing import Any, ClassVar, NamedTuple
from uuid import NAMESPACE_URL, uuid5

from botocore.exceptions import ClientError

from tests.faults.adapter import ABORTED, SUCCEEDED, TIMEOUTS, UNDELIVERABLE, Adapter, Case, End, Round
from tests.faults.ledger import Ledger
from tests.faults.rounds import (
    QUEUE_ROUNDS,
    all_of,
    break_worker,
    deliver_late_and_twice,
    forge,
    network_rounds,
    send_unreadable,
    stop_some,
)
from tests.faults.world import World

OUTBOX, INBOX = "FileExchangeOutboxFunctionName", "FileExchangeInboxFunctionName"
INBOUND = "InboundQueueUrl"
BUCKET = "EXCHANGE_BUCKET_NAME"
REDELIVERY = 12  # seconds: a batch makes sixty calls
HEARTBEAT_SECONDS = 259_200  # of the state that waits
KEY = re.compile(r"(?P<folder>\w+)/(?:inbound/)?(?P<uuid>[0-9a-f-]{36})[/.]")


class File(NamedTuple):
    """`how` is how a workflow ends that accepts it, None where none may. CARD stands for the number of the request."""

    name: str
    content: str
    how: str | None = None


SUCCESS = File("success.json", '{"status": "shipped", "card": "CARD"}', SUCCEEDED)
OTHER = File("success.json", '{"status": "split", "card": "CARD"}', SUCCEEDED)
FAILURE = File("failure.json", '{"error": "OutOfStock", "cause": "None is left."}', "OutOfStock")
HEARTBEAT = File("heartbeat", "")
HALF = File("success.json", '{"status": "shi')
PLANS = {
    "success": [SUCCESS],
    "failure": [FAILURE],
    "dropped twice": [SUCCESS, SUCCESS],
    "overwritten": [SUCCESS, OTHER, SUCCESS],
    "success and failure": [SUCCESS, FAILURE],
    "partner dies half-way": [HEARTBEAT, HALF, HEARTBEAT, SUCCESS],
    "odd files": [
        File("result.json", "{}"),
        File("success.json", ""),
        File("failure.json", '{"error": "SQS.SdkClientException"}'),
        File("success.json", '{"status": "CARD", "status": "lost"}'),
        FAILURE,
    ],
}
SILENCE = "partner is silent"


def cases(prefix: str, count: int, plans: Sequence[str]) -> Iterator[Case]:
    """Each tenth request can be made at the second attempt only."""
    for number, plan in zip(range(1, count + 1), cycle(plans), strict=False):
        info = {"orderId": f"{prefix}-{number}", "card": f"4{number:015}", "plan": plan}
        yield Case({"info": info, "failTimes": int(number % 10 == 0)}, plan)


def uuid_of(execution_id: str) -> str:
    return str(uuid5(NAMESPACE_URL, execution_id))


# ------------------------------------------------------------------ faults of files, of their events and of functions
def events_astray(world: World, ledger: Ledger, count: int, random: Random) -> None:
    """Events about files come twice, all late, in any order; not all that wait, or a backlog would double each time."""
    with world.stack.consumer_off(INBOX):
        events = _events(world, ledger, count)
        twice = random.sample(events, min(len(events), 3 * count))
        copies = events + twice
        random.shuffle(copies)
        for event in copies:
            url = world.stack.outputs[INBOUND]
            world.stack.client("sqs").send_message(QueueUrl=url, MessageBody=event, DelaySeconds=random.randrange(4))
        ledger.inject("event doubled and late", len(twice))


def events_lost(world: World, ledger: Ledger, count: int, random: Random) -> None:
    """A third of the events never comes, and the partner, who is not heard, drops the same again."""
    with world.stack.consumer_off(INBOX):
        events = _events(world, ledger, count)
        random.shuffle(events)
        lost, others = events[: len(events) // 3], events[len(events) // 3 :]
        for event in others:
            world.stack.send(INBOUND, event)
        ledger.inject("event lost", len(lost))
    for key in {json.loads(event)["detail"]["object"]["key"] for event in lost if "detail" in json.loads(event)}:
        _partner(world).drop_again(key)


def _events(world: World, ledger: Ledger, count: int) -> list[str]:
    """The events about the files of new exchanges, out of the queue."""
    _partner(world).await_files(ledger.start_some("events", count))
    return [world.stack.receive(INBOUND)["Body"] for _ in range(world.stack.depth(INBOUND))]


def silence(world: World, ledger: Ledger, count: int, random: Random) -> None:
    """Neither an answer nor a heartbeat comes for three days, and then the answer."""
    executions = ledger.start(cases("silent", count, [SILENCE]))
    _partner(world).await_files(executions)
    world.skip(HEARTBEAT_SECONDS)
    world.poll("ends of those who are not answered", lambda: ledger.look() == 0 or None, 300)
    _partner(world).await_no_tokens()
    for execution_id in executions:
        _partner(world).drop(uuid_of(execution_id), random.choice([SUCCESS, FAILURE]), "late")


def break_inbox(world: World, ledger: Ledger, count: int, _: Random) -> None:
    """Every invocation of the inbox fails for a while."""
    with world.stack.without_variable(INBOX, BUCKET):
        _partner(world).await_files(ledger.start_some("unaccepted", count))
    ledger.inject("broken inbox")


def start_and_kill(world: World, ledger: Ledger, count: int, _: Random) -> None:
    """Outbox and inbox are killed, twice, while requests are written out and files accepted."""
    with world.stack.consumer_off(OUTBOX):
        executions = ledger.start_some("killed", count)
        world.wait_for_depth(count)
    for _twice in range(2):
        ledger.inject("kill", world.poll("a function to kill", lambda: world.kill_workers() or None))
        _partner(world).await_files(executions)


def _partner(world: World) -> "FileExchange":
    assert isinstance(world.adapter, FileExchange)
    return world.adapter


DISTURBANCES = [
    send_unreadable,
    forge,
    start_and_kill,
    deliver_late_and_twice,
    events_astray,
    stop_some,
    break_worker,
    break_inbox,
]


class FileExchange(Adapter):
    name = "file-exchange"
    machine = "FileExchangeStateMachineArn"
    queues = ("OutboxQueueUrl", INBOUND, "DeadLetterQueueUrl")
    worker = OUTBOX
    variable = BUCKET
    notifications = "NotificationTestQueueUrl"
    notifying: ClassVar = {"NotifySuccess": SUCCEEDED, "NotifyFailure": "FAILED"}
    spared = "FileExchangeProcessorFunction"
    outside_threads = 4
    rounds = (
        # A message has 5 calls and 5 receives: 0.3 ** 5 of them, one of 400, have each of their calls refused
        *network_rounds(share=0.3, redelivery=REDELIVERY, refused_too_often=0.02),
        *(replace(each, redelivery=REDELIVERY) for each in QUEUE_ROUNDS),
        Round("killed at work", start_and_kill, redelivery=REDELIVERY),
        Round("events doubled, late, shuffled", events_astray, redelivery=REDELIVERY),
        Round("events lost", events_lost, redelivery=REDELIVERY),
        Round("partner silent, then late", silence, redelivery=REDELIVERY),
        Round("inbox broken", break_inbox, redelivery=REDELIVERY),
    )
    mixed = Round("all of them", all_of(DISTURBANCES, share=0.3), redelivery=15, reported=0.1)

    def __init__(self) -> None:
        self._dropped: defaultdict[str, list[tuple[File, str]]] = defaultdict(list)  # by uuid, with their contents
        self._begun: set[str] = set()
        self._answered: set[str] = set()
        self._one_at_a_time = threading.Lock()

    def prepare(self, world: World) -> None:
        self._world, self._s3, self._bucket = world, world.stack.client("s3"), world.stack.outputs["ExchangeBucketName"]

    def cases(self, prefix: str, count: int, random: Random) -> Iterator[Case]:
        return cases(prefix, count, random.sample([*PLANS], len(PLANS)))

    def secrets(self, case: Case) -> list[str]:
        return [case.input["info"]["card"]]

    # -------------------------------------------------------------- the partner
    def outside(self, world: World, ledger: Ledger) -> bool:
        """Answers some of the requests that are written out, as their plans say."""
        asked = self._asked()
        with self._one_at_a_time:
            mine = sorted(asked - self._begun)[:10]
            self._begun.update(mine)
        for uuid in mine:
            info = json.loads(self._text(f"outbound/{uuid}/request.json"))["info"]
            for file in PLANS.get(info["plan"], []):
                self.drop(uuid, file, info["card"])
            self._answered.add(uuid)
            if info["plan"] not in ("success", "failure"):
                ledger.inject(info["plan"])
        return bool(mine)

    def drop(self, uuid: str, file: File, card: str) -> None:
        content = file.content.replace("CARD", card)
        self._s3.put_object(Bucket=self._bucket, Key=f"inbound/{uuid}/{file.name}", Body=content)
        self._dropped[uuid].append((file, content))

    def drop_again(self, key: str) -> None:
        """Drops what lies under a key once more, if it is still there."""
        _, uuid, name = key.split("/")
        with suppress(ClientError):
            content = self._text(key)
            file = next(file for file, text in self._dropped[uuid] if (file.name, text) == (name, content))
            self.drop(uuid, file._replace(content=content), "")

    def await_files(self, executions: list[str]) -> None:
        """Returns when all these have been asked about and answered."""
        self._world.poll("files of each", lambda: {*map(uuid_of, executions)} <= self._answered or None, 300)

    def await_no_tokens(self) -> None:
        self._world.poll("removal of the tokens", lambda: not self._keys("tokens/") or None, 60)

    def idle(self, world: World, ledger: Ledger) -> bool:
        """Whether everybody is answered, and no event is left, those that are delayed included."""
        late = world.stack.attributes(INBOUND, "ApproximateNumberOfMessagesDelayed") != ["0"]
        return not late and world.stack.depth(INBOUND) == 0 and self._asked() <= self._answered

    def _asked(self) -> set[str]:
        """By folder: a list of the files has their times, which take long to read."""
        folders = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix="outbound/", Delimiter="/"
        )
        return {folder["Prefix"].split("/")[1] for page in folders for folder in page.get("CommonPrefixes", [])}

    def _keys(self, prefix: str = "") -> list[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def _text(self, key: str) -> str:
        return str(self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read().decode())

    # -------------------------------------------------------------- what must have come of it
    def complaints(self, execution_id: str, case: Case, end: End, notified: list[dict[str, Any]]) -> Iterator[str]:
        uuid = uuid_of(execution_id)
        ways = {TIMEOUTS[0]} if case.plan == SILENCE else {file.how for file, _ in self._dropped[uuid]}
        if end.how not in ways | {UNDELIVERABLE, ABORTED}:
            yield f"ended with {end.how}, planned: {case.plan}"
        if end.how == SUCCEEDED and end.output not in self._contents(uuid, SUCCEEDED):
            yield "have an output that nobody dropped"
        if any(body["uuid"] != (None if body["outcome"] == ABORTED else uuid) for body in notified):
            yield "were notified with the uuid of another"

    def _contents(self, uuid: str, how: str) -> list[Any]:
        return [json.loads(content) for file, content in self._dropped[uuid] if file.how == how]

    def afterwards(self, world: World, ledger: Ledger) -> Iterator[str]:
        """Each file that was dropped is kept once, the one that was accepted as such; no token and no file is left."""
        kept: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for key in self._keys():
            if (found := KEY.match(key)) and not key.endswith("/reason.txt"):
                kept[found["uuid"]][found["folder"]].append(key)
        problems = Counter(
            words for one, end in ledger.ends.items() for words in self._untidy(uuid_of(one), end, kept[uuid_of(one)])
        )
        yield from (f"{count} exchanges {words}" for words, count in problems.items())

    def _untidy(self, uuid: str, end: End, kept: Mapping[str, list[str]]) -> Iterator[str]:
        processed = kept["processed"]
        if kept["tokens"]:
            yield f"ended with {end.how} and left a token"
        if kept["inbound"]:
            yield f"ended with {end.how} and left a file in inbound/"
        dropped = sum(file.name != HEARTBEAT.name for file, _ in self._dropped[uuid])
        if len(processed + kept["rejected"]) != dropped:
            yield f"dropped {dropped} files: {len(processed)} are accepted, {len(kept['rejected'])} rejected"
        if end.how in (SUCCEEDED, FAILURE.how):
            accepted = [json.loads(self._text(key)) for key in processed]
            if accepted != [end.output if end.how == SUCCEEDED else json.loads(FAILURE.content)]:
                yield f"ended with {end.how}, which is not the answer in processed/"
