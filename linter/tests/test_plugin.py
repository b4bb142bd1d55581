"""The rules are rules of cfn-lint, too, for whoever runs it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from callback_lint.catalogue import RULES
from planting import SOUND
from test_naive_template import NAIVE

CFN_LINT = Path(sys.executable).parent / "cfn-lint"
PACKAGE = Path(__file__).resolve().parents[1]


def cfn_lint(folder: Path, *arguments: str | Path) -> list[str]:
    """As an editor runs it: from any folder."""
    env = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    command = [CFN_LINT, "--append-rules=callback_lint.cfn_lint_rules", *arguments]
    run = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False)
    return run.stdout.splitlines()


def test_cfn_lint_knows_every_general_rule(tmp_path: Path) -> None:
    listed = "\n".join(cfn_lint(tmp_path, "--list-rules"))
    assert [rule.id for rule in RULES.values() if f"{rule.cfn_lint_id}: {rule.id}: {rule.title}" not in listed] == []


def test_numbers_are_of_those_that_cfn_lint_leaves_to_others() -> None:
    numbers = [rule.cfn_lint_id for rule in RULES.values()]
    assert RULES["EC1007"].cfn_lint_id == "E9107"
    assert len(set(numbers)) == len(RULES)
    assert all(re.fullmatch(r"E9\d{3}", number) for number in numbers)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What it says of the naive template, and of one whose definition is its own file."""
    folder = tmp_path_factory.mktemp("templates")
    definition = (SOUND.parent / "request_work.asl.json").read_text(encoding="utf-8")
    (folder / "request_work.asl.json").write_text(definition.replace('"TimeoutSeconds": 3600,', ""), encoding="utf-8")
    (folder / "template.yaml").write_text(SOUND.read_text(encoding="utf-8"), encoding="utf-8")
    return cfn_lint(folder, "--format=parseable", "--", folder / "template.yaml", NAIVE)


def test_cfn_lint_shows_a_finding_at_its_line(shown: list[str]) -> None:
    line = NAIVE.read_text(encoding="utf-8").splitlines().index("        maxReceiveCount: 1 # EC2018") + 1
    assert any(
        f"naive.yaml:{line}:" in text and "E9218:OrderQueue: maxReceiveCount 1 is under" in text for text in shown
    )


def test_cfn_lint_shows_a_finding_of_a_definition_at_the_resource_that_names_it(shown: list[str]) -> None:
    machine = SOUND.read_text(encoding="utf-8").splitlines().index("  Machine:") + 1
    [finding] = [text for text in shown if "E9" in text and "naive.yaml" not in text]
    assert f"template.yaml:{machine}:" in finding
    assert "E9107:request_work.asl.json:5: RequestWork: TimeoutSeconds is missing" in finding
