"""Unit tests run the handlers in this process, with a fake in the place of the Step Functions client."""

import moto  # noqa: F401 - it must be there before a client is made, or the client escapes it
import pytest
import pytest_socket
from aws_lambda_powertools.utilities.typing import LambdaContext

from callbacks import task
from tests.unit.support import FakeStepFunctions, make_lambda_context


@pytest.fixture(autouse=True)
def no_network() -> None:
    """Sockets reach loopback only; pytest-socket lifts this again after each test."""
    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1"])


@pytest.fixture
def lambda_context() -> LambdaContext:
    return make_lambda_context()


@pytest.fixture
def step_functions(monkeypatch: pytest.MonkeyPatch) -> FakeStepFunctions:
    """The client inside callbacks.task; a token it has answered once is settled, as on AWS."""
    fake = FakeStepFunctions()
    monkeypatch.setattr(task, "_stepfunctions", fake)
    return fake
