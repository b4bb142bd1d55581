"""The tables of docs/cost.md, and the file of counts that they are made from."""

import json
import re
from collections.abc import Iterable, Mapping

from tools import PROJECT, generated
from tools.cost import prices
from tools.cost.arithmetic import (
    DERIVED,
    ITEMS,
    Standing,
    durable_per_million_runs,
    per_idle_month,
    per_million_runs,
    per_month_in_use,
    standing,
)
from tools.cost.counting import gigabytes
from tools.cost.runs import template
from tools.stack import STACKS, WORKFLOWS

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
    COUNTS.write_text(json.dumps(counts, indent=2) + "\n", encoding="utf-8")
    return bool(generated.write([PAGE]))


def standing_stacks() -> dict[str, Standing]:
    return {name: standing(template(STACKS[name])) for name in WORKFLOWS}


def parts(counts: Counts, stacks: Mapping[str, Standing]) -> dict[str, list[str]]:
    return {
        "dollars": dollars(counts),
        "counts": counted(counts),
        "months": months(counts, stacks),
        "durable": durable(counts),
        "prices": price_table(),
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
        [_named(item), *(_pair(_count(item, count[item]) for count in paths.values()) for paths in counts.values())]
        for item in ITEMS
        if any(count[item] for paths in counts.values() for count in paths.values())
    ]
    return _table(["per run, happy / failing", *counts], rows)


def months(counts: Counts, stacks: Mapping[str, Standing]) -> list[str]:
    idle = [per_idle_month(stack) for stack in stacks.values()]
    used = [
        per_month_in_use(stack, round(max(count["custom metrics"] for count in counts[name].values())))
        for name, stack in stacks.items()
    ]
    rows = [[item, *(f"{month[item]:.2f}" for month in idle)] for item in idle[0]]
    rows.append(["**idle**", *(f"**{sum(month.values()):.2f}**" for month in idle)])
    rows += [[f"in use: {item}, at most", *(f"{month[item]:.2f}" for month in used)] for item in used[0]]
    return _table(["USD per month", *stacks], rows)


def durable(counts: Counts) -> list[str]:
    """The payment callback here and as a Lambda durable function, as far as they differ."""
    order = json.dumps(json.loads((PROJECT / ORDER_FILE).read_text(encoding="utf-8")))
    answer = "Payment processed successfully."
    result = json.dumps({"outcome": "SUCCEEDED", "message": answer, "orderId": json.loads(order)["orderId"]})
    bill = durable_per_million_runs(order, json.dumps(answer), result, gigabytes(template("default")))
    here = [per_million_runs(count)["state transitions"] for count in counts["payment-callback"].values()]
    total = _pair(f"**{dollars:.2f}**" for dollars in here)
    return _table(
        ["USD per million runs", "Step Functions, happy / failing", "durable function"],
        [
            ["state transitions", _pair(f"{dollars:.2f}" for dollars in here), ""],
            *([item, "", f"{dollars:.2f}"] for item, dollars in bill.items()),
            ["**total**", total, f"**{sum(bill.values()):.2f}**"],
        ],
    )


def price_table() -> list[str]:
    rows = [
        [
            f"{price.dollars:g}",
            f"{price.per:,}" if price.per > 1 else "1",
            price.unit,
            f"[{price.page}](https://aws.amazon.com/{price.page}/)",
        ]
        for price in prices.PRICES
    ]
    return _table(["USD", "for", "", "AWS's page"], rows)


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
