"""One embedded AWS and one deployed stack serve all end-to-end tests; with STACK_NAME set, that stack on AWS does."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from local.deployment import deploy
from local.engine import Engine
from tests.e2e.stack import Notifications, Stack

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The embedded AWS of this test run, on a port of its own."""
    engine = Engine(tmp_path_factory.mktemp("embedded-aws") / "engine")
    engine.start()
    yield engine
    engine.stop()


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Stack:
    """The payment callback, deployed by `sam deploy`, or the stack that STACK_NAME names."""
    name = os.environ.get("STACK_NAME")
    if name:
        described = boto3.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
        return Stack(name, outputs, boto3.Session(), None, dict(os.environ))
    return deployed(request.getfixturevalue("engine"))


def deployed(engine: Engine, **arguments: object) -> Stack:
    """A stack that `sam deploy` makes on the embedded AWS; arguments as of `local.deployment.deploy`."""
    outputs = deploy(engine.client_environment(), **arguments)  # type: ignore[arg-type]
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
    name = str(arguments.get("stack_name", "payment-callback"))
    return Stack(name, outputs, session, engine.endpoint_url, engine.client_environment())


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
