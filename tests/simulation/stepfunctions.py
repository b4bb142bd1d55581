"""State machines step by step, and the callback contract: of all answers to a token, one counts.

The contract is that of the embedded AWS, which follows AWS's own recordings: a new token for each attempt; TaskTimedOut
for a token that is answered or whose attempt is over; InvalidToken for what was never given; a stop ends the wait; a
redrive takes the execution up at the state in which it ended.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from jsonata.jexception import JException  # type: ignore[import-untyped]

from tests.unit.state_machine import (
    MAX_BYTES,
    MISSED_HEARTBEAT,
    TIMED_OUT,
    TOO_LARGE,
    Failure,
    Fields,
    Json,
    evaluate,
    first_for,
    read_definition,
    size,
)

if TYPE_CHECKING:
    from tests.simulation.aws import Aws

TOKEN_MARK = "TASK-TOKEN-"  # in each token, so that one is found wherever it is printed
# What a state machine calls an error: what a service answers, and what its client raises
SERVICE_ERRORS = {
    "sqs": ("SQS.AmazonSQSException", "SQS.SdkClientException"),
    "sns": ("SNS.AmazonSNSException", "SNS.SdkClientException"),
    "dynamodb": ("DynamoDB.AmazonDynamoDBException", "DynamoDB.SdkClientException"),
    "aws-sdk": ("DynamoDb.DynamoDbException", "DynamoDb.SdkClientException"),
    "lambda": ("Lambda.TooManyRequestsException", "Lambda.SdkClientException"),
}


@dataclass(frozen=True)
class End:
    """How an execution ended, and whether a Fail state did it."""

    status: str
    error: str | None = None
    cause: str | None = None
    output: Json = None
    by_fail: bool = False


@dataclass(frozen=True)
class Answer:
    """An answer that was accepted: the output or the error output."""

    token: str
    value: Json | Failure


@dataclass(eq=False)
class Execution:
    arn: str
    machine: str
    input: Json
    status: str = "RUNNING"
    state: str = ""
    value: Json = None
    variables: Fields = field(default_factory=dict)
    attempt: int = 0  # counts on over all states, so that what is over is known
    token: str | None = None  # while it waits
    heartbeat: int | None = None
    heartbeat_due: float = 0
    waits_until: float = 0
    retried: dict[int, int] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    entered: list[str] = field(default_factory=list)
    tried: list[Answer] = field(default_factory=list)  # whether it was accepted or not
    answers: list[Answer] = field(default_factory=list)
    over: dict[str, str] = field(default_factory=dict)  # states whose wait was answered or timed out
    ends: list[End] = field(default_factory=list)
    redrives: int = 0
    asked_again: str = ""  # what had become of a wait when it was begun again

    @property
    def name(self) -> str:
        return self.arn.rpartition(":")[2]

    @property
    def waits(self) -> bool:
        return self.status == "RUNNING" and self.token is not None


class StepFunctions:
    """The client's operations as functions call them, and the executions."""

    def __init__(self, aws: "Aws") -> None:
        self.aws = aws
        self.executions: dict[str, Execution] = {}
        self.definitions: dict[str, Fields] = {}
        self.substitutions: dict[str, dict[str, str]] = {}
        self._tokens: dict[str, tuple[Execution, int]] = {}
        for name, each in aws.resources.items():
            if each["Type"] == "AWS::Serverless::StateMachine":
                properties = each["Properties"]
                file = properties["DefinitionUri"].rpartition("/")[2]
                self.definitions[name] = _definition(file.removesuffix(".asl.json"))
                self.substitutions[name] = aws.resolve(properties["DefinitionSubstitutions"])

    # -------------------------------------------------------------- what functions and people call
    def start_execution(self, *, stateMachineArn: str, name: str, input: str, label: str = "") -> Fields:  # noqa: A002, N803
        """`label` is that of a distributed Map, which has child executions."""
        arn = f"arn:aws:states:us-east-1:123456789012:execution:{stateMachineArn}{label}:{name}"
        before = self.executions.get(arn)
        if before:
            if before.status == "RUNNING" and before.input == json.loads(input):
                return {"executionArn": arn}
            raise _refused("ExecutionAlreadyExists")
        execution = self.executions[arn] = Execution(arn, stateMachineArn, json.loads(input))
        self._enter(execution, self.definitions[stateMachineArn]["StartAt"], execution.input)
        return {"executionArn": arn}

    def describe_execution(self, *, executionArn: str) -> Fields:  # noqa: N803
        execution = self._known(executionArn)
        end = execution.ends[-1] if execution.ends and execution.status != "RUNNING" else None
        return {"status": execution.status, **({"error": end.error} if end and end.error else {})}

    def stop_execution(self, *, executionArn: str) -> Fields:  # noqa: N803
        execution = self._known(executionArn)
        if execution.status == "ABORTED":
            return {}
        if execution.status != "RUNNING":
            raise _refused("ValidationException")
        self._end(execution, End("ABORTED"))
        return {}

    def redrive_execution(self, *, executionArn: str) -> Fields:  # noqa: N803
        execution = self._known(executionArn)
        if execution.status in ("RUNNING", "SUCCEEDED"):
            raise _refused("ExecutionNotRedrivable")
        execution.status = "RUNNING"
        execution.redrives += 1
        execution.over.clear()
        self._report(execution)
        self._enter(execution, execution.state, execution.value)
        return {}

    def send_task_success(self, *, taskToken: str, output: str) -> Fields:  # noqa: N803
        try:
            value = json.loads(output)
        except ValueError:
            raise _refused("InvalidOutput") from None
        if len(output.encode()) > MAX_BYTES:
            raise _refused("InvalidOutput")
        return self._answer(taskToken, value)

    def send_task_failure(self, *, taskToken: str, error: str | None = None, cause: str | None = None) -> Fields:  # noqa: N803
        return self._answer(taskToken, Failure({"Error": error, "Cause": cause}))

    def send_task_heartbeat(self, *, taskToken: str) -> Fields:  # noqa: N803
        execution = self._waiting(taskToken)
        self._await_heartbeat(execution)
        return {}

    def _answer(self, token: str, value: Json | Failure) -> Fields:
        if token in self._tokens:
            self._tokens[token][0].tried.append(Answer(token, value))
        execution = self._waiting(token)
        execution.answers.append(Answer(token, value))
        execution.over[execution.state] = "answered"
        execution.token = None
        self._later(execution, lambda: self._finish(execution, value))
        return {}

    def _waiting(self, token: str) -> Execution:
        if token not in self._tokens:
            raise _refused("InvalidToken")
        execution, attempt = self._tokens[token]
        if execution.attempt != attempt or execution.token != token or execution.status != "RUNNING":
            raise _refused("TaskTimedOut")
        return execution

    def _known(self, arn: str) -> Execution:
        if arn not in self.executions:
            raise _refused("ExecutionDoesNotExist")
        return self.executions[arn]

    # -------------------------------------------------------------- state by state
    def _enter(self, execution: Execution, state: str, value: Json) -> None:
        execution.state, execution.value, execution.retried = state, value, {}
        execution.entered.append(state)
        self._try(execution)

    def _try(self, execution: Execution) -> None:
        execution.attempt += 1
        execution.token = None
        self._later(execution, lambda: self._run(execution))

    def _later(self, execution: Execution, action: Callable[[], None]) -> None:
        """As soon as AWS goes on, unless the attempt is over by then."""
        self.aws.ready.append(self._unless_over(execution, action))

    def _unless_over(self, execution: Execution, action: Callable[[], None]) -> Callable[[], None]:
        attempt = execution.attempt

        def act() -> None:
            if execution.status == "RUNNING" and execution.attempt == attempt:
                action()

        return act

    def _run(self, execution: Execution) -> None:
        try:
            self._run_state(execution)
        except (AssertionError, JException) as error:
            self._end(execution, End("FAILED", "States.QueryEvaluationError", str(error)))

    def _run_state(self, execution: Execution) -> None:
        state = self._state(execution)
        states = self._states(execution, state)
        match state["Type"]:
            case "Fail":
                failure = evaluate({key: state[key] for key in ("Error", "Cause")}, states)
                self._end(execution, End("FAILED", failure["Error"], failure["Cause"], by_fail=True))
            case "Choice":
                met = [choice for choice in state["Choices"] if evaluate(choice["Condition"], states)]
                self._leave(execution, met[0] if met else {"Next": state["Default"]}, states, states["input"])
            case "Pass":
                self._finish(execution, states["input"])
            case "Wait":
                seconds = evaluate(state["Seconds"], states)
                action = self._unless_over(execution, lambda: self._finish(execution, states["input"]))
                self.aws.at(self.aws.now + seconds, action) if seconds else action()
            case "Task":
                self._task(execution, state, states)

    def _task(self, execution: Execution, state: Fields, states: Fields) -> None:
        _, _, _, _, _, called = state["Resource"].split(":", 5)
        service, waits = called.partition(":")[0], called.endswith(".waitForTaskToken")
        arguments = self._substituted(execution, evaluate(state["Arguments"], states))
        if waits:
            self._tokens[states["context"]["Task"]["Token"]] = (execution, execution.attempt)
            self._begin_waiting(execution, state, states["context"]["Task"]["Token"])
        if size(arguments) > MAX_BYTES:
            self._fail(execution, TOO_LARGE)
            return
        attempt, answered = execution.attempt, len(execution.answers)
        try:
            result: Json | Failure = self.aws.call(
                called.partition(".waitFor")[0], lambda: self._call(execution, called, arguments), of_function=False
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            known = code == "ConditionalCheckFailedException"
            result = Failure({"Error": f"DynamoDB.{code}" if known else SERVICE_ERRORS[service][0], "Cause": code})
        except BotoCoreError:
            result = Failure({"Error": SERVICE_ERRORS[service][1], "Cause": "Unable to execute HTTP request"})
        if execution.status != "RUNNING" or execution.attempt != attempt or len(execution.answers) > answered:
            return  # stopped or answered meanwhile
        if isinstance(result, Failure):
            self._fail(execution, result)
        elif not waits:
            self._finish(execution, result)

    def _call(self, execution: Execution, called: str, arguments: Fields) -> Json | Failure:
        from tests.simulation.aws import FunctionFailed

        match called.removesuffix(".waitForTaskToken"):
            case "sqs:sendMessage":
                body = json.dumps(arguments["MessageBody"], ensure_ascii=False)
                message = self.aws.queues[arguments["QueueUrl"]].send(body)
                self.aws.say(f"  {execution.name} sends {message} to {arguments['QueueUrl']}")
            case "sns:publish":
                text = json.loads(arguments["Message"])
                body = json.loads(text["default"]) if arguments.get("MessageStructure") == "json" else text
                self.aws.publish((execution.arn, len(execution.entered)), body)
            case "aws-sdk:dynamodb:putItem" | "dynamodb:updateItem" | "dynamodb:getItem" as operation:
                name = {"putItem": "put_item", "updateItem": "update_item", "getItem": "get_item"}
                table = self.aws.tables[arguments["TableName"]]
                answer: Fields = getattr(table, name[operation.rpartition(":")[2]])(**arguments)
                return answer
            case "lambda:invoke":
                try:
                    return {"Payload": self.aws.invoke(arguments["FunctionName"], arguments["Payload"])}
                except FunctionFailed as failure:
                    return Failure({"Error": str(failure), "Cause": "{}"})
            case _:
                raise AssertionError(f"{called} is nothing that is called here")
        return {}

    def _begin_waiting(self, execution: Execution, state: Fields, token: str) -> None:
        execution.token = token
        execution.tokens.append(token)
        if execution.state in execution.over:
            execution.asked_again = execution.over[execution.state]
        execution.waits_until = self.aws.now + state["TimeoutSeconds"]
        self.aws.at(execution.waits_until, self._unless_over(execution, lambda: self._time_out(execution, TIMED_OUT)))
        execution.heartbeat = state.get("HeartbeatSeconds")
        self._await_heartbeat(execution)

    def _await_heartbeat(self, execution: Execution) -> None:
        if execution.heartbeat:
            execution.heartbeat_due = self.aws.now + execution.heartbeat
            due = execution.heartbeat_due

            def miss() -> None:
                if execution.heartbeat_due == due:
                    self._time_out(execution, MISSED_HEARTBEAT)

            self.aws.at(due, self._unless_over(execution, miss))

    def _time_out(self, execution: Execution, failure: Failure) -> None:
        if execution.token:
            self.aws.say(f"  the wait of {execution.name} is over: {failure.output['Error']}")
            execution.over[execution.state] = "over"
            self._fail(execution, failure)

    def _fail(self, execution: Execution, failure: Failure) -> None:
        state = self._state(execution)
        execution.token = None
        retriers = state.get("Retry", [])
        retrier = first_for(failure.output["Error"], retriers)
        if retrier:
            number = retriers.index(retrier)
            done = execution.retried.get(number, 0)
            if done < retrier.get("MaxAttempts", 3):
                execution.retried[number] = done + 1
                seconds = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2) ** done
                execution.attempt += 1
                again = self._unless_over(execution, lambda: self._try(execution))
                self.aws.at(self.aws.now + seconds, again)
                return
        catcher = first_for(failure.output["Error"], state.get("Catch", []))
        if catcher:
            states = self._states(execution, state) | {"errorOutput": failure.output}
            self._leave(execution, catcher, states, failure.output)
            return
        output = failure.uncaught
        self._end(execution, End("FAILED", output.get("Error"), output.get("Cause")))

    def _finish(self, execution: Execution, result: Json | Failure) -> None:
        if isinstance(result, Failure):
            self._fail(execution, result)
            return
        state = self._state(execution)
        states = self._states(execution, state) | {"result": result}
        output = evaluate(state["Output"], states) if "Output" in state else result
        if size(output) > MAX_BYTES:
            self._fail(execution, TOO_LARGE)
            return
        self._leave(execution, {key: state[key] for key in ("Assign", "Next", "End") if key in state}, states, output)

    def _leave(self, execution: Execution, how: Fields, states: Fields, output: Json) -> None:
        if "Output" in how:
            output = evaluate(how["Output"], states)
        execution.variables = execution.variables | evaluate(how.get("Assign", {}), states)
        if how.get("End"):
            self._end(execution, End("SUCCEEDED", output=output))
        else:
            self._enter(execution, how["Next"], output)

    def _end(self, execution: Execution, end: End) -> None:
        execution.status = end.status
        execution.token = None
        execution.attempt += 1
        execution.ends.append(end)
        self.aws.say(f"  {execution.name} has ended: {end.status} {end.error or ''}".rstrip())
        self._report(execution)

    def _report(self, execution: Execution) -> None:
        end = execution.ends[-1]
        over = execution.status != "RUNNING"
        self.aws.emit(
            {
                "source": "aws.states",
                "detail-type": "Step Functions Execution Status Change",
                "detail": {
                    "executionArn": execution.arn,
                    "stateMachineArn": execution.machine,
                    "status": execution.status,
                    "redriveCount": execution.redrives,
                    "input": json.dumps(execution.input),
                    "error": end.error if over else None,
                    "cause": end.cause if over else None,
                },
            }
        )

    def _state(self, execution: Execution) -> Fields:
        state: Fields = self.definitions[execution.machine]["States"][execution.state]
        return state

    def _states(self, execution: Execution, state: Fields) -> Fields:
        of_task = state["Type"] == "Task"
        waits = of_task and state["Resource"].endswith(".waitForTaskToken")
        token = {"Task": {"Token": f"{TOKEN_MARK}{execution.name}-{execution.attempt}"}}
        return {
            "input": execution.value,
            "context": {
                "Execution": {"Id": execution.arn, "Input": execution.input},
                "State": {"EnteredTime": "", **({"RetryCount": sum(execution.retried.values())} if of_task else {})},
                **(token if waits else {}),
            },
            "variables": execution.variables,
            "millis": int(self.aws.now * 1000),
        }

    def _substituted(self, execution: Execution, value: Any) -> Any:
        match value:
            case str():
                for name, resource in self.substitutions[execution.machine].items():
                    value = value.replace(f"${{{name}}}", resource)
                return value
            case dict():
                return {key: self._substituted(execution, each) for key, each in value.items()}
            case list():
                return [self._substituted(execution, each) for each in value]
        return value


@cache
def _definition(name: str) -> Fields:
    return read_definition(name)


def _refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, "StepFunctions")
