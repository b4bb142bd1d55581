"""What tests share: an embedded AWS, its stacks, and no way to AWS, whatever the profile, unless STACK_NAME is set.

Of a stack that STACK_NAME names, only the tests of its workflow run. Those marked `local("why")` need an embedded AWS
of their own and are left out there; those marked `aws("why")` show what no embedded AWS can, and run on AWS only.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from moto.core.config import default_user_config  # before any test imports a function, whose clients would escape it
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from tests.e2e.given import GivenStack, Stacks, given_stack, leave_idle
from tests.progress import Progress, layer_of
from tools import PROJECT
from tools.engine.engine import Engine
from tools.stack import STACKS, Notifications, Stack

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
elif "AWS_REGION" in os.environ:
    os.environ["AWS_DEFAULT_REGION"] = os.environ["AWS_REGION"]  # the only one that boto3 looks at

GIVEN = pytest.StashKey[GivenStack | None]()

# Or each test with a client would read AWS's descriptions of its services anew, for a tenth of a second
default_user_config["core"]["reset_boto3_session"] = False

# How long an example takes says how busy the machine is
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "local(why): not for a stack that STACK_NAME names")
    config.addinivalue_line("markers", "aws(why): only for a stack on AWS that STACK_NAME names")
    config.addinivalue_line("markers", "slow: takes long and rarely breaks; runs by `make test-slow`")
    config.stash[GIVEN] = given_stack(os.environ["STACK_NAME"]) if "STACK_NAME" in os.environ else None
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal and config.stash[GIVEN]:
        terminal.write_line(str(config.stash[GIVEN]))
    if terminal and config.get_verbosity() < 0 and not hasattr(config, "workerinput"):  # -v shows every test instead
        config.pluginmanager.register(Progress(terminal))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Tests in containers run only where they are asked for: `make test-local-invoke`."""
    asked_for = any("containers" in argument for argument in config.args)
    return True if collection_path.name == "containers" and not asked_for else None


def pytest_runtest_setup(item: pytest.Item) -> None:
    given = item.config.stash[GIVEN]
    local, aws = item.get_closest_marker("local"), item.get_closest_marker("aws")
    if local and given:
        pytest.skip(f"not for a stack that was named: {local.args[0]}")
    if given and "engine" in getattr(item, "fixturenames", ()):
        pytest.fail("a test of the embedded AWS itself has to be marked: local(why)")
    if aws and not (given and given.stack.on_aws):
        pytest.skip(f"on AWS only: {aws.args[0]}")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Of a stack that was named, how many tests were left out for which reason."""
    if config.stash[GIVEN]:
        skipped = Counter(report.longrepr[2] for report in terminalreporter.stats.get("skipped", []))
        for reason, count in skipped.most_common():
            terminalreporter.write_line(f"{count} {reason.replace('Skipped', 'left out', 1)}")


# Modules whose tests are long and share nothing
APART = (
    "test_deployment",
    "test_faults",
    "test_planted",
    "test_sam_cli",
    "test_starter",
    "test_upgrade",
    "test_walkthroughs",
)


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Which tests run in the same one of pytest-xdist's processes, each of which has its own embedded AWS.

    Any may run anywhere. To save time, those that share a stack stay together, by its name in theirs, or else a module.
    (pytest-xdist's own `--dist loadgroup` groups nothing with pytest 9.2: pytest-dev/pytest-xdist#1386.)
    """

    def _split_scope(self, nodeid: str) -> str:
        module = Path(nodeid.partition("::")[0])
        if module.stem in APART:
            return nodeid
        layer = layer_of(nodeid)
        named = [stack for stack in STACKS if stack in nodeid.replace("_", "-")]
        return f"{layer} {named[0]}" if named and layer in ("e2e", "security") else str(module)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    return Scheduling(config, log)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The embedded AWS of this test run, on its own port."""
    with Engine(tmp_path_factory.mktemp("embedded-aws") / "engine") as engine:
        yield engine


@pytest.fixture(scope="session")
def stacks(request: pytest.FixtureRequest) -> Iterator[Stacks]:
    given = request.config.stash[GIVEN]
    if given is None:
        yield Stacks(request.getfixturevalue("engine"), {})
    else:
        yield Stacks(None, {given.workflow: given.stack})
        leave_idle(given.stack)


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
