"""The Python code of functions, read and never run."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from os.path import normpath
from pathlib import Path

from callback_lint.templates import Resource, is_file


@dataclass(frozen=True, eq=False)
class Module:
    """`line`: the one of its file, which may be a template, on which it begins."""

    path: Path
    tree: ast.Module
    line: int = 1

    def line_of(self, node: ast.AST) -> int:
        return self.line + int(getattr(node, "lineno", 1)) - 1


def modules(function: Resource) -> list[Module]:
    """The module of a function's handler and those beside it that it imports; those of them that can be read."""
    for steps in (("InlineCode",), ("Code", "ZipFile")):
        text = function.get(*steps)
        if isinstance(text, dict):
            text = text.get("Fn::Sub")
        if isinstance(text, str):
            tree = _parsed(text)
            document = function.template.document
            line = document.line_of_text(function.steps(*steps))
            return [Module(document.path, tree, line)] if tree else []
    found = code_folder(function)
    return _with_imported(found[1], found[0]) if found else []


def code_folder(function: Resource) -> tuple[Path, Path] | None:
    """The folder of a function's code, and the module of its handler, which need not exist.

    None where the code is none of Python's, or stands in the template, or is not beside it.
    """
    if function.get("InlineCode") is not None:
        return None
    folder, handler = function.get("CodeUri") or function.get("Code"), function.get("Handler")
    asset = function.body.get("Metadata")
    if isinstance(asset, dict) and asset.get("aws:asset:property") == "Code":  # of cdk synth
        folder = asset.get("aws:asset:path")
    elif isinstance(folder, dict) and isinstance(folder.get("S3Key"), str):
        folder = f"asset.{folder['S3Key'].removesuffix('.zip')}"
    runtime = function.get("Runtime")
    if not isinstance(folder, str) or not isinstance(handler, str) or "\0" in folder + handler:
        return None
    if folder.startswith(("s3://", "https://")) or (isinstance(runtime, str) and not runtime.startswith("python")):
        return None
    code = Path(normpath(function.template.folder / folder))
    return code, code / f"{handler.rpartition('.')[0].replace('.', '/')}.py"


@cache
def _with_imported(file: Path, folder: Path) -> list[Module]:
    found: dict[Path, Module] = {}
    open_ends = [file]
    while open_ends:
        path = open_ends.pop()
        if path not in found and is_file(path) and (module := _read(path)):
            found[path] = module
            open_ends += [at for name in imported(module.tree) for at in _files_of(name, folder)]
    return list(found.values())


def imported(tree: ast.Module) -> Iterator[str]:
    """Every module that is imported, and what a name may be that is: `a.b` and `a.b.c` of `from a.b import c`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _files_of(module: str, folder: Path) -> list[Path]:
    path = folder / module.replace(".", "/")
    return [path.with_suffix(".py"), path / "__init__.py"]


@cache
def _read(path: Path) -> Module | None:
    try:
        tree = _parsed(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return None
    return Module(path, tree) if tree else None


def _parsed(text: str) -> ast.Module | None:
    """None for what is no Python: JavaScript, or Python newer than this one."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
