"""A definition is read wherever it stands, and its findings have the line on which they stand there."""

import json
from pathlib import Path

import pytest

from callback_lint.catalogue import RULES
from callback_lint.linter import lint
from test_command import MACHINE

HEAD = "Resources:\n  Machine:\n    Type: AWS::StepFunctions::StateMachine\n    Properties:\n"
YAML = """StartAt: Wait
States:
  Wait:
    Type: Task
    Resource: arn:aws:states:::sqs:sendMessage.waitForTaskToken
    Parameters: {QueueUrl: !Ref Queue, MessageBody.$: $$.Task.Token}
    End: true
"""


def indented(text: str, by: int) -> str:
    return "".join(f"{' ' * by}{line}\n" for line in text.splitlines())


def joined(text: str) -> str:
    parts = text.replace('"q"', '"\0"').split("\0")
    return json.dumps({"Fn::Join": ["", [parts[0], {"Ref": "Queue"}, parts[1]]]})


@pytest.mark.parametrize(
    ("template", "line"),
    [
        (f"{HEAD}      Definition:\n{indented(YAML, 8)}", 8),
        (f"{HEAD}      DefinitionString: |\n{indented(MACHINE, 8)}", 9),
        (f"{HEAD}      DefinitionString: !Sub |-\n{indented(MACHINE, 8)}", 9),
        (f"{HEAD}      DefinitionString:\n        Fn::Sub: |\n{indented(MACHINE, 10)}", 10),
        (f"{HEAD}      DefinitionString: !Sub\n        - |\n{indented(MACHINE, 10)}        - {{Name: x}}\n", 10),
        (f"{HEAD}      DefinitionString: {json.dumps(MACHINE)}\n", 5),
        (f"{HEAD}      DefinitionString: {joined(MACHINE)}\n", 5),
    ],
    ids=["Definition", "text", "!Sub", "Fn::Sub", "!Sub with names", "text on one line", "Fn::Join"],
)
def test_a_finding_has_the_line_of_the_state(template: str, line: int, tmp_path: Path) -> None:
    file = tmp_path / "template.yaml"
    file.write_text(template, encoding="utf-8")

    report = lint([file], RULES)

    assert report.errors == []
    assert [(each.rule.id, each.problem.line) for each in report.findings] == [("EC1007", line)]


@pytest.mark.parametrize("name", ["wait.asl.yaml", "wait.yml"])
def test_a_state_machine_by_itself_may_be_yaml(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(YAML.replace("!Ref Queue", "q"), encoding="utf-8")
    assert [(each.rule.id, each.problem.line) for each in lint([tmp_path], RULES).findings] == [("EC1007", 3)]


def test_json_may_be_indented_by_tabs(tmp_path: Path) -> None:
    (tmp_path / "wait.asl.json").write_text(MACHINE.replace("  ", "\t"), encoding="utf-8")
    assert [each.problem.line for each in lint([tmp_path], RULES).findings] == [4]


@pytest.mark.parametrize("value", ["${Seconds}", '"${Seconds}"'])
def test_a_timeout_that_is_substituted_is_not_known(value: str, tmp_path: Path) -> None:
    definition = MACHINE.replace('"End"', f'"TimeoutSeconds": {value}, "HeartbeatSeconds": 60, "End"')
    machine = {
        "Type": "AWS::Serverless::StateMachine",
        "Properties": {"DefinitionUri": "wait.asl.json", "DefinitionSubstitutions": {"Seconds": 60}},
    }
    (tmp_path / "wait.asl.json").write_text(definition, encoding="utf-8")
    (tmp_path / "template.json").write_text(json.dumps({"Resources": {"Machine": machine}}), encoding="utf-8")

    report = lint([tmp_path], RULES)

    assert (report.findings, report.errors) == ([], [])


def test_a_queue_is_found_behind_every_kind_of_reference(tmp_path: Path) -> None:
    queue = "  Queue:\n    Type: AWS::SQS::Queue\n    Properties: {MessageRetentionPeriod: 60}\n"
    timed = MACHINE.replace('"End"', '"TimeoutSeconds": 60, "End"')
    by_name, by_own_name = (indented(timed.replace('"q"', f'"${{{name}}}"'), 10) for name in ("Queue", "Url"))
    for number, text in enumerate(
        (
            f"      DefinitionString: !Sub |\n{by_name}",
            f"      DefinitionString: !Sub\n        - |\n{by_own_name}        - {{Url: !Ref Queue}}\n",
            f"      DefinitionString: {joined(timed)}\n",
            f"      Definition:\n{indented(YAML, 8)}            TimeoutSeconds: 60\n",
        )
    ):
        (tmp_path / f"{number}.yaml").write_text(HEAD + text + queue, encoding="utf-8")

    found = [each.problem.path.name for each in lint([tmp_path], RULES).findings if each.rule.id == "EC2004"]

    assert found == ["0.yaml", "1.yaml", "2.yaml", "3.yaml"]
