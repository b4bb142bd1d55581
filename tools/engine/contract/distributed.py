"""The distributed Map: each item is a child execution with its own history."""

from typing import Any

from ministack.core.responses import new_uuid
from ministack.services import stepfunctions as sfn

from tools.engine.contract.clock import clock
from tools.engine.contract.executions import begin, new_record, runs
from tools.engine.contract.groups import item_inputs, items, most_at_once
from tools.engine.contract.runs import Branch, Frame, Pending, Run, StateError, Steps, compact, present
from tools.engine.contract.states import State, effective_input, evaluated, finished

COUNTS = (
    *("pending", "running", "succeeded", "failed", "timedOut", "aborted", "total"),
    *("resultsWritten", "failuresNotRedrivable", "pendingRedrive"),
)
COUNTED = {"SUCCEEDED": "succeeded", "FAILED": "failed", "TIMED_OUT": "timedOut", "ABORTED": "aborted"}


class MapRun(Pending):
    """The child executions of one distributed Map; settled with their results, or when too many have failed."""

    def __init__(self, branch: Branch, state: State, children: list[Run], at_once: int) -> None:
        super().__init__(branch)
        parent = branch.run.record
        arn, _, machine = parent["stateMachineArn"].rpartition(":stateMachine:")
        label = children[0].record["stateMachineArn"].rpartition("/")[2] if children else new_uuid()
        self._children = children
        self._at_once = at_once or len(children)
        self._next = 0
        self._failures = 0
        self._tolerated = self._most_failures(state)
        self.record = {
            "mapRunArn": f"{arn}:mapRun:{machine}/{label}:{new_uuid()}",
            "executionArn": parent["executionArn"],
            "status": "RUNNING",
            "startDate": clock.stamp(),
            "maxConcurrency": at_once,
            "toleratedFailurePercentage": float(state.get("ToleratedFailurePercentage") or 0),
            "toleratedFailureCount": int(state.get("ToleratedFailureCount") or 0),
            "itemCounts": dict.fromkeys(COUNTS, 0),
            "redriveCount": 0,
            "_stateMachineArn": f"{parent['stateMachineArn']}/{label}",
        }
        self.record["executionCounts"] = self.record["itemCounts"]
        self.record["itemCounts"].update(total=len(children), pending=len(children))
        sfn._map_runs[self.record["mapRunArn"]] = self.record

    def start(self) -> None:
        with self.lock:
            if not self._children:
                self._settle("SUCCEEDED", [])
            while self._next < len(self._children) and self._running() < self._at_once:
                self._start_one()

    def close(self) -> None:
        super().close()
        if self.record["status"] == "RUNNING":
            self.record.update(status="ABORTED", stopDate=clock.stamp())
        for child in self._children[: self._next]:
            child.end("ABORTED", "ExecutionAborted", {})

    def _most_failures(self, state: State) -> float:
        """Without a threshold, none."""
        limits = []
        if "ToleratedFailureCount" in state:
            limits.append(float(state["ToleratedFailureCount"]))
        if "ToleratedFailurePercentage" in state:
            limits.append(state["ToleratedFailurePercentage"] * len(self._children) / 100)
        return min(limits, default=0.0)

    def _running(self) -> int:
        return int(self.record["itemCounts"]["running"])

    def _start_one(self) -> None:
        child, self._next = self._children[self._next], self._next + 1
        child.record["mapRunArn"] = self.record["mapRunArn"]
        self._count(pending=-1, running=1)
        child.when_ended.append(lambda: self._ended(child))
        begin(child)

    def _ended(self, child: Run) -> None:
        with self.lock:
            status = child.record["status"]
            self._count(running=-1, **{COUNTED[status]: 1})
            if self.settled:
                return
            self._failures += status != "SUCCEEDED"
            if self._failures > self._tolerated:
                cause = "The specified tolerated failure threshold was exceeded"
                self._settle("FAILED", StateError("States.ExceedToleratedFailureThreshold", cause))
                return
            if self._next < len(self._children):
                self._start_one()
            elif not self._running():
                done = [child.frame.result for child in self._children if child.frame.done]
                self._settle("SUCCEEDED", done)

    def _count(self, **changes: int) -> None:
        for name, change in changes.items():
            self.record["itemCounts"][name] += change

    def _settle(self, status: str, value: object) -> None:
        self.record.update(status=status, stopDate=clock.stamp())
        details = None
        if isinstance(value, StateError):
            details = {"mapRunFailedEventDetails": present(error=value.error, cause=value.cause)}
        self.branch.record("MapRunFailed" if details else "MapRunSucceeded", details)
        self.settle(value)


def distributed_map(branch: Branch, state: State, processor: dict[str, Any]) -> Steps:
    if "ItemReader" in state:
        effective = effective_input(branch, state, parameters=False)
        found = evaluated(branch, None, sfn._read_map_items, state["ItemReader"], effective, branch.frame.context)
    else:
        found = items(branch, state)
    label = state.get("Label") or new_uuid()
    children = [_child(branch.run, label, processor, *each) for each in item_inputs(branch, state, found)]
    branch.record("MapStateStarted", {"mapStateStartedEventDetails": {"length": len(children)}})
    map_run = MapRun(branch, state, children, most_at_once(branch, state))
    branch.record("MapRunStarted", {"mapRunStartedEventDetails": {"mapRunArn": map_run.record["mapRunArn"]}})
    map_run.start()
    results = yield map_run
    branch.record("MapStateSucceeded")
    return finished(branch, state, results)


def _child(parent: Run, label: str, processor: dict[str, Any], data: object, context: dict[str, Any]) -> Run:
    arn = f"{parent.record['executionArn'].rpartition(':')[0]}/{label}:{new_uuid()}"
    record = new_record(arn, f"{parent.record['stateMachineArn']}/{label}", compact(data), parent.record["definition"])
    record["sync"] = True  # a child publishes no status
    frame = Frame(processor["States"], processor["StartAt"], data, context)
    child = Run(record, processor, frame)
    sfn._executions[arn] = record
    runs[arn] = child
    return child
