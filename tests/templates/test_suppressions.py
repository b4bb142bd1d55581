"""Twelve rules at most are suppressed in the whole project, each beside its resource, for a reason, and documented.

One of them, about YAML's merge keys, cfn-lint finds in every alarm: it is suppressed for a whole template.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from callback_lint.documents import Fields, read
from tools import PROJECT
from tools.checks import TEMPLATE_FILES

MOST_RULES = 12
DOCUMENT = PROJECT / "docs" / "security.md"

# Where else a check would take a suppression from
_CONFIGURATIONS = (".cfnlintrc", ".cfnlintrc.yaml", ".cfnlintrc.yml", ".checkov.yaml", ".checkov.yml")
_RULE = r"CKV2?_AWS_\d+|[EWI][A-Z]?\d{4}"
_WHOLE_TEMPLATE = {"cfn-lint": {"config": {"ignore_checks": ["W1100"]}}}
_COMMENT = re.compile(r" # (\S+ ){2}\S+")


def resources(file: Path) -> Fields:
    found: Fields = read(file).value["Resources"]
    return found


def suppressed() -> Iterator[tuple[str, str, str]]:
    """Each suppression of each template: where, the rule, and the reason as far as it is no comment."""
    for file in TEMPLATE_FILES:
        for logical_id, resource in {"the whole": read(file).value, **resources(file)}.items():
            metadata, place = resource.get("Metadata", {}), f"{file.name}, {logical_id}"
            for skip in metadata.get("checkov", {}).get("skip", []):
                yield place, skip["id"], skip.get("comment", "")
            for rule in metadata.get("cfn-lint", {}).get("config", {}).get("ignore_checks", []):
                yield place, rule, "in the comment"


def test_at_most_twelve_rules_are_suppressed() -> None:
    rules = {rule for _, rule, _ in suppressed()}
    assert len(rules) <= MOST_RULES, sorted(rules)


def test_suppressions_name_one_whole_rule() -> None:
    assert [rule for _, rule, _ in suppressed() if not re.fullmatch(_RULE, rule)] == []


def test_every_suppression_has_a_reason() -> None:
    assert [place for place, _, reason in suppressed() if len(reason.split()) < 3] == []
    for file in TEMPLATE_FILES:
        for before, line in pairwise(file.read_text(encoding="utf-8").splitlines()):
            if "ignore_checks" in line:
                reason = _COMMENT.search(line) or _COMMENT.search(before)
                assert reason, f"{file.name}: no reason beside or above: {line.strip()}"
                assert "[" in line, f"{file.name}: a list that goes on: {line.strip()}"


def test_nothing_is_suppressed_out_of_sight() -> None:
    assert [name for name in _CONFIGURATIONS if (PROJECT / name).exists()] == []
    for file in TEMPLATE_FILES:
        assert "checkov:skip" not in file.read_text(encoding="utf-8")
        assert read(file).value.get("Metadata", _WHOLE_TEMPLATE) == _WHOLE_TEMPLATE


def test_every_suppressed_rule_is_documented() -> None:
    """By a row of a table that begins with the rule."""
    documented = re.findall(rf"^\| *`?({_RULE})\b", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert {rule for _, rule, _ in suppressed()} == set(documented)
