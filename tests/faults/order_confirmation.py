"""The order confirmation: people and programs who decide, and the faults of the API, the stream and the workflow."""

import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count as numbers
from itertools import cycle
from random import Random
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from tests.faults.adapter import ABORTED, SUCCEEDED, Adapter, Case, End, Round
from tests.faults.ledger import WORD, Ledger
from tests.faults.rounds import all_of, network_rounds
from tests.faults.world import World
from tools.engine.rest import Answer, call, reachable

STARTER, CONFIRMER = "OrderStarterFunctionName", "OrderConfirmerFunctionName"
WAITING, NOT_CARRIED_OUT = "WAITING", "NOT_CARRIED_OUT"
EXPIRED = "Order.Expired"
STATES = {SUCCEEDED: "CONFIRMED", "Order.Cancelled": "CANCELLED", EXPIRED: "EXPIRED", ABORTED: "STOPPED"}
DAY_BUT_ONE_HOUR, HOUR = 82_800, 3_600  # of the two states that wait
PATIENCE = 10  # there is no queue to shorten; a round is waited for twelve times as long, and a minute
PASSING = {429, 500, 502, 503, 504}  # somebody who gets these from the API tries again
PLANS = {
    "confirmed": [True],
    "cancelled": [False],
    "confirmed twice": [True, True],
    "decided both ways at once": [True, False],
    "opened and posted by scanners first": [False],
    "decided before the link is there": [True],
}
LATE = "decided late, or never"
DECISIONS = {"CONFIRMED": True, "CANCELLED": False}
EARLY, SCANNED = "decided before the link is there", "opened and posted by scanners first"
SCANNERS_FORMS = [{}, {"decision": ""}, {"decision": "yes"}, {"comment": "x"}]


# ------------------------------------------------------------------ faults of the API, the stream and the workflow
def key_throttled(world: World, ledger: Ledger, count: int, _: Random) -> None:
    """The key may ask five times in a second: whoever asks more often is refused, and asks again."""
    client = world.stack.client("apigateway")
    [plan] = client.get_usage_plans(keyId=world.stack.outputs["OrderApiKeyId"])["items"]
    before = plan["throttle"]

    def limit(rate: float, burst: int) -> None:
        values = {"/throttle/rateLimit": rate, "/throttle/burstLimit": burst}
        operations = [{"op": "replace", "path": path, "value": str(value)} for path, value in values.items()]
        client.update_usage_plan(usagePlanId=plan["id"], patchOperations=operations)

    throttled = len(_orders(world).throttled)
    limit(5, 5)
    try:
        ledger.start_some("throttled", count)
        ledger.inject("throttled request", len(_orders(world).throttled) - throttled)
    finally:
        limit(before["rateLimit"], before["burstLimit"])


def stream_fails(world: World, ledger: Ledger, count: int, _: Random) -> None:
    """Every batch of the stream fails for a while: of new orders, then of decisions and tokens."""
    with world.stack.without_variable(STARTER, "ORDER_STATE_MACHINE_ARN"):
        started = ledger.start_some("stream", count)
    with world.stack.without_variable(CONFIRMER, "ORDER_TABLE_NAME"):
        _orders(world).await_decisions(started)
    ledger.inject("failing batches", 2)


