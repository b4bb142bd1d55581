"""Every template keeps the rules of the catalogue. What the other judges find, `make audit` shows."""

from pathlib import Path

import pytest

from tests.template.catalogue import TEMPLATE_RULES
from tests.template.project import FUNCTIONS, STATE_MACHINE_FILES, TEMPLATE_FILES, Template, name_of
from tests.template.template_rules import Rule

each_template = pytest.mark.parametrize("file", TEMPLATE_FILES, ids=name_of)


@pytest.mark.parametrize("rule", TEMPLATE_RULES.values(), ids=lambda rule: rule.__name__)
@each_template
def test_template_keeps_rule(file: Path, rule: Rule) -> None:
    assert list(rule(Template.read(file))) == []


def test_every_state_machine_is_in_a_template() -> None:
    used = {machine.file for file in TEMPLATE_FILES for machine in Template.read(file).state_machines}
    assert set(STATE_MACHINE_FILES) - used == set()


def test_no_function_needs_a_build() -> None:
    assert list(FUNCTIONS.rglob("requirements*.txt")) == []
