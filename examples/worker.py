"""A worker that runs anywhere: a plain process that takes work from a queue, does it and answers the workflow.

    QUEUE_URL=https://… HEARTBEAT_SECONDS=3600 python worker.py

A message is `{"input": …, "token": …}`, as the manual callback sends it. One message at a time: run several processes
for more. This file is to be copied; it needs Python 3.11 and boto3 only, and so calls the SendTask APIs itself.

Nothing is lost: a message is deleted once its answer is accepted or nobody waits for it any longer, and not before.
So work may be done twice, after a crash for one: make it idempotent by what names it in the input, not by the token.
SIGTERM and SIGINT let the work at hand end; work that calls `check()` gives its message back at once instead.
"""

import json
import logging
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import PurePath
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

POLL_SECONDS = 5  # the longest that an idle worker takes to stop; `docker stop` waits for 10
MAX_OUTPUT_BYTES, MAX_ERROR_CHARACTERS, MAX_CAUSE_CHARACTERS = 262_144, 256, 32_768

# Retriers, catchers and alarms go by these names: AWS's, and the workflow's `Callback.`
RESERVED = """
    callback states aws runtime sandbox extension
    apigateway athena bedrock bedrockruntime codebuild databrew dynamodb ecs eks elasticmapreduce emr emrcontainers
    emrserverless eventbridge events glue gluedatabrew http lambda mediaconvert s3 sagemaker sfn sns sqs stepfunctions
"""

log = logging.getLogger("worker")
Check = Callable[[], None]


class Refused(Exception):
    """What work raises when the answer is no: the error and the cause that the waiting task fails with.

    An error that begins as AWS's do (`States.`, `Lambda.` and the like), or with `Callback.`, gets `Work.` in front.
    """


class Settled(Exception):
    """The workflow waits no longer: it was answered, timed out or ended. Or it never did: the token is none."""


class Stopping(Exception):
    """This process was asked to stop."""


def work(payload: Any, check: Check) -> object:  # noqa: ANN401 - any JSON
    """Your own work: takes the input of a message and returns any JSON, or raises Refused(error, cause).

    Any other exception brings the message back later. Long work calls `check()` now and then, which raises Settled or
    Stopping when there is no point in going on; let these pass.
    """
    check()
    return {"done": True, "input": payload}


