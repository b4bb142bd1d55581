"""The asynchronous API: the simulator answers each request, and here and there the world outside answers as well."""

import json
from collections.abc import Iterator
from contextlib import suppress
from random import Random
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from tests.faults.adapter import ABORTED, SUCCEEDED, UNDELIVERABLE, Adapter, Case, End, Round
from tests.faults.ledger import TOKEN, Ledger
from tests.faults.proxy import Fault, seeded, ticket_of
from tests.faults.rounds import (
    COMMON_DISTURBANCES,
    NETWORK_ROUNDS,
    QUEUE_ROUNDS,
    Run,
    all_of,
    break_worker,
    send_unreadable,
)
from tests.faults.world import World

SIMULATOR = "AsyncApiSimulatorStateMachineArn"
TIMEOUT_SECONDS = 3600  # of the workflow
FAILED, INVALID, UNEXPECTED = "AsyncApi.RequestFailed", "AsyncApi.InvalidRequest", "AsyncApi.UnexpectedStatus"
INVALID_REQUESTS: list[Any] = [
    {"waitTime": -1, "status": "success"},
    {"waitTime": 1, "status": "maybe"},
    None,
    [],
    "text",
]
ODD_RESPONSES: list[Any] = [{"status": 503}, [{"status": 200}], {"status": "200"}, None, "OK"]
EARLY, ODD, CONTRADICTORY, DYING = "answered early", "odd response", "contradictory", "the simulator dies"


def planned(plan: str) -> Run:
    """The API answers by itself about when the simulator does."""

    def run(_: World, ledger: Ledger, count: int, random: Random) -> None:
        ledger.start(Case({"waitTime": random.randint(0, 2), "status": "success"}, plan) for _ in range(count))
        ledger.inject(plan, count)

    return run


def die(world: World, ledger: Ledger, count: int, random: Random) -> None:
    """The simulator is stopped while it works, and half of the simulations are redriven; the others never answer."""
    adapter = world.adapter
    assert isinstance(adapter, AsyncApi)
    begun = ledger.start(Case({"waitTime": 600, "status": "success"}, DYING) for _ in range(count))
    simulations = {execution_id: adapter.simulation_of(world, execution_id) for execution_id in begun}
    for simulation in simulations.values():
        world.poll("a simulation to stop", lambda arn=simulation: _stopped(world, arn) or None, 300)  # type: ignore[misc]
    ledger.inject("stopped simulator", count)
    for execution_id in begun[::2]:
        world.stack.client("stepfunctions").redrive_execution(executionArn=simulations[execution_id])
    adapter.unanswered.update(begun[1::2])

    def only_the_dying_wait() -> bool | None:
        ledger.look()
        return all(ledger.case_of(one).plan == DYING for one in ledger.running()) or None

    world.poll("ends of the others", only_the_dying_wait, 300)
    world.skip(600)
    world.poll("ends of the redriven", lambda: ledger.look() == len(begun[1::2]) or None, 300)
    world.skip(TIMEOUT_SECONDS)


def _stopped(world: World, simulation: str) -> bool:
    with suppress(ClientError):  # it has not been started yet
        world.stack.stop(simulation)
        return True
    return False


def simulator_killed(world: World, ledger: Ledger, count: int, random: Random) -> None:
    """The simulator's function is killed before or after its callback, again and again."""
    world.proxy.follow(seeded(random, {Fault.HOLD_BEFORE: 1, Fault.HOLD_AFTER: 1}, most=2))
    ledger.start(Case({"waitTime": 0, "status": random.choice(["success", "failure"])}) for _ in range(count))
    for _ in range(3):
        if world.proxy.wait_for_held(20):
            ledger.inject("kill", world.kill_workers())
            world.proxy.release()


