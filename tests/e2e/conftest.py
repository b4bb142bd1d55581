"""One embedded AWS and one deployed stack serve all end-to-end tests; with STACK_NAME set, that stack on AWS does."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from local.deployment import configured_stack_name, deploy
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
    return stack_on_aws() or deployed(request.getfixturevalue("engine"))


@pytest.fixture(scope="session")
def manual_callback(request: pytest.FixtureRequest) -> Stack:
    """The manual callback, likewise."""
    return stack_on_aws() or deployed(request.getfixturevalue("engine"), config_env="manual-callback")


@pytest.fixture(scope="session")
def async_api(request: pytest.FixtureRequest) -> Stack:
    """The asynchronous API, likewise."""
    return stack_on_aws() or deployed(request.getfixturevalue("engine"), config_env="async-api")


def stack_on_aws() -> Stack | None:
    """The stack that STACK_NAME names, which is one of the workflow whose tests are run."""
    name = os.environ.get("STACK_NAME")
    if not name:
        return None
    described = boto3.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
    return Stack(name, outputs, boto3.Session(), None, dict(os.environ))


def deployed(engine: Engine, **arguments: object) -> Stack:
    """A stack that `sam deploy` makes on the embedded AWS; arguments as of `local.deployment.deploy`."""
    outputs = deploy(engine.client_environment(), **arguments)  # type: ignore[arg-type]
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
    name = str(arguments.get("stack_name") or configured_stack_name(str(arguments.get("config_env", "default"))))
    return Stack(name, outputs, session, engine.endpoint_url, engine.client_environment())


@pytest.fixture(scope="module")
def notifications(stack: Stack) -> Iterator[Notifications]:
    """Empties the test queue, for as long as the tests of one module run."""
    with Notifications(stack) as notifications:
        yield notifications


@pytest.fixture
def project_copy(tmp_path: Path) -> Path:
    """What `sam deploy` needs of the project, in a folder that a test may change."""
    for name in ("functions", "statemachine", "templates"):
        shutil.copytree(PROJECT / name, tmp_path / name)
    for name in ("template.yaml", "samconfig.toml"):
        shutil.copy(PROJECT / name, tmp_path / name)
    return tmp_path


def set_seconds(file: Path, state: str, **seconds: int) -> None:
    """Changes how long a state of a definition waits: `TimeoutSeconds=1`."""
    definition = json.loads(file.read_text())
    assert seconds.keys() <= definition["States"][state].keys()
    definition["States"][state].update(seconds)
    file.write_text(json.dumps(definition))


@pytest.fixture
def order() -> dict[str, object]:
    """The sample order."""
    sample: dict[str, object] = json.loads((PROJECT / "events/payment_callback/order.json").read_text())
    return sample
