"""The rules as rules of cfn-lint, for whoever runs it: `--append-rules linter/callback_lint/cfn_lint_rules`.

An editor that runs cfn-lint shows them too, given the same option. Findings are about the file, not about what cfn-lint
makes of it, so that a template that comes on standard input is not judged.
"""

import sys
from functools import cache
from pathlib import Path

from cfnlint.rules import CloudFormationLintRule, RuleMatch  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # cfn-lint loads this file from wherever it is started

from callback_lint.catalogue import RULES  # noqa: E402
from callback_lint.documents import Json, Problem, Unreadable, read  # noqa: E402
from callback_lint.linter import template_of  # noqa: E402
from callback_lint.rules import Rule  # noqa: E402
from callback_lint.templates import Template  # noqa: E402


def cfn_lint_rule(rule: Rule) -> type:
    def match(_self: object, cfn: Json) -> list[RuleMatch]:
        template = _read(Path(cfn.filename or ""))
        return [_match(problem, template) for problem in rule.problems(template)] if template else []

    fields = {
        "id": rule.id,
        "shortdesc": rule.title,
        "description": rule.title,
        "source_url": rule.link,
        "tags": ["callback-workflows"],
        "match": match,
    }
    return type(rule.id, (CloudFormationLintRule,), fields)


def _match(problem: Problem, template: Template) -> RuleMatch:
    """Where a problem is in another file, at the resource that names the file."""
    if problem.path == template.document.path:
        return RuleMatch([], problem.message, location=(problem.line - 1, 0, problem.line - 1, 1))
    named = (name for name, machine in template.machine_of.items() if machine.document.path == problem.path)
    where = f"{problem.path.name}:{problem.line}: {problem.message}"
    return RuleMatch(["Resources", next(named, "")], where)


@cache
def _read(path: Path) -> Template | None:
    try:
        return template_of(read(path))
    except Unreadable:
        return None


globals().update({rule_id: cfn_lint_rule(rule) for rule_id, rule in RULES.items()})
