"""Finds the marks in the documents, and keeps the diagram behind each of them.

    <!-- states of NAME in TEMPLATE -->     the states of a state machine, by its logical ID
    <!-- resources of TEMPLATE -->          the resources of a template

The second may go on with lines `FROM | LABEL | TO`, for people and systems that no template knows: one of the two ends
is a resource, the other a name in lower case.
"""

import re
from pathlib import Path

from callback_lint.documents import read
from callback_lint.linter import template_of
from tools import PROJECT
from tools.diagrams.diagrams import resources, states

PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
MARK = re.compile(
    r"(?P<mark><!-- (?:states of (?P<machine>\w+) in|resources of) (?P<template>\S+)(?P<others>\n.*?)? -->\n)"
    r"(?:```mermaid\n.*?```\n)?",
    re.DOTALL,
)


def redraw(page: Path) -> bool:
    """Draw the diagrams of a page again; whether that changed it. Raises ValueError as drawn() does."""
    before = page.read_text()
    after = drawn(before)
    if after != before:
        page.write_text(after)
    return after != before


def drawn(text: str) -> str:
    """A page with its diagrams as they should be. Raises ValueError for a mark that names what is not there."""
    return MARK.sub(lambda found: f"{found['mark']}```mermaid\n{_diagram(found)}\n```\n", text)


def _diagram(found: re.Match[str]) -> str:
    template = template_of(read(PROJECT / found["template"]))
    if template is None or (found["machine"] and found["machine"] not in template.machine_of):
        raise ValueError(f"{found['mark'].strip()}: there is no such state machine or template")
    if found["machine"]:
        return states(template.machine_of[found["machine"]])
    lines = (found["others"] or "").strip().splitlines()
    return resources(template, [tuple(part.strip() for part in line.split("|")) for line in lines])
