"""Draws every diagram of the documents again: `python -m tools diagrams`."""

from tools.diagrams.pages import PAGES, redraw


def main(_arguments: list[str] | None = None) -> int:
    for page in PAGES:
        if redraw(page):
            print(f"drawn again: {page.name}")
    return 0
