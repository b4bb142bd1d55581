"""Plays runs of the workflows on their own embedded AWS, one at a time, and counts them.

One at a time, because then no batch holds messages of two runs: a million runs a month are one in 2.6 seconds.
"""

import json
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from uuid import NAMESPACE_URL, uuid4, uuid5

from callback_lint.documents import read
from callback_lint.templates import Template
from tools import PROJECT, ToolError
from tools.cost.counting import Observed
from tools.deployment import template_file
from tools.engine.engine import Engine
from tools.engine.rest import call, reachable
from tools.stack import deployed, poll

ENDS = {"happy": "SUCCEEDED", "failing": "FAILED"}
FUNCTIONS_KEY = "000000000000"  # with which the functions on the embedded AWS sign their requests
LOOKED_UP = 50  # the newest requests that CloudTrail shows at once


class NotCounted(ToolError):
    """A run did not go as it should, so that there is nothing to count."""


def started(directory: Path) -> Engine:
    """An embedded AWS that records every request, with every file in this folder: leaving it ends it."""
    return Engine(directory, environment={"CLOUDTRAIL_RECORDING": "1"})


class Workflow(ABC):
    """One of the stacks. A subclass says what the outside does in a run of it."""

    config_env: str
    machine: str  # the output that names the state machine that is started
    outside: tuple[str, ...] = ()  # what those who are not on AWS ask of it in a run

    def __init__(self, engine: Engine) -> None:
        self.stack = deployed(engine, config_env=self.config_env)
        self.outputs = self.stack.outputs
        self.template = template(self.config_env)
        # Each function by its logical ID, with its own log group
        self.functions = {
            resource["LogicalResourceId"]: resource["PhysicalResourceId"]
            for resource in self.stack.resources()
            if resource["ResourceType"] == "AWS::Lambda::Function"
        }
        for logical_id in self.functions:
            self.configure(logical_id, LoggingConfig={"LogFormat": "JSON", "LogGroup": self._log_group(logical_id)})
        self.machines = [name for name in self.outputs if "StateMachine" in name and name.endswith("Arn")]

    @abstractmethod
    def run(self, path: str) -> None:
        """Play one run, `happy` or `failing`, until all that it sets off has begun. Raises NotCounted."""

    # -------------------------------------------------------------- what the runs are made of
    def start(self, payload: object) -> str:
        return self.stack.start(payload, self.machine)

    def ended(self, execution: str, path: str) -> None:
        status = self.stack.ended(execution)["status"]
        if status != ENDS[path]:
            raise NotCounted(f"{execution} is {status} and not {ENDS[path]}.")

    def invoked(self, function: str, times: int) -> None:
        """Returns when a function has been invoked so many times in all."""
        poll(f"{times} invocations of {function}", lambda: self._invocations(function) >= times or None)

    def configure(self, function: str, **configuration: object) -> None:
        client, name = self.stack.client("lambda"), self.functions[function]
        client.update_function_configuration(FunctionName=name, **configuration)
        client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})

    # -------------------------------------------------------------- counting
    def observe(self, path: str, runs: int) -> Observed:
        """What there was to see of so many runs. Raises NotCounted."""
        before = self._executions()
        for name in self.functions:
            self._clear_log(name)
        earlier = self._requests()
        asked: dict[str, str] = {}
        for _ in range(runs):
            self.run(path)
            asked |= self._requests(known=earlier | asked)
        self._settle()
        asked |= self._requests(known=earlier | asked)
        return Observed(
            Counter(name for request, name in asked.items() if request not in earlier),
            Counter(self.outside * runs),
            [self.stack.events(execution) for execution in self._executions() - before],
            {name: self._log(name) for name in self.functions},
        )

    def _requests(self, known: Mapping[str, str] | None = None) -> dict[str, str]:
        """The newest requests of functions, `service.Operation` by ID. Raises NotCounted where all are unknown."""
        by_functions = [{"AttributeKey": "Username", "AttributeValue": FUNCTIONS_KEY}]
        events = self.stack.client("cloudtrail").lookup_events(LookupAttributes=by_functions)["Events"]
        found = {event["EventId"]: f"{event['EventSource'].partition('.')[0]}.{event['EventName']}" for event in events}
        if known is not None and len(found.keys() - known) == LOOKED_UP:
            raise NotCounted(f"A run makes {LOOKED_UP} requests or more: some may be missing.")
        return found

    def _settle(self) -> None:
        """Returns when all is as it was a second ago, and so when whatever the runs have set off is done."""
        seen: list[object] = []

        def check() -> bool | None:
            time.sleep(1)
            seen.append(({name: len(self._log(name)) for name in self.functions}, self._requests()))
            return seen[-2:] == [seen[-1]] * 2 or None

        poll("quiet", check)

    def _invocations(self, function: str) -> int:
        return sum(line.startswith("REPORT ") for line in self._log(function, '"REPORT RequestId"'))

    def _log_group(self, function: str) -> str:
        return f"/counted/{self.config_env}/{function}"

    def _log(self, function: str, pattern: str = "") -> list[str]:
        logs = self.stack.client("logs")
        try:
            pages = logs.get_paginator("filter_log_events").paginate(
                logGroupName=self._log_group(function), filterPattern=pattern
            )
            return [event["message"] for page in pages for event in page["events"]]
        except logs.exceptions.ResourceNotFoundException:  # it has not been invoked
            return []

    def _clear_log(self, function: str) -> None:
        logs = self.stack.client("logs")
        with suppress(logs.exceptions.ResourceNotFoundException):
            logs.delete_log_group(logGroupName=self._log_group(function))

    def _executions(self) -> set[str]:
        return {execution for machine in self.machines for execution in self.stack.executions(machine)}


