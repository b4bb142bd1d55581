"""Two stacks show what AWS alone can: one whose tokens the tests hold, and one that publishes how it ended."""

from collections.abc import Iterator

import pytest

from tests.aws.clients import Clients
from tests.e2e.stack import Stack, Stacks
from tests.e2e.test_manual_callback import MACHINE, WORK, Work, take_work


@pytest.fixture(scope="module")
def manual(stacks: Stacks) -> Stack:
    return stacks["manual-callback"]


@pytest.fixture(scope="module")
def stack(stacks: Stacks) -> Stack:
    return stacks["payment-callback"]


@pytest.fixture
def clients(request: pytest.FixtureRequest) -> Clients:
    """Of the stack that the test asks for."""
    [stack] = {"manual", "stack"} & set(request.fixturenames)
    return Clients(request.getfixturevalue(stack))


@pytest.fixture
def impatient_work(manual: Stack) -> Iterator[Work]:
    """Work that waits 10 seconds for each heartbeat, not an hour."""
    with manual.impatient(MACHINE, "RequestWork", HeartbeatSeconds=10):
        work = take_work(manual, WORK)
    yield work
    manual.stop(work.execution_id)
