"""The linter finds nothing in our own templates, state machines and examples, and each rule of it is documented."""

import re

from callback_lint.catalogue import RULES
from callback_lint.documentation import sections
from callback_lint.linter import lint
from callback_lint.rules import DOCUMENT
from tools import PROJECT


def test_own_files_keep_every_rule() -> None:
    report = lint([PROJECT / "template.yaml", PROJECT / "templates", PROJECT / "statemachine"], RULES)
    assert [(finding.rule.id, finding.problem) for finding in report.findings] == []
    assert report.errors == []


def test_examples_keep_every_rule() -> None:
    report = lint([PROJECT / "examples"], RULES)
    assert [(finding.rule.id, finding.problem) for finding in report.findings] == []
    assert (report.files, report.errors) == (4, [])


def test_every_rule_is_documented_and_nothing_else_is() -> None:
    text = (PROJECT / DOCUMENT).read_text(encoding="utf-8")
    assert sorted(re.findall(r"^### (EC\d{4})$", text, re.MULTILINE)) == sorted(RULES)  # whose anchor is #ec1007
    assert set(re.findall(r"EC\d{4}", text)) == RULES.keys()
    assert text.endswith(sections())  # python -m callback_lint.documentation docs/lint.md
