"""Imports point one way: tests → tools → what is deployed, and the linter stands by itself."""

import ast
import re
from pathlib import Path

import pytest

from tools import PROJECT

DEPLOYED = {path.stem for path in Path(PROJECT, "functions").iterdir()}
# By folder, what its code must not import
MUST_NOT_IMPORT = {
    "functions": {"tests", "tools", "callback_lint", "examples"},
    "examples": {"tests", "tools", "callback_lint"},
    "linter/callback_lint": {"tests", "tools", "examples", *DEPLOYED},
    "linter/tests": {"tests", "tools", "examples"},
    "tools": {"tests"},
}


def imported(file: Path) -> set[str]:
    """The first part of each module that a file imports."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("folder", MUST_NOT_IMPORT)
def test_imports_point_one_way(folder: str) -> None:
    found = {str(file): imported(file) & MUST_NOT_IMPORT[folder] for file in (PROJECT / folder).rglob("*.py")}
    assert {file: names for file, names in found.items() if names} == {}


def test_names_of_tests_have_80_characters_at_most() -> None:
    files = [*(PROJECT / "tests").rglob("test_*.py"), *(PROJECT / "linter/tests").rglob("test_*.py")]
    names = {name for file in files for name in re.findall(r"def (test_\w+)", file.read_text(encoding="utf-8"))}
    assert [name for name in names if len(name) > 80] == []
