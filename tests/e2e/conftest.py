"""Copies of the project, for tests that deploy what they changed."""

import shutil
from pathlib import Path

import pytest

from tools import PROJECT


@pytest.fixture
def project_copy(tmp_path: Path) -> Path:
    """What `sam deploy` needs of the project, in a folder that a test may change."""
    for name in ("functions", "statemachine", "templates"):
        shutil.copytree(PROJECT / name, tmp_path / name)
    for name in ("template.yaml", "samconfig.toml"):
        shutil.copy(PROJECT / name, tmp_path / name)
    return tmp_path
