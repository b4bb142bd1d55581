"""What `python -m callback_lint` prints, and how it ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from callback_lint.__main__ import main

MACHINE = """{
  "StartAt": "Wait",
  "States": {
    "Wait": {
      "Type": "Task",
      "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
      "Parameters": {"QueueUrl": "q", "MessageBody.$": "$$.Task.Token"},
      "End": true
    }
  }
}"""
SOUND = MACHINE.replace('"End"', '"TimeoutSeconds": 60, "End"')
FINDING = "EC1007 Wait: TimeoutSeconds is missing: the state waits for a lost callback for a year (docs/lint.md#ec1007)"
PACKAGE = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_finding_is_a_line_and_ends_with_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "wait.asl.json").write_text(MACHINE)

    assert main([]) == 1

    printed = capsys.readouterr()
    assert printed.out == f"wait.asl.json:4: {FINDING}\n"
    assert printed.err == "1 file, 1 finding\n"


def test_no_finding_ends_with_0(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "wait.asl.json").write_text(SOUND)

    assert main(["wait.asl.json"]) == 0

    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "1 file, 0 findings\n")


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b'{"StartAt": }', "wait.json:1: is not JSON: Expecting value"),
        (b'{"StartAt": 1,\n "StartAt": 2}', "wait.json:1: 'StartAt' is there twice in one object"),
        (b"\xff\xfe", "wait.json:1: is UTF-16: save it as UTF-8"),
        (b"", "wait.json:1: is not JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "wait.json:1: is nested more than 100 levels deep"),
        (b'{"orders": []}', "wait.json:1: is neither a template (Resources) nor a state machine (StartAt, States)"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_and_the_others_are_judged(
    content: bytes, error: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "wait.json").write_bytes(content)
    (folder / "other.json").write_text(MACHINE)

    assert main(["wait.json", "other.json"]) == 2

    printed = capsys.readouterr()
    assert printed.err.startswith(error)
    assert printed.out == f"other.json:4: {FINDING}\n"
    assert printed.err.endswith("1 file, 1 finding, 1 error\n")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("Resources:\n  A: {Type: AWS::SQS::Queue\n", "t.yaml:3: is not YAML"),
        (
            "Resources:\n  A:\n    Type: AWS::SQS::Queue\n  A:\n    Type: AWS::SQS::Queue\n",
            "t.yaml:4: is not YAML: 'A' is",
        ),
        ("AWSTemplateFormatVersion: 1\nResources: &a [*a]\n", "t.yaml:2: is nested more than 100 levels deep"),
        ("AWSTemplateFormatVersion: 1\n---\nResources: {}\n", "t.yaml:2: is not YAML: but found another document"),
        (
            "AWSTemplateFormatVersion: &a [1,1,1,1,1,1,1,1,1]\n"
            + "".join(
                f"{name}: &{name} [{', '.join(f'*{of}' for _ in range(9))}]\n"
                for name, of in zip("bcdefg", "abcdef", strict=True)
            ),
            "t.yaml:1: holds more than 500,000 values",
        ),
    ],
)
def test_a_template_that_cannot_be_read_is_told_in_a_folder_too(
    text: str, error: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "t.yaml").write_text(text)

    assert main([]) == 2
    assert capsys.readouterr().err.startswith(error)


def test_what_a_template_names_and_cannot_be_read_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    machine = {"Type": "AWS::Serverless::StateMachine", "Properties": {"DefinitionUri": "wait.json"}}
    (folder / "template.json").write_text(json.dumps({"Resources": {"Machine": machine}}))
    (folder / "wait.json").write_text('{"StartAt": ')

    assert main([]) == 2

    printed = capsys.readouterr().err
    assert printed.startswith("wait.json:1: is not JSON")
    assert printed.endswith("1 file, 0 findings, 1 error\n")


def test_files_of_others_and_hidden_ones_are_passed_over(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "package.json").write_text('{"name": "app"}')
    (folder / "chart.yaml").write_text("{{ .Values.name }}: x: y")
    (folder / "pods.yaml").write_text("kind: Pod\n---\nkind: Pod\n")
    for name in (".aws-sam", "node_modules", ".git"):
        (folder / name).mkdir()
        (folder / name / "wait.asl.json").write_text(MACHINE)

    assert main([]) == 0
    assert capsys.readouterr().err == "0 files, 0 findings\n"


def test_a_definition_of_a_template_is_judged_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    machine = {"Type": "AWS::Serverless::StateMachine", "Properties": {"DefinitionUri": "wait.asl.json"}}
    (folder / "template.json").write_text(json.dumps({"Resources": {"Machine": machine}}))
    (folder / "wait.asl.json").write_text(MACHINE)

    assert main([]) == 1
    assert capsys.readouterr().out == f"wait.asl.json:4: {FINDING}\n"


def test_no_such_file_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nowhere.yaml"]) == 2
    assert "nowhere.yaml: there is no such file or folder" in capsys.readouterr().err


def test_a_wrong_option_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--format", "xml"])
    assert ended.value.code == 2
    assert "invalid choice" in capsys.readouterr().err


def test_json_lists_what_text_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "wait.asl.json").write_text(MACHINE)

    assert main(["--format", "json"]) == 1

    [finding] = json.loads(capsys.readouterr().out)
    assert finding == {
        "file": "wait.asl.json",
        "line": 4,
        "id": "EC1007",
        "message": "Wait: TimeoutSeconds is missing: the state waits for a lost callback for a year",
        "link": "docs/lint.md#ec1007",
    }


def test_sarif_names_rules_and_places(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "wait.asl.json").write_text(MACHINE)

    assert main(["--format", "sarif"]) == 1

    log = json.loads(capsys.readouterr().out)
    [run] = log["runs"]
    [result] = run["results"]
    place = result["locations"][0]["physicalLocation"]
    assert log["version"] == "2.1.0"
    assert result["ruleId"] == "EC1007"
    assert place == {"artifactLocation": {"uri": "wait.asl.json"}, "region": {"startLine": 4}}
    [rule] = [rule for rule in run["tool"]["driver"]["rules"] if rule["id"] == result["ruleId"]]
    assert rule["help"]["text"] == "docs/lint.md#ec1007"
    assert rule["helpUri"] == f"{(PACKAGE.parent / 'docs' / 'lint.md').as_uri()}#ec1007"


@pytest.mark.parametrize("form", ["json", "sarif"])
def test_no_finding_is_valid_json_too(form: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "wait.asl.json").write_text(SOUND)

    assert main(["--format", form]) == 0
    json.loads(capsys.readouterr().out)


def test_what_cannot_be_printed_is_shown_in_other_words(folder: Path) -> None:
    (folder / "wait.asl.json").write_text(MACHINE.replace('"Wait"', '"\\ud800 Wäit"'))
    command = [sys.executable, "-m", "callback_lint", str(folder)]
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    run = subprocess.run(command, cwd=PACKAGE, env=env, capture_output=True, text=True, timeout=60, check=False)

    assert "\\ud800 W\\xe4it: TimeoutSeconds is missing" in run.stdout
    assert run.returncode == 1


def test_a_reader_who_leaves_early_is_no_error(folder: Path) -> None:
    (folder / "wait.asl.json").write_text(MACHINE)
    command = f"'{sys.executable}' -m callback_lint '{folder}' | true"
    run = subprocess.run(
        ["/bin/sh", "-c", command], cwd=PACKAGE, capture_output=True, text=True, timeout=60, check=False
    )

    assert run.stderr == "1 file, 1 finding\n"


def test_it_runs_as_a_module(folder: Path) -> None:
    (folder / "wait.asl.json").write_text(MACHINE)
    command = [sys.executable, "-m", "callback_lint", str(folder)]
    run = subprocess.run(command, cwd=PACKAGE, capture_output=True, text=True, timeout=60, check=False)

    assert (run.returncode, run.stdout) == (1, f"{folder}/wait.asl.json:4: {FINDING}\n")
