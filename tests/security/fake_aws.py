"""AWS as a function's SDK sees it, without a network: accepts a call, or answers with an error that repeats it.

It stands where botocore hands a request to its HTTP client, so that all of botocore runs, its own logging included.
"""

import io
import json
from collections.abc import Callable
from typing import Any, Self
from unittest import mock
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

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

from tests.security.sample_secrets import CARD, TOKEN

WAITING = {
    "taskToken": TOKEN,
    "executionId": "arn:aws:states:us-east-1:123456789012:execution:FileExchange:example-1",
    "sentAt": 1,
    "answer": None,
}
FAILURE = {"error": f"card {CARD}", "cause": TOKEN}

Answer = Callable[[AWSPreparedRequest], AWSResponse]


class _Raw(io.BytesIO):
    def stream(self, **_: object) -> Any:
        yield self.read()


def _respond(request: AWSPreparedRequest, status: int, body: str, **headers: str) -> AWSResponse:
    named = HTTPHeaders.from_dict({name.replace("_", "-"): value for name, value in headers.items()})
    return AWSResponse(request.url, status, named, _Raw(body.encode()))


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
        said = sent(request)
        message = (
            f"Invalid Token: '{said.get('taskToken')}'; 1 validation error detected: Value '{json.dumps(said)}' at "
            f"'taskToken' failed to satisfy constraint: Member must have length less than or equal to 2048"
        )
        if is_for_s3(request):
            return _respond(request, status, f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>")
        return _respond(request, status, json.dumps({"__type": code, "message": message}))

    return refuse


def _raise(make: Callable[[str], Exception]) -> Answer:
    def fail(request: AWSPreparedRequest) -> AWSResponse:
        raise make(json.dumps(sent(request)))

    return fail


def _babble(request: AWSPreparedRequest) -> AWSResponse:
    return _respond(request, 502, f"<html>{json.dumps(sent(request))}</html>")


def sent(request: AWSPreparedRequest) -> dict[str, Any]:
    read = getattr(request.body, "read", None)
    content = read() if read else request.body
    body = content.decode() if isinstance(content, bytes) else str(content)
    try:
        said = json.loads(body)
    except ValueError:
        said = {}
    return said if isinstance(said, dict) else {"sent": said}


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


ABOUT_TOKENS = [
    accept,
    *(ANSWERS[name] for name in ("InvalidToken", "InvalidOutput", "TaskTimedOut", "TaskDoesNotExist")),
]


def is_for_s3(request: AWSPreparedRequest) -> bool:
    return ".s3." in request.url or "//s3." in request.url


class Bucket:
    """Of a file exchange: there are a token and an answer with secrets in them, until they are removed."""

    def __init__(self) -> None:
        self.removed: set[str] = set()

    def answer(self, request: AWSPreparedRequest) -> AWSResponse:
        path = urlsplit(request.url).path
        headers = {"ETag": '"etag"', "x_amz_version_id": "version-1"}
        if request.method == "GET":
            if path in self.removed or "/outbound/" in path:
                return _respond(request, 404, "<Error><Code>NoSuchKey</Code></Error>")
            content = json.dumps(WAITING if "/tokens/" in path else FAILURE)
            return _respond(request, 200, content, Content_Length=str(len(content)), **headers)
        if request.method == "DELETE":
            self.removed.add(path)
            return _respond(request, 204, "")
        return _respond(request, 200, "<CopyObjectResult/>", **headers)


class FakeAws:
    """Instead of every HTTP client of botocore in this process; `answer` may be changed at any time."""

    def __init__(self) -> None:
        self.answer: Answer = accept
        self.bucket = Bucket()

    def __enter__(self) -> Self:
        self._patch = mock.patch.object(URLLib3Session, "send", lambda _session, request: self._send(request))
        self._patch.start()
        return self

    def _send(self, request: AWSPreparedRequest) -> AWSResponse:
        """S3 has its own answers where the one that is set is about task tokens."""
        if is_for_s3(request) and self.answer in ABOUT_TOKENS:
            return self.bucket.answer(request)
        return self.answer(request)

    def __exit__(self, *_: object) -> None:
        self._patch.stop()
