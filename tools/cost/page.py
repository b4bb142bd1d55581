"""The tables of docs/cost.md, and the file of counts that they are made from."""

import json
import re
from collections.abc import Callable, Iterable, Mapping

from callback_lint.templates import Template
from tools import PROJECT, generated
from tools.cost import prices
from tools.cost.counting import gigabytes
from tools.cost.prices import DERIVED, ITEMS, MILLION, MONTH_SECONDS
from tools.cost.runs import template
from tools.stack import STACKS

PAGE = PROJECT / "docs/cost.md"
COUNTS = PROJECT / "tools/cost/counts.json"
ORDER_FILE = "events/payment_callback/order.json"

Counts = dict[str, dict[str, dict[str, float]]]
"""What one run comes to, by workflow and by path (`happy`, `failing`); `custom metrics` are those of all runs."""


def read_counts() -> Counts:
    counts: Counts = json.loads(COUNTS.read_text(encoding="utf-8"))
    return counts


def write(counts: Counts) -> bool:
    """Write the counts and the page, and say whether the page is another one than before."""
    lines = [f"{json.dumps(name)}: {json.dumps(paths)}" for name, paths in counts.items()]
    COUNTS.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    return bool(generated.write([PAGE]))


def per_million_runs(count: Mapping[str, float]) -> dict[str, float]:
    """US dollars of each item, from what one run comes to."""
    return {item: price.of(count.get(item, 0) * MILLION) for item, price in ITEMS.items()}


def per_idle_month(stack: Template) -> dict[str, float]:
    """US dollars of a month in which nothing happens."""
    polled = len({feed.queue for feed in stack.feeds})
    return {
        "key": prices.KEYS.of(len(stack.of_type("AWS::KMS::Key"))),
        "alarms": prices.ALARMS.of(len(stack.of_type("AWS::CloudWatch::Alarm"))),
        "dashboard": prices.DASHBOARDS.of(len(stack.of_type("AWS::CloudWatch::Dashboard"))),
        "empty receives": prices.SQS_REQUESTS.of(polled * prices.POLLERS * MONTH_SECONDS / prices.POLL_SECONDS),
    }


def dollars(counts: Counts) -> list[str]:
    """US dollars per million runs; what is under a cent in every column is left out."""
    bills = {name: {path: per_million_runs(count) for path, count in paths.items()} for name, paths in counts.items()}
    rows = [
        [_named(item), *(_pair(f"{bill[item]:.2f}" for bill in paths.values()) for paths in bills.values())]
        for item in ITEMS
        if any(bill[item] >= 0.005 for paths in bills.values() for bill in paths.values())
    ]
    totals = [_pair(f"**{sum(bill.values()):.0f}**" for bill in paths.values()) for paths in bills.values()]
    return _table(["USD per million runs, happy / failing", *counts], [*rows, ["**total**", *totals]])


def counted(counts: Counts) -> list[str]:
    rows = [
        [
            _named(item),
            *(_pair(_count(item, count.get(item, 0)) for count in paths.values()) for paths in counts.values()),
        ]
        for item in ITEMS
        if any(count.get(item) for paths in counts.values() for count in paths.values())
    ]
    return _table(["per run, happy / failing", *counts], rows)


def months(counts: Counts) -> list[str]:
    idle = [per_idle_month(template(STACKS[name])) for name in counts]
    used = [max(count["custom metrics"] for count in paths.values()) for paths in counts.values()]
    rows = [[item, *(f"{month[item]:.2f}" for month in idle)] for item in idle[0]]
    rows.append(["**idle**", *(f"**{sum(month.values()):.2f}**" for month in idle)])
    rows.append(["in use: custom metrics, at most", *(f"{prices.METRICS.of(metrics):.2f}" for metrics in used)])
    return _table(["USD per month", *counts], rows)


def durable(counts: Counts) -> list[str]:
    """The payment callback here and as a Lambda durable function, as far as they differ."""
    order = json.loads((PROJECT / ORDER_FILE).read_text(encoding="utf-8"))
    answer = "Payment processed successfully."
    result = {"outcome": "SUCCEEDED", "message": answer, "orderId": order["orderId"]}
    written = MILLION * sum(len(json.dumps(text).encode()) for text in (order, answer, answer, result))
    seconds = prices.DURABLE_INVOCATIONS * prices.INVOCATION_SECONDS + prices.DURABLE_REQUESTS * prices.CALL_SECONDS
    bill = {
        "durable operations": prices.DURABLE_OPERATION.of(MILLION * prices.DURABLE_OPERATIONS),
        "bytes written": prices.DURABLE_WRITES.of(written),
        f"bytes kept for {prices.DURABLE_DAYS} days": prices.DURABLE_STORAGE.of(written * prices.DURABLE_DAYS / 30),
        "Lambda invocations": prices.LAMBDA_REQUESTS.of(MILLION * prices.DURABLE_INVOCATIONS),
        "Lambda GB-seconds (derived)": prices.LAMBDA_SECONDS.of(MILLION * gigabytes(template("default")) * seconds),
    }
    here = [per_million_runs(count)["state transitions"] for count in counts["payment-callback"].values()]
    rows = [["state transitions", _pair(f"{dollars:.2f}" for dollars in here), ""]]
    rows += [[item, "", f"{dollars:.2f}"] for item, dollars in bill.items()]
    rows.append(["**total**", _pair(f"**{dollars:.2f}**" for dollars in here), f"**{sum(bill.values()):.2f}**"])
    return _table(["USD per million runs", "Step Functions, happy / failing", "durable function"], rows)


def price_list(_: Counts) -> list[str]:
    rows = [
        [f"{price.dollars:g}", f"{price.per:,}", price.unit, f"[{price.page}](https://aws.amazon.com/{price.page}/)"]
        for price in prices.PRICES
    ]
    return _table(["USD", "for", "", "AWS's page"], rows)


TABLES: dict[str, Callable[[Counts], list[str]]] = {
    "dollars": dollars,
    "counts": counted,
    "months": months,
    "durable": durable,
    "prices": price_list,
}


def _named(item: str) -> str:
    return f"{item} (derived)" if item in DERIVED else item


def _count(item: str, count: float) -> str:
    return f"{count:.3f}" if item == "Lambda GB-seconds" else f"{count:,.0f}" if "bytes" in item else f"{count:g}"


def _pair(texts: Iterable[str]) -> str:
    """One of two that are the same."""
    return " / ".join(dict.fromkeys(texts))


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    numbers = [all(not cell or re.match(r"\**\d", cell) for cell in column) for column in zip(*rows, strict=True)]
    aligned = ["---:" if number else "---" for number in numbers]
    return [f"| {' | '.join(row)} |" for row in [head, aligned, *rows]]
