"""This project's own templates and state machines keep every rule, and each rule is documented."""

import re

from lint.catalogue import ALL_RULES, GENERAL_RULES
from lint.judges import ROOT, TEMPLATE_FILES
from lint.linter import lint
from lint.rules import DOCUMENT


def test_own_files_keep_every_rule() -> None:
    report = lint([ROOT / "template.yaml", ROOT / "templates", ROOT / "statemachine"], ALL_RULES)
    assert [(finding.rule.id, finding.problem) for finding in report.findings] == []
    assert report.errors == []


def test_examples_keep_every_general_rule() -> None:
    report = lint([ROOT / "examples"], GENERAL_RULES)
    assert [(finding.rule.id, finding.problem) for finding in report.findings] == []
    assert (report.files, report.errors) == (3, [])


def test_every_state_machine_is_in_a_template() -> None:
    alone = set((ROOT / "statemachine").iterdir())
    texts = "".join(file.read_text(encoding="utf-8") for file in TEMPLATE_FILES)
    assert [file.name for file in alone if f"statemachine/{file.name}\n" not in texts] == []


def test_no_function_needs_a_build() -> None:
    assert list((ROOT / "functions").rglob("requirements*.txt")) == []


def test_every_rule_is_documented_and_nothing_else_is() -> None:
    text = (ROOT / DOCUMENT).read_text(encoding="utf-8")
    general = re.findall(r"^### (EC\d{4})$", text, re.MULTILINE)  # whose anchor is #ec1007
    house = [anchor.upper() for anchor in re.findall(r'<a id="(ec\d{4})"></a>', text)]
    assert sorted(general) == sorted(GENERAL_RULES)
    assert sorted(general + house) == sorted(ALL_RULES)
    assert set(re.findall(r"EC\d{4}", text)) == ALL_RULES.keys()
