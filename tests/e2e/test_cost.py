"""Runs come to what docs/cost.md says: transitions, requests, invocations and what is logged; and its arithmetic."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tools.cost import prices
from tools.cost.counting import Event, Observed, bill, metrics, size
from tools.cost.page import per_idle_month, per_million_runs, read_counts
from tools.cost.prices import ITEMS
from tools.cost.runs import ENDS, WORKFLOWS, Workflow, started, template
from tools.deployment import configured_stack_name
from tools.engine.engine import Engine

pytestmark = [pytest.mark.slow, pytest.mark.local("it counts on its own embedded AWS")]

COUNTS = read_counts()


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


def test_dollars_of_an_idle_month() -> None:
    # Of the payment callback: seven alarms, and two queues that each ask 5 connections x 3 times a minute, for 30 days
    idle = {"key": 1, "alarms": 0.7, "dashboard": 3, "empty receives": 2 * 648_000 * 0.4 / 1e6}
    assert per_idle_month(template("default")) == pytest.approx(idle)


def test_an_order_costs_165_dollars_per_million_at_most_and_six_invocations() -> None:
    happy = COUNTS["order-confirmation"]["happy"]
    assert sum(per_million_runs(happy).values()) <= 165
    assert happy["Lambda invocations"] <= 6


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
    assert {item: count for item, count in billed.items() if count and "bytes" not in item} == {
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
def recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with started(tmp_path_factory.mktemp("cost") / "engine") as engine:
        yield engine


@pytest.mark.parametrize("kind", WORKFLOWS, ids=lambda kind: str(kind.__name__))
def test_a_run_comes_to_what_was_counted(recording: Engine, kind: type[Workflow]) -> None:
    workflow = kind(recording)
    for path in ENDS:
        expected = COUNTS[configured_stack_name(kind.config_env)][path]
        for _ in range(3):  # on a busy machine an SDK may send a request again: then another run has to come to less
            observed = workflow.observe(path, runs=1)
            billed = bill(observed, workflow.template) + Counter({"custom metrics": len(metrics(observed))})
            off = {item: billed[item] for item in ITEMS if not like(expected.get(item, 0), billed[item], item)}
            if not off:
                break
        assert off == {}, f"{path}: counted otherwise: {expected}; `make cost` counts anew"
        assert billed["custom metrics"] == expected["custom metrics"], path


def like(expected: float, count: float, item: str) -> bool:
    """A line is a few bytes longer or shorter each time, and counted to ten bytes."""
    return abs(count - expected) <= (10 + 0.01 * expected if "bytes" in item else 0.0001)
