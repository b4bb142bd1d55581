"""Imports point one way: tests → tools → what is deployed, and the linter stands by itself."""

import ast
from pathlib import Path

import pytest

from tools import PROJECT

# By folder, the packages of this project that its code may import beside those it holds itself
MAY_IMPORT = {
    "functions": set[str](),
    "examples": {"callbacks"},
    "linter/callback_lint": set[str](),
    "linter/tests": {"callback_lint"},
    "tools": {"callback_lint"},
}
OURS = {
    "tests",
    "tools",
    "callback_lint",
    "examples",
    "functions",
    *(path.stem for path in Path(PROJECT, "functions").iterdir()),
}


def imported(file: Path) -> set[str]:
    """The first part of each module that a file imports."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_imports_point_one_way(folder: str) -> None:
    files = [file for file in (PROJECT / folder).rglob("*.py") if "measured" not in file.parts]
    own = {Path(folder).name, *(path.stem for path in (PROJECT / folder).iterdir())}
    allowed = own | MAY_IMPORT[folder]
    assert {str(file): wrong for file in files if (wrong := (imported(file) & OURS) - allowed)} == {}