class Worker:
    """Serves one queue, until `stop` is set."""

    def __init__(self, queue_url: str, work: Callable[[Any, Check], object], heartbeat_seconds: float) -> None:
        """`heartbeat_seconds` is the HeartbeatSeconds of the states that wait."""
        # Not "standard" retries: their quota is the client's, and a long life with faults uses it up
        config = Config(connect_timeout=5, read_timeout=15, retries={"mode": "legacy", "total_max_attempts": 5})
        self.sqs, self.stepfunctions = boto3.client("sqs", config=config), boto3.client("stepfunctions", config=config)
        self.queue_url, self.work, self.stop = queue_url, work, threading.Event()
        self.heartbeat_seconds, self.visibility, self.interval = heartbeat_seconds, 0, 0.0

    def run(self) -> None:
        options: Any = {"WaitTimeSeconds": POLL_SECONDS, "MessageSystemAttributeNames": ["ApproximateReceiveCount"]}
        trouble = ""
        while not self.stop.is_set():
            try:
                if not self.interval:
                    self.read_queue()
                messages = self.sqs.receive_message(QueueUrl=self.queue_url, **options).get("Messages", [])
                trouble = ""
                for message in messages:
                    self.handle(message)
            except (BotoCoreError, ClientError) as error:  # a message that was received comes back by itself
                if trouble != describe(error):
                    trouble = describe(error)
                    log.warning("waiting until %s can be used: %s", self.queue_url, trouble)
                self.stop.wait(POLL_SECONDS)

    def read_queue(self) -> None:
        """Learn how long the queue hides a message, and so when heartbeats are due. Raises what botocore raises."""
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=["VisibilityTimeout"])
        self.visibility = int(attributes["Attributes"]["VisibilityTimeout"])
        self.interval = max(1, min(self.visibility, self.heartbeat_seconds)) / 3  # two heartbeats may fail
        log.info("started: it sends a heartbeat every %.1f s while it works", self.interval)

    def handle(self, message: Mapping[str, Any]) -> None:
        """Do the work of one message and answer; then delete the message, or let it come back."""
        name, receipt = message["MessageId"], message["ReceiptHandle"]
        try:
            self._answer(message["Body"], receipt)
            log.info("%s is answered", name)
        except Settled as settled:
            log.warning("%s is dropped, nobody waits for its answer: %s", name, settled)
        except Stopping:
            log.info("%s is given back", name)
            return self._show_in(0, receipt)
        except Exception as error:  # noqa: BLE001 - of the work or of an unreadable message: a dead letter in the end
            seconds = min(2 ** int(message["Attributes"]["ApproximateReceiveCount"]), self.visibility)
            log.warning("%s comes back in %d s: %s", name, seconds, describe(error))
            return self._show_in(seconds, receipt)
        self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=receipt)
        return None

    def _answer(self, body: str, receipt: str) -> None:
        message = read(body)
        token, payload = message["token"], message["input"]
        with self.keep_alive(token, receipt) as check:
            try:
                check()
                output = json.dumps(self.work(payload, check), allow_nan=False)  # ASCII: a character is a byte
            except Refused as refused:
                error, cause = refused.args
                return self._fail(token, error, cause)
            if len(output) > MAX_OUTPUT_BYTES:
                return self._fail(token, "Work.OutputTooLarge", f"The output is {len(output):,} bytes of JSON.")
            return self._tell(self.stepfunctions.send_task_success, taskToken=token, output=output)

    @contextmanager
    def keep_alive(self, token: str, receipt: str) -> Iterator[Check]:
        """Keep a wait and its message alive until the block ends. Gives `check`; raises Settled when nobody waits.

        The first heartbeat comes before the block, so that what was answered before a crash is not worked on again.
        """
        ended, settled = threading.Event(), threading.Event()
        heartbeat = partial(self._tell, self.stepfunctions.send_task_heartbeat, taskToken=token)

        def check() -> None:
            if settled.is_set():
                raise Settled("a heartbeat was refused")
            if self.stop.is_set():
                raise Stopping

        def send_heartbeats() -> None:
            while not (settled.is_set() or ended.wait(self.interval)):
                for keep in (heartbeat, partial(self._show_in, self.visibility, receipt)):
                    try:
                        keep()
                    except Settled:
                        settled.set()
                    except Exception as error:  # noqa: BLE001 - the next one may succeed
                        log.warning("a heartbeat failed: %s", describe(error))

        heartbeat()
        thread = threading.Thread(target=send_heartbeats, daemon=True)
        thread.start()
        try:
            yield check
        finally:
            ended.set()
            thread.join()

    def _fail(self, token: str, error: str, cause: str) -> None:
        error, cause = own_name(error)[:MAX_ERROR_CHARACTERS], cause[:MAX_CAUSE_CHARACTERS]
        self._tell(self.stepfunctions.send_task_failure, taskToken=token, error=error, cause=cause)

    def _tell(self, call: Callable[..., object], **arguments: str) -> None:
        """Call a SendTask API. Raises Settled, or what may pass as botocore raises it."""
        final = self.stepfunctions.exceptions
        try:
            call(**arguments)
        except (final.TaskTimedOut, final.TaskDoesNotExist, final.InvalidToken) as error:
            raise Settled(type(error).__name__) from None

    def _show_in(self, seconds: int, receipt: str) -> None:
        self.sqs.change_message_visibility(QueueUrl=self.queue_url, ReceiptHandle=receipt, VisibilityTimeout=seconds)


def read(body: str) -> Any:  # noqa: ANN401 - any JSON
    """The JSON of a message. Raises ValueError, also where an object has a key twice, and so says two things."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) < len(pairs):
            raise ValueError("a key twice")
        return fields

    return json.loads(body, object_pairs_hook=once)


def own_name(error: str) -> str:
    """The name of an error, which nothing that goes by names takes for AWS's or the workflow's."""
    before_dot = re.match(r"\W*(\w+)\W*?\.", error)
    namespace = before_dot[1].casefold() if before_dot else ""
    services = boto3.Session().get_available_services() if error.rstrip().casefold().endswith("exception") else []
    reserved = namespace in RESERVED.split() or namespace in {service.replace("-", "") for service in services}
    return f"Work.{error.lstrip()}" if reserved or not error.strip() else error


def describe(error: Exception) -> str:
    """What may be printed of an error: not its text, which may repeat a token or the input."""
    name = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{name} at {PurePath(place.filename).name}:{place.lineno}"


def main(work: Callable[[Any, Check], object]) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    queue_url = os.environ.get("QUEUE_URL") or sys.exit("QUEUE_URL is missing: QUEUE_URL=https://… python worker.py")
    try:
        heartbeat_seconds = float(os.environ.get("HEARTBEAT_SECONDS", "3600"))
    except ValueError:
        sys.exit("HEARTBEAT_SECONDS must be a number of seconds, that of the states that wait.")
    try:
        worker = Worker(queue_url, work, heartbeat_seconds)
    except (BotoCoreError, ValueError) as error:
        sys.exit(f"The AWS configuration cannot be used: {error}")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop.set())
    worker.run()


if __name__ == "__main__":
    main(work)
