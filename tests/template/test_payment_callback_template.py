"""The payment callback keeps the contracts of its template and of its state machine, word by word.

What the state machine sends and publishes is computed here as Step Functions does it. The message attribute of the
notifications has no other proof: the embedded AWS drops attributes.
"""

import json
from dataclasses import dataclass, field

import pytest

from tests.template.asl_rules import transitions
from tests.template.jsonata_expressions import evaluate
from tests.template.project import ROOT, Fields, Json, Template, read_definition, referenced

TEMPLATE = Template.read(ROOT / "template.yaml")
DEFINITION = read_definition(ROOT / "statemachine" / "payment_callback.asl.json")
ORDER: Fields = json.loads((ROOT / "events" / "payment_callback" / "order.json").read_text(encoding="utf-8"))

EXECUTION_ID = "arn:aws:states:us-east-1:123456789012:execution:WaitForCallback:order-1"
TOKEN = "a-task-token"
SUCCESS = "Payment processed successfully."


@dataclass(frozen=True)
class Failure:
    """How a wait fails; a timeout on AWS has no cause."""

    error: str
    cause: str | None = None

    def error_output(self) -> Fields:
        return {"Error": self.error} | ({} if self.cause is None else {"Cause": self.cause})


DECLINED = Failure("Failed to process payment", "Invalid Credit Card")


@dataclass
class Execution:
    entered: list[str] = field(default_factory=list)
    sent: list[Fields] = field(default_factory=list)
    published: list[Fields] = field(default_factory=list)
    output: Json = None
    failure: Failure | None = None

    @property
    def notification(self) -> Fields:
        (arguments,) = self.published
        body: Fields = json.loads(arguments["Message"])
        return body


def execute(order: Json, answer: str | Failure) -> Execution:
    """An execution whose callback brings this answer, and in which SQS and SNS do as they are told."""
    execution, name, value = Execution(), DEFINITION["StartAt"], order
    while True:
        execution.entered.append(name)
        state = DEFINITION["States"][name]
        states = {"input": value, "context": {"Execution": {"Id": EXECUTION_ID, "Input": order}}}
        if state["Type"] == "Fail":
            execution.failure = Failure(evaluate(state["Error"], states), evaluate(state["Cause"], states))
            return execution
        if state["Resource"] == "arn:aws:states:::sqs:sendMessage.waitForTaskToken":
            with_token = {"input": value, "context": {**states["context"], "Task": {"Token": TOKEN}}}
            execution.sent.append(evaluate(state["Arguments"], with_token))
            if isinstance(answer, Failure):
                name, value = catcher_of(state, answer.error), answer.error_output()
                continue
            result: Json = answer
        else:
            assert state["Resource"] == "arn:aws:states:::sns:publish"
            execution.published.append(evaluate(state["Arguments"], states))
            result = {"MessageId": "message-1"}
        value = evaluate(state["Output"], {**states, "result": result})
        if state.get("End"):
            execution.output = value
            return execution
        name = state["Next"]


def catcher_of(state: Fields, error: str) -> str:
    """States.ALL does not catch States.DataLimitExceeded."""
    for catcher in state["Catch"]:
        caught = catcher["ErrorEquals"]
        if error in caught or (caught == ["States.ALL"] and error != "States.DataLimitExceeded"):
            return str(catcher["Next"])
    pytest.fail(f"nothing catches {error}")


# ------------------------------------------------------------------ the state machine


def test_request_goes_to_the_queue_with_token_payload_and_execution() -> None:
    assert execute(ORDER, SUCCESS).sent == [
        {
            "QueueUrl": "${PaymentQueueUrl}",
            "MessageBody": {"taskToken": TOKEN, "payload": ORDER, "executionId": EXECUTION_ID},
        }
    ]


def test_success_enters_two_states_and_publishes_its_output() -> None:
    execution = execute(ORDER, SUCCESS)

    assert execution.entered == ["RequestPayment", "NotifySuccess"]
    assert execution.notification == {
        "outcome": "SUCCEEDED",
        "message": SUCCESS,
        "orderId": ORDER["orderId"],
        "executionId": EXECUTION_ID,
    }
    assert execution.output == execution.notification
    assert execution.failure is None


def test_failure_enters_three_states_and_fails_with_what_it_publishes() -> None:
    execution = execute(ORDER, DECLINED)

    assert execution.entered == ["RequestPayment", "NotifyFailure", "PaymentFailed"]
    assert execution.notification == {
        "outcome": "FAILED",
        "Error": DECLINED.error,
        "Cause": DECLINED.cause,
        "orderId": ORDER["orderId"],
        "executionId": EXECUTION_ID,
    }
    assert execution.failure == DECLINED


def test_there_is_no_longer_way_through_the_state_machine() -> None:
    def longest(name: str) -> int:
        return 1 + max(map(longest, transitions(DEFINITION["States"][name])), default=0)

    assert longest(DEFINITION["StartAt"]) == 3


