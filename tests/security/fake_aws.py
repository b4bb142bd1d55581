"""AWS as a function's SDK sees it, without a network: accepts a call, or answers with an error that repeats it.

It stands where botocore hands a request to its HTTP client, so that all of botocore runs, its own logging included.
"""

import io
import json
from collections.abc import Callable
from typing import Any, Self
from unittest import mock

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import (
    ConnectionClosedError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)
from botocore.httpsession import URLLib3Session

from tests.security.sample_secrets import TOKEN

Answer = Callable[[AWSPreparedRequest], AWSResponse]


class _Raw(io.BytesIO):
    def stream(self, **_: object) -> Any:
        yield self.read()


def _respond(request: AWSPreparedRequest, status: int, body: str) -> AWSResponse:
    return AWSResponse(request.url, status, HTTPHeaders(), _Raw(body.encode()))


EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:Machine:name"
ITEM = {  # all that an item of the table of orders may have
    "orderId": {"S": "order-1"},
    "orderDetails": {"S": "2 books"},
    "settled": {"S": "CONFIRMED"},
    "expiresAt": {"N": "1795255200"},
    "decidedAt": {"N": "1795168800"},
    "taskToken": {"S": TOKEN},
    "executionId": {"S": EXECUTION},
}


def accept(request: AWSPreparedRequest) -> AWSResponse:
    answer = {"executionArn": EXECUTION, "startDate": 1795168800, "Item": ITEM, "Attributes": ITEM}
    return _respond(request, 200, json.dumps(answer))


def _refuse(code: str, status: int = 400) -> Answer:
    def refuse(request: AWSPreparedRequest) -> AWSResponse:
        told = sent(request)
        message = (
            f"Invalid Token: '{told.get('taskToken')}'; 1 validation error detected: Value '{json.dumps(told)}' at "
            f"'taskToken' failed to satisfy constraint: Member must have length less than or equal to 2048"
        )
        return _respond(request, status, json.dumps({"__type": code, "message": message}))

    return refuse


def _raise(make: Callable[[str], Exception]) -> Answer:
    def fail(request: AWSPreparedRequest) -> AWSResponse:
        raise make(json.dumps(sent(request)))

    return fail


def _babble(request: AWSPreparedRequest) -> AWSResponse:
    return _respond(request, 502, f"<html>{json.dumps(sent(request))}</html>")


def sent(request: AWSPreparedRequest) -> dict[str, Any]:
    body = request.body.decode() if isinstance(request.body, bytes) else str(request.body)
    try:
        told = json.loads(body)
    except ValueError:
        told = {}
    return told if isinstance(told, dict) else {"sent": told}


ANSWERS: dict[str, Answer] = {
    "accepted": accept,
    "InvalidToken": _refuse("InvalidToken"),
    "InvalidOutput": _refuse("InvalidOutput"),
    "TaskTimedOut": _refuse("TaskTimedOut"),
    "TaskDoesNotExist": _refuse("TaskDoesNotExist"),
    "ExecutionAlreadyExists": _refuse("ExecutionAlreadyExists"),
    "AccessDenied": _refuse("AccessDeniedException"),
    "ThrottlingException": _refuse("ThrottlingException"),
    "ValidationException": _refuse("ValidationException"),
    "InternalFailure": _refuse("InternalFailure", 500),
    "an answer that is not JSON": _babble,
    "ReadTimeoutError": _raise(lambda text: ReadTimeoutError(endpoint_url=f"https://aws/?{text}")),
    "EndpointConnectionError": _raise(lambda text: EndpointConnectionError(endpoint_url=text, error=text)),
    "ConnectionClosedError": _raise(lambda text: ConnectionClosedError(endpoint_url=text)),
    "HTTPClientError": _raise(lambda text: HTTPClientError(error=text)),
    "ParamValidationError": _raise(
        lambda text: ParamValidationError(report=f"Invalid length for parameter taskToken, value: {text}")
    ),
    "NoCredentialsError": _raise(lambda _text: NoCredentialsError()),
    "an error that nobody expects": _raise(lambda text: RuntimeError(f"Invalid Token: {text}")),
}


class FakeAws:
    """In the place of every HTTP client of botocore in this process; `answer` may be changed at any time."""

    def __init__(self) -> None:
        self.answer: Answer = accept

    def __enter__(self) -> Self:
        self._patch = mock.patch.object(URLLib3Session, "send", lambda _session, request: self.answer(request))
        self._patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.stop()
