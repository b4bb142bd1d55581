"""Every template keeps the rules of template_rules.py, and neither SAM CLI nor cfn-lint finds anything in it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cfnlint.api import lint_file  # type: ignore[import-untyped]

from tests.template.project import FUNCTIONS, ROOT, STATE_MACHINE_FILES, TEMPLATE_FILES, Template, name_of
from tests.template.template_rules import RULES, Rule

each_template = pytest.mark.parametrize("file", TEMPLATE_FILES, ids=name_of)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@each_template
def test_template_keeps_rule(file: Path, rule: Rule) -> None:
    assert list(rule(Template.read(file))) == []


@each_template
def test_sam_validate_finds_nothing(file: Path, tmp_path: Path) -> None:
    run = subprocess.run(
        [Path(sys.executable).parent / "sam", "validate", "--lint", "--template", file],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "SAM_CLI_TELEMETRY": "0",
            "AWS_DEFAULT_REGION": "us-east-1",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


@each_template
def test_cfn_lint_finds_nothing(file: Path) -> None:
    assert [str(match) for match in lint_file(file)] == []


def test_every_state_machine_is_in_a_template() -> None:
    used = {machine.file for file in TEMPLATE_FILES for machine in Template.read(file).state_machines}
    assert set(STATE_MACHINE_FILES) - used == set()


def test_no_function_needs_a_build() -> None:
    assert list(FUNCTIONS.rglob("requirements*.txt")) == []