class PaymentCallback(Workflow):
    config_env = "default"
    machine = "StateMachineWaitForCallbackArn"

    def observe(self, path: str, runs: int) -> Observed:
        name = self.functions["PaymentWorkerFunction"]
        variables = self.stack.client("lambda").get_function_configuration(FunctionName=name)["Environment"][
            "Variables"
        ]
        rate = {"happy": "1", "failing": "0"}[path]
        self.configure("PaymentWorkerFunction", Environment={"Variables": variables | {"PAYMENT_SUCCESS_RATE": rate}})
        return super().observe(path, runs)

    def run(self, path: str) -> None:
        order = json.loads((PROJECT / "events/payment_callback/order.json").read_text(encoding="utf-8"))
        self.ended(self.start(order), path)


class ManualCallback(Workflow):
    config_env = "manual-callback"
    machine = "ManualCallbackStateMachineArn"
    outside = ("sqs.ReceiveMessage", "sqs.DeleteMessage")

    def run(self, path: str) -> None:
        execution = self.start({"document": "document-0001"})
        sqs, url = self.stack.client("sqs"), self.outputs["ManualCallbackQueueUrl"]
        [message] = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
        answer: dict[str, dict[str, object]] = {
            "happy": {"output": {"approved": True}},
            "failing": {"error": "Work.Refused", "cause": "It is not signed."},
        }
        event = {"token": json.loads(message["Body"])["token"], **answer[path]}
        name = self.outputs["ManualCallbackFunctionName"]
        self.stack.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event).encode())
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        self.ended(execution, path)


class AsyncApi(Workflow):
    config_env = "async-api"
    machine = "AsyncApiStateMachineArn"

    def run(self, path: str) -> None:
        status = {"happy": "success", "failing": "failure"}[path]
        notified = self._invocations("NotificationLoggerFunction")
        self.ended(self.start({"waitTime": 0, "status": status}), path)
        self.invoked("NotificationLoggerFunction", notified + 1)


class FileExchange(Workflow):
    config_env = "file-exchange"
    machine = "FileExchangeStateMachineArn"
    outside = ("s3.GetObject", "s3.PutObject")

    def run(self, path: str) -> None:
        taken = self._invocations("FileExchangeInboxFunction")
        execution = self.start({"info": {"orderId": "order-0001"}})
        uuid, bucket = uuid5(NAMESPACE_URL, execution), self.outputs["ExchangeBucketName"]
        asked = f"outbound/{uuid}/request.json"
        partner = self.stack.client("s3")
        poll(asked, lambda: partner.list_objects_v2(Bucket=bucket, Prefix=asked).get("Contents"))
        request = json.load(partner.get_object(Bucket=bucket, Key=asked)["Body"])
        name, answer = {
            "happy": ("success", {"status": "shipped"}),
            "failing": ("failure", {"error": "OutOfStock", "cause": "None is left."}),
        }[path]
        partner.put_object(Bucket=bucket, Key=request["answerTo"][name], Body=json.dumps(answer).encode())
        self.ended(execution, path)
        self.invoked("FileExchangeInboxFunction", taken + 2)  # of the answer and of the end


class OrderConfirmation(Workflow):
    config_env = "order-confirmation"
    machine = "OrderConfirmationStateMachineArn"
    outside = ("execute-api.Request", "execute-api.Request")

    def run(self, path: str) -> None:
        described = self.stack.client("apigateway").get_api_key(apiKey=self.outputs["OrderApiKeyId"], includeValue=True)
        url, key = reachable(self.outputs["OrderApiUrl"], self.stack.endpoint_url), described["value"]
        order = {"orderId": f"order-{uuid4().hex[:12]}", "orderDetails": "2 books"}
        confirmed, ended = self._invocations("OrderConfirmerFunction"), self._invocations("OrderCloserFunction")
        call("POST", f"{url}/orders", key=key, body=order)
        self.invoked("OrderConfirmerFunction", confirmed + 1)  # of the token
        decision = {"isConfirmed": path == "happy"}
        call("POST", f"{url}/orders/{order['orderId']}/confirmation", key=key, body=decision)
        execution = self.outputs[self.machine].replace(":stateMachine:", ":execution:") + f":{order['orderId']}"
        self.ended(execution, path)
        self.invoked("OrderConfirmerFunction", confirmed + 2)  # of the decision
        if path == "failing":
            self.invoked("OrderCloserFunction", ended + 1)


WORKFLOWS: tuple[type[Workflow], ...] = (PaymentCallback, ManualCallback, AsyncApi, FileExchange, OrderConfirmation)


def template(config_env: str) -> Template:
    return Template(read(PROJECT / template_file(config_env)))
