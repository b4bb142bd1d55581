"""Plants faults: changes to a definition or template that a rule has to find."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from tests.template.project import ROOT, Fields, Json, Template

Change: TypeAlias = Callable[[Fields], None]
Step: TypeAlias = str | int

Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Fault(Generic[Subject]):
    """A change, the rule that has to find it, and a part of what it has to say."""

    rule: Callable[[Subject], Iterator[str]]
    change: Change
    finding: str

    def __str__(self) -> str:
        return f"{self.rule.__name__}-{self.finding}"


def findings_in_payment_callback(fault: Fault[Template]) -> str:
    """What the rule of a fault says once it is planted into template.yaml."""
    template = Template.read(ROOT / "template.yaml")
    fault.change(template.body)
    return "\n".join(fault.rule(template))


def missed(faults: Iterable[Fault[Subject]], rules: Mapping[str, Callable[[Subject], Iterator[str]]]) -> set[str]:
    """The ids of the rules that no fault is planted for."""
    planted = {fault.rule for fault in faults}
    return {rule_id for rule_id, rule in rules.items() if rule not in planted}


def of(logical_id: str, *path: Step) -> tuple[Step, ...]:
    """The path to a property of a resource."""
    return ("Resources", logical_id, "Properties", *path)


def put(*path: Step, value: Json) -> Change:
    def change(fields: Fields) -> None:
        _holder(fields, path)[path[-1]] = value

    return change


def drop(*path: Step) -> Change:
    def change(fields: Fields) -> None:
        del _holder(fields, path)[path[-1]]

    return change


def rename(old: str, new: str) -> Change:
    def change(fields: Fields) -> None:
        fields[new] = fields.pop(old)

    return change


def both(*changes: Change) -> Change:
    def change(fields: Fields) -> None:
        for single in changes:
            single(fields)

    return change


def _holder(value: Json, path: tuple[Step, ...]) -> Json:
    for step in path[:-1]:
        value = value[step]
    return value
