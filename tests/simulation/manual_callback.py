"""Stories of the manual callback: people answer early, late, twice, contradict each other, or never do."""

import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.simulation.aws import Faults, FunctionFailed
from tests.simulation.sqs import Message
from tests.simulation.stepfunctions import Execution
from tests.simulation.story import SOME_FAULTS, WHICH, Story
from tests.unit.state_machine import Failure, Fields

QUEUE, FUNCTION = "ManualCallbackQueue", "ManualCallbackFunction"
ANSWERS: list[Fields] = [
    {"output": {"paid": True}},
    {},
    {"error": "OutOfStock", "cause": "None is left."},
    {"heartbeat": True},
    {"error": "SQS.SdkClientException", "cause": "x"},
    {"error": " States.Timeout"},
]


class ManualCallbacks(Story):
    template, state_machine = "templates/manual-callback.yaml", "ManualCallbackStateMachine"
    people_answer = True
    notifies = False

    def inputs(self) -> list[Any]:
        return [{"work": self.started}, None, "work"]

    @precondition(lambda self: self.aws.queues[QUEUE].visible())
    @rule(which=WHICH, deletes=st.booleans(), answer=st.none() | st.sampled_from(ANSWERS), faults=SOME_FAULTS)
    def take(self, which: int, deletes: bool, answer: Fields | None, faults: Faults) -> None:
        """Somebody takes a message, answers it or not, and deletes it or not."""
        visible = self.aws.queues[QUEUE].visible()
        message = visible[which % len(visible)]
        self.step(f"somebody takes {message}", faults, lambda: self._take(message, answer, deletes=deletes))

    def _take(self, message: Message, answer: Fields | None, *, deletes: bool) -> None:
        if self.aws.queues[QUEUE].receive([message]) and answer is not None:
            self._answer(message, answer)
            if deletes:
                self.aws.queues[QUEUE].delete(message)

    @precondition(lambda self: self.aws.queues[QUEUE].delivered)
    @rule(which=WHICH, answer=st.sampled_from(ANSWERS), faults=SOME_FAULTS)
    def answer_late(self, which: int, answer: Fields, faults: Faults) -> None:
        """Somebody answers a message that was taken before, whatever has become of it."""
        taken = self.aws.queues[QUEUE].delivered
        message = taken[which % len(taken)]
        self.step(f"somebody answers {message}", faults, lambda: self._answer(message, answer))

    def _answer(self, message: Message, answer: Fields) -> bool:
        body = json.loads(message.body)
        event = {"token": body["token"], "executionId": body["executionId"], **answer}
        self.aws.say(f"    with {answer}")
        try:
            self.aws.invoke(FUNCTION, event)
        except FunctionFailed as failure:
            self.aws.say(f"    {FUNCTION} fails: {failure}")
            return False
        return True

    def check_end(self, execution: Execution) -> None:
        """It ends as it was answered: with the output as it is, or under the name that was given."""
        end = execution.ends[-1]
        if end.status == "ABORTED" or not execution.answers:
            return
        if execution.answers[-1].token != execution.tokens[-1]:
            return  # of a wait before a redrive
        value = execution.answers[-1].value
        if isinstance(value, Failure):
            self.require(end.error == value.output["Error"], f"{execution.name} ended with {end.error}")
        else:
            self.require(end.output == value, f"{execution.name} ended with another output than it was answered")

    def do_what_is_asked(self) -> bool:
        visible = self.aws.queues[QUEUE].visible()
        for message in visible:
            self._take(message, ANSWERS[0], deletes=True)
        self.aws.go_on()
        return bool(visible)

    def tries(self, message: Message) -> int:
        return message.receives

    def may_time_out(self, _execution: Execution) -> bool:
        """Where somebody deleted a message that nobody has answered."""
        return True

    def check_the_end(self) -> None:
        self.check_answers()
        self.check_quarantine([])
        self.require(not self.aws.queues[QUEUE].messages, "the queue is not empty")
