"""Two stacks show what AWS alone can: one whose tokens the tests hold, and one that publishes how it ended."""

from collections.abc import Iterator

import pytest

from tests.aws.clients import Clients
from tests.e2e.given import Stacks, running
from tests.e2e.test_manual_callback import MACHINE, QUEUE, WORK, Work, take_work
from tools.stack import Stack


@pytest.fixture
def manual(stacks: Stacks) -> Iterator[Stack]:
    """The manual callback, which is left with no execution and no message, however the test ends."""
    stack = stacks["manual-callback"]
    yield stack
    for execution_id in running(stack):
        stack.stop(execution_id)
    stack.drain(QUEUE)


@pytest.fixture(scope="module")
def stack(stacks: Stacks) -> Stack:
    return stacks["payment-callback"]


@pytest.fixture
def clients(request: pytest.FixtureRequest) -> Clients:
    """Of the stack that the test asks for."""
    [stack] = {"manual", "stack"} & set(request.fixturenames)
    return Clients(request.getfixturevalue(stack))


@pytest.fixture
def impatient_work(manual: Stack) -> Work:
    """Work that waits 10 seconds for each heartbeat, not an hour."""
    with manual.impatient(MACHINE, "RequestWork", HeartbeatSeconds=10):
        return take_work(manual, WORK)
