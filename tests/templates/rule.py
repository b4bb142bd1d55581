"""What a rule of this project is, and those there are: each module of rules/ registers its own."""

from collections.abc import Callable, Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import TypeAlias

from callback_lint.asl import StateMachine
from callback_lint.documents import Problem
from callback_lint.templates import Template

OfStateMachine: TypeAlias = Callable[[StateMachine], Iterator[Problem]]
OfTemplate: TypeAlias = Callable[[Template], Iterator[Problem]]

_RULES: dict[str, OfTemplate] = {}


def template_rule(check: OfTemplate) -> OfTemplate:
    _RULES[check.__name__] = check
    return check


def state_machine_rule(check: OfStateMachine) -> OfStateMachine:
    def each(template: Template) -> Iterator[Problem]:
        for machine in template.state_machines:
            yield from check(machine)

    _RULES[check.__name__] = each
    return check


def rules() -> dict[str, OfTemplate]:
    """Every rule, by name."""
    from tests.templates import rules as package

    for module in iter_modules(package.__path__, f"{package.__name__}."):
        import_module(module.name)
    return dict(sorted(_RULES.items()))
