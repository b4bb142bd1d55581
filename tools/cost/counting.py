"""Counts what AWS would bill of real runs on the embedded AWS."""

import http.client
import json
import re
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from callback_lint.templates import Template
from tools.cost import prices

HOST = "127.0.0.1"
Event = Mapping[str, Any]

# Events of an execution that Step Functions logs at level ERROR
LOGGED_EVENTS = {
    "ExecutionAborted",
    "ExecutionFailed",
    "ExecutionTimedOut",
    "FailStateEntered",
    "LambdaFunctionFailed",
    "LambdaFunctionTimedOut",
    "TaskFailed",
    "TaskTimedOut",
}
# What Lambda itself writes of an invocation where tracing is active and the system log level is INFO, as its
# documentation shows it: https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html
_TRACING = (
    '"tracing":{"spanId":"54565fb41ac79632","type":"X-Amzn-Trace-Id","value":'
    '"Root=1-62e900b2-710d76f009d6e7785905449a;Parent=0efbd19962d95b05;Sampled=1"}'
)
_REQUEST = '"requestId":"6d68ca91-49c9-448d-89b8-7ca3e6dc66aa"'
_METRICS = '"metrics":{"durationMs":28.92,"billedDurationMs":29,"memorySizeMB":256,"maxMemoryUsedMB":84}'
PLATFORM_LINES = (
    f'{{"time":"2022-10-12T00:00:15.064Z","type":"platform.start","record":{{{_REQUEST},"version":"$LATEST",{_TRACING}}}}}',
    f'{{"time":"2022-10-12T00:01:15.000Z","type":"platform.report","record":{{{_REQUEST},{_METRICS},{_TRACING},"status":"success"}}}}',
)


@dataclass(frozen=True)
class Observed:
    """What was seen of some runs. `by_functions` and `from_outside` are requests of AWS, `service.Operation`."""

    by_functions: Counter[str]
    from_outside: Counter[str]
    histories: Sequence[Sequence[Event]]  # of each execution, its events
    logs: Mapping[str, list[str]]  # of each function, by logical ID, its lines


def bill(observed: Observed, template: Template) -> Counter[str]:
    """How many units of each item of `arithmetic.ITEMS` the runs come to."""
    events = [event for history in observed.histories for event in history]
    entered = [event["type"] for event in events if event["type"].endswith("StateEntered")]
    tasks = Counter(_integration(event) for event in events if event["type"].endswith("Scheduled"))
    retries = tasks.total() - entered.count("TaskStateEntered")
    requests = observed.by_functions + observed.from_outside
    invocations = {name: sum(_is_report(line) for line in lines) for name, lines in observed.logs.items()}
    fed = {name: _triggers(template, name) for name in invocations}
    of_queues = sum(count for name, count in invocations.items() if "SQS" in fed[name])
    of_topics = sum(count for name, count in invocations.items() if "SNS" in fed[name])
    subscribed = sum(one.get("Protocol") == "sqs" for one in template.of_type("AWS::SNS::Subscription").values())
    total = sum(invocations.values())
    lines = [line for lines in observed.logs.values() for line in lines if not _is_platforms(line)]
    emf = [line for line in lines if '"_aws"' in line]
    writes = requests["s3.PutObject"] + requests["s3.CopyObject"]
    dropped = observed.from_outside["s3.PutObject"]  # by a partner, which EventBridge reports to a queue
    rules = template.of_type("AWS::Events::Rule").values()
    ends = len(observed.histories) * sum("SUCCEEDED" in json.dumps(rule.get("EventPattern")) for rule in rules)
    return Counter(
        {
            "state transitions": len(entered) + retries,
            "SQS requests": tasks["sqs:sendMessage"]
            + tasks["sns:publish"] * subscribed
            + dropped
            + ends
            + 2 * of_queues  # a receive and a delete
            + sum(count for name, count in requests.items() if name.startswith("sqs.")),
            "SNS publishes": tasks["sns:publish"],
            "API requests": requests["execute-api.Request"],
            "DynamoDB writes": tasks["dynamodb:putItem"]
            + tasks["dynamodb:updateItem"]
            + sum(requests[f"dynamodb.{name}"] for name in ("PutItem", "UpdateItem", "DeleteItem")),
            "DynamoDB reads": tasks["dynamodb:getItem"] + requests["dynamodb.GetItem"],
            "S3 writes": writes,
            "S3 reads": requests["s3.GetObject"],
            "S3 events": writes + requests["s3.DeleteObject"],
            "Lambda invocations": total,
            "Lambda GB-seconds": gigabytes(template)
            * (total * prices.INVOCATION_SECONDS + observed.by_functions.total() * prices.CALL_SECONDS),
            "log bytes: functions": sum(map(size, lines)) - sum(map(size, emf)),
            "log bytes: metrics": sum(map(size, emf)),
            "log bytes: Lambda": total * sum(map(size, PLATFORM_LINES)) * _logs_successes(template),
            "log bytes: Step Functions": sum(
                size(_logged(event)) for event in events if event["type"] in LOGGED_EVENTS
            ),
            # what a state machine invokes, or a topic that it publishes to, is in the trace of the execution
            "traces": len(observed.histories) + total - tasks["lambda:invoke"] - of_topics,
        }
    )


