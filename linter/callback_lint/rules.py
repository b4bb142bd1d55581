"""What a rule is, and those there are: each module of general/ registers its own by the decorators of this one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from callback_lint.asl import StateMachine
from callback_lint.documents import Problem
from callback_lint.templates import Template

OfStateMachine: TypeAlias = Callable[[StateMachine], Iterator[Problem]]
OfTemplate: TypeAlias = Callable[[Template], Iterator[Problem]]

REGISTERED: dict[str, "Rule"] = {}
DOCUMENT = "docs/lint.md"


@dataclass(frozen=True)
class Rule:
    """`id` never changes, and is never given to another rule."""

    id: str
    name: str
    of_state_machine: OfStateMachine | None = None
    of_template: OfTemplate | None = None

    @property
    def title(self) -> str:
        return self.name.replace("_", " ").capitalize()

    @property
    def link(self) -> str:
        return f"{DOCUMENT}#{self.id.lower()}"

    def problems(self, template: Template) -> Iterator[Problem]:
        """What breaks this rule in a template and in its state machines."""
        if self.of_template:
            yield from self.of_template(template)
        if self.of_state_machine:
            for machine in template.state_machines:
                yield from self.of_state_machine(machine)


def state_machine_rule(rule_id: str) -> Callable[[OfStateMachine], OfStateMachine]:
    def register(judge: OfStateMachine) -> OfStateMachine:
        _register(Rule(rule_id, judge.__name__, of_state_machine=judge))
        return judge

    return register


def template_rule(rule_id: str) -> Callable[[OfTemplate], OfTemplate]:
    def register(judge: OfTemplate) -> OfTemplate:
        _register(Rule(rule_id, judge.__name__, of_template=judge))
        return judge

    return register


def _register(rule: Rule) -> None:
    if rule.id in REGISTERED:
        raise ValueError(f"{rule.id} is the id of {REGISTERED[rule.id].name}")
    REGISTERED[rule.id] = rule
