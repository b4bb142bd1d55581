"""Calls a REST API as its outside callers do, on the embedded AWS or on AWS."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

SECONDS = 60


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    text: str = field(repr=False)

    @property
    def json(self) -> Any:  # noqa: ANN401 - any JSON
        return json.loads(self.text)


def reachable(url: str, endpoint_url: str | None) -> str:
    """Where a URL of an API, which the outputs give as on AWS, is to be found on the embedded AWS; None is AWS."""
    if endpoint_url is None:
        return url
    return re.sub(r"^https://(\w+)\.execute-api\.[^/]+", rf"{endpoint_url}/_aws/execute-api/\1", url)


def call(
    method: str,
    url: str,
    *,
    key: str | None = None,
    body: object = None,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """The answer to a request, whatever its status. A body that is no text is sent as JSON; a form as browsers do."""
    sent = {"X-Api-Key": key} if key else {}
    data = None
    if form is not None:
        data, sent["Content-Type"] = urlencode(form), "application/x-www-form-urlencoded"
    elif body is not None:
        data, sent["Content-Type"] = body if isinstance(body, str) else json.dumps(body), "application/json"
    encoded = data.encode() if data is not None else None
    request = Request(url, data=encoded, headers={**sent, **(headers or {})}, method=method)  # noqa: S310
    try:
        with urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 - URLs of our own
            return Answer(answer.status, answer.headers, answer.read().decode())
    except HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read().decode())
