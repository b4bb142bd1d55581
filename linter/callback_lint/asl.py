"""State machines: their states, whatever language they are written in and however odd they are."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from callback_lint.documents import Document, Fields, Json, Problem, Step, Steps, fields, items

_SUBSTITUTION = re.compile(r"\$\{([^}]*)\}")


@dataclass(frozen=True, eq=False)
class StateMachine:
    """A definition, and where it stands.

    `steps`: the way to it within its document. `substitutions`: what a template puts in the place of `${Name}`.
    `kind`: STANDARD or EXPRESS, None where it is not known.
    """

    document: Document
    definition: Fields
    steps: Steps = ()
    substitutions: Fields = field(default_factory=dict)
    kind: str | None = None

    def says(self, message: str, *steps: Step) -> Problem:
        return Problem(self.document.path, self.document.line((*self.steps, *steps)), message)

    @cached_property
    def is_jsonata(self) -> bool:
        return self.definition.get("QueryLanguage") == "JSONata"

    @cached_property
    def scopes(self) -> list["Scope"]:
        return list(_scopes(self, "the state machine", (), self.definition, frozenset(), in_map=False, express=False))

    @property
    def states(self) -> Iterator["State"]:
        return (state for scope in self.scopes for state in scope.states.values())

    @property
    def tasks(self) -> Iterator["State"]:
        return (state for state in self.states if state.kind == "Task")

    @property
    def waits(self) -> Iterator["State"]:
        return (state for state in self.tasks if state.waits)

    def substituted(self, text: Json) -> Json:
        """What `${Name}` stands for in the template; None where that is not known."""
        found = _SUBSTITUTION.fullmatch(text) if isinstance(text, str) else None
        return self.substitutions.get(found[1]) if found else None

    @cached_property
    def substitutions_used(self) -> dict[str, Steps]:
        """Each `${Name}`, and the first place where it is used."""
        used: dict[str, Steps] = {}
        for steps, text in texts(self.definition):
            for name in _SUBSTITUTION.findall(text):
                if not name.startswith("!"):  # ${!Name} is the text ${Name}
                    used.setdefault(name, steps)
        return used


@dataclass(frozen=True, eq=False)
class State:
    machine: StateMachine
    scope: "Scope"
    name: str
    fields: Fields
    steps: Steps

    def says(self, message: str, *steps: Step) -> Problem:
        return self.machine.says(f"{self.name}: {message}", *self.steps, *steps)

    @property
    def kind(self) -> str:
        return str(self.fields.get("Type"))

    @property
    def resource(self) -> str:
        return str(self.fields.get("Resource", ""))

    @property
    def waits(self) -> bool:
        """For a callback; told by the suffix, so that a misspelt service does not hide it."""
        return self.resource.endswith(".waitForTaskToken")

    @cached_property
    def is_jsonata(self) -> bool:
        return self.machine.is_jsonata or self.fields.get("QueryLanguage") == "JSONata"

    @property
    def arguments_field(self) -> str:
        return "Arguments" if self.is_jsonata else "Parameters"

    @property
    def arguments(self) -> Json:
        return self.fields.get(self.arguments_field)

    def handlers(self, field_name: str) -> Iterator[tuple[int, Fields]]:
        """The retriers or catchers that are objects, by their position."""
        for position, handler in enumerate(items(self.fields.get(field_name))):
            if isinstance(handler, dict):
                yield position, handler

    @property
    def transitions(self) -> Iterator[tuple[Steps, str]]:
        """Where each way on is named, and the state that it names."""
        holders: list[tuple[Steps, Fields]] = [((), self.fields)]
        for name in ("Choices", "Catch"):
            holders += [((name, position), holder) for position, holder in self.handlers(name)]
        for steps, holder in holders:
            for key in ("Next", "Default"):
                if isinstance(holder.get(key), str):
                    yield (*steps, key), holder[key]

    @property
    def ends(self) -> bool:
        return self.fields.get("End") is True or self.kind in {"Fail", "Succeed"}

    @property
    def assigned(self) -> Iterator[str]:
        for holder in (self.fields, *(each for name in ("Choices", "Catch") for _, each in self.handlers(name))):
            yield from (name.removesuffix(".$") for name in fields(holder.get("Assign")))


@dataclass(frozen=True, eq=False)
class Scope:
    """The states that a `Next` may name: those of the machine, of a Parallel's branch, or of a Map's processor."""

    where: str
    steps: Steps
    start_at: Json
    variables: frozenset[str]  # assigned before the scope is entered
    in_map: bool
    express: bool  # a distributed Map runs it as Express workflows
    states: dict[str, State] = field(default_factory=dict)

    def reachable(self, start: Json) -> set[str]:
        """The states on every way from this one, itself included."""
        found: set[str] = set()
        open_ends = [start]
        while open_ends:
            name = open_ends.pop()
            if isinstance(name, str) and name in self.states and name not in found:
                found.add(name)
                open_ends.extend(target for _, target in self.states[name].transitions)
        return found

    def variables_at(self, name: str) -> frozenset[str]:
        """The variables that some state on a way to this one assigns."""
        before = (
            state
            for state in self.states.values()
            if any(name in self.reachable(target) for _, target in state.transitions)
        )
        return self.variables | {variable for state in before for variable in state.assigned}


def _scopes(
    machine: StateMachine,
    where: str,
    steps: Steps,
    body: Fields,
    variables: frozenset[str],
    in_map: bool,
    express: bool,
) -> Iterator[Scope]:
    scope = Scope(where, steps, body.get("StartAt"), variables, in_map, express)
    for name, state in fields(body.get("States")).items():
        if isinstance(state, dict):
            scope.states[name] = State(machine, scope, name, state, (*steps, "States", name))
    yield scope
    for name, state in scope.states.items():
        inner: list[tuple[str, Steps, Json]] = [
            (f"{name}, branch {position}", ("Branches", position), branch)
            for position, branch in enumerate(items(state.fields.get("Branches")))
        ]
        inner += [(f"{name}, its processor", (key,), state.fields.get(key)) for key in ("ItemProcessor", "Iterator")]
        for where_, steps_, body_ in inner:
            if isinstance(body_, dict):
                is_map = steps_[0] != "Branches"
                is_express = fields(body_.get("ProcessorConfig")).get("ExecutionType") == "EXPRESS"
                yield from _scopes(
                    machine,
                    where_,
                    (*state.steps, *steps_),
                    body_,
                    scope.variables_at(name),
                    in_map or is_map,
                    express or is_express,
                )


def texts(value: Json, steps: Steps = ()) -> Iterator[tuple[Steps, str]]:
    """Every text of a state or a definition, and the way to it, comments left out."""
    if isinstance(value, str):
        yield steps, value
    elif isinstance(value, dict):
        for key, child in value.items():
            if not (key == "Comment" and (not steps or isinstance(steps[-1], int))):
                yield from texts(child, (*steps, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from texts(child, (*steps, index))


def own_texts(state: State) -> Iterator[tuple[Steps, str]]:
    """Those of a state itself, not of the states inside it."""
    inner = {"Branches", "ItemProcessor", "Iterator"}
    return texts({key: value for key, value in state.fields.items() if key not in inner})


def dotted(steps: Steps) -> str:
    return ".".join(map(str, steps))
