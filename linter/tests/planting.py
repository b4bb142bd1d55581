"""Plants faults into the sound template beside this file, in memory."""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

from callback_lint.catalogue import RULES
from callback_lint.documents import Document, Fields, Json, Step, read
from callback_lint.templates import Template

SOUND = Path(__file__).parent / "sound" / "template.yaml"
DEFINITION = ("Resources", "Machine", "Properties", "Definition")

# The beginning of a template: what the wait sends, and other resources, are to follow
WAIT = """
Resources:
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties:
      Definition:
        StartAt: Wait
        States:
          Wait:
            Type: Task
            Resource: arn:aws:states:::sqs:sendMessage.waitForTaskToken"""

Change: TypeAlias = Callable[[Fields], None]


@dataclass(frozen=True)
class Fault:
    """A change, the rule that has to find it, and a part of what it has to say."""

    rule_id: str
    change: Change
    finding: str

    def __str__(self) -> str:
        return f"{self.rule_id}-{self.finding}"


@cache
def _sound() -> Document:
    return read(SOUND)


def planted(change: Change) -> Template:
    """The sound template, its state machine inside it, with a fault."""
    body = json.loads(json.dumps(_sound().value))  # an alias becomes its own copy
    machine = body["Resources"]["Machine"]["Properties"]
    machine["Definition"] = read(SOUND.parent / machine.pop("DefinitionUri")).value
    change(body)
    return Template(Document(SOUND, body, _sound().nodes))


def found(rule_id: str, template: Template) -> list[str]:
    return [problem.message for problem in RULES[rule_id].problems(template)]


def all_found(template: Template) -> list[str]:
    rules = (rule_id for rule_id in RULES)
    return [f"{rule_id} {message}" for rule_id in rules for message in found(rule_id, template)]


def of(logical_id: str, *steps: Step) -> tuple[Step, ...]:
    """The way to a property of a resource."""
    return ("Resources", logical_id, "Properties", *steps)


def state(name: str, *steps: Step) -> tuple[Step, ...]:
    return (*DEFINITION, "States", name, *steps)


def put(*steps: Step, value: Json) -> Change:
    def change(body: Fields) -> None:
        _holder(body, steps)[steps[-1]] = copy.deepcopy(value)

    return change


def drop(*steps: Step) -> Change:
    def change(body: Fields) -> None:
        del _holder(body, steps)[steps[-1]]

    return change


def both(*changes: Change) -> Change:
    def change(body: Fields) -> None:
        for single in changes:
            single(body)

    return change


def _holder(value: Json, steps: tuple[Step, ...]) -> Json:
    for step in steps[:-1]:
        value = value[step]
    return value
