"""What a rule is, and those there are: each module of general/ registers its own by the decorators of this one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata
from inspect import getdoc
from typing import TypeAlias

from callback_lint.asl import StateMachine
from callback_lint.documents import Problem
from callback_lint.templates import Template

OfStateMachine: TypeAlias = Callable[[StateMachine], Iterator[Problem]]
OfTemplate: TypeAlias = Callable[[Template], Iterator[Problem]]

REGISTERED: dict[str, "Rule"] = {}
DOCUMENT = "docs/lint.md"  # in the repository


@dataclass(frozen=True)
class Rule:
    """`id` never changes, and is never given to another rule.

    `topic`: the module that it stands in. `source`: where AWS, or whoever decides, says so.
    """

    id: str
    name: str
    topic: str
    explanation: str
    source: str
    of_state_machine: OfStateMachine | None = None
    of_template: OfTemplate | None = None

    @property
    def title(self) -> str:
        return self.name.replace("_", " ").capitalize()

    @property
    def link(self) -> str:
        return f"{documentation()}#{self.id.lower()}"

    @property
    def cfn_lint_id(self) -> str:
        """E9107 for EC1007: cfn-lint leaves E9000 to E9999 to others, and takes no id of two letters for a level."""
        return f"E9{self.id[2]}{self.id[-2:]}"

    def problems(self, template: Template) -> Iterator[Problem]:
        """What breaks this rule in a template and in its state machines."""
        if self.of_template:
            yield from self.of_template(template)
        if self.of_state_machine:
            for machine in template.state_machines:
                yield from self.of_state_machine(machine)


@cache
def documentation() -> str:
    """The page of the rules, as the package's metadata gives it."""
    try:
        urls = metadata("callback-lint").get_all("Project-URL") or []
    except PackageNotFoundError:  # run from a checkout in which it is not installed
        urls = []
    return next((url.partition(", ")[2] for url in urls if url.startswith("Documentation, ")), DOCUMENT)


def state_machine_rule(rule_id: str, source: str) -> Callable[[OfStateMachine], OfStateMachine]:
    def register(check: OfStateMachine) -> OfStateMachine:
        _register(Rule(*_of(check, rule_id), source, of_state_machine=check))
        return check

    return register


def template_rule(rule_id: str, source: str) -> Callable[[OfTemplate], OfTemplate]:
    def register(check: OfTemplate) -> OfTemplate:
        _register(Rule(*_of(check, rule_id), source, of_template=check))
        return check

    return register


def _of(check: OfStateMachine | OfTemplate, rule_id: str) -> tuple[str, str, str, str]:
    return rule_id, check.__name__, check.__module__.rpartition(".")[2], " ".join((getdoc(check) or "").split())


def _register(rule: Rule) -> None:
    if rule.id in REGISTERED:
        raise ValueError(f"{rule.id} is the id of {REGISTERED[rule.id].name}")
    REGISTERED[rule.id] = rule
