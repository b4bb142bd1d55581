"""Reads single expressions of Python code."""

import ast
import re
from collections.abc import Iterator

from callback_lint.code import Module
from callback_lint.flow.names import SENDS_TASK


def calls_of(module: Module) -> set[str]:
    """Which of SendTaskSuccess, SendTaskFailure and SendTaskHeartbeat a module names."""
    found = (getattr(node, "attr", getattr(node, "id", "")) for node in ast.walk(module.tree))
    matches = (SENDS_TASK.fullmatch(name) for name in found if isinstance(name, str))
    return {f"SendTask{match[1].capitalize()}" for match in matches if match}


def parameters_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    arguments = function.args
    return [each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]


def named_lambda(name: str, made: ast.Lambda) -> ast.FunctionDef:
    returned = ast.copy_location(ast.Return(made.body), made)
    return ast.copy_location(ast.FunctionDef(name, made.args, [returned], []), made)


def imported_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)


def last(node: ast.AST) -> str:
    """`info` of `logger.info`."""
    return str(getattr(node, "attr", getattr(node, "id", "")))


def parts_of(node: ast.AST) -> list[ast.AST]:
    """The texts and values that a text is put together from, in their order."""
    match node:
        case ast.JoinedStr(values=values):
            return [value.value if isinstance(value, ast.FormattedValue) else value for value in values]
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return [*parts_of(left), *parts_of(right)]
        case ast.BinOp(left=left, op=ast.Mod(), right=right):
            return [left, *(right.elts if isinstance(right, ast.Tuple) else [right])]
    return [node]


def writes_file(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=func) if last(func) in {"open", "NamedTemporaryFile"}:
            modes = [*node.args, *(keyword.value for keyword in node.keywords)]
            texts = [mode.value for mode in modes if isinstance(mode, ast.Constant)]
            return last(func) != "open" or any(re.fullmatch(r"[wax]b?\+?t?|r\+", str(text)) for text in texts)
    return False


def captured(pattern: ast.pattern) -> Iterator[str]:
    for node in ast.walk(pattern):
        name = getattr(node, "name", None) or getattr(node, "rest", None)
        if isinstance(name, str):
            yield name


def keys_in(module: Module, value: ast.expr) -> set[str]:
    """The keys under which a value was found: `t` for `message["t"]`, be it by way of a name."""
    if isinstance(value, ast.Name):
        found = (node for node in ast.walk(module.tree) if isinstance(node, ast.Assign | ast.NamedExpr))
        values = [node.value for node in found if value.id in _targets(node)]
    else:
        values = [value]
    keys: set[str] = set()
    for each in values:
        match each:
            case ast.Subscript(slice=ast.Constant(value=str(key))):
                keys.add(key)
            case ast.Call(func=ast.Attribute(attr="get" | "pop"), args=[ast.Constant(value=str(key)), *_]):
                keys.add(key)
    return keys


def _targets(node: ast.Assign | ast.NamedExpr) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {target.id for target in targets if isinstance(target, ast.Name)}
