"""Lambda functions: all that they logged, their errors by AWS's names, and partial failures of a stream's batch."""

import codecs
import errno
import functools
import json
import os
import select
import threading
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import cloudwatch_logs, dynamodb, eventbridge, lambda_svc

from tools.engine.contract.clock import clock

Result = dict[str, Any]
Function = Callable[..., Any]

# Lambda has a machine for each invocation; here all share one. More at once only start more processes, each of
# which then runs into its timeout. What a function itself invokes does not wait: it would wait for its caller.
_at_once = threading.BoundedSemaphore(max(8, 4 * (os.cpu_count() or 1)))
_this_thread = threading.local()
_failures: dict[str, tuple[int, int]] = {}  # of an event source mapping: position, and how often it failed there


def install() -> None:
    worker = lambda_runtime.Worker
    worker._read_stderr = lambda self: _Output.of(self).follow()
    worker._drain_stderr = worker._drain_stderr_bounded = lambda self: _Output.of(self).taken()
    worker.invoke = _remembering(worker.invoke)
    lambda_svc._emit_lambda_logs = functools.partial(_emit_logs, lambda_svc._emit_lambda_logs)
    cloudwatch_logs._append_log_events = functools.partial(_append_logs, cloudwatch_logs._append_log_events)
    lambda_svc._execute_function_warm = functools.partial(_execute_warm, lambda_svc._execute_function_warm)
    lambda_svc._execute_function = functools.partial(_execute, lambda_svc._execute_function)
    lambda_svc._poll_dynamodb_streams = functools.partial(_poll_streams, lambda_svc._poll_dynamodb_streams)
    eventbridge._dispatch_to_lambda = _invoke_for_event


class _Output:
    """What a function's process has written to standard error, where ministack sends all that a function logs.

    What it wrote before its answer is in the pipe when the answer comes: it is read to the end then, not for a while.
    """

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self._text = ""
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._lock = threading.Lock()
        self._open = True
        os.set_blocking(stream.fileno(), False)

    @classmethod
    def of(cls, worker: Any) -> "_Output":
        with _outputs_lock:
            output: _Output | None = getattr(worker, "output", None)
            if output is None or (worker._proc and worker._proc.stderr is not output.stream):
                output = worker.output = cls(worker._proc.stderr)
            return output

    def follow(self) -> None:
        """Empty the pipe, lest the process waits for that, until it ends."""
        while self._open:
            with suppress(OSError, ValueError):
                select.select([self.stream], [], [])
            self._read()

    def taken(self) -> str:
        """All that was written and not taken yet."""
        self._read()
        with self._lock:
            text, self._text = self._text, ""
        return text.rstrip("\n")

    def _read(self) -> None:
        with self._lock:
            while self._open:
                try:
                    data = os.read(self.stream.fileno(), 65_536)
                except (OSError, ValueError) as error:
                    self._open = getattr(error, "errno", None) in (errno.EAGAIN, errno.EINTR)
                    return
                self._open = bool(data)
                self._text += self._decode(data, not data)


_outputs_lock = threading.Lock()


def _remembering(invoke: Function) -> Function:
    @functools.wraps(invoke)
    def wrapped(*arguments: object, **options: object) -> Result:
        answer: Result = invoke(*arguments, **options)
        _this_thread.answer = answer
        return answer

    return wrapped


def _execute_warm(ministacks: Function, function: Result, event: object, request_id: str) -> Result:
    _this_thread.answer = None
    with nullcontext() if lambda_svc._invoke_depth.get() > 1 else _at_once:  # 1 is an invocation by a client
        result: Result = ministacks(function, event, request_id)
    if result.get("error") and not result.get("throttle"):
        result["body"] = _error(result["body"], _this_thread.answer, request_id)
    return result


def _error(body: Result, answer: Result | None, request_id: str) -> Result:
    """What Lambda answers for a function that failed."""
    message = body["errorMessage"]
    if body["errorType"] == "Sandbox.Timedout":
        return body
    if answer and "trace" in answer:
        lines = answer["trace"].rstrip("\n").removesuffix(message).splitlines(keepends=True)
        name = lines[-1].strip().rstrip(":").rpartition(".")[2] if lines else ""
        stack = [line for line in lines if line.startswith("  File ")]
        return {"errorMessage": message, "errorType": name or "Exception", "requestId": request_id, "stackTrace": stack}
    if "Worker init failed: " in message:
        return {"errorMessage": message.partition("Worker init failed: ")[2], "errorType": "Runtime.ImportModuleError"}
    return {
        "errorMessage": f"RequestId: {request_id} Error: Runtime exited without providing a reason",
        "errorType": "Runtime.ExitError",
    }


