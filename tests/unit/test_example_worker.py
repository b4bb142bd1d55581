"""examples/worker.py against AWS's error codes: what it answers, what comes back, and what it never prints."""

import io
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ConnectTimeoutError
from moto import mock_aws
from urllib3 import HTTPResponse

from callbacks import error_names
from callbacks.error_names import is_reserved_error_name
from examples import worker
from examples.worker import Refused, Worker
from tests.unit.callbacks.test_error_names import OF_AWS, OF_OTHERS, OF_OURS
from tests.unit.support import client_error
from tools import PROJECT

TOKEN = "THE-TASK-TOKEN"
SECRET = "4111111111111111"
FINAL = ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"]
PASSING = ["ThrottlingException", "KmsThrottlingException", "AccessDeniedException", "ServiceUnavailable"]

Json = Any


@dataclass
class Aws:
    """Step Functions instead of moto's, and every call of either service as "sqs:DeleteMessage"."""

    url: str
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    # By operation, what its next calls end with: an error code, an exception, None for success, or that after a pause
    ends: dict[str, list[str | Exception | Callable[[], object] | None]] = field(default_factory=dict)

    def worker(self, work: Callable[[Json, worker.Check], object]) -> Worker:
        made = Worker(self.url, work, heartbeat_seconds=3600)
        made.read_queue()
        made.interval = 0.01
        for client in (made.sqs, made.stepfunctions):
            events: Any = client.meta.events
            events.register("provide-client-params", self._note)
            events.register("before-call", self._end)
        return made

    def _note(self, params: dict[str, Any], model: Any, **_: object) -> None:
        service = model.service_model.signing_name
        self.calls.append((f"{service}:{model.name}", params))

    def _end(self, model: Any, **_: object) -> tuple[SimpleNamespace, dict[str, Any]] | None:
        ends = self.ends.get(model.name)
        end = ends.pop(0) if ends else None
        if isinstance(end, Exception):
            raise end
        if callable(end):
            end()
        elif end:
            return SimpleNamespace(status_code=400), {"Error": {"Code": end, "Message": f"Invalid Token: '{TOKEN}'"}}
        return (SimpleNamespace(status_code=200), {}) if model.name.startswith("SendTask") else None

    def asked(self, operation: str) -> list[dict[str, Any]]:
        return [arguments for name, arguments in self.calls if name == operation]

    @property
    def shown_in(self) -> list[int]:
        """The seconds after which the message was to be seen again, one change after the other."""
        return [arguments["VisibilityTimeout"] for arguments in self.asked("sqs:ChangeMessageVisibility")]

    @property
    def deleted(self) -> bool:
        return bool(self.asked("sqs:DeleteMessage"))


@pytest.fixture
def aws(caplog: pytest.LogCaptureFixture) -> Iterator[Aws]:
    caplog.set_level("INFO")
    with mock_aws():
        queue = boto3.client("sqs").create_queue(QueueName="work", Attributes={"VisibilityTimeout": "60"})
        yield Aws(queue["QueueUrl"])
    printed = " ".join(record.getMessage() for record in caplog.get_records("call"))
    assert TOKEN not in printed
    assert SECRET not in printed


def handle(made: Worker, payload: Json = None, body: str | None = None, receives: int = 1) -> None:
    """Sends one message, receives it so many times, and has it handled."""
    text = json.dumps({"input": payload, "token": TOKEN}) if body is None else body
    made.sqs.send_message(QueueUrl=made.queue_url, MessageBody=text)
    options: Any = {"QueueUrl": made.queue_url, "AttributeNames": ["All"]}
    for _ in range(receives):
        [message] = made.sqs.receive_message(**options, VisibilityTimeout=0)["Messages"]
    made.handle(message)


def echo(payload: Json, check: worker.Check) -> Json:
    check()
    return payload