def stop_and_redrive(world: World, ledger: Ledger, count: int, random: Random) -> None:
    """A third is stopped before anybody decides; half of them are redriven, at once, and then decided."""
    with ledger.consumer_off():
        waiting = ledger.start_some("stopped", count)
        _orders(world).await_waits(waiting)
        stopped = random.sample(waiting, count // 3)
        ledger.stop(stopped)
        for execution_id in stopped[::2]:
            _orders(world).redrive(execution_id)
            ledger.inject("RedriveExecution")
        _orders(world).await_stopped(stopped[1::2])
    ledger.stop(random.sample(waiting, count // 6))  # while they are decided


def start_and_kill(world: World, ledger: Ledger, count: int, _: Random) -> None:
    """Functions are killed, twice, while people decide."""
    with ledger.consumer_off():
        waiting = ledger.start_some("killed", count)
        _orders(world).await_waits(waiting)
    for _twice in range(2):
        ledger.inject("kill", world.poll("a function to kill", lambda: world.kill_workers() or None))
        _orders(world).await_decisions(waiting)


def nobody_hears(world: World, ledger: Ledger, count: int, random: Random) -> None:
    """Nobody decides within 23 hours; then some do, whose callbacks are lost, and an hour later the rest expires."""
    with world.stack.consumer_off(CONFIRMER):
        waiting = ledger.start(_orders(world).planned("late", count, [LATE]))
        _orders(world).await_waits(waiting)
        world.skip(DAY_BUT_ONE_HOUR)
        _orders(world).await_waits(waiting, "WaitForDecision")
        for execution_id in random.sample(waiting, count // 2):
            _orders(world).decide(order_id_of(execution_id), random.random() < 0.5)
            ledger.inject("lost callback")
        world.skip(HOUR)


def order_id_of(execution_id: str) -> str:
    return execution_id.rpartition(":")[2]


def _orders(world: World) -> "OrderConfirmation":
    assert isinstance(world.adapter, OrderConfirmation)
    return world.adapter


DISTURBANCES = [start_and_kill, key_throttled, stream_fails, stop_and_redrive]


class OrderConfirmation(Adapter):
    name = "order-confirmation"
    machine = "OrderConfirmationStateMachineArn"
    queues = ()
    notifications = "NotificationTestQueueUrl"
    notifying: ClassVar = {
        "SendLink": WAITING,
        "SendReminder": WAITING,
        "CompleteOrder": SUCCEEDED,
        "NotifyFailure": "FAILED",
    }
    spared = "OrderProcessorFunction"
    outside_threads = 4
    rounds = (
        *network_rounds(share=0.1, redelivery=PATIENCE),
        Round("killed at work", start_and_kill, redelivery=PATIENCE),
        Round("key throttled", key_throttled, redelivery=PATIENCE),
        Round("stream's batches fail", stream_fails, redelivery=PATIENCE),
        Round("stopped and redriven", stop_and_redrive, redelivery=PATIENCE),
        Round("decided late, callbacks lost", nobody_hears, redelivery=PATIENCE),
    )
    mixed = Round("all of them", all_of(DISTURBANCES, share=0.05), redelivery=PATIENCE)

    def __init__(self) -> None:
        self._replies: defaultdict[str, list[tuple[bool, int]]] = defaultdict(list)
        self._begun: set[str] = set()
        self._decided: set[str] = set()
        self._redriven: Counter[str] = Counter()
        self._by_scanners: list[str] = []
        self.throttled: list[str] = []
        self._numbers = numbers(1)
        self._one_at_a_time = threading.Lock()

    def prepare(self, world: World) -> None:
        self._world, stack = world, world.stack
        described = stack.client("apigateway").get_api_key(apiKey=stack.outputs["OrderApiKeyId"], includeValue=True)
        self._url, self._key = reachable(stack.outputs["OrderApiUrl"], stack.endpoint_url), described["value"]

    def cases(self, prefix: str, count: int, random: Random) -> Iterator[Case]:
        return self.planned(prefix, count, random.sample([*PLANS], len(PLANS)))

    def planned(self, prefix: str, count: int, plans: Sequence[str]) -> Iterator[Case]:
        for number, plan in zip(range(count), cycle(plans), strict=False):
            mark = next(self._numbers)
            order = {"orderId": f"{prefix}-{mark}", "orderDetails": f"{number} books, paid by 4{mark:015}"}
            yield Case(order, plan)

    def secrets(self, case: Case) -> list[str]:
        return [case.input["orderDetails"].split()[-1]]

    def start(self, world: World, case: Case) -> str:
        """Posts an order twice at once, and has it decided at once where that is the plan."""
        order_id = case.input["orderId"]
        with ThreadPoolExecutor(2) as pool:
            posts = [pool.submit(self._tried, "POST", "/orders", case.input) for _ in range(2)]
        assert {post.result().status for post in posts} == {202}
        if case.plan == EARLY:
            self.decide(order_id, True)
        return self._execution_of(order_id)

    def _execution_of(self, order_id: str) -> str:
        return f"{self._world.stack.outputs[self.machine].replace(':stateMachine:', ':execution:')}:{order_id}"

    # -------------------------------------------------------------- people, and programs with the key
    def outside(self, world: World, ledger: Ledger) -> bool:
        """Some who got their links decide, as their plans say."""
        with self._one_at_a_time:
            mine = [one for one in ledger.running() if one not in self._begun and self._link(one)][:5]
            self._begun.update(mine)
        for execution_id in mine:
            plan = ledger.case_of(execution_id).plan
            self._decide_as_planned(order_id_of(execution_id), plan, self._link(execution_id))
            self._decided.add(execution_id)
            if plan not in ("confirmed", "cancelled"):
                ledger.inject(plan)
        return bool(mine)

    def _decide_as_planned(self, order_id: str, plan: str, link: str) -> None:
        """All at once: the first by the link, the others with the key."""
        if plan == SCANNED:
            self._scan(order_id, link)
        with ThreadPoolExecutor(2) as pool:
            links = [link, ""]
            decisions = [] if plan in (EARLY, LATE) else PLANS[plan]
            list(pool.map(lambda is_confirmed, by: self.decide(order_id, is_confirmed, by), decisions, links))

    def decide(self, order_id: str, is_confirmed: bool, link: str = "") -> None:
        """By the link, or with the key; what the API could not do is tried again."""
        if link:
            answer = self._tried("POST", link, form={"decision": "confirm" if is_confirmed else "cancel"})
        else:
            answer = self._tried("POST", f"/orders/{order_id}/confirmation", {"isConfirmed": is_confirmed})
        self._replies[order_id].append((is_confirmed, answer.status))

    def redrive(self, execution_id: str) -> None:
        """Redrives an execution if it was stopped before its end."""
        if self._was_stopped(execution_id):
            self._world.stack.client("stepfunctions").redrive_execution(executionArn=execution_id)
            self._redriven[order_id_of(execution_id)] += 1

    def await_stopped(self, executions: list[str]) -> None:
        """Returns when the orders of those that were stopped before their end say so."""
        orders = [f"ORDER#{order_id_of(one)}" for one in executions if self._was_stopped(one)]
        self._world.poll(
            "end of the stopped orders", lambda: all(self._item(one).get("ended") for one in orders) or None, 60
        )

    def _was_stopped(self, execution_id: str) -> bool:
        described = self._world.stack.client("stepfunctions").describe_execution(executionArn=execution_id)
        return bool(described["status"] == ABORTED)

    def await_decisions(self, executions: list[str]) -> None:
        """Returns when people have done what is planned for all these."""
        self._world.poll("decisions", lambda: {*executions} <= self._decided or None, 300)

    def await_waits(self, executions: list[str], state: str = "WaitForConfirmation") -> None:
        """Returns when all these have stored the token of this state."""
        left = list(executions)

        def check() -> bool | None:
            while left and self._waits(left[-1], state):
                left.pop()
            return not left or None

        self._world.poll(f"executions in {state}", check, 300)

    def _waits(self, execution_id: str, state: str) -> bool:
        try:
            events = self._world.stack.events(execution_id)
        except ClientError:  # not started yet
            return False
        entered = [event.get("stateEnteredEventDetails", {}).get("name") for event in events]
        return state in entered and "TaskSubmitted" in [event["type"] for event in events[entered.index(state) :]]

    def _scan(self, order_id: str, link: str) -> None:
        """What mail scanners do with a link."""
        for form in SCANNERS_FORMS:
            with suppress(OSError):
                call("GET", link)
                call("POST", link, form=form)
        if self._item(f"ORDER#{order_id}").get("settled") in DECISIONS:
            self._by_scanners.append(order_id)

    def _link(self, execution_id: str) -> str:
        bodies = self._world.notifications.bodies(execution_id)
        links = [body["link"] for body in bodies if body["outcome"] == WAITING]
        return reachable(links[0], self._world.stack.endpoint_url) if links else ""

    def _tried(self, method: str, where: str, body: object = None, form: dict[str, str] | None = None) -> Answer:
        """The answer to a request, which is sent again until the API could do it."""
        url, key = (where, None) if "://" in where else (f"{self._url}{where}", self._key)

        def once() -> Answer | None:
            try:
                answer = call(method, url, key=key, body=body, form=form)
            except OSError:
                return None
            if answer.status == 429:
                self.throttled.append(where)
            return None if answer.status in PASSING else answer

        return self._world.poll(f"answer to a {method}", once, every=0.3)

    def _item(self, pk: str) -> dict[str, Any]:
        table = self._world.stack.outputs["OrderTableName"]
        answer = self._world.stack.client("dynamodb").get_item(
            TableName=table, Key={"pk": {"S": pk}}, ConsistentRead=True
        )
        return {name: value for name, typed in answer.get("Item", {}).items() for value in typed.values()}

    # -------------------------------------------------------------- what must have come of it
    def idle(self, world: World, ledger: Ledger) -> bool:
        """Whether each order says the same as its execution, which is made so after the end."""
        if any(True for one, end in ledger.ends.items() for _ in self._untidy(order_id_of(one), end)):
            return False
        world.notifications.settle()
        return True

    def _untidy(self, order_id: str, end: End) -> Iterator[str]:
        order = self._item(f"ORDER#{order_id}")
        state = order.get("ended") or order.get("settled")
        if state != STATES.get(end.how):
            yield f"ended with {end.how}, and their orders are {state}"
        if self._item(f"TOKEN#{order_id}"):
            yield f"ended with {end.how}, and left a token"

    def complaints(self, execution_id: str, case: Case, end: End, notified: list[dict[str, Any]]) -> Iterator[str]:
        order_id = order_id_of(execution_id)
        yield from self._untidy(order_id, end)
        settled = str(self._item(f"ORDER#{order_id}").get("settled"))
        replies = self._replies[order_id]
        if settled in DECISIONS and DECISIONS[settled] not in [is_confirmed for is_confirmed, _ in replies]:
            yield "were decided by nobody"
        if any(DECISIONS.get(settled) is not is_confirmed for is_confirmed, status in replies if status == 200):
            yield "were accepted otherwise than they are decided"
        if odd := {status for _, status in replies} - {200, 409, 410}:
            yield f"were answered with {odd}"
        if end.how == EXPIRED and (case.plan != LATE or replies):
            yield "expired although somebody decided"
        if any(body["orderId"] != (None if body["outcome"] == ABORTED else order_id) for body in notified):
            yield "were notified with the order of another"

    def due(self, case: Case, end: End) -> list[str]:
        """After a redrive the stop before it, too; that a decision found nobody, once at least."""
        order_id = case.input["orderId"]
        bodies = self._world.notifications.bodies(self._execution_of(order_id))
        reported = sum(body["outcome"] == NOT_CARRIED_OUT for body in bodies)
        if end.how == ABORTED and self._item(f"ORDER#{order_id}").get("settled") in DECISIONS:
            reported = max(reported, 1)
        return [*super().due(case, end), *[ABORTED] * self._redriven[order_id], *[NOT_CARRIED_OUT] * reported]

    def answers_due(self, case: Case, end: End) -> list[str]:
        """A decision whose callback was lost counts when the order would expire."""
        return [] if end.how == EXPIRED or "FollowDecision" in end.states else [end.how]

    def afterwards(self, world: World, ledger: Ledger) -> Iterator[str]:
        for queue in ("UndeliveredRecordQueueUrl", "UndeliveredNotificationQueueUrl"):
            if depth := world.stack.depth(queue):
                yield f"{depth} messages in {queue}"
        if self._by_scanners:
            yield f"{len(self._by_scanners)} orders were decided by scanners"
        credentials = {self._key, *(self._link(one)[-32:] for one in ledger.ends if self._link(one))}
        words = {word for line in world.stack.log() for word in WORD.findall(line)}
        if leaked := credentials & words:
            yield f"{len(leaked)} links or keys are in the log"