@pytest.mark.parametrize(
    "error",
    [
        "States.Timeout",
        "States.HeartbeatTimeout",
        "States.DataLimitExceeded",
        "SQS.AmazonSQSException",
        "Payment.InvalidRequest",
    ],
)
def test_failure_without_a_cause_is_published_like_any_other(error: str) -> None:
    execution = execute(ORDER, Failure(error))

    assert execution.notification["Error"] == error
    assert execution.notification["Cause"] == "No cause was given."
    assert execution.failure == Failure(error, "No cause was given.")


@pytest.mark.parametrize(("answer", "outcome"), [(SUCCESS, "SUCCEEDED"), (DECLINED, "FAILED")])
def test_notification_can_be_filtered_by_its_attribute(answer: str | Failure, outcome: str) -> None:
    (arguments,) = execute(ORDER, answer).published

    assert arguments["TopicArn"] == "${NotificationTopicArn}"
    assert arguments["MessageAttributes"] == {"outcome": {"DataType": "String", "StringValue": outcome}}


@pytest.mark.parametrize("answer", [SUCCESS, DECLINED])
@pytest.mark.parametrize(
    ("order", "order_id"),
    [
        pytest.param({"amount": 1}, None, id="missing"),
        pytest.param({"orderId": None}, None, id="null"),
        pytest.param({"orderId": 7}, None, id="number"),
        pytest.param({"orderId": ["order-1", "order-2"]}, None, id="list"),
        pytest.param({"orderId": {"id": "order-1"}}, None, id="object"),
        pytest.param({"orderId": "o" * 257}, "o" * 256, id="too long"),
        pytest.param({"orderId": 'Bestellung "ü" 😀'}, 'Bestellung "ü" 😀', id="beyond ASCII"),
        pytest.param([], None, id="input is a list"),
        pytest.param("order-1", None, id="input is text"),
        pytest.param(None, None, id="input is null"),
    ],
)
def test_order_id_is_text_of_256_characters_or_null(order: Json, order_id: str | None, answer: str | Failure) -> None:
    assert execute(order, answer).notification["orderId"] == order_id


# ------------------------------------------------------------------ the template


def test_outputs_that_users_rely_on() -> None:
    outputs = TEMPLATE.body["Outputs"]

    assert outputs["StateMachineWaitForCallbackArn"]["Value"] == {"Ref": "WaitForCallbackStateMachine"}
    assert outputs["WaitForCallbackDemoNotificationTestQueueUrl"]["Value"] == {"Ref": "NotificationTestQueue"}


def test_share_of_successes_is_a_number_from_0_to_1_and_reaches_the_worker() -> None:
    parameter = TEMPLATE.body["Parameters"]["PaymentSuccessRate"]
    variables = TEMPLATE.functions["PaymentWorkerFunction"]["Environment"]["Variables"]

    assert parameter | {"Description": ""} == {
        "Description": "",
        "Type": "Number",
        "Default": "0.5",
        "MinValue": 0,
        "MaxValue": 1,
    }
    assert variables["PAYMENT_SUCCESS_RATE"] == {"Ref": "PaymentSuccessRate"}


def test_state_machine_uses_the_queue_and_the_topic_of_the_template() -> None:
    (machine,) = TEMPLATE.state_machines

    assert machine.definition == DEFINITION
    assert machine.properties["DefinitionSubstitutions"] == {
        "PaymentQueueUrl": {"Ref": "PaymentQueue"},
        "NotificationTopicArn": {"Ref": "NotificationTopic"},
    }


def test_each_queue_feeds_its_function() -> None:
    fed = {referenced(event["Queue"]): function["Handler"] for _, event, function in TEMPLATE.queue_events()}

    assert fed == {
        "PaymentQueue": "payment_worker.lambda_handler",
        "DeadLetterQueue": "dead_letter_reporter.lambda_handler",
    }


def test_message_goes_to_the_dead_letter_queue_after_3_receives_and_from_there_to_quarantine() -> None:
    queues = TEMPLATE.resources("AWS::SQS::Queue")

    assert queues["PaymentQueue"]["RedrivePolicy"] == {
        "deadLetterTargetArn": {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]},
        "maxReceiveCount": 3,
    }
    assert referenced(queues["DeadLetterQueue"]["RedrivePolicy"]["deadLetterTargetArn"]) == "QuarantineQueue"
    fourteen_days = 14 * 24 * 60 * 60
    assert queues["QuarantineQueue"]["MessageRetentionPeriod"] == fourteen_days


def test_test_queue_is_subscribed_to_the_topic() -> None:
    (subscription,) = TEMPLATE.resources("AWS::SNS::Subscription").values()

    assert referenced(subscription["TopicArn"]) == "NotificationTopic"
    assert (subscription["Protocol"], referenced(subscription["Endpoint"])) == ("sqs", "NotificationTestQueue")
