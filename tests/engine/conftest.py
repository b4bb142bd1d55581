"""An engine for the contract, with no stack deployed to it."""

import pytest

from tests.engine.aws import LANGUAGES, Aws
from tools.engine.engine import Engine


@pytest.fixture
def aws(engine: Engine) -> Aws:
    return Aws(engine)


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)