def _invoke_for_event(arn: str, event: str) -> None:
    """Two more times where the function fails, and then its on-failure destination has the event."""
    function, _, _ = lambda_svc._get_func_record_for_ref(arn)
    if function:
        lambda_svc.invoke_async_with_retry(function, json.loads(event))


def _emit_logs(ministacks: Function, *arguments: object, **options: object) -> None:
    _this_thread.emits = True
    try:
        ministacks(*arguments, **options)
    finally:
        _this_thread.emits = False


def _append_logs(ministacks: Function, stream: Result, events: list[Result]) -> None:
    """Lines of functions have the time of the clock that can be moved, and came in at the machine's own."""
    if getattr(_this_thread, "emits", False):
        events = [{**event, "timestamp": int(clock.now() * 1000)} for event in events]
    ministacks(stream, events)


def _poll_streams(ministacks: Function) -> bool:
    _this_thread.polls = True
    try:
        return bool(ministacks())
    finally:
        _this_thread.polls = False


def _execute(ministacks: Function, function: Result, event: Any) -> Result:
    polls = getattr(_this_thread, "polls", False)
    _this_thread.polls = False  # it may call itself
    try:
        result: Result = ministacks(function, event)
    finally:
        _this_thread.polls = polls
    return _of_a_stream(function, event["Records"], result) if polls else result


def _of_a_stream(function: Result, records: list[Result], result: Result) -> Result:
    """The result as the poller is to take it: an error leaves the position where this puts it."""
    config = function.get("config") or function
    source, name = records[0]["eventSourceARN"], config["FunctionName"]
    [mapping] = [
        each
        for _, _, each in lambda_svc._iter_all_esms()
        if each["EventSourceArn"] == source and each["FunctionName"] == name
    ]
    numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
    failed = None if result.get("error") else _first_failure(mapping, result, numbers)
    if not result.get("error") and failed is None:
        _failures.pop(mapping["UUID"], None)
        return result
    with lambda_svc._dynamodb_stream_positions_lock:
        position = lambda_svc._dynamodb_stream_positions[mapping["UUID"]]
        if failed is not None:
            table = source.partition(":table/")[2].partition("/")[0]
            raw = dynamodb.stream_records_since(table, position, mapping.get("BatchSize", 100))
            position += [record["dynamodb"]["SequenceNumber"] for record in raw].index(failed)
            lambda_svc._dynamodb_stream_positions[mapping["UUID"]] = position
    before, count = _failures.get(mapping["UUID"], (position, 0))
    count = count + 1 if before == position else 1
    _failures[mapping["UUID"]] = (position, count)
    if 0 <= int(mapping.get("MaximumRetryAttempts", -1)) < count:
        left = [record for record in records if failed is None or record["dynamodb"]["SequenceNumber"] >= failed]
        lambda_svc._send_ddb_stream_failure_record(mapping, function, left, source, result, "RetryAttemptsExhausted")
        return {"body": None, "log": result.get("log", "")}
    reported = {"errorType": "BatchItemFailures", "errorMessage": "The function reported failures of records."}
    return result if result.get("error") else {"error": True, "body": reported, "log": result.get("log", "")}


def _first_failure(mapping: Result, result: Result, numbers: list[str]) -> str | None:
    """Sequence number of the first record that the function reports; what Lambda cannot read means the whole batch."""
    if "ReportBatchItemFailures" not in (mapping.get("FunctionResponseTypes") or ()):
        return None
    answer = result.get("body")
    if isinstance(answer, str):
        with suppress(ValueError):
            answer = json.loads(answer)
    if not isinstance(answer, dict) or not answer.get("batchItemFailures"):
        return None
    try:
        reported = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
    except (TypeError, KeyError):
        return numbers[0]
    return min(reported, key=numbers.index) if reported <= set(numbers) else numbers[0]
