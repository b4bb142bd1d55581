"""What AWS tells of a workflow: logs of the state machine, metrics, alarms and traces, and no token in any of them."""

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any

import pytest
from mypy_boto3_cloudwatch.type_defs import DimensionTypeDef

from tests.aws.clients import Clients
from tests.e2e.given import Stacks
from tests.e2e.test_manual_callback import FUNCTION, MACHINE, Work, delivered, take_work
from tools.stack import WORKFLOWS, Stack, poll


def alarm_names(stack: Stack) -> dict[str, str]:
    """Names of the stack's alarms by logical ID."""
    return {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for resource in stack.resources()
        if resource["ResourceType"] == "AWS::CloudWatch::Alarm"
    }


@pytest.mark.aws("the embedded AWS writes no log of a state machine")
def test_the_state_machine_logs_a_failure_without_what_it_was_about(manual: Stack, clients: Clients) -> None:
    # Given
    about = f"about-{token_hex(8)}"
    machine = clients.stepfunctions.describe_state_machine(stateMachineArn=manual.outputs[MACHINE])
    logging = machine["loggingConfiguration"]
    assert (logging["level"], logging["includeExecutionData"]) == ("ERROR", False)
    group = logging["destinations"][0]["cloudWatchLogsLogGroup"]["logGroupArn"].removesuffix(":*")
    # When
    work = take_work(manual, {"document": about})
    assert work.call_back(manual, error="Work.Refused", cause="It is blurred.") == delivered("failure")

    # Then
    def failure() -> dict[str, Any] | None:
        found = clients.logs.filter_log_events(logGroupIdentifier=group, filterPattern=f'"{work.execution_id}"')
        lines = [event["message"] for event in found["events"]]
        assert about not in "".join(lines)
        assert work.token not in "".join(lines)
        failures = [line for line in map(json.loads, lines) if line["type"] == "ExecutionFailed"]
        return next(iter(failures), None)

    details = poll("log line", failure, every=2)["details"]
    assert (details["error"], details["cause"]) == ("Work.Refused", "It is blurred.")  # what the alarms' filters read


def await_metric(clients: Clients, since: datetime, name: str, dimensions: Sequence[DimensionTypeDef] = ()) -> None:
    """Returns when a metric of the stacks has been counted since then."""

    def counted() -> float | None:
        points = clients.cloudwatch.get_metric_statistics(
            Namespace="CallbackWorkflows",
            MetricName=name,
            Dimensions=dimensions,
            StartTime=since - timedelta(minutes=1),
            EndTime=datetime.now(UTC) + timedelta(minutes=1),
            Period=60,
            Statistics=["Sum"],
        )["Datapoints"]
        return sum(point["Sum"] for point in points) or None

    poll(name, counted, seconds=120, every=5)


@pytest.mark.aws("the embedded AWS makes no metrics of what functions print")
def test_callbacks_are_counted(manual: Stack, clients: Clients) -> None:
    before, work = datetime.now(UTC), take_work(manual)
    for outcome in ("DELIVERED", "ALREADY_SETTLED"):
        assert work.call_back(manual).answer["outcome"] == outcome
    by_function: list[DimensionTypeDef] = [
        {"Name": "function_name", "Value": manual.outputs[FUNCTION]},
        {"Name": "service", "Value": manual.name},
    ]
    for name in ("CallbackDelivered", "CallbackAlreadySettled"):
        await_metric(clients, before, name, by_function)


@pytest.mark.aws("the embedded AWS reports no invocation in the log")
def test_a_function_that_fails_is_counted(manual: Stack, clients: Clients) -> None:
    before = datetime.now(UTC)
    assert manual.invoke(FUNCTION, {}).error
    await_metric(clients, before, f"{manual.name}-FunctionErrors")


@pytest.mark.aws("the embedded AWS logs no timeout that a metric filter could count")
def test_a_callback_that_never_comes_raises_its_alarm(manual: Stack, clients: Clients, impatient_work: Work) -> None:
    assert manual.ended(impatient_work.execution_id)["error"] == "States.Timeout"

    def state(alarm: str) -> str:
        named = alarm_names(manual)[alarm]
        return clients.cloudwatch.describe_alarms(AlarmNames=[named])["MetricAlarms"][0]["StateValue"]

    poll("alarm", lambda: state("CallbacksTimedOutAlarm") == "ALARM" or None, seconds=120, every=5)
    assert state("MachineryFaultsAlarm") != "ALARM"
    poll("end of the alarm", lambda: state("CallbacksTimedOutAlarm") == "OK" or None, seconds=240, every=5)


@pytest.mark.aws("the embedded AWS evaluates no alarm")
@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_every_alarm_knows_its_state(stacks: Stacks, workflow: str) -> None:
    stack = stacks[workflow]
    names, cloudwatch = [*alarm_names(stack).values()], Clients(stack).cloudwatch

    def known() -> bool | None:
        alarms = cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"]
        assert len(alarms) == len(names) > 0
        return "INSUFFICIENT_DATA" not in {alarm["StateValue"] for alarm in alarms} or None

    poll("state of every alarm", known, seconds=120, every=5)


@pytest.mark.aws("the embedded AWS traces nothing")
def test_an_execution_is_traced_state_by_state_without_its_order(
    stack: Stack, clients: Clients, order: dict[str, object]
) -> None:
    # Given
    trace = f"1-{int(time.time()):08x}-{token_hex(12)}"
    machine = stack.outputs["StateMachineWaitForCallbackArn"]
    # When
    clients.stepfunctions.start_execution(
        stateMachineArn=machine, input=json.dumps(order), traceHeader=f"Root={trace};Sampled=1"
    )

    # Then
    def traced() -> bool | None:
        traces = clients.xray.batch_get_traces(TraceIds=[trace])["Traces"]
        documents = "".join(segment["Document"] for each in traces for segment in each["Segments"])
        assert str(order["creditCardNumber"]) not in documents
        assert "taskToken" not in documents
        return "RequestPayment" in documents or None

    poll("trace of the first state", traced, every=5)
