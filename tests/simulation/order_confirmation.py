"""Stories of the order confirmation: API and page, table and stream, starter, confirmer, closer, and who decides."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import BaseRouter
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

import order_processor
from orders import page, store, workflow
from tests.simulation.aws import FAULTS, FINE, Aws, Client, Faults, FunctionFailed
from tests.simulation.stepfunctions import TOKEN_MARK, Execution
from tests.simulation.story import CARD, SOME_FAULTS, WHICH, Story, outcome
from tests.unit.state_machine import Fields
from tests.unit.support import sample_event

API, CLOSER, MACHINE, TABLE = "OrderApiFunction", "OrderCloserFunction", "OrderConfirmationStateMachine", "OrderTable"
DECISIONS = {True: "CONFIRMED", False: "CANCELLED"}
FORM = "application/x-www-form-urlencoded"
# What mail scanners and the like post: no choice, one that is none, two at once
NO_DECISION = ["", "decision=", "decision=true&comment=", "decision=confirm&decision=cancel"]
SOON = workflow.SEND_LINK_SECONDS  # before the end of a wait, its order may have expired
LAST_WAIT = 3_600  # seconds, of WaitForDecision
GIVEN_UP_AFTER = 21_600  # seconds for which a function must have failed


class Topic:
    """In place of the client of SNS."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    def publish(self, *, TopicArn: str, Message: str, MessageAttributes: Fields) -> Fields:  # noqa: ARG002, N803
        self._aws.publish(("function", self._aws.number()), json.loads(Message))
        return {}


