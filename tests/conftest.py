"""What tests share: no way to AWS, whatever the machine's own AWS profile, unless STACK_NAME is set; an engine; stacks."""

import json
import os
from collections.abc import Iterator

import pytest

from local import PROJECT
from local.engine import Engine
from tests.e2e.stack import Notifications, Stack, Stacks

pytest_plugins = ["tests.progress"]

os.environ.update(POWERTOOLS_SERVICE_NAME="test", POWERTOOLS_METRICS_NAMESPACE="test")
if "STACK_NAME" not in os.environ:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_DEFAULT_REGION="us-east-1",
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one stack, which they share, run one after the other, in one of pytest-xdist's processes."""
    for item in items:
        stack = item.get_closest_marker("stack")
        if stack:
            item.add_marker(pytest.mark.xdist_group(*stack.args))


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The embedded AWS of this test run, on a port of its own."""
    engine = Engine(tmp_path_factory.mktemp("embedded-aws") / "engine")
    engine.start()
    yield engine
    engine.stop()


@pytest.fixture(scope="session")
def stacks(request: pytest.FixtureRequest) -> Stacks:
    return Stacks(None if "STACK_NAME" in os.environ else request.getfixturevalue("engine"))


@pytest.fixture(scope="module")
def stack(request: pytest.FixtureRequest, stacks: Stacks) -> Stack:
    """The one that the module's tests share, by its marker: `pytestmark = pytest.mark.stack("async-api")`."""
    return stacks[request.node.get_closest_marker("stack").args[0]]


@pytest.fixture(scope="module")
def notifications(stack: Stack) -> Iterator[Notifications]:
    """Empties the test queue, for as long as the tests of one module run."""
    with Notifications(stack) as notifications:
        yield notifications


@pytest.fixture
def order() -> dict[str, object]:
    """The sample order."""
    sample: dict[str, object] = json.loads((PROJECT / "events/payment_callback/order.json").read_text())
    return sample
