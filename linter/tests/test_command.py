"""What `callback-lint` prints, and how it ends."""

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from callback_lint.__main__ import main
from callback_lint.catalogue import RULES
from callback_lint.rules import Rule

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
LINK = RULES["EC1007"].link
FINDING = f"EC1007 Wait: TimeoutSeconds is missing: the state waits for a lost callback for a year ({LINK})"
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
def test_a_file_that_cannot_be_read_is_named_and_the_others_are_checked(
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
def test_a_template_that_cannot_be_read_is_named_in_a_folder_too(
    text: str, error: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "t.yaml").write_text(text)

    assert main([]) == 2
    assert capsys.readouterr().err.startswith(error)


def test_what_a_template_names_and_cannot_be_read_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
    (folder / "sound.asl.json").write_text(SOUND)

    assert main([]) == 0
    assert capsys.readouterr().err == "1 file, 0 findings\n"


def test_a_definition_of_a_template_is_checked_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    machine = {"Type": "AWS::Serverless::StateMachine", "Properties": {"DefinitionUri": "wait.asl.json"}}
    (folder / "template.json").write_text(json.dumps({"Resources": {"Machine": machine}}))
    (folder / "wait.asl.json").write_text(MACHINE)

    assert main([]) == 1
    assert capsys.readouterr().out == f"wait.asl.json:4: {FINDING}\n"


@pytest.mark.parametrize("arguments", [[], ["."], ["empty", "other"]])
def test_nothing_to_check_is_an_error_that_says_what_was_looked_at(
    arguments: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("empty", "other"):
        (folder / name).mkdir()
    (folder / "other" / "package.json").write_text('{"name": "app"}')

    assert main(arguments) == 2

    where = ", ".join(arguments or ["."])
    kinds = ".asl, .json, .template, .yaml, .yml"
    assert capsys.readouterr().err.startswith(f"{where}: no template and no state machine among 1 files ({kinds})\n")


def test_a_hook_may_name_whatever_has_changed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "package.json").write_text('{"name": "app"}')
    (folder / "chart.yaml").write_text("{{ .Values.name }}: x: y")
    assert main(["--if-any", "package.json", "chart.yaml"]) == 0

    (folder / "wait.asl.json").write_text(MACHINE)
    (folder / "broken.asl.json").write_text("{")
    assert main(["--if-any", "package.json", "wait.asl.json"]) == 1
    assert main(["--if-any", "package.json", "broken.asl.json"]) == 2
    capsys.readouterr()


def test_a_template_in_utf_16_is_named_in_a_folder_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "template.yaml").write_text("AWSTemplateFormatVersion: 2010-09-09\nResources: {}\n", encoding="utf-16")
    (folder / "other.json").write_text('{"name": "app"}', encoding="utf-16-le")

    assert main([]) == 2
    assert capsys.readouterr().err == "template.yaml:1: is UTF-16: save it as UTF-8\n0 files, 0 findings, 1 error\n"


def test_names_of_files_are_printed_on_one_line_and_harmless(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "a\x1b[31m\nb\u202e.asl.json"
    (folder / name).write_text(MACHINE)
    (folder / f"broken{name}").write_text("{")

    assert main([]) == 2

    printed = capsys.readouterr()
    assert printed.out == f"a\\x1b[31m b\\u202e.asl.json:4: {FINDING}\n"
    assert printed.err.startswith("brokena\\x1b[31m b\\u202e.asl.json:1: is not JSON")


def test_a_pipe_a_loop_of_links_and_a_huge_file_are_refused_with_words(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(folder / "pipe.json")
    (folder / "loop.json").symlink_to("loop.json")
    with (folder / "huge.asl.json").open("wb") as file:
        file.write(b'{"StartAt": "A"')
        file.truncate(50_000_000)

    assert main(["pipe.json", "loop.json", "huge.asl.json"]) == 2

    assert capsys.readouterr().err.splitlines()[:-1] == [
        "pipe.json:1: is no regular file",
        "loop.json: is a link to nothing",
        "huge.asl.json:1: is larger than 10 MB",
    ]
    assert main([]) == 2  # as parts of a folder, where the pipe and the loop are passed over
    assert capsys.readouterr().err.startswith("huge.asl.json:1: is larger than 10 MB\n")


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"callback-lint {metadata.version('callback-lint')}\n"


def test_every_rule_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list-rules"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "EC1007 Waits have a timeout" in lines
    assert [line.split()[0] for line in lines] == list(RULES)


@pytest.mark.parametrize("rule_id", ["EC1007", "ec1007", "E9107"])
def test_a_rule_is_explained(rule_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--explain", rule_id]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("EC1007 Waits have a timeout (in cfn-lint: E9107)\n\nA wait, or an activity, without")
    assert RULES["EC1007"].source in printed
    assert RULES["EC1007"].link in printed


def test_a_rule_that_does_not_exist_is_named_with_what_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--explain", "EC10007"]) == 2
    assert capsys.readouterr().err == "There is no rule EC10007; there is EC1007\n"


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_each_rule_says_what_it_is_about_and_where_that_stands(rule: Rule) -> None:
    assert rule.explanation.endswith(".")
    assert len(rule.explanation.split(". ")) >= 2  # what is wrong, what comes of it, what to do
    assert rule.source.startswith("https://")


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
        "link": LINK,
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
    assert rule["help"]["text"] == f"{RULES['EC1007'].explanation}\n{RULES['EC1007'].source}"
    assert rule["helpUri"].startswith("https://")
    assert run["tool"]["driver"]["name"] == "callback-lint"
    assert run["invocations"][0]["executionSuccessful"] is True


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
