"""Stories of the order confirmation: API and page, table and stream, starter, confirmer, closer, and who decides."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from orders import store
from tests.simulation.aws import DIES_BEFORE, FAULTS, FINE, Faults
from tests.simulation.orders import CLOSER, MACHINE, TABLE, Orders
from tests.simulation.stepfunctions import Execution
from tests.simulation.story import CARD, SOME_FAULTS, WHICH

# What mail scanners and the like post: no choice, one that is none, two at once
NO_DECISION = ["", "decision=", "decision=true&comment=", "decision=confirm&decision=cancel"]

# How an execution is when it is stopped, how many calls the closer then makes, and what happens before its next one
MOMENTS: list[tuple[str, int, int | str]] = [
    ("decided", 5, DIES_BEFORE),  # which ends the order, for its decision has been reported
    ("redriven", 3, 2),  # which opens the order: somebody deletes it
    ("waiting", 4, 2),  # which ends the order: somebody deletes it, or decides it
    ("waiting", 4, 1),
    ("waiting", 3, 0),  # which removes its token: somebody redrives the execution
]


class OrderConfirmations(Orders):
    examples = 600

    def prepare(self) -> None:
        super().prepare()
        self.aws.meanwhile = self.what_people_may_do

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

    @precondition(lambda self: self.started < 3 and not self.aws.failing)
    @rule(calls=st.integers(0, 3), deciding=st.booleans(), confirms=st.booleans(), fault=st.sampled_from(FAULTS))
    def decide_and_break_off(self, calls: int, deciding: bool, confirms: bool, fault: str) -> None:
        """One call of the function that decides, or of the one that is to answer, fails, or is its last."""
        chosen = self.start_and_wait()
        if chosen is None:
            return
        name = chosen.name
        faults: Faults = [*[FINE] * calls, fault]
        self.step("a program decides", faults if deciding else [], lambda: self.decide(name, confirms=confirms))
        self.step("deliver", [] if deciding else faults, lambda: self.aws.deliver(-1, 3))  # to the confirmer

    def start_and_wait(self) -> Execution | None:
        """An order that waits; None where its stream is held up."""
        self.start(0, [])
        self.step("everything is delivered", [], self.deliver_all)
        return next((each for each in self.all[-1:] if each.waits and each.name == f"order-{self.started}"), None)

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

    @precondition(lambda self: self.started < 3 and not self.aws.failing)
    @rule(moment=st.sampled_from(MOMENTS))
    def stop_and_interfere(self, moment: tuple[str, int, int | str]) -> None:
        """Something happens while the closer is at work, or it dies."""
        how, calls, what = moment
        chosen, machines = self.start_and_wait(), self.aws.step_functions
        if chosen is None:
            return
        if how == "decided":
            self.step("a program decides", [], lambda: self.decide(chosen.name, confirms=True))
        self.step(f"stop {chosen.name}", [], lambda: machines.stop_execution(executionArn=chosen.arn))
        if how == "redriven":
            self.step("everything is delivered", [], self.deliver_all)
            self.step(f"redrive {chosen.name}", [], lambda: machines.redrive_execution(executionArn=chosen.arn))
        [*_, event] = [each for each in self.aws.events if each.target == CLOSER]
        self.step("deliver", [*[FINE] * calls, what], lambda: self.aws.deliver_event(event))

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
        """Before any call of a function, to the order that came last."""
        acts: list[Callable[[], object]] = []
        if self.all:
            last, machines = self.all[-1], self.aws.step_functions
            if last.status == "RUNNING":
                acts.append(lambda: machines.stop_execution(executionArn=last.arn))
            elif last.status != "SUCCEEDED":
                acts.append(lambda: machines.redrive_execution(executionArn=last.arn))
            acts.append(lambda: self.decide(last.name, confirms=True))
            if not self.deleted:
                acts.append(lambda: self.delete(f"ORDER#{last.name}"))
        deadline = self.aws.next_deadline()
        if deadline and deadline <= self.aws.now + 1:
            acts.append(lambda: self.aws.pass_time(deadline))
        return acts
