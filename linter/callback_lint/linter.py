"""Finds the files to judge, reads them, and applies the rules."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from callback_lint.asl import StateMachine
from callback_lint.documents import Document, Problem, Unreadable, read
from callback_lint.rules import Rule
from callback_lint.templates import Template, is_state_machine, is_template

SUFFIXES = {".json", ".yaml", ".yml", ".template"}
_SKIPPED = {"node_modules", "__pycache__"}
# What a file that cannot be read must hold to be missed; any other is none of ours
_OURS = ("AWSTemplateFormatVersion", "AWS::", '"StartAt"', "StartAt:")


@dataclass(frozen=True, order=True)
class Finding:
    problem: Problem
    rule: Rule = field(compare=False)


@dataclass
class Report:
    files: int = 0
    findings: list[Finding] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def lint(paths: Iterable[Path], rules: Mapping[str, Rule]) -> Report:
    report = Report()
    templates = list(_read_all(paths, report))
    used = {machine.document.path.resolve() for template in templates for machine in template.machine_of.values()}
    found: dict[tuple[str, Problem], Finding] = {}
    for template in templates:
        if template.own_state_machines and template.document.path.resolve() in used:
            continue  # judged as what a template makes of it
        for rule in rules.values():
            for problem in rule.problems(template):
                found.setdefault((rule.id, problem), Finding(problem, rule))
        report.errors += map(str, template.unreadable)
    report.errors = list(dict.fromkeys(report.errors))  # what a folder holds, a template of it may name as well
    report.findings = sorted(found.values(), key=lambda finding: (finding.problem, finding.rule.id))
    return report


def _read_all(paths: Iterable[Path], report: Report) -> Iterator[Template]:
    seen: set[Path] = set()
    for path in paths:
        if not path.exists():
            report.errors.append(f"{path}: there is no such file or folder")
        elif path.is_dir():
            for file in _files_in(path):
                if file.resolve() not in seen:
                    seen.add(file.resolve())
                    yield from _read(file, report, named=False)
        elif path.resolve() not in seen:
            seen.add(path.resolve())
            yield from _read(path, report, named=True)


def _files_in(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and not name.startswith("."))
        for name in sorted(names):
            file = Path(parent, name)
            if file.suffix in SUFFIXES and not name.startswith(".") and file.is_file():
                yield file


def _read(path: Path, report: Report, named: bool) -> Iterator[Template]:
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
    return Template(document) if is_template(document.value) else None


def _is_ours(path: Path) -> bool:
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return True
    return ".asl." in path.name or any(mark in text for mark in _OURS)
