"""Stories of the asynchronous API: queue, requester, simulator, its callback, notification."""

import hashlib
from typing import Any

from tests.simulation.stepfunctions import Execution
from tests.simulation.story import Story

SIMULATOR = "AsyncApiSimulatorStateMachine"
WAIT = 3600  # of the workflow, in seconds


class AsyncApis(Story):
    template, state_machine = "templates/async-api.yaml", "AsyncApiStateMachine"

    def inputs(self) -> list[Any]:
        return [
            {"waitTime": 0, "status": "success"},
            {"waitTime": 30, "status": "failure"},
            {"waitTime": WAIT + 1, "status": "success"},
            {"waitTime": -1, "status": "success"},
            {"waitTime": 600, "status": "success"},
            None,
        ]

    @property
    def simulations(self) -> list[Execution]:
        return [each for each in self.aws.step_functions.executions.values() if each.machine == SIMULATOR]

    def may_time_out(self, execution: Execution) -> bool:
        """Where the API takes longer than that, or its callback has failed for good."""
        too_long = isinstance(execution.input, dict) and execution.input["waitTime"] > WAIT
        token = execution.tokens[-1]
        failed = [each for each in self.simulations if each.input["taskToken"] == token and each.status == "FAILED"]
        return too_long or bool(failed) or super().may_time_out(execution)

    def check_the_end(self) -> None:
        self.check_answers()
        self.check_quarantine([])
        asked = [each.input["taskToken"] for each in self.simulations]
        self.require(len(asked) == len(set(asked)), "the API was asked twice for one request")
        for each in self.simulations:
            name = hashlib.sha256(each.input["taskToken"].encode()).hexdigest()
            self.require(each.name == name, "a simulation does not have the name of its request")
            self.require(
                each.status == "SUCCEEDED" or each.retried.get(1, 0) >= 8, "an API gave up calling back too early"
            )
