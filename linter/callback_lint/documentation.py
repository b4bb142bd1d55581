"""Writes the rules into their page, from the rules themselves: `python -m callback_lint.documentation docs/lint.md`."""

import sys
from pathlib import Path
from textwrap import fill

from callback_lint.catalogue import RULES

MARKER = "<!-- The rules: python -m callback_lint.documentation docs/lint.md -->"
_TOPICS = {
    "waits": "Waiting for a callback",
    "tokens": "Task tokens",
    "errors": "Errors",
    "structure": "Structure",
    "calls": "Calls",
    "jsonata": "Expressions",
    "queues": "Queues",
    "rights": "Rights",
    "definitions": "Files",
    "aliases": "Aliases",
}


def sections() -> str:
    """Markdown: a section for each rule, whose anchor is its id."""
    parts = [MARKER]
    for topic, heading in _TOPICS.items():
        parts.append(f"## {heading}")
        for rule in RULES.values():
            if rule.topic == topic:
                text = fill(rule.explanation, 130, break_long_words=False, break_on_hyphens=False)
                parts.append(f"### {rule.id}\n{text}\n[Source]({rule.source})")
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    before = page.read_text(encoding="utf-8").partition(MARKER)[0]
    page.write_text(before + sections(), encoding="utf-8")
