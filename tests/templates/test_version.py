"""The version is one number: that of pyproject.toml, and the same wherever a stack or a package says it."""

import tomllib
from pathlib import Path

import pytest

from callback_lint.documents import read
from tools import PROJECT, release, version
from tools.deployment import template_file
from tools.stack import STACKS, WORKFLOWS

RAISE_IT = "docs/releasing.md says how to raise the version"
SAMCONFIG = tomllib.loads((PROJECT / "samconfig.toml").read_text())


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_stack_says_its_version_in_an_output_and_a_tag(name: str) -> None:
    template = read(PROJECT / template_file(STACKS[name])).value
    assert template["Outputs"]["Version"]["Value"] == version(), RAISE_IT
    assert SAMCONFIG[STACKS[name]]["deploy"]["parameters"]["tags"] == f"Version={version()}", RAISE_IT


def test_the_linter_has_the_version_of_its_release() -> None:
    linter = tomllib.loads(Path(PROJECT, "linter/pyproject.toml").read_text())
    assert linter["project"]["version"] == version(), RAISE_IT


def test_the_changelog_has_the_notes_of_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main([f"v{version()}"]) == 0, RAISE_IT
    assert len(capsys.readouterr().out.splitlines()) > 10


def test_a_tag_that_is_not_the_version_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main(["v0.0.1"]) == 1
    assert "v0.0.1 is not the version of pyproject.toml" in capsys.readouterr().err
