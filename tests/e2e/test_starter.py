"""`sam init --location` leaves a project with one workflow, whose demo, tests and checks are green at once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import PROJECT
from tools.stack import WORKFLOWS
from tools.starter import Answers, StarterError, fill

pytestmark = [pytest.mark.slow, pytest.mark.local("it makes projects that have an embedded AWS each")]


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": "linter", "SAM_CLI_TELEMETRY": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return done.stdout + done.stderr


def made(folder: Path, workflow: str, **answers: str) -> Path:
    context = json.dumps({"workflow": workflow, "project_name": f"my-{workflow}", **answers})
    run(folder, "samcli", "init", "--location", str(PROJECT), "--no-input", "--extra-context", context)
    project = folder / f"my-{workflow}"
    for name in (".venv", ".venv-engine"):
        (project / name).symlink_to((PROJECT / name).resolve())
    return project


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_a_project_with_one_workflow_is_green_at_once(workflow: str, tmp_path: Path) -> None:
    # Given
    project = made(tmp_path, workflow)
    # Then
    run(project, "ruff", "format", "--check", ".")
    run(project, "ruff", "check", ".")
    run(project, "mypy", "functions", "linter", "tools", "tests")
    assert " 0 findings" in run(project, "callback_lint", "template.yaml", "statemachine")
    subprocess.run([Path(sys.executable).parent / "cfn-lint", "template.yaml"], cwd=project, check=True)
    run(project, "pytest", "-p", "no:cacheprovider", "-m", "not slow")
    try:
        assert "MISSING" not in run(project, "tools", "demo")
    finally:
        run(project, "tools", "down")
    others = {name.replace("-", "_") for name in WORKFLOWS} - {workflow.replace("-", "_")}
    files = [file for file in project.rglob("*.asl.json") if "linter" not in file.parts]
    assert files
    assert [file.name for file in files if file.name.removesuffix(".asl.json") in others] == []


def test_without_answers_it_is_the_payment_callback(tmp_path: Path) -> None:
    run(tmp_path, "samcli", "init", "--location", str(PROJECT), "--no-input")
    assert (tmp_path / "callback-workflow/statemachine/payment_callback.asl.json").is_file()


def test_the_answers_are_in_the_template_and_in_samconfig(tmp_path: Path) -> None:
    topic = "arn:aws:sns:eu-central-1:123456789012:alarms"
    answers = Answers("mine", "manual-callback", "python3.13", "arm64", topic)
    fill(tmp_path, answers)
    template, samconfig = ((tmp_path / name).read_text() for name in ("template.yaml", "samconfig.toml"))
    assert "Runtime: python3.13" in template
    assert "python314" not in template
    assert f'parameter_overrides = "Architecture=arm64 AlarmTopicArn={topic}"' in samconfig
    assert 'stack_name = "mine"' in samconfig


@pytest.mark.parametrize(
    ("name", "topic"), [("1st", ""), ("my project", ""), ("../up", ""), ("", ""), ("mine", "my topic")]
)
def test_an_answer_that_cannot_be_used_is_refused(name: str, topic: str, tmp_path: Path) -> None:
    with pytest.raises(StarterError):
        fill(tmp_path, Answers(name, "payment-callback", "python3.14", "x86_64", topic))
    assert list(tmp_path.iterdir()) == []
