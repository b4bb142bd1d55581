"""Prints what the changelog says of a release: `python -m tools release-notes v1.0.0`."""

import re
import sys

from tools import PROJECT, version
from tools.parser import Parser


def main(arguments: list[str] | None = None) -> int:
    parser = Parser(prog="python -m tools release-notes", description=__doc__)
    parser.add_argument("tag", help="the tag of the release: v and its version")
    tag = parser.parse_args(arguments).tag
    if tag != f"v{version()}":
        print(f"{tag} is not the version of pyproject.toml: that is {version()}.", file=sys.stderr)
        return 1
    changelog = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    notes = re.search(rf"^## {re.escape(version())}\b[^\n]*\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if notes is None:
        print(f"CHANGELOG.md has no section {version()}.", file=sys.stderr)
        return 1
    print(notes[1].strip())
    return 0
