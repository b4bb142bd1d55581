"""Sample events with a token and a card number in them, and hostile variants: the same in places that nobody expects.

Left alone are message IDs and sequence numbers, which only SQS, SNS and DynamoDB write, and the orderId that a request
gives an order: the answer tells where the order is to be found.
"""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

from tests.security.sample_secrets import CARD, CARD_WITH_DASHES, CARD_WITH_SPACES, TOKEN

EVENTS = Path(__file__).parents[2] / "events"

WRITTEN_BY_AWS = {"messageId", "MessageId", "SequenceNumber"}
CHOSEN_BY_CALLERS = {"order_api": {"orderId"}}

Step = str | int | None  # a key, an index, or None: into the JSON that a text holds
Steps = tuple[Step, ...]

UNEXPECTED_VALUES: tuple[Any, ...] = (
    TOKEN,
    f"card {CARD_WITH_SPACES}",
    CARD_WITH_DASHES,
    int(CARD),
    {"unexpected": [TOKEN, CARD]},
    f"arn:aws:states:us-east-1:123456789012:execution:Machine:{TOKEN}",
)
UNEXPECTED_TEXTS = (
    f'{{"taskToken": "{TOKEN}", "payload": {{"creditCardNumber": "{CARD}"',
    f'{{"taskToken": ["{TOKEN}"], "token": {CARD}}}',
    f'{{"taskToken": "{TOKEN}", "payload": NaN}}',
    f'"{TOKEN}"',
    f"{'[' * 100_000}{TOKEN}",
)
UNEXPECTED_EVENTS: tuple[Any, ...] = (
    None,
    TOKEN,
    [TOKEN, CARD],
    {TOKEN: CARD, CARD: TOKEN},
    {"Records": TOKEN},
    {"Records": [TOKEN]},
    {"Records": [{"body": TOKEN, "messageId": "message-1"}]},
    {"Records": [{"Sns": {"Message": TOKEN}}]},
    {"token": TOKEN, "taskToken": TOKEN, "creditCardNumber": CARD},
)


def sample_events(module: str) -> Iterator[tuple[str, Any]]:
    """The samples of a function, by name, with a realistic token and card number instead of the examples."""
    for path in sorted((EVENTS / module).glob("*.json")):
        text = re.sub(r"EXAMPLE-TASK-TOKEN[\w-]*", TOKEN, path.read_text())
        yield path.stem, json.loads(text.replace("4111111111111111", CARD))


def hostile_events(module: str) -> Iterator[tuple[str, Any]]:
    yield from ((f"unexpected event {number}", event) for number, event in enumerate(UNEXPECTED_EVENTS))
    for name, sample in sample_events(module):
        for steps in places(sample):
            if steps[-1] in WRITTEN_BY_AWS | CHOSEN_BY_CALLERS.get(module, set()):
                continue
            values = UNEXPECTED_VALUES
            if holds_json(value_at(sample, steps)):
                values += UNEXPECTED_TEXTS
            for number, value in enumerate(values):
                where = ".".join("json" if step is None else str(step) for step in steps)
                yield f"{name} with {where} {number}", changed(sample, steps, value)


def places(value: Any, steps: Steps = ()) -> Iterator[Steps]:
    """Where there is a value in an event, also in the JSON that a text of it holds; of lists in the first item."""
    if steps and steps[-1] is not None:
        yield steps
    if holds_json(value):
        yield from places(json.loads(value), (*steps, None))
    children: Any = (
        value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    )
    for key, child in children:
        yield from places(child, (*steps, key))


def holds_json(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("{")


def value_at(value: Any, steps: Steps) -> Any:
    for step in steps:
        value = json.loads(value) if step is None else value[step]
    return value


def changed(value: Any, steps: Steps, replacement: Any) -> Any:
    """A copy of an event with another value in one place."""
    if not steps:
        return replacement
    step, *rest = steps
    if step is None:
        return json.dumps(changed(json.loads(value), tuple(rest), replacement))
    copy = deepcopy(value)
    copy[step] = changed(value[step], tuple(rest), replacement)
    return copy


def with_extra_keys(value: Any) -> Any:
    """The event with unexpected keys in every object of it, also in the JSON that a text holds."""
    if holds_json(value):
        return json.dumps(with_extra_keys(json.loads(value)))
    if isinstance(value, list):
        return [with_extra_keys(child) for child in value]
    if isinstance(value, dict):
        extra = {"unexpected": [TOKEN, CARD], "creditCardNumber": CARD_WITH_DASHES, CARD: "key", TOKEN: "key"}
        return {key: with_extra_keys(child) for key, child in value.items()} | extra
    return value
