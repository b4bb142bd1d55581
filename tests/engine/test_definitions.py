"""What AWS refuses when a state machine is made or changed, and what it takes."""

import json
from typing import Any

import pytest

from tests.engine.aws import ROLE, Aws, code, only

pytestmark = pytest.mark.local("its own state machines, on the embedded AWS")

PASS: dict[str, Any] = {"Type": "Pass", "End": True}
TASK = {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "End": True}
CATCH = {"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Only"}]}
RETRY = {"Retry": [{"ErrorEquals": ["States.ALL"]}]}
ERROR = "{% $states.errorOutput.Error %}"

# Measured on AWS in August 2026 by others (floci-io/floci, issues 2733, 2735 and 2745)
REFUSED: dict[str, dict[str, Any]] = {
    "no states": {"StartAt": "Only", "States": {}},
    "no such start": {"StartAt": "Other", "States": {"Only": PASS}},
    "a timeout of a Pass": only({**PASS, "TimeoutSeconds": 5}),
    "a Catch of a Wait": only({"Type": "Wait", "Seconds": 1, "End": True, **CATCH}),
    "a Retry of a Pass": only({**PASS, **RETRY}),
    "a timeout of a Parallel": only({"Type": "Parallel", "Branches": [only(PASS)], "TimeoutSeconds": 5, "End": True}),
    "a state that nothing leads to": {"StartAt": "Only", "States": {"Only": PASS, "Other": PASS}},
    "no terminal state": {"StartAt": "Only", "States": {"Only": {"Type": "Pass", "Next": "Only"}}},
    "no such target": only({"Type": "Pass", "Next": "Other"}),
    "no such target of a Catch": only({**TASK, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Other"}]}),
    "no such target in a branch": only(
        {"Type": "Parallel", "Branches": [only({"Type": "Pass", "Next": "Other"})], "End": True}
    ),
    "JSONata that does not parse": only({**PASS, "Output": "{% $states.input. %}"}, QueryLanguage="JSONata"),
    "$$": only({**PASS, "Output": "{% $$.a %}"}, QueryLanguage="JSONata"),
    "the error outside a Catch": only({**TASK, "Output": ERROR}, QueryLanguage="JSONata"),
    "heartbeats slower than the timeout": only({**TASK, "TimeoutSeconds": 5, "HeartbeatSeconds": 5}),
}
TAKEN: dict[str, dict[str, Any]] = {
    "$$ in a text": only({**PASS, "Output": "{% 'a$$b' & \"$$\" %}"}, QueryLanguage="JSONata"),
    "the error in a Catch": {
        "QueryLanguage": "JSONata",
        "StartAt": "Only",
        "States": {
            "Only": {**TASK, "Catch": [{"ErrorEquals": ["States.ALL"], "Output": ERROR, "Next": "Caught"}]},
            "Caught": {"Type": "Succeed"},
        },
    },
    "times of a Task": only({**TASK, **RETRY, "TimeoutSeconds": 6, "HeartbeatSeconds": 5}, TimeoutSeconds=10),
    "a Catch of a Map": {
        "StartAt": "Only",
        "States": {
            "Only": {
                "Type": "Map",
                "ItemProcessor": only(PASS),
                "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}],
                "End": True,
            },
            "Caught": {"Type": "Fail"},
        },
    },
    "a loop with an end": {
        "StartAt": "Only",
        "States": {
            "Only": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.a", "IsPresent": True, "Next": "Only"}],
                "Default": "End",
            },
            "End": {"Type": "Succeed"},
        },
    },
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_definition_is_refused_when_it_is_made_and_when_it_is_changed(aws: Aws, what: str) -> None:
    definition = json.dumps(REFUSED[what])
    name = f"refused-{abs(hash(what))}"
    assert (
        code(lambda: aws.sfn.create_state_machine(name=name, definition=definition, roleArn=ROLE))
        == "InvalidDefinition"
    )
    machine = aws.machine(only(PASS))
    assert (
        code(lambda: aws.sfn.update_state_machine(stateMachineArn=machine, definition=definition))
        == "InvalidDefinition"
    )


@pytest.mark.parametrize("what", TAKEN)
def test_a_definition_is_taken(aws: Aws, what: str) -> None:
    definition = TAKEN[what]
    assert aws.machine(definition, definition.get("QueryLanguage", "JSONPath"))
