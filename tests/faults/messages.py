"""What else may lie in a queue of requests: unreadable messages and tokens that are none of ours."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from random import Random

from tests.faults.world import World

INPUT_BYTES = 262_144
PAYLOAD = {"orderId": "stray", "amount": 1}


def unreadable_messages(random: Random, count: int) -> list[str]:
    """So many messages without a usable task token, of every kind in turn."""
    mark = random.randbytes(8).hex()
    kinds = [
        "not JSON",
        json.dumps({"payload": PAYLOAD}),
        json.dumps({"taskToken": None, "payload": PAYLOAD}),
        json.dumps({"taskToken": "", "payload": PAYLOAD}),
        json.dumps({"taskToken": ["token"], "payload": PAYLOAD}),
        json.dumps({"taskToken": "x" * 2049, "payload": PAYLOAD}),
        '{"taskToken": "cut off',
        json.dumps(["taskToken"]),
        "[" * 100_000,
    ]
    return [
        f"{kind} {' ' * number}" if kind[0] in '{["' else f"{kind} {mark} {number}"
        for number, kind in islice(enumerate(cycle(kinds)), count)
    ]


def oversized_message() -> str:
    """As much as SQS takes, and no token in it."""
    free = 2**20 - len(json.dumps({"payload": ""}))
    return json.dumps({"payload": "x" * free})


def forged_messages(random: Random) -> list[str]:
    """Messages whose tokens can be read, and were never given out."""
    tokens = [
        random.randbytes(16).hex(),
        random.randbytes(350).hex(),
        "x" * 2048,
        f"‮ {random.random()} 🔑",
        f"half an emoji: \ud83d {random.random()}",
    ]
    messages = [json.dumps({"taskToken": token, "payload": payload}) for token in tokens for payload in (PAYLOAD, None)]
    return [*messages, messages[0][:-2]]  # cut off behind its token


@contextmanager
def waiting_elsewhere(world: World) -> Iterator[str]:
    """A request with the token of another state machine, which waits.

    On AWS a worker's policy is for its own state machine only; the embedded AWS does not tell them apart, and accepts
    the answer.
    """
    sqs, step_functions = world.stack.client("sqs"), world.stack.client("stepfunctions")
    name = f"elsewhere-{world.adapter.name}"
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    wait = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Arguments": {"QueueUrl": url, "MessageBody": "{% $states.context.Task.Token %}"},
        "TimeoutSeconds": 600,
        "End": True,
    }
    definition = {"QueryLanguage": "JSONata", "StartAt": "Wait", "States": {"Wait": wait}}
    machine = step_functions.create_state_machine(
        name=name, definition=json.dumps(definition), roleArn="arn:aws:iam::000000000000:role/foreign"
    )["stateMachineArn"]
    try:
        step_functions.start_execution(stateMachineArn=machine)
        received = world.poll(
            "message of the foreign workflow",
            lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages"),
        )
        token = received[0]["Body"]
        yield json.dumps({"taskToken": token, "payload": PAYLOAD})
    finally:
        step_functions.delete_state_machine(stateMachineArn=machine)
        sqs.delete_queue(QueueUrl=url)
