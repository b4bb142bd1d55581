"""A project that `sam init` makes has all that its code imports. tests/e2e/test_starter.py runs such projects."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.stack import WORKFLOWS
from tools.starter import Answers, fill


def imported(folder: Path) -> Iterator[str]:
    """The modules of this project that code in a folder imports."""
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            yield from (name for name in names if name.partition(".")[0] in ("tools", "tests", "examples"))


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_what_a_made_project_imports_is_in_it(workflow: str, tmp_path: Path) -> None:
    fill(tmp_path, Answers("mine", workflow, "python3.14", "x86_64", ""))
    paths = {name: tmp_path / name.replace(".", "/") for name in {*imported(tmp_path)}}
    assert paths
    assert [name for name, path in paths.items() if not (path.is_dir() or path.with_suffix(".py").is_file())] == []
