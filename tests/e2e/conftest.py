"""Copies of the project, for tests that deploy what they changed."""

import json
import shutil
from pathlib import Path

import pytest

from local import PROJECT
from tests.e2e.stack import deployed

__all__ = ["PROJECT", "deployed", "project_copy", "set_seconds"]


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
