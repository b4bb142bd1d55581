"""`sam local invoke` of every function of every template with each of its sample events, with no AWS to be found."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from callback_lint.documents import read
from callback_lint.templates import Template
from tests.containers.conftest import Invoke, Invoked
from tools import PROJECT
from tools.deployment import template_file
from tools.stack import STACKS, WORKFLOWS

pytestmark = pytest.mark.local("the layer comes from an embedded AWS")

TEMPLATES = [PROJECT / template_file(STACKS[name]) for name in WORKFLOWS]
EVENTS = PROJECT / "events"

PAYLOAD = {"uuid": "3b412a43-2986-5a1d-9119-cf193fd96cd6", "info": {"orderId": "order-1"}}


def returned(*records: int) -> dict[str, Any]:
    """Records, by the end of their IDs, that a queue or stream delivers again: their callbacks could not be sent."""
    return {"returned": list(records)}


def error(kind: str, message: str) -> dict[str, Any]:
    return {"error": kind, "message": message}


def status(code: int, kind: str) -> dict[str, Any]:
    return {"status": code, "type": kind}


NOT_SENT = error("CallbackNotDelivered", "EndpointConnectionError")
NOT_NOW, NO_PAGE_NOW = status(503, "application/json"), status(503, "text/html; charset=utf-8")

ANSWERS: dict[str, Any] = {
    "payment_worker/payment": returned(1),
    "payment_worker/invalid_payment": returned(1),
    "payment_worker/same_message_twice": returned(1, 1),
    "payment_worker/batch_with_bad_records": returned(1, 2, 3, 4, 5),
    "dead_letter_reporter/dead_letter": returned(1),
    "dead_letter_reporter/no_token": returned(1),
    "manual_callback/success": NOT_SENT,
    "manual_callback/success_with_output": NOT_SENT,
    "manual_callback/failure": NOT_SENT,
    "manual_callback/heartbeat": NOT_SENT,
    "manual_callback/malformed": error(
        "MalformedEvent",
        "token must be text of 1 to 2,048 characters; send one of output, error and heartbeat, not several.",
    ),
    "async_api_requester/request": returned(1),
    "async_api_requester/invalid_request": returned(1),
    "async_api_requester/same_message_twice": returned(1, 1),
    "async_api_requester/batch_with_bad_records": returned(1, 2, 3, 4),
    "async_api_simulator/success": NOT_SENT,
    "async_api_simulator/failure": NOT_SENT,
    "notification_logger/succeeded": None,
    "notification_logger/failed": None,
    "file_exchange_processor/request": PAYLOAD,
    "file_exchange_processor/third_attempt": PAYLOAD,
    "file_exchange_processor/failing_attempt": error(
        "ProcessingFailed", "Attempt 2 fails because the input's failTimes is 2."
    ),
    "file_exchange_processor/malformed": error(
        "InvalidRequest",
        'The input must be a JSON object, such as {"info": {"orderId": "order-1"}} or {"failTimes": 2}.',
    ),
    "file_exchange_outbox/request": returned(1),
    "file_exchange_outbox/invalid_request": returned(1),
    "file_exchange_outbox/same_message_twice": returned(1, 1),
    "file_exchange_outbox/batch_with_bad_records": returned(1, 2, 3, 4),
    "file_exchange_inbox/success": returned(1),
    "file_exchange_inbox/failure": returned(1),
    "file_exchange_inbox/heartbeat": returned(1),
    "file_exchange_inbox/odd_key": returned(1),
    "file_exchange_inbox/batch_with_bad_records": returned(1, 2, 3),
    "file_exchange_inbox/execution_ended": returned(1),
    "order_api/create_order": NOT_NOW,
    "order_api/get_order": NOT_NOW,
    "order_api/confirm_order": NOT_NOW,
    "order_api/create_order_invalid": status(422, "application/json"),
    "order_api/preflight": status(404, "application/json"),
    "order_api/show_confirmation_page": NO_PAGE_NOW,
    "order_api/decide_on_page": NO_PAGE_NOW,
    "order_api/post_without_choice": NO_PAGE_NOW,
    "order_starter/new_order": returned(1),
    "order_starter/order_in_process": returned(),
    "order_starter/batch_with_bad_record": returned(1, 2),
    "order_confirmer/token": returned(1),
    "order_confirmer/decision": returned(1),
    "order_confirmer/batch_with_bad_record": returned(1, 2),
    "order_closer/stopped": error("TableUnavailable", "EndpointConnectionError"),
    "order_closer/no_order": None,
    "order_closer/malformed": error(
        "NotAStatusEvent", "not an event on the status of an execution; the folder events/ holds samples"
    ),
    "order_processor/order": error("TableUnavailable", "EndpointConnectionError"),
    "order_processor/malformed": error(
        "InvalidRequest", 'The input must be like {"orderId": "order-1"}, with an orderId that the API takes.'
    ),
}


class Case(NamedTuple):
    template: Path
    function: str
    event: Path

    @property
    def name(self) -> str:
        return f"{self.event.parent.name}/{self.event.stem}"


def functions() -> Iterator[tuple[Path, str, str]]:
    """Template, logical ID and module of every function."""
    for template in TEMPLATES:
        for function in Template(read(template)).functions.values():
            yield template, function.id, str(function.properties["Handler"]).partition(".")[0]


CASES = [
    Case(template, function, event)
    for template, function, module in functions()
    for event in sorted((EVENTS / module).glob("*.json"))
]


@pytest.fixture(scope="module")
def invoked(invoke_alone: Invoke) -> Iterator[dict[Case, Future[Invoked]]]:
    """Every case, some at a time: SAM CLI and the container wait for each other."""
    with ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
        yield {case: pool.submit(invoke_alone, case.function, case.event, case.template) for case in CASES}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.template.stem} {case.function} {case.event.stem}")
def test_sample_event(invoked: dict[Case, Future[Invoked]], case: Case) -> None:
    found = invoked[case].result()
    assert essence(found.answer) == ANSWERS[case.name]
    # And the log tells why a record goes back, without its token
    reasons = [line for line in json_lines(found.log) if str(line.get("message")).startswith("record goes back")]
    assert len(reasons) == len(found.answer.get("batchItemFailures", []) if isinstance(found.answer, dict) else [])
    assert all(line["reason"] for line in reasons)
    assert "EXAMPLE-TASK-TOKEN" not in found.log + json.dumps(found.answer)


def test_every_sample_event_of_a_function_is_invoked() -> None:
    assert ANSWERS.keys() == {case.name for case in CASES}
    # And every function has one
    assert {(case.template, case.function) for case in CASES} == {found[:2] for found in functions()}


def essence(answer: Any) -> Any:
    """What the table says of an answer, which must be of one of the forms that Lambda's callers know."""
    match answer:
        case {"batchItemFailures": [*failures]}:
            return returned(*sorted(int(failure["itemIdentifier"][-3:]) for failure in failures))
        case {"errorType": kind, "errorMessage": message}:
            return error(kind, message)
        case {"statusCode": code, "body": str(), "multiValueHeaders": {"Content-Type": [kind]}}:
            return status(code, kind)
    return answer


def json_lines(log: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.splitlines() if line.startswith("{")]
