"""Runs come to what docs/cost.md says: transitions, requests, invocations and what is logged; and its arithmetic."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tools.cost import prices
from tools.cost.arithmetic import ITEMS, Standing, empty_receives, key_requests, per_million_runs, standing
from tools.cost.counting import Event, Observed, bill, metrics, size
from tools.cost.page import read_counts
from tools.cost.runs import ENDS, WORKFLOWS, FileExchange, Place, Workflow, place_in, template
from tools.deployment import configured_stack_name

pytestmark = [pytest.mark.slow, pytest.mark.local("it counts on its own embedded AWS")]

COUNTS = read_counts()
STANDING = {configured_stack_name(kind.config_env): standing(template(kind.config_env)) for kind in WORKFLOWS}


def event(number: int, kind: str, **details: Any) -> Event:
    return {"id": number, "type": kind, **details}


def scheduled(number: int, resource: str) -> Event:
    kind, _, name = resource.rpartition(":")
    return event(number, "TaskScheduled", taskScheduledEventDetails={"resourceType": kind, "resource": name})


# ------------------------------------------------------------------ the arithmetic
def test_dollars_of_a_million_runs() -> None:
    dollars = per_million_runs({"state transitions": 3, "SQS requests": 4, "log bytes: functions": 2000, "traces": 2})
    assert {item: round(price, 4) for item, price in dollars.items() if price} == {
        "state transitions": 75,
        "SQS requests": 1.6,
        "log bytes: functions": 1,
        "traces": 10,
    }


def test_idle_pollers_and_data_keys_of_a_month() -> None:
    has = Standing(keys=1, alarms=0, dashboards=0, polled=2, passed=(300, 3600), topics=1)
    assert empty_receives(has) == 2 * 648_000  # 5 connections, 3 times a minute, 30 days
    # 30 days / 300 s x (2 x 1 sender + 1 receiver), the same / 3600 s, and 30 days / 300 s x 2 of the topic
    assert key_requests(has) == 25_920 + 2_160 + 17_280


def test_what_stands_in_the_template_of_the_payment_callback() -> None:
    # The payment and the test queue pass messages on; the payment and the dead-letter queue invoke functions
    assert STANDING["payment-callback"] == Standing(
        keys=1, alarms=7, dashboards=1, polled=2, passed=(3600, 3600), topics=1
    )


def test_what_is_billed_of_a_run_with_a_retry() -> None:
    history = [
        event(1, "ExecutionStarted"),
        event(2, "TaskStateEntered"),
        scheduled(3, "sqs:sendMessage.waitForTaskToken"),
        event(4, "TaskFailed", taskFailedEventDetails={"error": "SQS.AmazonSQSException", "cause": "busy"}),
        scheduled(5, "sqs:sendMessage.waitForTaskToken"),
        event(6, "TaskStateEntered"),
        scheduled(7, "sns:publish"),
    ]
    line, metric = '{"message":"answered"}', '{"_aws":{"CloudWatchMetrics":[]}}'
    log = [
        "START RequestId: 1 Version: $LATEST",
        line,
        metric,
        "END RequestId: 1",
        "REPORT RequestId: 1\tDuration: 9 ms",
    ]
    observed = Observed(Counter({"states.SendTaskSuccess": 1}), Counter(), [history], {"PaymentWorkerFunction": log})
    billed = bill(observed, template("default"))
    assert {item: count for item, count in billed.items() if count and item in ITEMS and "bytes" not in item} == {
        "state transitions": 3,
        "SQS requests": 2 + 2 + 1,  # both sends, Lambda's receive and delete, and the send to the test queue
        "SNS publishes": 1,
        "Lambda invocations": 1,
        "Lambda GB-seconds": pytest.approx(0.5 * (0.016 + 0.020)),
        "traces": 2,
    }
    assert (billed["log bytes: functions"], billed["log bytes: metrics"]) == (size(line), size(metric))
    assert size(line) == len(line) + prices.LOG_EVENT_BYTES
    assert billed["log bytes: Step Functions"] > 0


# ------------------------------------------------------------------ real runs
@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place_in(tmp_path_factory.mktemp("cost") / "engine") as place:
        yield place


@pytest.mark.parametrize("kind", WORKFLOWS, ids=lambda kind: str(kind.__name__))
def test_a_run_comes_to_what_was_counted(place: Place, kind: type[Workflow]) -> None:
    workflow = kind(place)
    for path in ENDS:
        observed = workflow.observe(path, runs=1)
        expected = dict(COUNTS[configured_stack_name(kind.config_env)][path])
        assert len(metrics(observed)) == expected.pop("custom metrics"), path
        billed = bill(observed, workflow.template)
        # a line is a few bytes longer or shorter each time, and counted to ten bytes
        allowed = {item: 10 + 0.01 * count if "bytes" in item else 0.0001 for item, count in expected.items()}
        if kind is FileExchange:  # an end that is reported while the token is being removed takes calls more
            allowed |= {"S3 reads": 1, "S3 events": 2, "Lambda GB-seconds": 0.04}
        off = {item: billed[item] for item, count in expected.items() if abs(billed[item] - count) > allowed[item]}
        assert off == {}, f"{path}: counted otherwise: {expected}; `make cost` counts anew"