@pytest.mark.parametrize("payload", [{"card": SECRET}, [1, None, "é"], "text", 0, None], ids=repr)
def test_what_the_work_returns_is_the_output_and_the_message_is_deleted(aws: Aws, payload: Json) -> None:
    handle(aws.worker(echo), payload)
    [sent] = aws.asked("states:SendTaskSuccess")
    assert (sent["taskToken"], json.loads(sent["output"])) == (TOKEN, payload)
    assert aws.deleted


def test_a_refusal_is_sent_cut_to_what_fits(aws: Aws) -> None:
    def refuse(*_: object) -> object:
        raise Refused("E" * 257, "C" * 32_769)

    handle(aws.worker(refuse))
    assert aws.asked("states:SendTaskFailure") == [{"taskToken": TOKEN, "error": "E" * 256, "cause": "C" * 32_768}]
    assert aws.deleted


@pytest.mark.parametrize("name", [*OF_AWS.split(), *OF_OURS.split(), *OF_OTHERS.split(), "", "\n"])
def test_the_rule_of_reserved_error_names_is_that_of_the_functions(aws: Aws, name: str) -> None:
    def refuse(*_: object) -> object:
        raise Refused(name, "No.")

    handle(aws.worker(refuse))
    [sent] = aws.asked("states:SendTaskFailure")
    assert sent["error"] == (f"Work.{name.strip()}" if not name.strip() or is_reserved_error_name(name) else name)
    assert not is_reserved_error_name(sent["error"])


def test_every_reserved_namespace_is_one_of_the_functions() -> None:
    assert [name for name in worker.RESERVED.split() if not is_reserved_error_name(f"{name}.Any")] == []
    assert [name for name in error_names._NAMESPACES.split() if name not in worker.RESERVED.split()] == []


@pytest.mark.parametrize(
    "body", ['{"token": "a", "input": 1, "token": "b"}', '{"token": "a", "input": {"paid": true, "paid": false}}']
)
def test_a_message_that_says_two_things_is_not_worked_on(aws: Aws, body: str) -> None:
    begun: list[object] = []
    handle(aws.worker(lambda payload, _: begun.append(payload)), body=body)
    assert begun == []
    assert not aws.deleted


@pytest.mark.parametrize(("characters", "answer"), [(262_142, "Success"), (262_143, "Failure")])
def test_an_output_that_is_too_large_is_a_failure(aws: Aws, characters: int, answer: str) -> None:
    handle(aws.worker(echo), "x" * characters)  # and two quotes
    assert len(aws.asked(f"states:SendTask{answer}")) == 1
    assert aws.deleted


