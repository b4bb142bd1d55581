"""The diagrams in the documents are those of the templates and state machines as they are now, and miss none."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from callback_lint.documents import Document, read
from callback_lint.linter import template_of
from callback_lint.templates import Template
from tools import PROJECT, generated
from tools.deployment import template_file
from tools.diagrams.diagrams import resources, states
from tools.diagrams.recording import RECORDING, save
from tools.generated import PAGES, outdated, write
from tools.stack import STACKS, WORKFLOWS

TEMPLATES = [template_file(STACKS[name]) for name in WORKFLOWS]


def template(machine: dict[str, Any], **others: Any) -> Template:
    workflow = {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {
            "DefinitionString": json.dumps({"QueryLanguage": "JSONata", **machine}),
            "DefinitionSubstitutions": {"QueueUrl": {"Ref": "Queue"}},
        },
    }
    body = {"Resources": {"Workflow": workflow, "Queue": {"Type": "AWS::SQS::Queue"}, **others}}
    found = template_of(Document(Path("template.json"), body, None))
    assert found
    return found


WAIT = {
    "Type": "Task",
    "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
    "Arguments": {"QueueUrl": "${QueueUrl}", "MessageBody": "{% $states.context.Task.Token %}"},
    "TimeoutSeconds": 86400,
    "HeartbeatSeconds": 3600,
    "Retry": [
        {"ErrorEquals": ["SQS.A", "SQS.B", "Other"], "MaxAttempts": 2},
        {"ErrorEquals": ["No"], "MaxAttempts": 0},
    ],
    "Catch": [{"ErrorEquals": ["Refused"], "Next": "Check"}, {"ErrorEquals": ["States.ALL"], "Next": "Stop"}],
    "End": True,
}
CHECK = {"Type": "Choice", "Choices": [{"Condition": '{% $x < 3 and $y = "a" %}', "Next": "Stop"}], "Default": "Stop"}
MACHINE = {"StartAt": "Ask", "States": {"Ask": WAIT, "Check": CHECK, "Stop": {"Type": "Fail"}}}


def test_the_generated_parts_of_the_documents_are_as_their_sources() -> None:
    assert outdated() == [], "run `make pictures`"


def test_every_template_and_state_machine_is_drawn_once() -> None:
    pages = "".join(page.read_text() for page in PAGES)
    drawn: list[tuple[str, ...]] = [*re.findall(r'cog print\(resources\("([^"]+)"', pages)]
    drawn += re.findall(r'cog print\(states\("(\w+)", "([^"]+)"\)', pages)
    wanted: list[str | tuple[str, str]] = []
    for name in TEMPLATES:
        found = template_of(read(PROJECT / name))
        assert found
        wanted += [name, *((machine, name) for machine in found.machine_of)]
    assert sorted(drawn, key=str) == sorted(wanted, key=str)


def test_a_part_that_drifted_is_written_anew(tmp_path: Path) -> None:
    right = (PROJECT / "docs/payment-callback.md").read_text()
    page = tmp_path / "README.md"
    page.write_text(right.replace("PaymentQueue --> PaymentWorkerFunction", "PaymentQueue --> OtherFunction"))
    assert page.read_text() != right
    assert outdated([page]) == write([page]) == [str(page)]
    assert page.read_text() == right
    assert write([page]) == []


@pytest.mark.parametrize("machine", ["Nobody", "PaymentQueue"])
def test_a_part_that_names_nothing_is_refused(machine: str) -> None:
    with pytest.raises(ValueError, match="has no state machine"):
        generated.states(machine, "template.yaml")


def test_a_wait_shows_its_limits_its_retries_and_its_ways_out() -> None:
    lines = [line.strip() for line in states(template(MACHINE).machine_of["Workflow"]).splitlines()]
    assert (
        'Ask["<b>Ask</b><br>sqs:sendMessage Queue<br>waits for the task token<br>within 24 h, heartbeats within 1 h'
        '<br>2 retries on SQS.…, Other<br>no retries on No"]'
    ) in lines
    assert "class Ask waits" in lines
    assert {"start --> Ask", "Ask --> succeeded"} <= set(lines)
    assert {'Ask -.-> |"Refused"| Check', 'Ask -.-> |"any other error"| Stop'} <= set(lines)


def test_a_condition_is_text_to_mermaid() -> None:
    assert 'Check --> |"$x #lt; 3<br>and $y = #quot;a#quot;<br>otherwise"| Stop' in states(
        template(MACHINE).machine_of["Workflow"]
    )


def test_what_reads_and_answers_a_queue_is_drawn_from_events_and_rights() -> None:
    answer = {"Effect": "Allow", "Action": ["states:SendTaskSuccess"], "Resource": {"Ref": "Workflow"}}
    keep = {
        "Effect": "Allow",
        "Action": ["s3:PutObject", "s3:GetObject"],
        "Resource": {"Fn::Sub": "${Bucket.Arn}/in/*"},
    }
    worker = {
        "Type": "AWS::Serverless::Function",
        "Properties": {
            "Policies": [{"Statement": [answer, keep]}],
            "Events": {"Work": {"Type": "SQS", "Properties": {"Queue": {"Fn::GetAtt": ["Queue", "Arn"]}}}},
        },
    }
    drawing = resources(template(MACHINE, Worker=worker, Bucket={"Type": "AWS::S3::Bucket"}))
    lines = {line.strip() for line in drawing.splitlines()}
    assert {
        'Workflow --> |"Ask:<br>sqs:sendMessage<br>+ task token"| Queue',
        "Queue --> Worker",
        'Worker -.-> |"SendTask…"| Workflow',
        'Worker --> |"reads, writes in/"| Bucket',
    } <= lines


def test_a_person_beside_the_template_is_tied_to_one_of_its_resources() -> None:
    assert 'person --> |"asks"| Queue' in resources(template(MACHINE), [("person", "asks", "Queue")])
    for line in (
        ("person", "asks", "Quue"),
        ("person", "asks", "other"),
        ("Queue", "asks", "Workflow"),
        ("person", "Queue"),
    ):
        with pytest.raises(ValueError, match="FROM"):
            resources(template(MACHINE), [line])


def test_a_recording_keeps_colours_and_sends_nobody_to_another_server(tmp_path: Path) -> None:
    save("\x1b[31mFAILED\x1b[0m after 2 s\n", tmp_path / "recording.svg")
    picture = (tmp_path / "recording.svg").read_text()
    [colour] = re.findall(r'class="(\S+)"[^>]*>FAILED<', picture)
    assert re.search(rf"\.{colour} {{ fill: #cc555a }}", picture)
    for svg in (picture, RECORDING.read_text()):
        assert "font-face" not in svg
        assert "url(http" not in svg
