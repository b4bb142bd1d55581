"""Orders in a story: what people ask of API and page, what must always hold, and what must hold in the end."""

import json
from types import SimpleNamespace
from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import BaseRouter
from hypothesis.stateful import invariant

import order_processor
from orders import page, store, workflow
from tests.simulation.aws import Aws, Client, FunctionFailed
from tests.simulation.stepfunctions import TOKEN_MARK, Execution
from tests.simulation.story import Story, outcome
from tests.unit.state_machine import Fields
from tests.unit.support import sample_event

API, CONFIRMER, CLOSER = "OrderApiFunction", "OrderConfirmerFunction", "OrderCloserFunction"
MACHINE, TABLE = "OrderConfirmationStateMachine", "OrderTable"
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


class Orders(Story):
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
        self.details: dict[str, str] = {}  # of each order that the API has taken
        self.accepted: dict[str, str] = {}  # decisions
        self.deleted: set[str] = set()  # what somebody deleted by hand: keys of items
        self.left_to_the_table: set[str] = set()  # tokens, which it removes when their time is over
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

    def invoke(self, function: str, event: Any) -> None:
        try:
            self.aws.invoke(function, event)
        except FunctionFailed as failure:
            self.aws.say(f"    {function} fails: {failure}")

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
    def a_decision_that_is_not_carried_out_yet_comes_again(self) -> None:
        confirmers = [mapping for mapping in self.aws.mappings if mapping.function == CONFIRMER]
        shards = [shard for mapping in confirmers for shard in mapping.shards.values()]
        coming = [record for shard in shards for record in shard.pending]
        kept = [record for mapping in confirmers for record in mapping.given_up]
        orders = {record.pk.partition("#")[2] for record in coming + kept}
        for each in self.all:
            if each.waits and self.is_whole(each.name) and self.settled(each.name) in DECISIONS.values():
                self.require(each.name in orders, f"{each.name} is decided, and nothing will answer its workflow")

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
                self.require(self.table.item(f"TOKEN#{each.name}"), f"{each.name} waits, and its token is gone")
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
        for order_id in dict.fromkeys(record.pk.partition("#")[2] for record in records):
            if not self.is_whole(order_id):
                self.left_to_the_table.add(f"TOKEN#{order_id}")
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
        left = {each["pk"]["S"] for each in self.table.items("TOKEN#")} - self.left_to_the_table
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
