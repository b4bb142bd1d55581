"""What the clients of AWS share."""

import ssl
from concurrent.futures import ThreadPoolExecutor

import pytest

from callbacks.calls import _tls_context, client


def test_ten_connections_at_once_load_the_certificates_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[object] = []
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda _, *locations: loads.append(locations))
    context = _tls_context.__wrapped__()
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(context.load_verify_locations, ["bundle.pem"] * 10))
    context.load_verify_locations("another.pem")
    assert loads == [("bundle.pem", None, None), ("another.pem", None, None)]


@pytest.mark.parametrize("service", ["stepfunctions", "s3", "dynamodb"])
def test_the_connections_of_every_client_are_made_with_it(service: str) -> None:
    manager = client(service)._endpoint.http_session._manager
    assert manager.connection_pool_kw["ssl_context"] is _tls_context()