class OrderConfirmations(Story):
    template, state_machine = "templates/order-confirmation.yaml", MACHINE

    def prepare(self) -> None:
        aws, self.table = self.aws, self.aws.tables[TABLE]
        clock = SimpleNamespace(time=lambda: aws.now, time_ns=lambda: int(aws.now * 1e9) + aws.number())
        for module in (store, order_processor, page):
            aws.patch.setattr(module, "time", clock)
        topic = Client(aws, Topic(aws))
        aws.patch.setattr(store, "_dynamodb", Client(aws, self.table))
        aws.patch.setattr(workflow, "_stepfunctions", Client(aws, aws.step_functions))
        aws.patch.setattr(workflow, "_sns", lambda: topic)
        aws.meanwhile = self.what_people_may_do
        self.details: dict[str, str] = {}  # of each order that the API has taken
        self.accepted: dict[str, str] = {}  # decisions
        self.deleted: set[str] = set()  # what somebody deleted by hand: keys of items
        self.replies: list[str] = []
        self.decide_late = False

    # -------------------------------------------------------------- requests
    def request(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and body of the answer; 502 where the function fails."""
        event = sample_event("order_api/create_order")
        event |= {"httpMethod": method, "path": path, "body": body if isinstance(body, str) else json.dumps(body)}
        outer = getattr(BaseRouter, "current_event", None)
        try:
            answer = self.aws.invoke(API, event)
        except FunctionFailed:
            return 502, None
        finally:  # an invocation before a call of another has a separate process on AWS
            BaseRouter.current_event = outer  # type: ignore[assignment]
        self.replies.append(answer["body"])
        self.aws.say(f"    {method} {path.partition('confirmations')[0]}: {answer['statusCode']}")
        self.require(answer["statusCode"] != 500, "the API has an error that nobody expected")
        is_json = answer["multiValueHeaders"]["Content-Type"] == ["application/json"]
        return answer["statusCode"], json.loads(answer["body"]) if is_json else answer["body"]

    def item(self, order_id: str) -> Fields | None:
        return self.table.item(f"ORDER#{order_id}")

    def state(self, order_id: str) -> str | None:
        """As the API shows it."""
        item = self.item(order_id)
        return str(store._order(item).state) if item and "orderDetails" in item else None

    def settled(self, order_id: str) -> str | None:
        settled: str | None = (self.item(order_id) or {}).get("settled", {}).get("S")
        return settled

    def is_whole(self, order_id: str) -> bool:
        """Nobody has deleted anything of it by hand."""
        return not self.deleted & {f"ORDER#{order_id}", f"TOKEN#{order_id}"}

    def order(self, order_id: str, details: str) -> None:
        so_far = len(self.aws.story)
        status, body = self.request("POST", "/orders", {"orderId": order_id, "orderDetails": details})
        if status == 202:
            self.aws.at(self.aws.now + store.START_WITHIN, lambda: None)
            if not self.is_whole(order_id):
                self.details[order_id] = details
            known = self.details.setdefault(order_id, details)
            self.require(known == details, f"{order_id} was taken twice, with other details")
            over = body["state"] in ("FAILED", "STOPPED", "EXPIRED")
            self.require(not (over and self.alone_since(so_far)), f"{order_id}, over, was taken")

    def alone_since(self, then: int) -> bool:
        """Nothing else happened before a call, since the story had so many lines."""
        return not any("    before " in line for line in self.aws.story[then:])

    def decide(self, order_id: str, *, confirms: bool, link: str | None = None) -> int:
        before, so_far = self.state(order_id), len(self.aws.story)
        self.aws.say(f"  {order_id} is {'confirmed' if confirms else 'cancelled'}")
        if link:
            choice = next(choice for choice, said in page.CHOICES.items() if said == DECISIONS[confirms])
            status, _ = self.request("POST", link, f"decision={choice}&comment=")
        else:
            status, body = self.request("POST", f"/orders/{order_id}/confirmation", {"isConfirmed": confirms})
            self.require(
                status != 200 or body["state"] == DECISIONS[confirms], f"accepted, and {order_id} is something else"
            )
        if status == 200:
            alone = self.alone_since(so_far)
            self.require(
                not alone or before in ("PROCESSING", "WAITING", DECISIONS[confirms]),
                f"{order_id} was {before}, and then decided",
            )
            ended = [each for each in self.all if each.name == order_id and each.status != "RUNNING"]
            self.require(
                not (alone and ended and before in ("PROCESSING", "WAITING") and self.is_whole(order_id))
                or self.aws.events
                or self.aws.given_up,
                f"{order_id} goes ahead, although its workflow has ended",
            )
            said = self.accepted.setdefault(order_id, DECISIONS[confirms])
            self.require(said == DECISIONS[confirms], f"{order_id} was decided in two ways")
        return status

    def links(self) -> list[tuple[str, str]]:
        """Orders, and the paths of the links to them that were published."""
        bodies = [each.body for each in self.aws.notifications if each.body["outcome"] == "WAITING"]
        return [(body["orderId"], body["link"].removeprefix("https://example.com")) for body in bodies]

    def deliver_all(self) -> None:
        while self.aws.deliver(0, 10):
            pass

    # -------------------------------------------------------------- what may happen
    @initialize(one=st.booleans(), late=st.booleans())
    def choose(self, one: bool, late: bool) -> None:
        """Whether orders share a shard of the stream, and whether people decide in the last hour only."""
        self.decide_late = late
        for mapping in self.aws.mappings:
            mapping.one_shard = one

    @precondition(lambda self: self.started < 3)
    @rule(which=WHICH, faults=SOME_FAULTS)
    def start(self, which: int, faults: Faults) -> None:  # noqa: ARG002 - as the other workflows have it
        self.started += 1
        name = f"order-{self.started}"
        self.step(f"somebody orders {name}", faults, lambda: self.order(name, f"{name}, card {CARD}"))

    @rule(which=WHICH, other=st.booleans(), faults=SOME_FAULTS)
    def order_again(self, which: int, other: bool, faults: Faults) -> None:
        """The same, or with other details."""
        name = f"order-{which % self.started + 1}"
        details = f"{'other' if other else name}, card {CARD}"
        self.step(f"somebody orders {name} again: {details}", faults, lambda: self.order(name, details))

    @precondition(lambda self: self.details)
    @rule(which=WHICH, confirms=st.booleans(), faults=SOME_FAULTS)
    def decide_by_key(self, which: int, confirms: bool, faults: Faults) -> None:
        name = f"order-{which % self.started + 1}"
        self.step("a program decides", faults, lambda: self.decide(name, confirms=confirms))

    @precondition(lambda self: self.links())
    @rule(which=WHICH, confirms=st.booleans(), faults=SOME_FAULTS)
    def decide_by_link(self, which: int, confirms: bool, faults: Faults) -> None:
        """Any link, however old."""
        links = self.links()
        name, link = links[which % len(links)]
        self.step("somebody decides on the page", faults, lambda: self.decide(name, confirms=confirms, link=link))

    @precondition(lambda self: self.running)
    @rule(which=WHICH, confirms=st.booleans())
    def decide_what_was_stopped(self, which: int, confirms: bool) -> None:
        """After everybody knows of the stop."""
        self.stop(which)
        self.step("everything is delivered", [], self.deliver_all)
        stopped = [each.name for each in self.all if each.status == "ABORTED"]
        name = stopped[which % len(stopped)]
        self.step("a program decides", [], lambda: self.decide(name, confirms=confirms))

    @precondition(lambda self: any(each.waits for each in self.all))
    @rule(which=WHICH, confirms=st.booleans(), fault=st.sampled_from(FAULTS))
    def decide_and_break_off(self, which: int, confirms: bool, fault: str) -> None:
        """One call of the function that is to answer fails, or is its last."""
        waiting = [each for each in self.all if each.waits]
        name = waiting[which % len(waiting)].name
        self.step("everything is delivered", [], self.deliver_all)
        self.step("a program decides", [], lambda: self.decide(name, confirms=confirms))
        self.step("deliver", [*[FINE] * (which % 4), fault], lambda: self.aws.deliver(0, 3))

    @precondition(lambda self: self.links())
    @rule(which=WHICH, body=st.sampled_from([None, *NO_DECISION]))
    def scan(self, which: int, body: str | None) -> None:
        """A scanner opens a link, or posts its own form."""
        links = self.links()
        name, link = links[which % len(links)]
        before = self.item(name)
        method = "GET" if body is None else "POST"
        self.step(f"a scanner sends {method} {body or ''}", [], lambda: self.request(method, link, body))
        self.require(self.item(name) == before, "a scanner has changed an order")

    @precondition(lambda self: len(self.deleted) < 1 and self.table.items(""))
    @rule(which=WHICH)
    def delete_by_hand(self, which: int) -> None:
        keys = [each["pk"]["S"] for each in self.table.items("ORDER#") + self.table.items("TOKEN#")]
        key = keys[which % len(keys)]
        self.step("by hand", [], lambda: self.delete(key))

    def delete(self, key: str) -> None:
        self.aws.say(f"  somebody deletes {key}")
        self.deleted.add(key)
        self.accepted.pop(key.removeprefix("ORDER#"), None)
        self.table.delete_item(TableName=TABLE, Key={"pk": {"S": key}})

    @precondition(lambda self: self.aws.deliverable())
    @rule(which=WHICH, calls=st.integers(1, 4), what=st.integers(0, 3), late=st.booleans())
    def interfere(self, which: int, calls: int, what: int, late: bool) -> None:
        """Something happens just before one call of a function, perhaps the end of a wait."""
        if late:
            self.wait_until_shortly_before()
        self.step("deliver", [*[FINE] * calls, what], lambda: self.aws.deliver(which, 3))

    @precondition(lambda self: any(each.waits for each in self.all))
    @rule()
    def stand_still(self) -> None:
        """Nothing is delivered for a day."""
        self.step("nothing is delivered for a day", [], self._stand_still)

    def _stand_still(self) -> None:
        until = self.aws.now + store.START_WITHIN
        while (deadline := self.aws.next_deadline()) and deadline <= until:
            self.aws.pass_time(deadline)
            self.aws.go_on()

    @precondition(lambda self: any(shard.done for each in self.aws.mappings for shard in each.shards.values()))
    @rule(which=WHICH, count=st.integers(1, 3))
    def begin_again(self, which: int, count: int) -> None:
        """Records come again, and what came after them."""
        found = [(each, shard) for each in self.aws.mappings for shard in each.shards.values() if shard.done]
        mapping, shard = found[which % len(found)]
        self.step(f"{mapping.function} gets records again", [], lambda: mapping.begin_again(shard, count))

    @precondition(lambda self: self.old_events())
    @rule(which=WHICH, faults=SOME_FAULTS)
    def deliver_event_again(self, which: int, faults: Faults) -> None:
        """Late, so that it is out of date."""
        event = self.old_events()[which % len(self.old_events())]
        self.step(f"event {event.number} comes again", faults, lambda: self.invoke(CLOSER, event.body))

    def old_events(self) -> list[Any]:
        return [each for each in self.aws.delivered_events if each.target == CLOSER]

    def invoke(self, function: str, event: Any) -> None:
        try:
            self.aws.invoke(function, event)
        except FunctionFailed as failure:
            self.aws.say(f"    {function} fails: {failure}")

    @rule()
    def wait_until_shortly_before(self) -> None:
        """What is due next may then come while a function is at work."""
        deadline = self.aws.next_deadline()
        if deadline and deadline > self.aws.now + 1:
            self.step("all but a second passes", [], lambda: self.aws.pass_time(deadline - 1))

    @rule(which=WHICH, faults=SOME_FAULTS)
    def start_by_hand(self, which: int, faults: Faults) -> None:
        """An execution that has no order."""
        given = [None, {"orderId": 5}, {"orderId": "unknown"}][which % 3]
        name, start = f"by-hand-{self.aws.number()}", self.aws.step_functions.start_execution
        self.step(
            f"somebody starts {name}: {given}",
            faults,
            lambda: start(stateMachineArn=MACHINE, name=name, input=json.dumps(given)),
        )

    def what_people_may_do(self) -> list[Callable[[], object]]:
        """Before any call of a function."""
        acts: list[Callable[[], object]] = []
        if self.all:
            first, machines = self.all[0], self.aws.step_functions
            if first.status == "RUNNING":
                acts.append(lambda: machines.stop_execution(executionArn=first.arn))
            elif first.status != "SUCCEEDED":
                acts.append(lambda: machines.redrive_execution(executionArn=first.arn))
            acts.append(lambda: self.decide(first.name, confirms=True))
            if not self.deleted:
                acts.append(lambda: self.delete(f"ORDER#{first.name}"))
        deadline = self.aws.next_deadline()
        if deadline and deadline <= self.aws.now + 1:
            acts.append(lambda: self.aws.pass_time(deadline))
        return acts

    # -------------------------------------------------------------- what must always hold
    @invariant()
    def nothing_is_given_up_early(self) -> None:
        for record in [record for mapping in self.aws.mappings for record in mapping.given_up]:
            self.require(self.aws.now - record.written_at >= GIVEN_UP_AFTER, f"{record} was given up early")

    @invariant()
    def no_order_comes_from_nowhere(self) -> None:
        for item in self.table.items("ORDER#"):
            self.require("orderDetails" in item, f"{item['pk']['S']} is there, and is no order")

    @invariant()
    def an_answer_is_the_stored_decision(self) -> None:
        for each in self.all:
            if each.answers and self.is_whole(each.name):
                said = "CONFIRMED" if outcome(each.answers[-1].value) == "SUCCEEDED" else "CANCELLED"
                self.require(
                    said == self.settled(each.name), f"{each.name} was answered as {said}, which nobody decided"
                )

    @invariant()
    def a_decision_that_was_accepted_stays(self) -> None:
        for order_id, decision in self.accepted.items():
            settled = self.settled(order_id)
            self.require(settled == decision, f"{order_id}, accepted as {decision}, is now {settled}")

    @invariant()
    def no_token_and_no_link_leaves_the_stack(self) -> None:
        self.require(TOKEN_MARK not in "".join(self.replies), "the API has answered with a task token")
        printed = self.aws.printed.getvalue()
        self.require(not any(link.rpartition("/")[2] in printed for _, link in self.links()), "a link was printed")

    # -------------------------------------------------------------- the end
    def do_what_is_asked(self) -> bool:
        """Whoever has to sees to what was given up, and every other order is decided."""
        if any(mapping.next_due() for mapping in self.aws.mappings):
            return False
        if self.see_to_what_was_given_up():
            return True
        for each in self.all:
            if each.waits and self.is_whole(each.name):
                left = each.waits_until - self.aws.now
                self.require(not self.settled(each.name), f"{each.name} is decided, and its workflow waits in vain")
                self.require(left < SOON or self.state(each.name) == "WAITING", f"{each.name} cannot be decided")
        waiting = [each for each in self.all if each.waits and each.name.endswith(("1", "3"))]
        if self.decide_late:
            waiting = [each for each in waiting if each.waits_until - self.aws.now <= LAST_WAIT]
        for each in [each for each in waiting if self.state(each.name) == "WAITING"]:
            link = [link for name, link in self.links() if name == each.name][-1]
            status = self.decide(each.name, confirms=each.name.endswith("1"), link=link)
            self.require(status == 200, f"{each.name} waits, and its link decides nothing")
            return True
        return False

    def see_to_what_was_given_up(self) -> bool:
        """As the docs say: the event is sent to the closer again, the order or the same decision posted again."""
        self.no_order_comes_from_nowhere()
        events, self.aws.given_up = self.aws.given_up, []
        for event in events:
            self.invoke(CLOSER, event.body)
        records = [record for mapping in self.aws.mappings for record in mapping.given_up]
        for mapping in self.aws.mappings:
            mapping.given_up = []
        for order_id in {record.pk.partition("#")[2] for record in records}:
            item = self.item(order_id)
            if item:
                self.request("POST", "/orders", {"orderId": order_id, "orderDetails": item["orderDetails"]["S"]})
                if self.settled(order_id) in DECISIONS.values():
                    self.decide(order_id, confirms=self.settled(order_id) == "CONFIRMED")
        self.aws.go_on()
        return bool(events or records)

    def may_time_out(self, _execution: Execution) -> bool:
        """Nobody has to decide."""
        return True

    def check_the_end(self) -> None:
        self.check_answers()
        ended = {each.name: each for each in self.all}
        for order_id in self.details:
            item = self.item(order_id)
            if not self.is_whole(order_id):
                continue
            self.require(item, f"{order_id} is gone")
            assert item
            self.require(item["orderDetails"]["S"] == self.details[order_id], f"{order_id} has other details")
            self.check_order(order_id, ended.get(order_id))
        left = [each["pk"]["S"] for each in self.table.items("TOKEN#")]
        self.require(not left, f"{left} left, for which nobody waits")

    def check_order(self, order_id: str, execution: Execution | None) -> None:
        """It says the same as its workflow, and what was decided is done, or reported."""
        state, decision = self.state(order_id), self.settled(order_id)
        if execution is None:
            self.require(state == "EXPIRED" or not decision, f"{order_id} is {state}, and was never started")
            return
        end = execution.ends[-1]
        expected = {
            ("SUCCEEDED", None): ["CONFIRMED"],
            ("FAILED", "Order.Cancelled"): ["CANCELLED"],
            ("FAILED", "Order.Expired"): ["EXPIRED"],
            ("ABORTED", None): [decision if decision in ("EXPIRED", "FAILED") else "STOPPED"],
        }.get((end.status, end.error), ["FAILED", "EXPIRED"])
        self.require(state in expected, f"{order_id} is {state}, its execution {end.status} {end.error}")
        if decision in DECISIONS.values() and state != decision:
            reports = [body["decision"] for body in self.aws.notified(execution.arn) if "decision" in body]
            self.require(decision in reports, f"{order_id} is {decision}, which nobody carries out, and nobody knows")
        reminders = [body for body in self.aws.notified(execution.arn) if "An hour" in body.get("message", "")]
        self.require(len(reminders) <= 1 + execution.redrives, f"{order_id} was reminded of too often")
