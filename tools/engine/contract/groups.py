"""Parallel and Map: branches beside each other, of which the first that fails ends the others."""

import functools
from collections.abc import Callable
from typing import Any

from ministack.services import stepfunctions as sfn

from tools.engine.contract.runs import Branch, Details, Frame, Pending, StateError, Steps
from tools.engine.contract.states import GUARDED, State, effective_input, evaluated, finished, go, is_jsonata

ABORTABLE = ("Task", "Parallel", "Map", "Wait")  # the states that AWS has an Aborted event for


class Join(Pending):
    """The branches of one Parallel or Map; settled with their results, or with what failed first."""

    def __init__(self, branch: Branch, kind: str, frames: list[Frame], at_once: int) -> None:
        super().__init__(branch)
        self.kind = kind
        self.name = branch.frame.name
        self._frames = frames
        self._first = branch.last
        self._at_once = at_once
        self._next = 0
        self._branches: dict[int, Branch] = {}

    def start(self) -> None:
        with self.lock:
            self.branch.children = []
            if all(frame.done for frame in self._frames):
                self.settle([frame.result for frame in self._frames])
                return
            while self._next < len(self._frames) and self._at_work() < self._at_once:
                self._begin_one()
            begun = list(self._branches.values())
        for branch in begun:  # in this thread, so that a history has them in their order, and without the lock
            branch.advance()

    def _at_work(self) -> int:
        return sum(not branch.ended for branch in self._branches.values())

    def _begin_one(self) -> Branch | None:
        index, self._next = self._next, self._next + 1
        frame = self._frames[index]
        if frame.done:
            return None
        ended = functools.partial(self._ended, index)
        branch = Branch(self.branch.run, frame, self._first, go, ended)
        self._branches[index] = branch
        self.branch.children.append(branch)
        if self.kind == "Map":
            branch.record("MapIterationStarted", self._iteration("Started", index))
        return branch

    def _ended(self, index: int, branch: Branch, error: StateError | None) -> None:
        if error is not None:
            self._fail(error, branch)
            return
        if self.kind == "Map":
            branch.record("MapIterationSucceeded", self._iteration("Succeeded", index))
        while self._next < len(self._frames) and self._at_work() < self._at_once:
            if following := self._begin_one():
                following.resume(None)
        if all(frame.done for frame in self._frames):
            self.branch.last = branch.last
            self.settle([frame.result for frame in self._frames])

    def _fail(self, error: StateError, failed: Branch) -> None:
        after = failed.last
        for index, branch in self._branches.items():
            if branch.ended and branch is not failed:
                continue
            if self.kind == "Map":
                what = "Failed" if branch is failed else "Aborted"
                self.branch.record(f"MapIteration{what}", self._iteration(what, index), after=after)
            kind = branch.frame.states[branch.frame.name]["Type"]
            if kind in ABORTABLE:
                self.branch.record(f"{kind}StateAborted", after=after)
            if branch is not failed:
                branch.abort()
        self.branch.record(f"{self.kind}StateFailed", after=after)
        self.settle(error)

    def _iteration(self, what: str, index: int) -> Details:
        return {f"mapIteration{what}EventDetails": {"index": index, "name": self.name}}


def parallel(branch: Branch, state: State) -> Steps:
    frame = branch.frame
    if frame.children is None:
        effective = effective_input(branch, state)
        frame.children = [
            Frame(each["States"], each["StartAt"], effective, _inner(frame.context)) for each in state["Branches"]
        ]
    branch.record("ParallelStateStarted")
    results = yield from _joined(branch, "Parallel", len(frame.children))
    return finished(branch, state, results)


def map_(branch: Branch, state: State) -> Steps:
    frame = branch.frame
    processor = state.get("ItemProcessor") or state["Iterator"]
    if (processor.get("ProcessorConfig") or {}).get("Mode") == "DISTRIBUTED":
        from tools.engine.contract.distributed import distributed_map

        return (yield from distributed_map(branch, state, processor))
    at_once = most_at_once(branch, state)
    if frame.children is None:
        inputs = item_inputs(branch, state, items(branch, state))
        frame.children = [Frame(processor["States"], processor["StartAt"], data, context) for data, context in inputs]
    branch.record("MapStateStarted", {"mapStateStartedEventDetails": {"length": len(frame.children)}})
    results = yield from _joined(branch, "Map", at_once or len(frame.children))
    return finished(branch, state, results)


def _joined(branch: Branch, kind: str, at_once: int) -> Steps:
    assert branch.frame.children is not None
    join = Join(branch, kind, branch.frame.children, at_once)
    join.start()
    results = yield join
    branch.record(f"{kind}StateSucceeded")
    return results


def items(branch: Branch, state: State) -> list[Any]:
    raw, context = branch.frame.input, branch.frame.context
    if is_jsonata(branch, state):
        if "Items" not in state:
            found = raw
        else:
            found = evaluated(branch, "Items", sfn._jsonata_state_field, state, "Items", "array", raw, context)
    else:
        effective = effective_input(branch, state, parameters=False)
        found = evaluated(branch, None, sfn._resolve_path_or_ctx, state.get("ItemsPath", "$"), effective, context)
    return found if isinstance(found, list) else [found]


def item_inputs(branch: Branch, state: State, found: list[Any]) -> list[tuple[Any, dict[str, Any]]]:
    """Input and context of each item's branch."""
    raw = branch.frame.input
    selector = state.get("ItemSelector") or state.get("Parameters")
    effective = raw if is_jsonata(branch, state) else effective_input(branch, state, parameters=False)
    select: Callable[..., Any] = sfn._apply_jsonata_template if is_jsonata(branch, state) else sfn._resolve_params_obj
    inputs = []
    for index, item in enumerate(found):
        context = _inner(branch.frame.context) | {"Map": {"Item": {"Index": index, "Value": item}}}
        data = evaluated(branch, "ItemSelector", select, selector, effective, context) if selector else item
        inputs.append((data, context))
    return inputs


def most_at_once(branch: Branch, state: State) -> int:
    raw, context = branch.frame.input, branch.frame.context
    if "MaxConcurrencyPath" in state:
        return int(evaluated(branch, None, sfn._resolve_path_or_ctx, state["MaxConcurrencyPath"], raw, context) or 0)
    if is_jsonata(branch, state) and "MaxConcurrency" in state:
        field = evaluated(
            branch, "MaxConcurrency", sfn._jsonata_state_field, state, "MaxConcurrency", "number", raw, context
        )
        return int(field)
    return int(state.get("MaxConcurrency") or 0)


def _inner(context: dict[str, Any]) -> dict[str, Any]:
    """The context of a branch: it sees the variables outside and changes only its own."""
    return {**context, "variables": dict(context.get("variables", {}))}


GUARDED["Parallel"] = parallel
GUARDED["Map"] = map_
