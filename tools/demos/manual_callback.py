"""Three pieces of work, and an outside system that calls back with an output, with an error, and after a heartbeat.

The outside system does what one of your own would do: it receives a message, works, invokes the function with the
token of the message, and deletes the message.
"""

import json
import secrets
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from tools import PROJECT, plain
from tools.demos import common
from tools.demos.common import start
from tools.engine.engine import Engine, calls_explained

WORK_FILE = "events/manual_callback_workflow/work.json"
# What the outside system sends beside the token, one invocation after the other
CALLBACKS: dict[str, list[dict[str, object]]] = {
    "success": [{"output": {"approved": True, "by": "Jane Doe"}}],
    "failure": [{"error": "Work.Refused", "cause": "The document is not signed."}],
    "heartbeat": [{"heartbeat": True}, {}],
}
EXPECTED = {"success": "SUCCEEDED", "failure": "Work.Refused", "heartbeat": "SUCCEEDED"}
MESSAGE_SECONDS = 20


@dataclass
class Work:
    """What the outside system knows of an execution: the document that it is about, and what it was answered."""

    execution: common.Execution
    document: str
    answers: list[dict[str, Any]] = field(default_factory=list)

    @property
    def done(self) -> bool:
        return len(self.answers) == len(CALLBACKS[self.execution.label])

    @property
    def delivered(self) -> bool:
        return self.done and all(answer.get("outcome") == "DELIVERED" for answer in self.answers)


def run(engine: Engine, outputs: Mapping[str, str]) -> bool:
    console = common.make_console()
    sample = json.loads((PROJECT / WORK_FILE).read_text())
    documents = {name: f"document-{secrets.token_hex(4)}" for name in CALLBACKS}
    with calls_explained():
        inputs = [(name, sample | {"document": document}) for name, document in documents.items()]
        executions = start(engine, outputs["ManualCallbackStateMachineArn"], inputs)
        works = {documents[execution.label]: Work(execution, documents[execution.label]) for execution in executions}
        _play_outside_system(engine, outputs, works, console)
        common.follow(engine, executions, console)
    console.print(_table(works))
    complete = common.summarize(executions, console, notified=False)
    as_expected = common.ended_as_expected(executions, EXPECTED, console)
    undone = sum(not work.delivered for work in works.values())
    if undone:
        console.print(f"{undone} pieces of work were not received or not answered.", style="bold red")
    common.print_commands(console, _commands(engine, outputs))
    common.print_one(engine, executions[0], console)
    well = complete and as_expected and not undone
    if well:
        common.leave_waiting(engine, outputs["ManualCallbackStateMachineArn"], sample, {"approved": True}, console)
    return well


def _play_outside_system(
    engine: Engine, outputs: Mapping[str, str], works: Mapping[str, Work], console: Console
) -> None:
    """Until each piece of work was called back for, or the deadline is over."""
    sqs, lambda_, queue_url = engine.client("sqs"), engine.client("lambda"), outputs["ManualCallbackQueueUrl"]
    others: list[str] = []
    deadline = time.monotonic() + MESSAGE_SECONDS
    while not all(work.done for work in works.values()) and time.monotonic() < deadline:
        answer = sqs.receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=common.LONG_POLL_SECONDS
        )
        for message in answer.get("Messages", []):
            payload, token = _read(message["Body"])
            work = works.get(str(payload.get("document")))
            if work is None:
                others.append(message["ReceiptHandle"])
                continue
            common.print_plain(
                console, plain(f"Received {json.dumps({'input': payload, 'token': '…'}, ensure_ascii=False)}")
            )
            _call_back(lambda_, outputs["ManualCallbackFunctionName"], work, token, console)
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
    common.give_back(sqs, queue_url, others)


def _call_back(lambda_: Any, function: str, work: Work, token: str, console: Console) -> None:  # noqa: ANN401
    for callback in CALLBACKS[work.execution.label]:
        event = {"token": token, "executionId": work.execution.arn, **callback}
        answer = lambda_.invoke(FunctionName=function, Payload=json.dumps(event).encode())
        payload = json.loads(answer["Payload"].read())
        work.answers.append(payload if isinstance(payload, dict) else {})
        sent, received = (
            json.dumps(each | {name: "…" for name in ("token", "executionId") if name in each}, ensure_ascii=False)
            for each in (event, work.answers[-1])
        )
        said = payload.get("errorMessage", "an error") if answer.get("FunctionError") else received
        common.print_plain(console, plain(f"  invoked the function with {sent}: {said}"))


def _read(body: str) -> tuple[dict[str, Any], str]:
    """The input of the workflow and the token, which is never printed; empty for anything but the demo's own work."""
    try:
        message = json.loads(body)
        payload, token = message["input"], message["token"]
    except (ValueError, KeyError, TypeError):
        return {}, ""
    return (payload, token) if isinstance(payload, dict) and isinstance(token, str) else ({}, "")


def _table(works: Mapping[str, Work]) -> Table:
    table = Table("Work", *common.COLUMNS, "Output", "Callbacks")
    for work in works.values():
        callbacks = ", ".join(f"{answer.get('action')} {answer.get('outcome')}" for answer in work.answers)
        table.add_row(
            work.document,
            *work.execution.cells()[1:],
            common.cell(work.execution.description.get("output", "") if work.execution.status == "SUCCEEDED" else ""),
            common.cell(callbacks) if work.delivered else common.cell(callbacks or "MISSING", "bold red"),
        )
    return table


def _commands(engine: Engine, outputs: Mapping[str, str]) -> str:
    state_machine = shlex.quote(outputs["ManualCallbackStateMachineArn"])
    function, queue_url = (
        shlex.quote(outputs[name]) for name in ("ManualCallbackFunctionName", "ManualCallbackQueueUrl")
    )
    start = f"aws stepfunctions start-execution --state-machine-arn {state_machine} --input file://{WORK_FILE}"
    # AWS CLI v1 takes the endpoint of sqs from nowhere else
    queue = f"--endpoint-url {engine.endpoint_url} --queue-url {queue_url}"
    # A payload that is read as it is, which needs no --cli-binary-format: AWS CLI v1 does not know that
    invoke = f"aws lambda invoke --function-name {function} --payload fileb:///dev/stdin /dev/stdout"
    return f"""EXECUTION=$({start} --query executionArn --output text)
until [[ "${{BODY:-}}" == *"$EXECUTION"* ]]; do # a message of another execution comes back after five minutes
  read -r RECEIPT_HANDLE BODY <<< "$(aws sqs receive-message {queue} --wait-time-seconds 10 \\
    --query 'Messages[0].[ReceiptHandle,Body]' --output text)"
done
TOKEN=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["token"])' <<< "$BODY")
printf '{{"token": "%s", "executionId": "%s", "output": {{"approved": true}}}}' "$TOKEN" "$EXECUTION" | {invoke}
aws sqs delete-message {queue} --receipt-handle "$RECEIPT_HANDLE"
aws stepfunctions describe-execution --execution-arn "$EXECUTION\""""
