"""The rules as rules of cfn-lint: `cfn-lint --append-rules callback_lint.cfn_lint_rules`, or so in .cfnlintrc.

An editor that runs cfn-lint shows them too, given the same option. A finding is about the file, not about what cfn-lint
makes of it, so that a template that comes on standard input is not checked. Numbers: cfn-lint leaves E9000 to E9999 to
others, as its own page of rules says (https://github.com/aws-cloudformation/cfn-lint); EC1007 is E9107 there.
"""

from functools import cache
from pathlib import Path

from cfnlint.rules import CloudFormationLintRule, RuleMatch  # type: ignore[import-untyped]

from callback_lint.catalogue import RULES
from callback_lint.documents import Json, Problem, Unreadable, read
from callback_lint.linter import template_of
from callback_lint.rules import Rule
from callback_lint.templates import Template


def cfn_lint_rule(rule: Rule) -> type:
    def match(_self: object, cfn: Json) -> list[RuleMatch]:
        template = _read(Path(cfn.filename or ""))
        return [_match(problem, template) for problem in rule.problems(template)] if template else []

    fields = {
        "id": rule.cfn_lint_id,
        "shortdesc": f"{rule.id}: {rule.title}",
        "description": rule.explanation,
        "source_url": rule.link if rule.link.startswith("https://") else rule.source,
        "tags": ["callback-lint", rule.topic],
        "match": match,
    }
    return type(rule.cfn_lint_id, (CloudFormationLintRule,), fields)


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


globals().update({rule.cfn_lint_id: cfn_lint_rule(rule) for rule in RULES.values()})
