"""Whoever follows docs/your-own-work.md to the letter has green checks and tests."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents.pages import commands
from tests.documents.shell import Shell
from tools import PROJECT

pytestmark = [pytest.mark.slow, pytest.mark.local("it runs the tests of a copy")]

PAGE = "docs/your-own-work.md"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, and beside its workflows the one that the page makes."""
    folder = tmp_path_factory.mktemp("own") / "copy"
    shutil.copytree(
        PROJECT,
        folder,
        ignore=shutil.ignore_patterns(".git", ".venv*", ".aws*", ".*_cache", ".hypothesis", "__pycache__"),
    )
    for name in (".venv", ".venv-engine", ".venv-audit"):
        (folder / name).symlink_to((PROJECT / name).resolve())
    make, *_ = commands(PAGE, "A workflow of your own")
    Shell(dict(os.environ), tmp_path_factory.mktemp("home"), folder).run(make)
    return folder


def run(folder: Path, *command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": "linter"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]


def test_the_checks_of_code_are_green(copy: Path) -> None:
    run(copy, "ruff", "check", ".")
    run(copy, "ruff", "format", "--check", ".")
    run(copy, "mypy", "functions", "examples")


def test_the_checks_of_templates_are_green(copy: Path) -> None:
    run(copy, "callback_lint", "template.yaml", "templates", "statemachine", "examples")
    run(copy, "tools", "checks")


def test_no_test_of_ours_fails(copy: Path) -> None:
    run(copy, "pytest", "-p", "no:cacheprovider", "-m", "not slow", "tests/unit", "tests/templates", "tests/tools")
    run(copy, "pytest", "-p", "no:cacheprovider", "tests/security/test_no_leak.py", "-k", "refund")
