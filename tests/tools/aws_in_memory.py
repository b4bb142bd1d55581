"""A Step Functions in memory, with executions whose histories tests write: as much of its API as the tools call."""

import io
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from tests.tools.histories import BEGIN, Fields, History
from tools.aws import Aws

ACCOUNT = "arn:aws:states:eu-west-1:123456789012"
PAGE = 100  # executions


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "secret words of the service"}}, "Operation")


@dataclass
class AwsInMemory:
    """`executions`: a description and a history by ARN. `answers`: what was sent, as (kind, arguments).

    `kept`: what tables and buckets hold, by key. `refusals`: by operation, the code of an error.
    """

    definitions: dict[str, Fields] = field(default_factory=dict)
    executions: dict[str, tuple[Fields, History]] = field(default_factory=dict)
    map_runs: dict[str, list[str]] = field(default_factory=dict)
    resources: list[Fields] = field(default_factory=list)
    kept: dict[str, Fields] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)
    answers: list[tuple[str, Fields]] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    endpoint_url: str = "https://states.eu-west-1.amazonaws.com"

    def aws(self) -> Aws:
        return Aws(lambda _service: self, "your AWS")

    @property
    def meta(self) -> Any:
        return self  # for its endpoint_url

    def machine(self, name: str, **definition: object) -> str:
        self.definitions[f"{ACCOUNT}:stateMachine:{name}"] = {"States": {}, **definition}
        return f"{ACCOUNT}:stateMachine:{name}"

    def start(self, name: str, history: History, machine: str = "Shop", **more: object) -> str:
        if f"{ACCOUNT}:stateMachine:{machine}" not in self.definitions and "/" not in machine:
            self.machine(machine)
        arn = f"{ACCOUNT}:execution:{machine}:{name}"
        own = {"executionArn": arn, "stateMachineArn": f"{ACCOUNT}:stateMachine:{machine}", "name": name}
        self.executions[arn] = ({**own, "status": "RUNNING", "startDate": BEGIN, **more}, history)
        return arn

    def __getattr__(self, operation: str) -> Any:
        def call(**arguments: Any) -> Any:
            self.calls[operation] += 1
            if operation in self.refusals:
                raise refused(self.refusals[operation])
            if operation.startswith("send_task"):
                self.answers.append((operation, arguments))
                return {}
            return getattr(self, f"_{operation}")(**arguments)

        if operation.startswith("_"):
            raise AttributeError(operation)
        return call

    def get_paginator(self, operation: str) -> Any:
        return _Pages(self, operation)

    def _describe_execution(self, executionArn: str) -> Fields:  # noqa: N803
        if executionArn not in self.executions:
            raise refused("ExecutionDoesNotExist")
        return self.executions[executionArn][0]

    def _describe_state_machine(self, stateMachineArn: str) -> Fields:  # noqa: N803
        if stateMachineArn not in self.definitions:
            raise refused("StateMachineDoesNotExist")
        definition = self.definitions[stateMachineArn]
        return {"definition": json.dumps(definition), "type": definition.get("type", "STANDARD")}

    def _describe_state_machine_for_execution(self, executionArn: str) -> Fields:  # noqa: N803
        arn = self._describe_execution(executionArn)["stateMachineArn"].partition("/")[0]
        return self._describe_state_machine(arn)

    def _list_tags_for_resource(self, **_arguments: str) -> Fields:
        stack = [{"key": "aws:cloudformation:stack-name", "value": "shop"}] if self.resources else []
        return {"tags": [{"key": "team", "value": "x"}, *stack]}

    def _list_state_machines(self) -> Fields:
        kinds = {arn: definition.get("type", "STANDARD") for arn, definition in self.definitions.items()}
        return {"stateMachines": [{"stateMachineArn": arn, "type": kind} for arn, kind in kinds.items()]}

    def _list_executions(self, statusFilter: str, stateMachineArn: str = "", mapRunArn: str = "") -> Fields:  # noqa: N803
        wanted = self.map_runs.get(mapRunArn, [])
        found = [
            described
            for arn, (described, _) in self.executions.items()
            if described["status"] == statusFilter
            and (arn in wanted or described["stateMachineArn"] == stateMachineArn)
        ]
        return {"executions": found[::-1]}  # the newest first

    def _list_map_runs(self, executionArn: str) -> Fields:  # noqa: N803
        runs = [arn for arn in self.map_runs if executionArn.rpartition(":")[2] in arn]
        return {"mapRuns": [{"mapRunArn": arn} for arn in runs]}

    def _list_stack_resources(self, StackName: str) -> Fields:  # noqa: N803
        if StackName != "shop":
            raise refused("ValidationError")
        return {"StackResourceSummaries": self.resources}

    def _get_item(self, **arguments: Any) -> Fields:
        item = self.kept.get(arguments["Key"]["pk"]["S"])
        return {"Item": {name: {"S": value} for name, value in item.items()}} if item else {}

    def _get_object(self, **arguments: Any) -> Fields:
        if arguments["Key"] not in self.kept:
            raise refused("NoSuchKey")
        return {"Body": io.BytesIO(json.dumps(self.kept[arguments["Key"]]).encode())}

    def _get_execution_history(self, **arguments: Any) -> Fields:
        withheld = arguments.get("includeExecutionData") is False
        if not withheld and "history_data" in self.refusals:
            raise refused(self.refusals["history_data"])
        self._describe_execution(arguments["executionArn"])
        events = self.executions[arguments["executionArn"]][1].events
        events = [_without(event) for event in events] if withheld else events
        return {"events": events[::-1] if arguments["reverseOrder"] else events}


def _without(event: Fields) -> Fields:
    """An event without data."""
    hidden = ("input", "output", "parameters")
    return {
        key: {name: each for name, each in value.items() if name not in hidden} if isinstance(value, dict) else value
        for key, value in event.items()
    }


@dataclass
class _Pages:
    aws: AwsInMemory
    operation: str

    def paginate(self, PaginationConfig: Fields | None = None, **arguments: Any) -> Any:  # noqa: N803
        answer = getattr(self.aws, self.operation)(**arguments)
        [(key, values)] = answer.items()
        size = (PaginationConfig or {}).get("PageSize", PAGE)
        for begin in range(0, len(values) or 1, size):
            self.aws.calls[f"{self.operation} pages"] += 1
            yield {key: values[begin : begin + size]}
