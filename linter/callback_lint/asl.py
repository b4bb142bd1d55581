"""State machines: their states, whatever language they are written in and however odd they are."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from callback_lint.documents import Document, Fields, Json, Problem, Step, Steps, fields, items

_SUBSTITUTION = re.compile(r"\$\{([^}]*)\}")


@dataclass(frozen=True, eq=False)
class StateMachine:
    """A definition, and where it stands.

    `steps`: the way to it within its document. `substitutions`: what a template puts instead of `${Name}`.
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
        return list(_scopes(self, "the state machine", (), self.definition, None, in_map=False, express=False))

    @cached_property
    def states(self) -> list["State"]:
        return [state for scope in self.scopes for state in scope.states.values()]

    @cached_property
    def tasks(self) -> list["State"]:
        return [state for state in self.states if state.kind == "Task"]

    @property
    def waits(self) -> Iterator["State"]:
        return (state for state in self.tasks if state.waits)

    def substituted(self, text: Json) -> Json:
        """What `${Name}` stands for in the template; None where that is not known."""
        found = _SUBSTITUTION.fullmatch(text) if isinstance(text, str) else None
        return self.substitutions.get(found[1]) if found else None

    def filled_in(self, text: str) -> str:
        """The text with what the template puts instead of `${Name}`, where that is a text."""

        def given(found: re.Match[str]) -> str:
            match self.substitutions.get(found[1]):
                case str(value) | {"Fn::Sub": str(value)}:
                    return value
            return found[0]

        return _SUBSTITUTION.sub(given, text) if "${" in text else text

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

    @cached_property
    def resource(self) -> str:
        return self.machine.filled_in(str(self.fields.get("Resource", "")))

    @property
    def waits(self) -> bool:
        """For a callback: the suffix says so, even where the service is misspelt."""
        return self.resource.endswith(".waitForTaskToken")

    @property
    def is_activity(self) -> bool:
        return ":activity:" in self.resource

    @property
    def around(self) -> Iterator["State"]:
        """The Parallel or Map states that it stands in, from the inside."""
        owner = self.scope.owner
        while owner:
            yield owner
            owner = owner.scope.owner

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
    owner: State | None  # the Parallel or Map that it is a part of
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

    @cached_property
    def ways_to(self) -> dict[str, list[tuple[State, Steps]]]:
        """By the name of a state: each state that leads to it, and where it says so."""
        found: dict[str, list[tuple[State, Steps]]] = {}
        for state in self.states.values():
            for steps, target in state.transitions:
                found.setdefault(target, []).append((state, steps))
        return found

    @cached_property
    def endless(self) -> set[str]:
        """The states from which no way leads to an end. A way to a state that does not exist is taken for one."""
        open_ends = []
        for name, state in self.states.items():
            if state.ends or not self.states.keys() >= {target for _, target in state.transitions}:
                open_ends.append(name)
        ending = set(open_ends)
        while open_ends:
            more = {before.name for before, _ in self.ways_to.get(open_ends.pop(), ())} - ending
            ending |= more
            open_ends.extend(more)
        return {name for name, state in self.states.items() if name not in ending and any(state.transitions)}

    def unassigned(self, name: str, variables: Iterable[str]) -> set[str]:
        """Those of the variables that no state on a way to this one assigns."""
        assigned = self._assigned_before.get(name, 0)
        here = {variable for variable in variables if not assigned & self._bits.get(variable, 0)}
        return self.owner.scope.unassigned(self.owner.name, here) if self.owner and here else here

    @cached_property
    def _bits(self) -> dict[str, int]:
        """A bit for each variable: a set of some thousand of them is then one number."""
        names = dict.fromkeys(name for state in self.states.values() for name in state.assigned)
        return {name: 1 << position for position, name in enumerate(names)}

    @cached_property
    def _assigned_before(self) -> dict[str, int]:
        before = dict.fromkeys(self.states, 0)
        own = {name: sum(self._bits[each] for each in set(state.assigned)) for name, state in self.states.items()}
        open_ends = [name for name in reversed(self.states) if own[name]]
        while open_ends:
            name = open_ends.pop()
            for _, target in self.states[name].transitions:
                after = before.get(target, -1) | before[name] | own[name]
                if after != before.get(target, -1):
                    before[target] = after
                    open_ends.append(target)
        return before


def _scopes(
    machine: StateMachine,
    where: str,
    steps: Steps,
    body: Fields,
    owner: State | None,
    in_map: bool,
    express: bool,
) -> Iterator[Scope]:
    scope = Scope(where, steps, body.get("StartAt"), owner, in_map, express)
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
                is_map = in_map or steps_[0] != "Branches"
                is_express = fields(body_.get("ProcessorConfig")).get("ExecutionType") == "EXPRESS"
                way = (*state.steps, *steps_)
                yield from _scopes(machine, where_, way, body_, state, is_map, express or is_express)


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