@pytest.mark.parametrize("code", FINAL)
def test_what_nobody_waits_for_is_dropped_before_any_work(
    aws: Aws, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    aws.ends = {"SendTaskHeartbeat": [code]}
    begun: list[object] = []
    handle(aws.worker(lambda payload, _: begun.append(payload)))
    assert begun == []
    assert aws.deleted
    assert f"dropped, nobody waits for its answer: {code}" in caplog.text


@pytest.mark.parametrize("code", FINAL)
def test_an_answer_that_is_settled_already_is_final(aws: Aws, code: str) -> None:
    aws.ends = {"SendTaskSuccess": [code]}
    handle(aws.worker(echo))
    assert aws.deleted


@pytest.mark.parametrize("end", [*PASSING, ConnectTimeoutError(endpoint_url="https://states")], ids=str)
@pytest.mark.parametrize("operation", ["SendTaskHeartbeat", "SendTaskSuccess"])
def test_a_callback_that_does_not_arrive_brings_the_message_back(
    aws: Aws, operation: str, end: str | Exception, caplog: pytest.LogCaptureFixture
) -> None:
    aws.ends = {operation: [end]}
    handle(aws.worker(echo))
    assert aws.shown_in[-1:] == [2]
    assert not aws.deleted
    assert (end if isinstance(end, str) else type(end).__name__) in caplog.text


@pytest.mark.parametrize(("receives", "seconds"), [(1, 2), (5, 32), (6, 60)])
@pytest.mark.parametrize("error", [ValueError(SECRET), client_error("InvalidToken", "GetObject")], ids=repr)
def test_work_that_raises_comes_back_later_each_time_and_is_not_answered(
    aws: Aws, error: Exception, receives: int, seconds: int, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> object:
        raise error

    handle(aws.worker(fail), receives=receives)
    assert aws.shown_in[-1] == seconds
    assert {name for name, _ in aws.calls if name.startswith("states:")} == {"states:SendTaskHeartbeat"}
    assert not aws.deleted
    assert re.search(r"(ValueError|InvalidToken) at test_example_worker.py:\d+", caplog.text)


@pytest.mark.parametrize("output", [float("nan"), {1, 2}], ids=repr)
def test_an_output_that_is_no_json_comes_back(aws: Aws, output: object) -> None:
    handle(aws.worker(lambda *_: output))
    assert aws.shown_in[-1] == 2
    assert not aws.deleted


@pytest.mark.parametrize(
    "body",
    [f"not JSON {SECRET}", "{}", "[]", "null", '"token"', '{"token": "THE-TASK-TOKEN"}', '{"token": 5, "input": 1}'],
)
def test_a_message_that_cannot_be_read_comes_back_until_it_is_a_dead_letter(aws: Aws, body: str) -> None:
    begun: list[object] = []
    handle(aws.worker(lambda payload, _: begun.append(payload)), body=body)
    assert begun == []
    assert aws.shown_in == [2]
    assert not aws.deleted


def test_failed_heartbeats_are_survived_and_hiding_does_not_depend_on_them(
    aws: Aws, caplog: pytest.LogCaptureFixture
) -> None:
    # Given a first heartbeat that arrives, and then faults of both services
    aws.ends = {"SendTaskHeartbeat": [None, *PASSING], "ChangeMessageVisibility": [None, None, "RequestThrottled"]}

    def last(payload: Json, check: worker.Check) -> Json:
        while len(aws.asked("states:SendTaskHeartbeat")) < 8:
            check()
            time.sleep(0.001)
        return payload

    # When
    handle(aws.worker(last))
    # Then
    assert len(aws.asked("states:SendTaskSuccess")) == 1
    assert len(aws.shown_in) >= 6
    assert set(aws.shown_in) == {60}
    assert [code for code in (*PASSING, "RequestThrottled") if f"a heartbeat failed: {code}" not in caplog.text] == []


def test_a_heartbeat_under_way_does_not_hide_what_comes_back(aws: Aws) -> None:
    # Given a heartbeat that takes longer than the work
    under_way = threading.Event()
    shown_in: list[int] = []

    def slow() -> None:
        under_way.set()
        time.sleep(0.2)
        shown_in.extend(aws.shown_in)

    def fail(*_: object) -> object:
        under_way.wait(10)
        raise ValueError

    aws.ends = {"ChangeMessageVisibility": [slow]}
    # When
    handle(aws.worker(fail))
    # Then
    assert (shown_in, aws.shown_in) == ([60], [60, 2])


@pytest.mark.parametrize("code", FINAL)
def test_work_learns_that_nobody_waits_for_it_any_more(aws: Aws, code: str) -> None:
    aws.ends = {"SendTaskHeartbeat": [None, None, code]}

    def last(_: Json, check: worker.Check) -> object:
        while True:
            check()
            time.sleep(0.001)

    handle(aws.worker(last))
    assert len(aws.asked("states:SendTaskHeartbeat")) == 3
    assert not aws.asked("states:SendTaskSuccess")
    assert aws.deleted


def test_a_worker_that_is_stopped_gives_back_what_it_has_not_begun(aws: Aws) -> None:
    begun: list[object] = []
    made = aws.worker(lambda payload, _: begun.append(payload))
    made.stop.set()
    handle(made)
    assert begun == []
    assert aws.shown_in == [0]


@pytest.mark.parametrize("operation", ["GetQueueAttributes", "ReceiveMessage"])
def test_an_outage_of_the_queue_is_ridden_out_with_one_line(
    aws: Aws, operation: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker, "POLL_SECONDS", 0)
    timeout = ConnectTimeoutError(endpoint_url="https://sqs")
    aws.ends = {operation: ["RequestThrottled", timeout, timeout, timeout]}
    made = aws.worker(lambda *_: made.stop.set())
    made.interval = 0  # as it starts
    made.sqs.send_message(QueueUrl=aws.url, MessageBody=json.dumps({"input": None, "token": TOKEN}))
    made.run()
    assert len(aws.asked(f"sqs:{operation}")) == 5
    assert aws.deleted
    waiting = [record.getMessage() for record in caplog.records if "waiting" in record.getMessage()]
    assert [line.partition(" at ")[0] for line in waiting] == [
        f"waiting until {aws.url} can be used: {what}" for what in ("RequestThrottled", "ConnectTimeoutError")
    ]


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({}, "QUEUE_URL is missing"),
        ({"QUEUE_URL": ""}, "QUEUE_URL is missing"),
        ({"QUEUE_URL": "https://sqs", "HEARTBEAT_SECONDS": "often"}, "HEARTBEAT_SECONDS must be a number"),
        (
            {"QUEUE_URL": "https://sqs", "AWS_PROFILE": "not-there"},
            "The AWS configuration cannot be used: The config prof",
        ),
        (
            {"QUEUE_URL": "https://sqs", "AWS_DEFAULT_REGION": ""},
            "The AWS configuration cannot be used: Invalid endpoint",
        ),
    ],
)
def test_what_its_environment_lacks_is_named(
    environment: dict[str, str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QUEUE_URL", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with pytest.raises(SystemExit, match=says):
        worker.main(echo)


def test_beats_come_at_a_third_of_the_shorter_patience(aws: Aws) -> None:
    for heartbeat_seconds, interval in ((3600, 20), (30, 10), (0, 1 / 3)):
        made = Worker(aws.url, echo, heartbeat_seconds)
        made.read_queue()
        assert made.interval == interval


def test_a_throttled_callback_is_tried_five_times(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    made, sent = aws.worker(echo), []

    def throttle(request: Any, **_: object) -> AWSResponse:
        sent.append(request)
        body = io.BytesIO(b'{"__type": "ThrottlingException"}' if len(sent) < 5 else b"{}")
        raw = HTTPResponse(body, preload_content=False)
        return AWSResponse(request.url, 400 if len(sent) < 5 else 200, HTTPHeaders(), raw)

    events: Any = made.stepfunctions.meta.events
    events.unregister("before-call", aws._end)
    events.register_first("before-send.sfn.SendTaskSuccess", throttle)
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    # When
    made._tell(made.stepfunctions.send_task_success, taskToken=TOKEN, output="null")
    # Then
    assert len(sent) == 5


def test_its_policy_allows_the_calls_that_it_makes_and_the_key(aws: Aws) -> None:
    # Given
    made = aws.worker(echo)
    source = (PROJECT / "examples/worker.py").read_text()
    names = {**made.sqs.meta.method_to_api_mapping, **made.stepfunctions.meta.method_to_api_mapping}
    called = {names[method] for method in re.findall(r"self\.(?:sqs|stepfunctions)\.(\w+)", source) if method in names}
    assert len(called) == 7
    # When
    [policy] = re.findall(
        r'```json\n(\{\n  "Version".*?)```', (PROJECT / "docs/your-own-work.md").read_text(), re.DOTALL
    )
    allowed = [action for statement in json.loads(policy)["Statement"] for action in listed(statement["Action"])]
    # Then
    assert sorted(action.partition(":")[2] for action in allowed) == sorted({*called, "Decrypt"})


def listed(action: str | list[str]) -> list[str]:
    return [action] if isinstance(action, str) else action
