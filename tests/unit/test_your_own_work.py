"""What docs/your-own-work.md shows of examples/ is what is there; what it says of the state machines, they do."""

import json
import re
from typing import Any

import pytest

from callbacks.calls import MAX_CALL_SECONDS
from examples.payment_provider import PROVIDER_SECONDS
from tests.unit.state_machine import (
    BARE_FAILURE,
    MISSED_HEARTBEAT,
    PROJECT,
    TIMED_OUT,
    Failure,
    play,
    read_template,
)

PAGE = (PROJECT / "docs/your-own-work.md").read_text()
EXAMPLES = {file.name: file.read_text() for file in (PROJECT / "examples").iterdir() if file.is_file()}
WAITS = {
    "fan_out.asl.json": json.loads(EXAMPLES["fan_out.asl.json"])["States"]["RequestEachItem"]["ItemProcessor"],
    "reminder.asl.json": json.loads(EXAMPLES["reminder.asl.json"]),
}


def test_code_on_the_page_is_that_of_a_file() -> None:
    blocks = re.findall(r"```(?:python|json)\n(.*?)```", PAGE, re.DOTALL)
    shown = [block for block in blocks if '"Version"' not in block]
    assert len(shown) == 3
    assert [block for block in shown if sum(block in text for text in EXAMPLES.values()) != 1] == []


def test_readme_shows_the_lines_to_replace() -> None:
    [shown] = re.findall(r"```python\n(.*?)\n```", (PROJECT / "README.md").read_text(), re.DOTALL)
    assert shown in (PROJECT / "functions/payment_provider.py").read_text()


def test_every_example_is_on_the_page() -> None:
    assert [name for name in EXAMPLES if f"examples/{name}" not in PAGE] == []


def test_the_worker_is_heard_by_every_wait_before_its_heartbeat_is_missed() -> None:
    queue = read_template("examples/template.yaml")["Resources"]["WorkQueue"]["Properties"]
    wait = WAITS["fan_out.asl.json"]["States"]["RequestItem"]
    assert queue["VisibilityTimeout"] < wait["HeartbeatSeconds"] < wait["TimeoutSeconds"]


def test_three_rounds_end_before_their_messages_expire() -> None:
    queue = read_template("examples/template.yaml")["Resources"]["WorkQueue"]["Properties"]
    seconds = WAITS["reminder.asl.json"]["States"]["RequestWork"]["TimeoutSeconds"]
    assert f"three rounds of {seconds // 3600} hours" in PAGE
    assert 3 * seconds < queue["MessageRetentionPeriod"]


def test_the_provider_leaves_time_for_the_callback() -> None:
    timeout = read_template("template.yaml")["Globals"]["Function"]["Timeout"]
    assert timeout >= PROVIDER_SECONDS + MAX_CALL_SECONDS


@pytest.mark.parametrize("name", WAITS)
def test_what_the_examples_send_is_what_the_worker_reads(name: str) -> None:
    states = WAITS[name]["States"]
    [message] = [
        state["Arguments"]["MessageBody"] for state in states.values() if "waitFor" in state.get("Resource", "")
    ]
    assert message.keys() == {"input", "token"}


@pytest.mark.parametrize("error", ["States.Timeout", "States.HeartbeatTimeout"])
def test_rounds_have_one_key_and_the_escalation_an_attribute_of_its_own(error: str) -> None:
    execution = play(WAITS["reminder.asl.json"], {"a": 1}, Failure({"Error": error, "Cause": ""}))
    sent: list[dict[str, Any]] = [one["MessageBody"]["input"] for one in execution.sent]
    assert [one["round"] for one in sent] == [1, 2, 3]
    assert len({one["key"] for one in sent}) == 1
    published = [
        (one["MessageAttributes"]["outcome"]["StringValue"], json.loads(one["Message"])["outcome"])
        for one in execution.published
    ]
    assert published == [("REMINDER", "REMINDER"), ("ESCALATION", "ESCALATION")]
    assert execution.failure is not None
    assert execution.failure["Error"] == "Work.NotAnswered"


def test_an_answer_of_no_is_no_reason_for_a_reminder() -> None:
    execution = play(WAITS["reminder.asl.json"], None, Failure({"Error": "Work.Refused", "Cause": "No."}))
    assert (execution.entered, execution.failure) == (
        ["StartFirstRound", "RequestWork"],
        {"Error": "Work.Refused", "Cause": "No."},
    )


@pytest.mark.parametrize(
    ("failure", "error", "cause"),
    [
        (BARE_FAILURE, "Callback.Failed", "No cause was given."),
        (TIMED_OUT, "Callback.TimedOut", "No answer came within 3,600 seconds."),
        (MISSED_HEARTBEAT, "Callback.TimedOut", "Neither an answer nor a heartbeat came within 600 seconds."),
    ],
)
def test_an_item_that_fails_without_words_is_given_some(failure: Failure, error: str, cause: str) -> None:
    definition = WAITS["fan_out.asl.json"]
    execution = play(definition, {"key": "k", "item": 1}, failure)
    assert execution.output == {"outcome": "FAILED", "Error": error, "Cause": cause}
    wait = definition["States"]["RequestItem"]
    assert (wait["TimeoutSeconds"], wait["HeartbeatSeconds"]) == (3600, 600)
