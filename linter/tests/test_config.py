"""What people switch off, by configuration and beside a finding."""

from pathlib import Path

import pytest

from callback_lint.__main__ import main
from planting import WAIT
from test_command import MACHINE

TEMPLATE = (
    WAIT
    + """
            Parameters: {QueueUrl: !Ref Queue, MessageBody.$: $$.Task.Token}
            End: true
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      RedrivePolicy: {deadLetterTargetArn: arn, maxReceiveCount: 3}
"""
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "app.yaml").write_text(TEMPLATE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def findings(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    main([*arguments])
    printed = capsys.readouterr()
    assert "error" not in printed.err
    return [line.split()[1] for line in printed.out.splitlines()]


def test_without_any_there_are_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert findings(capsys) == ["EC1007", "EC2018"]


@pytest.mark.parametrize(
    ("settings", "left"),
    [
        ('ignore = ["EC1007"]', ["EC2018"]),
        ('ignore = ["E9107"]', ["EC2018"]),  # as cfn-lint numbers it
        ("thresholds = {fewest-receives = 3}", ["EC1007"]),
        ('[ignore-paths]\n"templates/**" = ["EC1007", "EC2018"]', []),
        ('[ignore-paths]\n"other/**" = ["EC1007"]', ["EC1007", "EC2018"]),
        ('[ignore-names]\n"Wait" = ["EC1007"]\n"Q*" = ["EC2018"]', []),
        ('[ignore-names]\n"Wai" = ["EC1007"]', ["EC1007", "EC2018"]),
    ],
)
@pytest.mark.parametrize("name", [".callback-lint.toml", "pyproject.toml", "own.toml"])
def test_rules_are_switched_off(
    name: str, settings: str, left: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if name == "pyproject.toml":
        settings = "[tool.callback-lint]\n" + settings.replace("[ignore", "[tool.callback-lint.ignore")
    (folder / name).write_text(settings)
    assert findings(capsys, *(["--config", name] if name == "own.toml" else [])) == left


def test_what_is_excluded_is_not_looked_at_unless_it_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / ".callback-lint.toml").write_text('exclude = ["templates/*"]')
    (folder / "wait.asl.json").write_text(MACHINE)
    assert findings(capsys) == ["EC1007"]
    assert findings(capsys, "templates/app.yaml") == ["EC1007", "EC2018"]


def test_that_of_a_folder_above_counts(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "pyproject.toml").write_text('[tool.callback-lint]\nignore = ["EC1007"]')
    monkeypatch.chdir(folder / "templates")
    assert findings(capsys) == ["EC2018"]


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ('ignore = ["EC9999"]', "there is no rule EC9999"),
        ("ignore = 1", "is no list of texts: 1"),
        ("ignored = []", "there is no setting ignored, only "),
        ("thresholds = {fewest-receives = 0}", "thresholds are whole numbers above 0"),
        ("[", "own.toml: "),
    ],
)
def test_a_wrong_configuration_is_an_error(
    settings: str, error: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "own.toml").write_text(settings)
    assert main(["--config", "own.toml"]) == 2
    assert error in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("          Wait:", "          Wait: # callback-lint: ignore EC1007"),
        ("          Wait:", "          # callback-lint: ignore EC2003, EC1007 - asked by a person\n          Wait:"),
        ("            Type: Task", "            Type: Task\n            Comment: 'callback-lint: ignore EC1007'"),
        ("StartAt: Wait", "StartAt: Wait\n        Comment: 'callback-lint: ignore EC1007'"),
        ("Resources:", "Metadata: {cfn-lint: {config: {ignore_checks: [E9107]}}}\nResources:"),
    ],
)
def test_a_rule_is_switched_off_beside_its_finding(
    old: str, new: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "templates" / "app.yaml").write_text(TEMPLATE.replace(old, new))
    assert findings(capsys) == ["EC2018"]


def test_of_a_resource_in_its_metadata(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metadata = "    Metadata: {cfn-lint: {config: {ignore_checks: [EC2018]}}}\n"
    queue = "  Queue:\n    Type: AWS::SQS::Queue\n"
    (folder / "templates" / "app.yaml").write_text(TEMPLATE.replace(queue, queue + metadata))
    assert findings(capsys) == ["EC1007"]


def test_a_comment_in_code_switches_a_finding_off(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = """
  Worker:
    Type: AWS::Lambda::Function
    Properties:
      Handler: index.handler
      Code:
        ZipFile: |
          def handler(event, context):
              print(event) # callback-lint: ignore EC2017
"""
    (folder / "templates" / "app.yaml").write_text(TEMPLATE + code)
    assert findings(capsys) == ["EC1007", "EC2018"]
