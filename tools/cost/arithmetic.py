"""From counts to US dollars."""

from collections.abc import Mapping
from dataclasses import dataclass

from callback_lint.documents import Json
from callback_lint.templates import Resource, Template
from tools.cost import prices
from tools.cost.prices import MILLION, MONTH_SECONDS, Price

# What is counted of a run, and what it costs
ITEMS: dict[str, Price] = {
    "state transitions": prices.TRANSITIONS,
    "SQS requests": prices.SQS_REQUESTS,
    "SNS publishes": prices.SNS_PUBLISHES,
    "API requests": prices.API_REQUESTS,
    "DynamoDB writes": prices.DYNAMODB_WRITES,
    "DynamoDB reads": prices.DYNAMODB_READS,
    "S3 writes": prices.S3_WRITES,
    "S3 reads": prices.S3_READS,
    "S3 events": prices.S3_EVENTS,
    "Lambda invocations": prices.LAMBDA_REQUESTS,
    "Lambda GB-seconds": prices.LAMBDA_SECONDS,
    "log bytes: functions": prices.LOG_BYTES,
    "log bytes: metrics": prices.LOG_BYTES,
    "log bytes: Lambda": prices.LOG_BYTES,
    "log bytes: Step Functions": prices.LOG_BYTES,
    "traces": prices.TRACES,
}
# Not counted on the embedded AWS, but derived from what is: see cost/counting.py
DERIVED = {"Lambda GB-seconds", "log bytes: Lambda", "log bytes: Step Functions", "traces"}


def per_million_runs(count: Mapping[str, float]) -> dict[str, float]:
    """US dollars of each item, from what one run comes to."""
    return {item: price.of(count.get(item, 0) * MILLION) for item, price in ITEMS.items()}


# What the payment callback comes to as a Lambda durable function, beside the queue, the worker and the topic that both
# have: the start of the execution; a context, a callback and a step for wait_for_callback; a step to publish. That is
# what AWS's test runner counts, with two invocations, whether the payment succeeds or fails.
DURABLE_OPERATIONS, DURABLE_INVOCATIONS = 5, 2
DURABLE_REQUESTS = 2 + 4  # the two services that it calls, and a checkpoint for each operation but the first
DURABLE_DAYS = 14  # for which AWS keeps an execution where nothing else is said


def durable_per_million_runs(order: str, answer: str, result: str, gigabytes: float) -> dict[str, float]:
    """US dollars of each item, from the texts that are written: the input, the callback's (twice) and the output."""
    written = MILLION * sum(len(text.encode()) for text in (order, answer, answer, result))
    seconds = DURABLE_INVOCATIONS * prices.INVOCATION_SECONDS + DURABLE_REQUESTS * prices.CALL_SECONDS
    return {
        "durable operations": prices.DURABLE_OPERATIONS.of(MILLION * DURABLE_OPERATIONS),
        "bytes written": prices.DURABLE_WRITES.of(written),
        f"bytes kept for {DURABLE_DAYS} days": prices.DURABLE_STORAGE.of(written * DURABLE_DAYS / 30),
        "Lambda invocations": prices.LAMBDA_REQUESTS.of(MILLION * DURABLE_INVOCATIONS),
        "Lambda GB-seconds (derived)": prices.LAMBDA_SECONDS.of(MILLION * gigabytes * seconds),
    }


@dataclass(frozen=True)
class Standing:
    """What a stack has, whatever it does. `polled` queues invoke a function, `passed` ones lie on the way of a run."""

    keys: int
    alarms: int
    dashboards: int
    polled: int
    passed: tuple[int, ...]  # for how many seconds each uses a data key again
    topics: int


def standing(template: Template) -> Standing:
    last_resorts = {
        name for resource in template.resources.values() for name in _dead_letter_queues(template, resource)
    }
    passed = [queue for name, queue in template.queues.items() if name not in last_resorts]
    return Standing(
        keys=len(template.of_type("AWS::KMS::Key")),
        alarms=len(template.of_type("AWS::CloudWatch::Alarm")),
        dashboards=len(template.of_type("AWS::CloudWatch::Dashboard")),
        polled=len({feed.queue for feed in template.feeds}),
        passed=tuple(queue.number("KmsDataKeyReusePeriodSeconds", prices.DATA_KEY_SECONDS) or 0 for queue in passed),
        topics=len(template.of_type("AWS::SNS::Topic")),
    )


def per_idle_month(has: Standing) -> dict[str, float]:
    """US dollars of a month in which nothing happens."""
    return {
        "key": prices.KEYS.of(has.keys),
        "alarms": prices.ALARMS.of(has.alarms),
        "dashboard": prices.DASHBOARDS.of(has.dashboards),
        "empty receives": prices.SQS_REQUESTS.of(empty_receives(has)),
    }


def per_month_in_use(has: Standing, metrics: int) -> dict[str, float]:
    """US dollars that a month in which there are runs costs beside them, at most."""
    return {
        "custom metrics": prices.METRICS.of(metrics),
        "key requests": prices.KEY_REQUESTS.of(key_requests(has)),
    }


def empty_receives(has: Standing) -> float:
    """In a month, of queues in which there is never a message."""
    return has.polled * prices.POLLERS * MONTH_SECONDS / prices.POLL_SECONDS


def key_requests(has: Standing) -> float:
    """Of queues and topics in a month of steady use: AWS's formula, with one who sends and one who receives."""
    queues = sum(MONTH_SECONDS / seconds * (2 * 1 + 1) for seconds in has.passed)
    return queues + has.topics * MONTH_SECONDS / prices.DATA_KEY_SECONDS * 2 * 1


def _dead_letter_queues(template: Template, resource: Resource) -> set[str]:
    """The queues of a template that take what this resource could not deliver."""
    found: set[str] = set()

    def look(value: Json, failed: bool) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                look(inner, failed or key in ("RedrivePolicy", "DeadLetterConfig", "OnFailure"))
        elif isinstance(value, list):
            for inner in value:
                look(inner, failed)
        elif failed and isinstance(value, str) and value.partition(".")[0] in template.queues:
            found.add(value.partition(".")[0])

    look(resource.body, failed=False)
    return found
