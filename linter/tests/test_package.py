"""The package as others have it: its wheel in a separate environment, in a folder that has nothing of this project."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from callback_lint.catalogue import RULES
from test_command import MACHINE

PACKAGE = Path(__file__).resolve().parents[1]
PROJECT = PACKAGE.parent
ACTION = yaml.safe_load((PACKAGE / "action.yml").read_text(encoding="utf-8"))


def run(*command: str | Path, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        command, cwd=folder, env={**clean, **env}, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of an environment into which the wheel was installed."""
    folder = tmp_path_factory.mktemp("package")
    source = shutil.copytree(PACKAGE, folder / "source", ignore=shutil.ignore_patterns("tests", "__pycache__"))
    built = run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder / "dist", source, folder=folder)
    assert built.returncode == 0, built.stderr
    [wheel] = (folder / "dist").glob("callback_lint-*.whl")
    assert run(sys.executable, "-m", "venv", folder / "env", folder=folder).returncode == 0
    done = run(folder / "env" / "bin" / "pip", "install", "-q", f"{wheel}[cfn-lint]", folder=folder)
    assert done.returncode == 0, done.stderr
    return folder / "env" / "bin"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    (tmp_path / "wait.asl.json").write_text(MACHINE)
    machine = {"Type": "AWS::Serverless::StateMachine", "Properties": {"DefinitionUri": "wait.asl.json"}}
    template = {"Transform": "AWS::Serverless-2016-10-31", "Resources": {"Machine": machine}}
    (tmp_path / "template.json").write_text(json.dumps(template))
    return tmp_path


@pytest.mark.slow
def test_the_command_works_where_nothing_else_is(installed: Path, elsewhere: Path) -> None:
    command = installed / "callback-lint"

    checked = run(command, folder=elsewhere)
    assert (checked.returncode, checked.stderr) == (1, "2 files, 1 finding\n")
    [link] = re.findall(r"\((\S+)\)$", checked.stdout.strip())
    assert link.startswith("https://")
    assert link.endswith("#ec1007")

    sarif = json.loads(run(command, "--format", "sarif", folder=elsewhere).stdout)
    [driver] = [each["tool"]["driver"] for each in sarif["runs"]]
    assert run(command, "--version", folder=elsewhere).stdout == f"callback-lint {driver['version']}\n"
    assert all(rule["helpUri"].startswith("https://") for rule in driver["rules"])
    assert len(run(command, "--list-rules", folder=elsewhere).stdout.splitlines()) == len(RULES)
    assert "TimeoutSeconds" in run(command, "--explain", "EC1007", folder=elsewhere).stdout


@pytest.mark.slow
def test_the_plugin_of_cfn_lint_works_where_nothing_else_is(installed: Path, elsewhere: Path) -> None:
    (elsewhere / ".cfnlintrc").write_text("append_rules: [callback_lint.cfn_lint_rules]\n")
    for options in ([], ["--append-rules=callback_lint.cfn_lint_rules"]):
        shown = run(installed / "cfn-lint", *options, "--format=parseable", "--", "template.json", folder=elsewhere)
        assert "E9107:wait.asl.json:4: Wait: TimeoutSeconds is missing" in shown.stdout


@pytest.mark.parametrize(("fails", "status"), [("true", 1), ("false", 0)])
def test_the_action_writes_sarif_and_fails_as_asked(fails: str, status: int, elsewhere: Path) -> None:
    """Its last step, as a runner of GitHub runs it."""
    step = ACTION["runs"]["steps"][-1]
    (elsewhere / "temp").mkdir()
    (elsewhere / "temp" / "callback-lint").symlink_to(PACKAGE)
    (elsewhere / "bin").mkdir()
    (elsewhere / "bin" / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (elsewhere / "bin" / "python").chmod(stat.S_IRWXU)
    given = {"PATHS": "template.json\n\nwait.asl.json\n", "SARIF_FILE": "out.sarif", "FAIL_ON_FINDINGS": fails}
    assert given.keys() == step["env"].keys()

    done = run(
        "bash",
        "-eo",
        "pipefail",
        "-c",
        step["run"],
        folder=elsewhere,
        PATH=f"{elsewhere / 'bin'}:{os.environ['PATH']}",
        RUNNER_TEMP=str(elsewhere / "temp"),
        GITHUB_OUTPUT=str(elsewhere / "output"),
        **given,
    )

    assert done.returncode == status, done.stderr
    [result] = json.loads((elsewhere / "out.sarif").read_text())["runs"][0]["results"]
    assert result["ruleId"] == "EC1007"
    assert "EC1007 Wait" in done.stdout
    assert (elsewhere / "output").read_text() == "sarif-file=out.sarif\n"


def test_the_hook_names_a_command_and_a_folder_that_are_there() -> None:
    [hook] = yaml.safe_load((PROJECT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert hook["entry"].split() == ["callback-lint", "--if-any"]
    assert [(PROJECT / of / "pyproject.toml").is_file() for of in hook["additional_dependencies"]] == [True]
    for name in ("template.yaml", "a/serverless.yml", "x.asl.json", "x.asl", "cdk.out/S.template.json"):
        assert re.search(hook["files"], name)
    assert not re.search(hook["files"], "app.py")


@pytest.mark.slow
def test_the_hook_works_in_another_repository(tmp_path: Path, installed: Path) -> None:
    """pre-commit clones this repository as it is committed, and installs it."""
    if run("git", "rev-parse", "HEAD", folder=PROJECT).returncode != 0:
        pytest.skip("this is no clone")
    assert run(installed / "pip", "install", "-q", "pre-commit", folder=tmp_path).returncode == 0
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "wait.asl.json").write_text(MACHINE)
    (tmp_path / "repo" / "package.json").write_text('{"name": "app"}')
    for arguments in (["init", "-q"], ["add", "."]):
        assert run("git", *arguments, folder=tmp_path / "repo").returncode == 0
    done = run(
        installed / "pre-commit",
        *("try-repo", str(PROJECT), "callback-lint", "--ref", "HEAD", "--all-files"),
        folder=tmp_path / "repo",
        PRE_COMMIT_HOME=str(tmp_path / "cache"),
    )
    assert "wait.asl.json:4: EC1007 Wait" in done.stdout, done.stdout + done.stderr
