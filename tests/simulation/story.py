"""What may happen in every story, what must always hold, and what must hold in the end.

A story is a list of steps that hypothesis chooses; where one breaks a promise, it looks for the shortest that does.
"""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.simulation.aws import FAULTS, FINE, Aws, Faults
from tests.simulation.playing import counted
from tests.simulation.sqs import Message
from tests.simulation.stepfunctions import TOKEN_MARK, Execution
from tests.unit.state_machine import Failure

CARD = "4000000000000002"
# Nothing or little fails in most steps; a number lets something else happen before a call
SOME_FAULTS: st.SearchStrategy[Faults] = st.just([]) | st.lists(
    st.sampled_from([FINE, FINE, *FAULTS]) | st.integers(0, 5), min_size=1, max_size=4
)
WHICH = st.integers(0, 5)
SHORT_OF_TIME = 1800  # seconds before its timeout, in which a wait may end unanswered when the faults cease
SELDOM = 2  # times in a story
RECEIVES = 5  # that fail, before a message is given up
UNDELIVERABLE = "Callback.Undeliverable"
MANY = 400  # steps of an end, after which nobody believes that it comes


class Broken(AssertionError):
    """A promise is broken. The text is the promise, and the story."""


class Story(RuleBasedStateMachine):
    template: ClassVar[str]
    state_machine: ClassVar[str]  # its logical ID
    people_answer: ClassVar[bool] = False  # who may contradict each other
    notifies: ClassVar[bool] = True
    examples: ClassVar[int] = 400  # that CI plays, and at most of each planted fault

    def __init__(self) -> None:
        super().__init__()
        fault = type(self)
        self.aws = Aws(self.template, fault.__dict__.get("mutate"))
        self.started = 0
        self.broken: Broken | None = None
        self.known_ends: dict[str, int] = {}
        self.times: Counter[str] = Counter()  # that something has happened which is to happen now and then only
        counted["stories"] += 1
        self.prepare()
        if plant := fault.__dict__.get("plant"):
            plant(self.aws)

    def prepare(self) -> None:
        """Set up what the workflow needs beside what its template has."""

    @property
    def all(self) -> list[Execution]:
        return [each for each in self.aws.step_functions.executions.values() if each.machine == self.state_machine]

    @property
    def running(self) -> list[Execution]:
        return [each for each in self.all if each.status == "RUNNING"]

    def require(self, holds: object, otherwise: str) -> None:
        if not holds:
            story = "\n".join(self.aws.story)
            self.broken = self.broken or Broken(f"{otherwise}\n{story}")
            raise self.broken

    def step(self, words: str, faults: Faults, action: Callable[[], object]) -> None:
        """One step of the story: something happens, with these faults, and AWS goes on."""
        counted["steps"] += 1
        self.aws.say(words)
        self.aws.faults = list(faults)
        action()
        self.aws.go_on()
        self.aws.faults = []
        if self.broken:  # while a function was at work, which goes on after any error
            raise self.broken

    # -------------------------------------------------------------- what may happen
    def inputs(self) -> list[Any]:
        """The inputs that an execution may be started with."""
        raise NotImplementedError

    def label(self) -> str:
        """Of the distributed Map whose child is started next; empty where it is an execution like any other."""
        return ""

    @initialize(which=WHICH, faults=SOME_FAULTS)
    def begin(self, which: int, faults: Faults) -> None:
        self.start(which, faults)

    @precondition(lambda self: self.started < 3)
    @rule(which=WHICH, faults=SOME_FAULTS)
    def start(self, which: int, faults: Faults) -> None:
        self.started += 1
        inputs = self.inputs()
        name = f"order-{self.started}"
        self.step(
            f"start {name}",
            faults,
            lambda: self.aws.step_functions.start_execution(
                stateMachineArn=self.state_machine,
                name=name,
                input=json.dumps(inputs[which % len(inputs)]),
                label=self.label(),
            ),
        )

    @precondition(lambda self: self.aws.deliverable())
    @rule(which=WHICH, size=st.sampled_from([1, 1, 3, 10]), faults=SOME_FAULTS)
    def deliver(self, which: int, size: int, faults: Faults) -> None:
        """Any batch or event, in any order."""
        self.step("deliver", faults, lambda: self.aws.deliver(which, size))

    @precondition(lambda self: self.aws.deliverable())
    @rule(which=WHICH, calls=st.integers(0, 2), fault=st.sampled_from(FAULTS))
    def break_off(self, which: int, calls: int, fault: str) -> None:
        """One call of a function fails, or is its last."""
        self.step("deliver", [*[FINE] * calls, fault], lambda: self.aws.deliver(which, 3))

    @precondition(lambda self: any(self.aws.queues[queue].again() for queue in self.aws.consumers))
    @rule(which=WHICH, faults=SOME_FAULTS)
    def deliver_again(self, which: int, faults: Faults) -> None:
        """A message comes twice, in flight or after it was deleted."""
        again = [(queue, each) for queue in self.aws.consumers for each in self.aws.queues[queue].again()]
        queue, message = again[which % len(again)]
        self.step(f"deliver {message} again", faults, lambda: self.aws.deliver_batch(queue, [message]))

    @precondition(lambda self: self.aws.next_deadline())
    @rule(faults=SOME_FAULTS)
    def let_time_pass(self, faults: Faults) -> None:
        """To whatever is due next."""
        deadline = self.aws.next_deadline()
        assert deadline
        self.step(f"{deadline - self.aws.now:,.0f} seconds pass", faults, lambda: self.aws.pass_time(deadline))

    @precondition(lambda self: self.running)
    @rule(which=WHICH)
    def stop(self, which: int) -> None:
        chosen = self.running[which % len(self.running)]
        self.step(f"stop {chosen.name}", [], lambda: self.aws.step_functions.stop_execution(executionArn=chosen.arn))

    @precondition(lambda self: any(each.ends and each.status not in ("RUNNING", "SUCCEEDED") for each in self.all))
    @rule(which=WHICH, faults=SOME_FAULTS)
    def redrive(self, which: int, faults: Faults) -> None:
        ended = [each for each in self.all if each.status not in ("RUNNING", "SUCCEEDED")]
        chosen = ended[which % len(ended)]
        self.step(
            f"redrive {chosen.name}",
            faults,
            lambda: self.aws.step_functions.redrive_execution(executionArn=chosen.arn),
        )

    @precondition(lambda self: self.times["deploy"] < SELDOM)
    @rule(which=WHICH)
    def deploy(self, which: int) -> None:
        """A version of a function that fails as soon as it is loaded, or the right one again."""
        self.times["deploy"] += 1
        chosen = self.aws.functions[which % len(self.aws.functions)]
        self.aws.failing ^= {chosen}
        self.step(f"deploy a version of {chosen} that {self._works(chosen)}", [], lambda: None)

    @precondition(lambda self: self.times["outage"] < SELDOM)
    @rule(which=WHICH)
    def outage(self, which: int) -> None:
        """A function fails for as long as its queue keeps on giving it messages."""
        self.times["outage"] += 1
        chosen = self.aws.functions[which % len(self.aws.functions)]
        before = chosen in self.aws.failing
        self.aws.failing.add(chosen)
        self.step(f"{chosen} fails for ten minutes", [], self._ten_minutes)
        if not before:
            self.aws.failing.discard(chosen)

    def _ten_minutes(self) -> None:
        until = self.aws.now + 600
        while True:
            while self.aws.deliver(0, 10):
                pass
            deadline = self.aws.next_deadline()
            if deadline is None or deadline > until:
                break
            self.aws.pass_time(deadline)
            self.aws.go_on()

    def _works(self, function: str) -> str:
        return "fails" if function in self.aws.failing else "works"

    # -------------------------------------------------------------- what must always hold
    @invariant()
    def no_secret_gets_out(self) -> None:
        printed = self.aws.printed.getvalue()
        public = json.dumps([each.body for each in self.aws.notifications])
        for what, text in (("printed", printed), ("published", public), *self.stored_for_others()):
            self.require(TOKEN_MARK not in text, f"a task token was {what}")
            self.require(CARD not in text, f"a card number was {what}")

    def stored_for_others(self) -> list[tuple[str, str]]:
        return []

    @invariant()
    def a_wait_that_is_over_is_not_begun_again(self) -> None:
        for each in self.all:
            self.require(not each.asked_again, f"{each.name} asked again although its wait was {each.asked_again}")

    @invariant()
    def each_end_is_notified_once(self) -> None:
        """At once where the workflow does so itself; a stop when EventBridge has delivered it."""
        for each in self.all:
            if len(each.ends) == self.known_ends.get(each.arn, 0):
                continue
            self.known_ends[each.arn] = len(each.ends)
            self.check_end(each)

    def check_end(self, execution: Execution) -> None:
        end = execution.ends[-1]
        self.require(end.error != "States.QueryEvaluationError", f"an expression failed: {end.cause}")
        if end.status == "ABORTED" or not self.notifies:
            return
        bodies = [body for body in self.aws.notified(execution.arn) if body["outcome"] in ("SUCCEEDED", "FAILED")]
        if end.status == "FAILED" and not end.by_fail:
            return  # it could not publish: a redrive does
        self.require(bodies, f"{execution.name} ended {end.status}, and nobody was notified")
        self.require(
            bodies[-1]["outcome"] == end.status,
            f"{execution.name} ended {end.status}, notified was {bodies[-1]['outcome']}",
        )
        if end.status == "FAILED":
            self.require(
                (bodies[-1]["Error"], bodies[-1]["Cause"]) == (end.error, end.cause),
                f"{execution.name} ended with {end.error}, notified was {bodies[-1]['Error']}",
            )
            self.require(
                not (end.error or "").startswith(("States.", "SQS.", "SNS.", "Lambda.", "DynamoDB.", "DynamoDb.")),
                f"{execution.name} ended with an error name of AWS",
            )
        self.require(len(bodies) <= 1 + execution.redrives, f"{execution.name} was notified more often than it ended")

    # -------------------------------------------------------------- the end
    def teardown(self) -> None:
        try:
            if not self.broken:
                self.in_the_end()
        finally:
            self.aws.cleanup.close()

    def in_the_end(self) -> None:
        """The faults cease, and time passes until nothing more happens."""
        self.aws.say("the faults cease, and time passes")
        self.aws.failing.clear()
        self.aws.nothing_fails = True
        in_time = [each for each in self.all if each.waits and each.waits_until > self.aws.now + SHORT_OF_TIME]
        asked = {each.arn: len(each.tokens) for each in in_time}
        for _ in range(MANY):
            while self.aws.deliver(0, 10) or self.do_what_is_asked():
                pass
            deadline = self.aws.next_deadline()
            if deadline is None:
                break
            self.aws.pass_time(deadline)
            self.aws.go_on()
            self.each_end_is_notified_once()
        else:
            self.require(False, "it never comes to an end")
        for check in (
            self.no_secret_gets_out,
            self.a_wait_that_is_over_is_not_begun_again,
            self.each_end_is_notified_once,
        ):
            check()
        self.check_ends()
        for each in in_time:
            if len(each.tokens) == asked[each.arn] and each.ends[-1].error == "Callback.TimedOut":
                self.require(self.may_time_out(each), f"{each.name} waited in vain: its request was lost")
        for name, queue in self.aws.queues.items():
            if name in self.aws.consumers:
                self.require(not queue.messages, f"{name} is not empty")
        self.check_the_end()

    def check_ends(self) -> None:
        for each in self.aws.step_functions.executions.values():
            self.require(each.status != "RUNNING", f"{each.name} has not ended")
        for each in self.all if self.notifies else []:
            stops = [end for end in each.ends if end.status == "ABORTED"]
            bodies = [body for body in self.aws.notified(each.arn) if body["outcome"] == "ABORTED"]
            self.require(
                len(bodies) == len(stops), f"{each.name} was stopped {len(stops)} times, notified {len(bodies)}"
            )

    def do_what_is_asked(self) -> bool:
        """What people or partners do in the end, where something is asked of them; whether that was anything."""
        return False

    def may_time_out(self, execution: Execution) -> bool:
        """Only a person can decide about what is in quarantine."""
        return bool(self.aws.queues["QuarantineQueue"].find(lambda body: execution.tokens[-1] in body))

    def check_answers(self) -> None:
        """No work is answered in two ways, and none is given up before it was tried often enough."""
        for each in self.all:
            said = {outcome(answer.value) for answer in each.tried} - {UNDELIVERABLE} - self.damage(each)
            self.require(
                len(said) <= 1 or self.people_answer,
                f"{each.name} was answered in {len(said)} ways: {', '.join(sorted(said))}",
            )
            for answer in each.answers:
                if outcome(answer.value) == UNDELIVERABLE:
                    tries = max(self.tries(message) for message in self.messages(answer.token))
                    self.require(tries >= RECEIVES, f"{each.name} was given up after {tries} failures")

    def check_quarantine(self, unreadable: list[str]) -> None:
        """It holds each message that cannot be read, as it was sent, and none that could have been worked off."""
        kept = self.aws.queues["QuarantineQueue"].messages
        for body in unreadable:
            self.require(any(message.body == body for message in kept), "an unreadable message is not in quarantine")
        for message in [message for queue in self.aws.queues.values() for message in queue.delivered]:
            self.require(
                message.body in unreadable or not message.failed_in_peace or self.may_fail(message),
                f"{message} can be read, and fails although nothing else does",
            )

    def may_fail(self, _message: Message) -> bool:
        """Although nothing else fails, because it came too early."""
        return False

    def damage(self, _execution: Execution) -> set[str]:
        """What may be answered beside that, because somebody changed a message on its way."""
        return set()

    def tries(self, message: Message) -> int:
        return message.failures

    def messages(self, token: str) -> list[Message]:
        found = [message for queue in self.aws.queues.values() for message in queue.delivered]
        return [message for message in found if token in message.body]

    def check_the_end(self) -> None:
        """What is to hold beside that."""


def outcome(value: Any) -> str:
    """An answer in a word."""
    return str(value.output["Error"]) if isinstance(value, Failure) else "SUCCEEDED"
