"""Unit tests run the handlers in this process, with a fake instead of the Step Functions client."""

import io
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import pytest_socket
from moto import mock_aws

from callbacks import task
from callbacks.entry import logger
from tests.unit.support import FakeStepFunctions


@pytest.fixture(autouse=True)
def no_network() -> None:
    """Sockets reach loopback only; pytest-socket lifts this again after each test."""
    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1"])


@pytest.fixture
def step_functions(monkeypatch: pytest.MonkeyPatch) -> FakeStepFunctions:
    """The client inside callbacks.task; a token it has answered once is settled, as on AWS."""
    fake = FakeStepFunctions()
    monkeypatch.setattr(task, "_stepfunctions", fake)
    return fake


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """The log. The logger keeps the stdout of its import, which is not the one that capsys sees."""
    stream = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", stream)
    return stream


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The table of orders, as boto3 calls a resource."""
    monkeypatch.setenv("ORDER_TABLE_NAME", "orders")
    monkeypatch.setenv("ASKED_BY", "Example Shop")
    with mock_aws():
        yield boto3.resource("dynamodb").create_table(
            TableName="orders",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
