"""What the clients of AWS share."""

import ssl
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from callbacks import calls
from callbacks.calls import client, error_code


def context_of(made: Any) -> ssl.SSLContext:
    context: ssl.SSLContext = made._endpoint.http_session._manager.connection_pool_kw["ssl_context"]
    return context


@pytest.mark.parametrize("service", ["stepfunctions", "s3", "dynamodb"])
def test_ten_connections_of_a_client_load_the_certificates_once(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[object] = []
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda _, *locations: loads.append(locations))
    context = context_of(client(service))
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(context.load_verify_locations, ["bundle.pem"] * 10))
    context.load_verify_locations("another.pem")
    assert loads == [("bundle.pem",), ("another.pem",)]


def test_certificates_that_could_not_be_loaded_are_tried_again() -> None:
    context = context_of(client("stepfunctions"))
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            context.load_verify_locations(cafile="nowhere.pem")


@pytest.mark.parametrize(
    "inside",
    [
        SimpleNamespace(),
        SimpleNamespace(_endpoint=SimpleNamespace(http_session=SimpleNamespace())),
        SimpleNamespace(
            _endpoint=SimpleNamespace(http_session=SimpleNamespace(_manager=SimpleNamespace(connection_pool_kw={})))
        ),
        SimpleNamespace(
            _endpoint=SimpleNamespace(
                http_session=SimpleNamespace(_manager=SimpleNamespace(connection_pool_kw={"ssl_context": None}))
            )
        ),
    ],
)
def test_a_client_that_is_otherwise_inside_is_left_as_it_is(inside: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "_session", SimpleNamespace(create_client=lambda *_, **__: inside))
    assert client("stepfunctions") is inside


def test_the_runtime_is_in_what_cloudtrail_reads() -> None:
    assert "lang/python" in client("stepfunctions").meta.config.user_agent


def test_an_error_is_named_by_its_code_or_its_type_and_never_by_its_text() -> None:
    refused = ClientError({"Error": {"Code": "InvalidToken", "Message": "secret"}}, "SendTaskSuccess")
    assert error_code(refused) == "InvalidToken"
    assert error_code(ClientError({}, "secret")) == "Unknown"
    assert error_code(ConnectTimeoutError(endpoint_url="secret")) == "ConnectTimeoutError"
