"""What the roles of a template allow."""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tests.template.project import Fields, Json, Template, referenced


@dataclass(frozen=True)
class Grant:
    """A statement that allows something, and the logical ID of the role that it belongs to."""

    role: str
    statement: Fields

    def __str__(self) -> str:
        return f"{self.role}: {self.statement.get('Sid', 'a statement without Sid')}"

    @property
    def actions(self) -> list[str]:
        return _listed(self.statement.get("Action"))

    @property
    def resources(self) -> list[Json]:
        return _listed(self.statement.get("Resource"))

    def of(self, actions: set[str]) -> set[str]:
        """Those of these actions that it allows, be it by a wildcard."""
        return {
            action
            for action in actions
            if any(fnmatchcase(action.lower(), pattern.lower()) for pattern in self.actions)
        }


def grants(template: Template) -> Iterator[Grant]:
    """Every grant of a plain CloudFormation template; where a condition decides, those of both its branches."""
    for name, role in template.resources("AWS::IAM::Role").items():
        for statement in _allowing(role.get("Policies")):
            yield Grant(name, statement)
    for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
        for policy in template.resources(kind).values():
            for statement in _allowing(policy.get("PolicyDocument")):
                for role in policy.get("Roles", []):
                    yield Grant(referenced(role) or str(role), statement)


def _allowing(value: Json) -> Iterator[Fields]:
    match value:
        case {"Effect": "Allow"}:
            yield value
        case dict():
            for child in value.values():
                yield from _allowing(child)
        case list():
            for child in value:
                yield from _allowing(child)


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [] if value is None else [value]
