"""`make invoke` lets containers reach the embedded AWS by the address of Docker's bridge, and nobody else."""

import json
import socketserver
from typing import Any

import pytest

from tools import ToolError
from tools.engine.engine import Engine
from tools.invoke import _is_failure, bridge_address, reachable_from_containers


@pytest.mark.parametrize(
    ("configuration", "address"),
    [
        ([{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}], "172.17.0.1"),
        ([{"Subnet": "172.17.0.0/16"}], "172.17.0.1"),
        ([{"Subnet": "172.17.0.0/16", "Gateway": ""}], "172.17.0.1"),
        ([{"Subnet": "10.9.8.0/24", "Gateway": "10.9.8.254/24"}], "10.9.8.254"),
        ([{"Subnet": "fd00::/64", "Gateway": "fd00::1"}, {"Subnet": "10.9.8.0/24"}], "10.9.8.1"),
    ],
)
def test_the_address_is_the_gateway_or_else_the_first_of_the_subnet(configuration: Any, address: str) -> None:
    assert bridge_address(json.dumps(configuration)) == address


@pytest.mark.parametrize(
    "configuration",
    [
        None,
        [],
        [{}],
        [{"Gateway": "0.0.0.0"}],  # noqa: S104
        [{"Subnet": "0.0.0.0/0", "Gateway": "0.0.0.0"}],  # noqa: S104
        [{"Subnet": "172.17.0.0/16", "Gateway": "0.0.0.0"}],  # noqa: S104
        [{"Subnet": "172.17.0.0/16", "Gateway": "<no value>"}],
        [{"Subnet": "fd00::/64", "Gateway": "fd00::1"}],
    ],
)
def test_an_address_that_is_not_known_is_an_error(configuration: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.invoke.docker", lambda *_: json.dumps(configuration))
    monkeypatch.setattr(socketserver.TCPServer, "__init__", lambda *_: pytest.fail("it listens"))
    with pytest.raises(ToolError, match="has no IPv4 address"), reachable_from_containers(Engine.__new__(Engine)):
        pass


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        ('{"errorMessage": "1", "errorType": "ValueError", "requestId": "", "stackTrace": []}', True),
        ('{"errorMessage": "1", "errorType": "ValueError"}', True),
        ("\n", True),  # it ran out of time
        ('{"batchItemFailures": []}', False),
        ('{"errorType": "its own error"}', False),
        ("null\n", False),
    ],
)
def test_a_function_that_raises_or_does_not_answer_has_failed(answer: str, failed: bool) -> None:
    assert _is_failure(answer) == failed
