"""The generated parts of the documents, which cog writes between `[[[cog …]]]` and `[[[end]]]`."""

import json
from collections.abc import Iterable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from callback_lint.documents import read
from callback_lint.linter import template_of
from callback_lint.templates import Template
from tools import PROJECT
from tools.diagrams import diagrams

PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
MEASURED = PROJECT / "tools/bench/measured.json"


def states(machine: str, template: str) -> str:
    """The states of a state machine, by its logical ID in a template. Raises ValueError where there is none."""
    found = _template(template)
    if machine not in found.machine_of:
        raise ValueError(f"{template} has no state machine {machine}")
    return _mermaid(diagrams.states(found.machine_of[machine]))


def resources(template: str, *lines: str) -> str:
    """The resources of a template, and `FROM | LABEL | TO` for people and systems that no template knows.

    One of the two ends is a resource, the other a name in lower case. Raises ValueError for anything else.
    """
    more = [tuple(part.strip() for part in line.split("|")) for line in lines]
    return _mermaid(diagrams.resources(_template(template), more))


def cost(name: str) -> str:
    """A table of docs/cost.md: counts of tools/cost/counts.json times prices."""
    from tools.cost.page import TABLES, read_counts

    return "\n".join(TABLES[name](read_counts()))


def measured(name: str) -> str:
    """What `make bench` wrote of a benchmark."""
    return str(json.loads(MEASURED.read_text(encoding="utf-8"))[name])


def write(pages: Iterable[Path] = PAGES) -> list[str]:
    """Write the generated parts of pages anew; the pages that changed."""
    return _cog("-r", pages)


def outdated(pages: Iterable[Path] = PAGES) -> list[str]:
    """The pages whose generated parts are not what they should be."""
    return _cog("--check", pages)


def _cog(mode: str, pages: Iterable[Path]) -> list[str]:
    from cogapp import Cog  # type: ignore[import-untyped]

    prologue = "from tools.generated import cost, measured, resources, states"
    with redirect_stdout(StringIO()) as said:
        Cog().main(["cog", mode, "-P", "-p", prologue, *map(str, pages)])
    return [line.split()[1] for line in said.getvalue().splitlines() if line.endswith("(changed)")]


def _template(name: str) -> Template:
    found = template_of(read(PROJECT / name))
    if found is None:
        raise ValueError(f"{name} is no template")
    return found


def _mermaid(text: str) -> str:
    return f"```mermaid\n{text}\n```"
