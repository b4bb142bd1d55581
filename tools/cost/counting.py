"""Counts what AWS would bill of real runs on the embedded AWS."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from callback_lint.templates import Template
from tools.cost import prices

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


@dataclass(frozen=True)
class Observed:
    """What was seen of some runs. `by_functions` and `from_outside` are requests of AWS, `service.Operation`."""

    by_functions: Counter[str]
    from_outside: Counter[str]
    histories: Sequence[Sequence[Event]]  # of each execution, its events
    logs: Mapping[str, list[str]]  # of each function, by logical ID, its lines


def bill(observed: Observed, template: Template) -> Counter[str]:
    """How many units of each item of `prices.ITEMS` the runs come to."""
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
            "S3 writes": requests["s3.PutObject"],
            "S3 reads": requests["s3.GetObject"],
            "S3 events": requests["s3.PutObject"] + requests["s3.DeleteObject"],
            "Lambda invocations": total,
            "Lambda GB-seconds": gigabytes(template)
            * (total * prices.INVOCATION_SECONDS + observed.by_functions.total() * prices.CALL_SECONDS),
            "log bytes: functions": sum(map(size, lines)) - sum(map(size, emf)),
            "log bytes: metrics": sum(map(size, emf)),
            "log bytes: Step Functions": prices.LOGGED_EVENT_BYTES
            * sum(event["type"] in LOGGED_EVENTS for event in events),
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


def gigabytes(template: Template) -> float:
    """The memory of its functions."""
    [megabytes] = {function.number("MemorySize", 128) for function in template.functions.values()}
    return (megabytes or 0) / 1024


def _integration(event: Event) -> str:
    """`sqs:sendMessage`, whichever way the state machine calls it."""
    details = event["taskScheduledEventDetails"]
    return f"{details['resourceType'].removeprefix('aws-sdk:')}:{details['resource'].partition('.')[0]}"


def _is_report(line: str) -> bool:
    return line.startswith("REPORT RequestId: ")


def _is_platforms(line: str) -> bool:
    """What Lambda writes of an invocation, which AWS leaves out where one succeeds: the system log level is WARN."""
    return line.startswith(("START RequestId: ", "END RequestId: ", "REPORT RequestId: "))


def _triggers(template: Template, function: str) -> set[str]:
    events = template.functions[function].get("Events")
    return {str(event["Type"]) for event in events.values()} if isinstance(events, dict) else set()