def metrics(observed: Observed) -> set[str]:
    """The custom metrics that the functions have used: name, and dimensions with their values."""
    found = set()
    for line in (line for lines in observed.logs.values() for line in lines if '"_aws"' in line):
        record = json.loads(line)
        for one in record["_aws"]["CloudWatchMetrics"]:
            for dimensions in one["Dimensions"]:
                values = [f"{name}={record[name]}" for name in dimensions]
                found |= {" ".join([one["Namespace"], metric["Name"], *values]) for metric in one["Metrics"]}
    return found


def size(line: str) -> int:
    """Bytes that CloudWatch Logs takes in for a line."""
    return len(line.encode()) + prices.LOG_EVENT_BYTES


def _integration(event: Event) -> str:
    """`sqs:sendMessage`, whichever way the state machine calls it."""
    details = event["taskScheduledEventDetails"]
    return f"{details['resourceType'].removeprefix('aws-sdk:')}:{details['resource'].partition('.')[0]}"


def _is_report(line: str) -> bool:
    return line.startswith("REPORT RequestId: ")


def _is_platforms(line: str) -> bool:
    """As the embedded AWS writes them, which are not the ones that AWS writes."""
    return line.startswith(("START RequestId: ", "END RequestId: ", "REPORT RequestId: "))


def _triggers(template: Template, function: str) -> set[str]:
    events = template.functions[function].get("Events")
    return {str(event["Type"]) for event in events.values()} if isinstance(events, dict) else set()


def gigabytes(template: Template) -> float:
    """The memory of its functions."""
    [megabytes] = {function.number("MemorySize", 128) for function in template.functions.values()}
    return (megabytes or 0) / 1024


def _logs_successes(template: Template) -> bool:
    """Whether Lambda logs the start and the report of an invocation that succeeds."""
    levels = {function.get("LoggingConfig", "SystemLogLevel") for function in template.functions.values()}
    return levels != {"WARN"}


def _logged(event: Event) -> str:
    details: dict[str, Any] = next((value for name, value in event.items() if name.endswith("EventDetails")), {})
    return json.dumps(
        {
            "id": str(event["id"]),
            "type": event["type"],
            "details": {name: value for name, value in details.items() if name not in ("input", "output")},
            "previous_event_id": str(event.get("previousEventId", event["id"] - 1)),
            "event_timestamp": "1795279767295",
            "execution_arn": "arn:aws:states:us-east-1:123456789012:execution:"
            "payment-callback-WaitForCallbackStateMachine-8F0A8724F7EB7:d61be9a4-9775-44b8-a33d-61440754f5b6",
            "redrive_count": "0",
        },
        separators=(",", ":"),
    )


class CountingProxy:
    """Forwards every request to the engine, whose port is set as soon as it is known, and counts it."""

    def __init__(self) -> None:
        self.engine_port = 0
        self.requests: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def endpoint_url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def count(self, name: str) -> None:
        with self._lock:
            self.requests[name] += 1

    def take(self) -> Counter[str]:
        """What was counted since the last time."""
        with self._lock:
            taken, self.requests = self.requests, Counter()
        return taken


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, proxy: CountingProxy) -> None:
        super().__init__((HOST, 0), _Handler)
        self.proxy = proxy


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        pass

    def _forward(self) -> None:
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        # What the SDK sends again, because a laptop is slow to answer, is not what a run needs
        if self.headers.get("amz-sdk-request", "attempt=1").startswith("attempt=1"):
            proxy.count(self._operation())
        engine = http.client.HTTPConnection(HOST, proxy.engine_port, timeout=60)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
            engine.request(self.command, self.path, body, headers)
            response = engine.getresponse()
            answer = response.read()
        finally:
            engine.close()
        self.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in ("connection", "content-length", "date", "server", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_DELETE = _forward  # noqa: N815 - as http.server calls them

    def _operation(self) -> str:
        if self.path.startswith("/_aws/execute-api/"):
            return "execute-api.Request"
        signed = re.search(r"Credential=[^/]+/\d+/[\w-]+/(\w+)/aws4_request", self.headers["Authorization"])
        service = signed[1] if signed else "unsigned"
        if service == "s3":
            copied = "x-amz-copy-source" in self.headers
            return f"s3.{'Copy' if copied else self.command.capitalize()}Object"
        return f"{service}.{(self.headers['X-Amz-Target'] or self.command).rpartition('.')[2]}"