class AsyncApi(Adapter):
    name = "async-api"
    machine = "AsyncApiStateMachineArn"
    queues = ("ApiRequestQueueUrl", "DeadLetterQueueUrl")
    worker = "AsyncApiRequesterFunctionName"
    variable = "SIMULATOR_STATE_MACHINE_ARN"
    notifications = "NotificationTopicArn"
    notifying: ClassVar = {"NotifySuccess": SUCCEEDED, "NotifyError": "FAILED"}
    outside_threads = 2
    rounds = (
        *NETWORK_ROUNDS,
        *QUEUE_ROUNDS,
        Round("answered early", planned(EARLY), redelivery=3),
        Round("odd responses", planned(ODD), redelivery=3),
        Round("contradictory answers", planned(CONTRADICTORY), redelivery=3),
        Round("simulator killed", simulator_killed, redelivery=5),
        Round("simulator stopped", die, redelivery=3),
        Round("unreadable messages", send_unreadable, redelivery=3),
    )
    mixed = Round(
        "all of them",
        all_of([*COMMON_DISTURBANCES, break_worker, *map(planned, (EARLY, ODD, CONTRADICTORY)), die]),
        redelivery=9,
        reported=0.1,
    )

    def __init__(self) -> None:
        self.unanswered: set[str] = set()  # whose simulator was stopped for good
        self._answered: set[str] = set()

    def prepare(self, world: World) -> None:
        endpoint = world.proxy.environment["AWS_ENDPOINT_URL_SFN"]
        self._api: Any = world.stack.session.client("stepfunctions", endpoint_url=endpoint)
        self._before = world.stack.executions(SIMULATOR).keys()

    def cases(self, prefix: str, count: int, random: Random) -> Iterator[Case]:
        """A tenth of them invalid."""
        for number in range(count):
            status, invalid = ("success", "failure")[number % 2], INVALID_REQUESTS[number // 10 % len(INVALID_REQUESTS)]
            yield Case(invalid if number % 10 == 9 else {"waitTime": number % 3, "status": status})

    # -------------------------------------------------------------- the world outside
    def outside(self, world: World, ledger: Ledger) -> bool:
        """Answers of an API that is no simulator, by way of the proxy."""
        plans = {execution_id: ledger.case_of(execution_id).plan for execution_id in ledger.running()}
        busy = False
        for execution_id, plan in plans.items():
            if plan in (EARLY, ODD, CONTRADICTORY) and execution_id not in self._answered:
                self._answered.add(execution_id)
                token = self._token(world, execution_id)
                busy = True
                with suppress(ClientError):  # the simulator was faster
                    if plan == CONTRADICTORY:
                        self._api.send_task_failure(taskToken=token, error=FAILED)
                    else:
                        response = {"status": 200} if plan == EARLY else ledger.random.choice(ODD_RESPONSES)
                        self._api.send_task_success(taskToken=token, output=json.dumps(response))
        return busy

    def _token(self, world: World, execution_id: str) -> str:
        def check() -> str | None:
            for event in world.stack.events(execution_id):
                if parameters := event.get("taskScheduledEventDetails", {}).get("parameters"):
                    return str(TOKEN.findall(parameters)[0])
            return None

        return world.poll("token", check, 60)

    def simulation_of(self, world: World, execution_id: str) -> str:
        machine = world.stack.outputs[SIMULATOR].replace(":stateMachine:", ":execution:")
        return f"{machine}:{ticket_of(self._token(world, execution_id))}"

    def idle(self, world: World, ledger: Ledger) -> bool:
        client, arn = world.stack.client("stepfunctions"), world.stack.outputs[SIMULATOR]
        return not client.list_executions(stateMachineArn=arn, statusFilter="RUNNING", maxResults=1)["executions"]

    def clean(self, world: World) -> None:
        for arn, status in world.stack.executions(SIMULATOR).items():
            if status == "RUNNING":
                world.stack.stop(arn)

    # -------------------------------------------------------------- ends
    def answers_due(self, case: Case, end: End) -> list[str]:
        return [SUCCEEDED] if end.how == UNEXPECTED else super().answers_due(case, end)

    def complaints(self, execution_id: str, case: Case, end: End, notified: list[dict[str, Any]]) -> Iterator[str]:
        if case.plan:
            own_ends = {
                EARLY: {SUCCEEDED},
                ODD: {SUCCEEDED, UNEXPECTED},  # whichever was first
                CONTRADICTORY: {SUCCEEDED, FAILED},
                DYING: {"Callback.TimedOut" if execution_id in self.unanswered else SUCCEEDED},
            }[case.plan]
        elif case.input in INVALID_REQUESTS:
            own_ends = {INVALID}
        else:
            own_ends = {SUCCEEDED if case.input["status"] == "success" else FAILED}
        if end.how not in own_ends | {UNDELIVERABLE, ABORTED}:
            yield f"ended with {end.how} instead of {' or '.join(sorted(own_ends))}"
        for body in notified:
            if body["outcome"] == "FAILED" and body["Error"] != end.how and end.how != ABORTED:
                yield "were notified with another error than they ended with"

    def afterwards(self, world: World, ledger: Ledger) -> Iterator[str]:
        """Each simulation is of a request of this round or of one before, and did not give up."""
        given = {ticket_of(secret) for secret in world.secrets}
        simulations = {
            arn.rpartition(":")[2]: status
            for arn, status in world.stack.executions(SIMULATOR).items()
            if arn not in self._before
        }
        dead = {self.simulation_of(world, one).rpartition(":")[2] for one in self.unanswered}
        if strangers := simulations.keys() - given:
            yield f"{len(strangers)} simulations are of no request, or of one that has another"
        if failed := [name for name, status in simulations.items() if status != "SUCCEEDED" and name not in dead]:
            yield f"{len(failed)} simulations did not end by themselves"
