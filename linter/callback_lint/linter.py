"""Finds the files to check, reads them, and applies the rules."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from callback_lint.asl import StateMachine
from callback_lint.config import Config, inline_ignores
from callback_lint.documents import Document, Problem, Unreadable, read
from callback_lint.frameworks import is_serverless, is_terraform, template_of_serverless, template_of_terraform
from callback_lint.rules import Rule
from callback_lint.templates import Template, exists, is_file, is_state_machine, is_template

SUFFIXES = {".json", ".yaml", ".yml", ".template", ".asl"}
_SKIPPED = {"node_modules", "__pycache__"}
# What a file that cannot be read must hold to be missed, in its first bytes; any other is none of ours
_OURS = ("AWSTemplateFormatVersion", "AWS::", '"StartAt"', "StartAt:", "aws_sfn_state_machine")
_FIRST_BYTES = 1_000_000


@dataclass(frozen=True, order=True)
class Finding:
    problem: Problem
    rule: Rule = field(compare=False)


@dataclass
class Report:
    """`looked_at`: files that may hold a template or a state machine; `files`: those that do."""

    files: int = 0
    looked_at: int = 0
    findings: list[Finding] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def lint(
    paths: Iterable[Path], rules: Mapping[str, Rule], config: Config | None = None, *, if_any: bool = False
) -> Report:
    """Checks files and folders. Nothing to check is an error, too: whoever asks means something by it.

    `if_any`: it is none, and neither is a named file that is no template: a hook names whatever has changed.
    """
    report, config, paths = Report(), config or Config(), list(paths)
    read_files = _read_all(paths, report, config, if_any)
    templates = [replace(template, thresholds=config.thresholds) for template in read_files]
    used = {machine.document.path.resolve() for template in templates for machine in template.machine_of.values()}
    found: dict[tuple[str, Problem], Finding] = {}
    for template in templates:
        if template.own_state_machines and template.document.path.resolve() in used:
            continue  # checked as what a template makes of it
        is_ignored = inline_ignores(template)
        for rule in rules.values():
            for problem in rule.problems(template):
                if not (config.ignores(rule.id, problem) or is_ignored(rule.id, problem)):
                    found.setdefault((rule.id, problem), Finding(problem, rule))
        report.errors += map(str, template.unreadable)
    if not report.files and not report.errors and not if_any:
        looked = ", ".join(map(str, paths))
        kinds = ", ".join(sorted(SUFFIXES))
        report.errors.append(f"{looked}: no template and no state machine among {report.looked_at} files ({kinds})")
    report.errors = list(dict.fromkeys(report.errors))  # what a folder holds, a template of it may name as well
    report.findings = sorted(found.values(), key=lambda finding: (finding.problem, finding.rule.id))
    return report


def _read_all(paths: Iterable[Path], report: Report, config: Config, if_any: bool) -> Iterator[Template]:
    seen: set[Path] = set()
    for path in paths:
        if not exists(path):
            what = "is a link to nothing" if path.is_symlink() else "there is no such file or folder"
            report.errors.append(f"{path}: {what}")
            continue
        is_folder = path.is_dir()
        for file in _files_in(path, report) if is_folder else [path]:
            if file.resolve() not in seen and not ((is_folder or if_any) and config.excludes(file)):
                seen.add(file.resolve())
                yield from _read(file, report, named=not (is_folder or if_any))


def _files_in(folder: Path, report: Report) -> Iterator[Path]:
    def refused(error: OSError) -> None:
        report.errors.append(f"{error.filename}: {error.strerror}")

    for parent, folders, names in os.walk(folder, onerror=refused):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and not name.startswith("."))
        for name in sorted(names):
            file = Path(parent, name)
            if file.suffix in SUFFIXES and not name.startswith(".") and is_file(file):
                yield file


def _read(path: Path, report: Report, named: bool) -> Iterator[Template]:
    report.looked_at += 1
    try:
        template = template_of(read(path))
    except Unreadable as unreadable:
        if named or _is_ours(path):
            report.errors.append(str(unreadable))
        return
    if template:
        report.files += 1
        yield template
    elif named:
        report.errors.append(f"{path}:1: is neither a template (Resources) nor a state machine (StartAt, States)")


def template_of(document: Document) -> Template | None:
    """None for what is neither a template nor a state machine."""
    if is_state_machine(document.value):
        return Template(document, (StateMachine(document, document.value),))
    if is_terraform(document.value):
        return template_of_terraform(document)
    if is_serverless(document.value):
        return template_of_serverless(document)
    return Template(document) if is_template(document.value) else None


def _is_ours(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(_FIRST_BYTES)
    except OSError:
        return True
    text = start.replace(b"\0", b"").decode("utf-8", "replace")  # UTF-16, too
    return ".asl" in path.suffixes or any(mark in text for mark in _OURS)
