"""The rules of this project as rules of cfn-lint, for whoever runs it: `--append-rules tests/template/cfn_lint_rules`.

An editor that runs cfn-lint shows them too, given the same option. Findings are about the file, not about what cfn-lint
makes of it, so that a template that comes on standard input is not judged.
"""

import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from cfnlint.rules import CloudFormationLintRule, RuleMatch  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))  # cfn-lint loads this file from wherever it is started

from tests.template.catalogue import STATE_MACHINE_RULES, TEMPLATE_RULES  # noqa: E402
from tests.template.project import Fields, Template  # noqa: E402


def of_each_state_machine(rule: Callable[[Fields], Iterator[str]]) -> Callable[[Template], Iterator[str]]:
    def of_template(template: Template) -> Iterator[str]:
        for machine in template.state_machines:
            if machine.definition:
                for finding in rule(machine.definition):
                    yield f"{machine.logical_id}: {machine.file.name}: {finding}"

    of_template.__name__, of_template.__doc__ = rule.__name__, rule.__doc__
    return of_template


def cfn_lint_rule(rule_id: str, rule: Callable[[Template], Iterator[str]]) -> type:
    def match(self: Any, cfn: Any) -> list[Any]:
        path = Path(cfn.filename or "")
        findings = rule(_read(path)) if path.is_file() else ()
        return [RuleMatch(_place(finding, cfn.template), finding) for finding in findings]

    title = rule.__name__.replace("_", " ").capitalize()
    return type(
        rule_id,
        (CloudFormationLintRule,),
        {
            "id": rule_id,
            "shortdesc": title,
            "description": rule.__doc__ or title,
            "tags": ["callback-workflows"],
            "match": match,
        },
    )


def _place(finding: str, template: Fields) -> list[str]:
    """A finding begins with the logical ID of what it is about."""
    logical_id = finding.partition(":")[0].partition(".")[0]
    return ["Resources", logical_id] if logical_id in template.get("Resources", {}) else ["Resources"]


@cache
def _read(path: Path) -> Template:
    return Template.read(path)


globals().update(
    {
        rule_id: cfn_lint_rule(rule_id, rule)
        for rule_id, rule in (
            {rule_id: of_each_state_machine(rule) for rule_id, rule in STATE_MACHINE_RULES.items()} | TEMPLATE_RULES
        ).items()
    }
)
