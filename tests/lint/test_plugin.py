"""Every rule has an id of its own, by which cfn-lint shows it where it belongs."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.template import catalogue
from tests.template.catalogue import STATE_MACHINE_RULES, TEMPLATE_RULES
from tests.template.judges import OWN_RULES
from tests.template.project import ROOT

MODULES = [module for name, module in vars(catalogue).items() if name.endswith("_rules")]
CFN_LINT = Path(sys.executable).parent / "cfn-lint"


def cfn_lint(folder: Path, *arguments: str | Path) -> str:
    """As an editor runs it: from any folder."""
    command = [CFN_LINT, f"--append-rules={OWN_RULES}", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False).stdout


def test_no_two_rules_have_one_id() -> None:
    assert sum(len(module.RULES) for module in MODULES) == len(STATE_MACHINE_RULES | TEMPLATE_RULES)


def test_cfn_lint_knows_every_rule(tmp_path: Path) -> None:
    listed = cfn_lint(tmp_path, "--list-rules")

    assert [rule_id for rule_id in STATE_MACHINE_RULES | TEMPLATE_RULES if rule_id not in listed] == []


@pytest.fixture
def copy_of_payment_callback(tmp_path: Path) -> Path:
    """Beside links to what it names, which is where its rules look."""
    for name in ("functions", "statemachine"):
        (tmp_path / name).symlink_to(ROOT / name)
    template = tmp_path / "template.yaml"
    template.write_bytes((ROOT / "template.yaml").read_bytes())
    return template


def test_cfn_lint_finds_nothing_in_the_payment_callback(copy_of_payment_callback: Path) -> None:
    assert cfn_lint(copy_of_payment_callback.parent, "--", copy_of_payment_callback) == ""


def test_cfn_lint_shows_a_finding_at_its_resource(copy_of_payment_callback: Path) -> None:
    text = copy_of_payment_callback.read_text(encoding="utf-8")
    copy_of_payment_callback.write_text(text.replace("maxReceiveCount: 3", "maxReceiveCount: 1"), encoding="utf-8")
    line = text.splitlines().index("  PaymentQueue:") + 1

    shown = cfn_lint(copy_of_payment_callback.parent, "--format=parseable", "--", copy_of_payment_callback)

    assert f"template.yaml:{line}:" in shown
    assert "EC2007:PaymentQueue: maxReceiveCount 1 is under 3" in shown


def test_cfn_lint_shows_a_finding_in_a_state_machine(copy_of_payment_callback: Path) -> None:
    machines = copy_of_payment_callback.parent / "statemachine"
    machines.unlink()
    machines.mkdir()
    text = (ROOT / "statemachine" / "payment_callback.asl.json").read_text(encoding="utf-8")
    definition = text.replace('"TimeoutSeconds": 3600', '"TimeoutSeconds": 0')
    (machines / "payment_callback.asl.json").write_text(definition, encoding="utf-8")

    shown = cfn_lint(copy_of_payment_callback.parent, "--", copy_of_payment_callback)

    assert "EC1007 WaitForCallbackStateMachine: payment_callback.asl.json: RequestPayment: TimeoutSeconds is 0" in shown
