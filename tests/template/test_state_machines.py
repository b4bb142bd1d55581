"""Every state machine keeps the rules of asl_rules.py, and cfn-lint finds nothing in it."""

import json
import re
from pathlib import Path

import pytest
from cfnlint.api import lint  # type: ignore[import-untyped]

from tests.template.asl_rules import RULES, Rule
from tests.template.project import STATE_MACHINE_FILES, Fields, name_of, read_definition

each_state_machine = pytest.mark.parametrize("file", STATE_MACHINE_FILES, ids=name_of)


def findings_of_cfn_lint(definition: Fields) -> list[str]:
    """cfn-lint reads a definition only within a plain CloudFormation resource, and with nothing to substitute."""
    substituted = json.loads(re.sub(r"\$\{\w+\}", "substituted", json.dumps(definition)))
    template = {
        "Resources": {
            "StateMachine": {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {"RoleArn": "arn:aws:iam::123456789012:role/states", "Definition": substituted},
            }
        }
    }
    return [str(match) for match in lint(json.dumps(template))]


def test_there_are_state_machines() -> None:
    assert STATE_MACHINE_FILES


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.__name__)
@each_state_machine
def test_state_machine_keeps_rule(file: Path, rule: Rule) -> None:
    assert list(rule(read_definition(file))) == []


@each_state_machine
def test_cfn_lint_finds_nothing(file: Path) -> None:
    assert findings_of_cfn_lint(read_definition(file)) == []


def test_cfn_lint_finds_a_planted_fault() -> None:
    definition = read_definition(STATE_MACHINE_FILES[0])
    next(iter(definition["States"].values()))["TimeoutSecond"] = 1
    assert any("'TimeoutSecond' was unexpected" in finding for finding in findings_of_cfn_lint(definition))


def test_a_key_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "twice.asl.json"
    file.write_text('{"StartAt": "A", "StartAt": "B"}')
    with pytest.raises(ValueError, match="StartAt"):
        read_definition(file)
