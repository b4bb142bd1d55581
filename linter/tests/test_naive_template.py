"""Each fault of a naive template is named, with its line: `naive.yaml` says which are where."""

import re
from pathlib import Path

from callback_lint.catalogue import RULES
from callback_lint.linter import lint

NAIVE = Path(__file__).parent / "naive.yaml"


def test_each_fault_is_named_with_its_line() -> None:
    marked = sorted(
        (number, rule_id)
        for number, line in enumerate(NAIVE.read_text(encoding="utf-8").splitlines(), start=1)
        for rule_id in re.findall(r"EC\d{4}", line)
    )
    report = lint([NAIVE], RULES)
    assert sorted((finding.problem.line, finding.rule.id) for finding in report.findings) == marked
    assert report.errors == []


def test_it_has_a_fault_for_every_general_rule() -> None:
    assert RULES.keys() - {finding.rule.id for finding in lint([NAIVE], RULES).findings} == set()
