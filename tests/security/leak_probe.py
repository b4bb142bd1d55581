"""Runs functions over events, each run in its own process, a fork of this one, which has loaded the SDK.

Reads a run a line from the standard input, as JSON: [OUTPUT, FOLDER, MODULE, "--loud", "--samples"], and answers each
with an empty line when it has ended. The file OUTPUT then holds what Lambda would have in the function's log and what
its caller would get; before every event a line that begins with CASE and names it, after it one with how it ended.
"""

import argparse
import importlib
import json
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3

sys.path[:0] = [str(Path(__file__).parents[2])]

from tests.security.fake_aws import ANSWERS, Bucket, FakeAws  # noqa: E402 - the path comes first
from tests.security.hostile_events import hostile_events, sample_events, with_extra_keys  # noqa: E402

CASE, END = "\x1ecase: ", "\x1eend: "

# What Lambda and the templates set
ENVIRONMENT = {
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_LAMBDA_FUNCTION_NAME": "function",
    "LAMBDA_TASK_ROOT": "/var/task",
    "POWERTOOLS_SERVICE_NAME": "test",
    "POWERTOOLS_METRICS_NAMESPACE": "test",
    "PAYMENT_SUCCESS_RATE": "0.5",
    "EXCHANGE_BUCKET_NAME": "exchange-bucket",
    "SIMULATOR_STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:Simulator",
    "ORDER_TABLE_NAME": "orders",
    "ORDER_API_URL": "https://api.example/v1",
    "ORDER_STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:OrderConfirmation",
}
# All that an operator might turn on to see more
LOUD = {
    "AWS_LAMBDA_LOG_FORMAT": "JSON",
    "AWS_LAMBDA_LOG_LEVEL": "DEBUG",
    "POWERTOOLS_LOG_LEVEL": "DEBUG",
    "POWERTOOLS_LOGGER_LOG_EVENT": "true",
    "POWERTOOLS_DEBUG": "true",
    "POWERTOOLS_DEV": "true",
}

Case = tuple[str, Any, str, int]  # name, event, how AWS answers, milliseconds left


def cases(module: str, *, samples_only: bool) -> Iterator[Case]:
    for name, event in sample_events(module):
        yield f"sample {name}", event, "accepted", 15_000
        yield f"{name} with extra keys", with_extra_keys(event), "accepted", 15_000
    if samples_only:
        return
    for name, event in sample_events(module):
        yield f"{name} out of time", event, "accepted", 0
        for answer in ANSWERS:
            yield f"{name} when AWS answers: {answer}", event, answer, 15_000
    for name, event in hostile_events(module):
        yield name, event, "accepted", 15_000


def run(handler: Callable[[Any, Any], Any], event: Any, remaining_ms: int) -> None:
    context = SimpleNamespace(
        function_name="function",
        memory_limit_in_mb=256,
        invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:function",
        aws_request_id="00000000-0000-4000-8000-000000000000",
        get_remaining_time_in_millis=lambda: remaining_ms,
    )
    try:
        answer = handler(event, context)
    except BaseException as error:  # noqa: BLE001 - whatever leaves the handler, Lambda prints it
        traceback.print_exception(error)
        ended = f"raised {error!r}"
    else:
        ended = f"returned {json.dumps(answer, default=repr)}"
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    print(END + ended, flush=True)


def probe(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("module")
    parser.add_argument("--loud", action="store_true")
    parser.add_argument("--samples", action="store_true")
    options = parser.parse_args(arguments)

    sys.path[:0] = [options.folder]
    os.environ.clear()
    os.environ.update(ENVIRONMENT | (LOUD if options.loud else {}))
    # As the runtime does, by the log level of the function
    logging.basicConfig(level=logging.DEBUG if options.loud else logging.INFO, stream=sys.stdout)
    time.sleep = lambda _seconds: None  # botocore waits before it tries again

    with FakeAws() as aws:
        print(f"{CASE}cold start", flush=True)
        handler = importlib.import_module(options.module).lambda_handler
        for name, event, answer, remaining_ms in cases(options.module, samples_only=options.samples):
            print(CASE + name, flush=True)
            aws.answer, aws.bucket = ANSWERS[answer], Bucket()
            run(handler, event, remaining_ms)
        print(f"{CASE}without its environment", flush=True)
        for variable in os.environ.keys() - LOUD.keys():
            del os.environ[variable]
        for _, event, _, remaining_ms in cases(options.module, samples_only=True):
            run(handler, event, remaining_ms)
    print(f"{CASE}done", flush=True)


def main() -> None:
    # What a first client loads, once for all runs
    boto3.Session("test", "test", region_name="us-east-1").client("stepfunctions")
    for line in sys.stdin:
        output, *arguments = json.loads(line)
        if os.fork() == 0:
            signal.alarm(120)
            file = os.open(output, os.O_WRONLY | os.O_CREAT)
            os.dup2(file, 1)
            os.dup2(file, 2)
            try:
                probe(arguments)
            except BaseException:  # noqa: BLE001 - reported in the output
                traceback.print_exc()
            sys.stdout.flush()
            os._exit(0)
        os.wait()
        print(flush=True)


if __name__ == "__main__":
    main()
