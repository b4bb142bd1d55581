"""What a rule is, and the rules there are: a package registers its own by the decorators of this module."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from lint.asl import StateMachine
from lint.documents import Problem
from lint.templates import Template

OfStateMachine: TypeAlias = Callable[[StateMachine], Iterator[Problem]]
OfTemplate: TypeAlias = Callable[[Template], Iterator[Problem]]

RULES: dict[str, "Rule"] = {}
DOCUMENT = "docs/lint.md"


@dataclass(frozen=True)
class Rule:
    """`id` never changes, and is never given to another rule."""

    id: str
    name: str
    is_house_rule: bool
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
        _register(Rule(rule_id, judge.__name__, _is_house_rule(judge), of_state_machine=judge))
        return judge

    return register


def template_rule(rule_id: str) -> Callable[[OfTemplate], OfTemplate]:
    def register(judge: OfTemplate) -> OfTemplate:
        _register(Rule(rule_id, judge.__name__, _is_house_rule(judge), of_template=judge))
        return judge

    return register


def _is_house_rule(judge: OfStateMachine | OfTemplate) -> bool:
    return judge.__module__.startswith("lint.house.")


def _register(rule: Rule) -> None:
    if rule.id in RULES:
        raise ValueError(f"{rule.id} is the id of {RULES[rule.id].name}")
    RULES[rule.id] = rule
