"""The documents as data: their sections, command blocks, tables, names in code type, links and anchors."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tools import PROJECT

# The marks that may stand in a comment directly above a block of commands
NOT_RUN = re.compile(r"<!-- (?:AWS only|needs [^:]+|interactive|long): .+ -->")
PRINTS = re.compile(r"<!-- prints:\s(.+?)\s?-->", re.DOTALL)
TAG = re.compile(r'\b(?:id|src)="([^"]+)"')


@dataclass(frozen=True)
class Block:
    """A fenced block, and the comment directly above it or a heading of it."""

    page: str
    line: int
    language: str
    text: str
    comment: str
    section: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def is_run(self) -> bool:
        """Whether a test runs it: all commands are, but for those whose comment says why not."""
        return self.language == "bash" and not NOT_RUN.fullmatch(self.comment)

    @property
    def prints(self) -> list[str]:
        """What its output has in it, in this order."""
        found = PRINTS.fullmatch(self.comment)
        return found[1].splitlines() if found else []


@dataclass(frozen=True)
class Page:
    """A document by its path in the project."""

    path: str
    text: str

    @property
    def blocks(self) -> list[Block]:
        """What stands above a heading holds for the blocks of its section, unless these have something of their own."""
        tokens, found = self._tokens, []
        sections: dict[str, str] = {}
        heading = ""
        for before, token in zip([tokens[0], *tokens], tokens, strict=False):
            above = before.content.strip() if before.type == "html_block" else ""
            if token.type == "heading_open":
                sections = {tag: comment for tag, comment in sections.items() if tag < token.tag} | {token.tag: above}
            if before.type == "heading_open":
                heading = token.content
            if token.type == "fence":
                comment = above or next(filter(None, reversed(sections.values())), "")
                found.append(Block(self.path, _line(token), token.info.strip(), token.content, comment, heading))
        return found

    @property
    def headings(self) -> list[str]:
        """The headings of sections (##), in order."""
        return [token.content for opening, token in self._headings if opening.tag == "h2"]

    @property
    def anchors(self) -> set[str]:
        """What may follow the # in a link to this page, by GitHub's rules."""
        seen: Counter[str] = Counter()
        anchors = {
            match for token in self._all if token.type.startswith("html") for match in TAG.findall(token.content)
        }
        for _, heading in self._headings:
            plain = "".join(child.content for child in heading.children or [])
            slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
            anchors.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
            seen[slug] += 1
        return anchors

    @property
    def links(self) -> Iterator[tuple[int, str]]:
        """Line and target of every link and picture."""
        for line, token in self._inline:
            target = token.attrs.get("href") or token.attrs.get("src")
            if target:
                yield line, str(target)

    @property
    def code_spans(self) -> Iterator[tuple[int, str]]:
        """Line and text of everything in code type."""
        return ((line, token.content) for line, token in self._inline if token.type == "code_inline")

    def table(self, first_heading: str) -> dict[str, str]:
        """By each name in code type in its first column, the second: of the table that is headed so."""
        rows: list[list[Token]] = []
        for before, token in pairwise(self._tokens):
            if token.type == "table_open":
                rows = []
            elif token.type == "tr_open":
                rows.append([])
            elif before.type in ("th_open", "td_open"):
                rows[-1].append(token)
            elif token.type == "table_close" and rows[0][0].content == first_heading:
                return {
                    child.content: second.content
                    for first, second, *_ in rows[1:]
                    for child in first.children or []
                    if child.type == "code_inline"
                }
        return {}

    @property
    def _tokens(self) -> list[Token]:
        return MarkdownIt("commonmark").enable("table").parse(self.text)

    @property
    def _all(self) -> Iterator[Token]:
        for token in self._tokens:
            yield token
            yield from token.children or []

    @property
    def _headings(self) -> list[tuple[Token, Token]]:
        tokens = self._tokens
        return [(token, tokens[at + 1]) for at, token in enumerate(tokens) if token.type == "heading_open"]

    @property
    def _inline(self) -> Iterator[tuple[int, Token]]:
        line = 1
        for token in self._tokens:
            line = _line(token) if token.map else line
            yield from ((line, child) for child in token.children or [])


def pages() -> dict[str, Page]:
    """Every Markdown file of the project, by its path."""
    folders = [path for path in PROJECT.iterdir() if path.is_dir() and not path.name.startswith(".")]
    files = [*PROJECT.glob("*.md"), *(file for folder in folders for file in folder.rglob("*.md"))]
    return {name(file): Page(name(file), file.read_text(encoding="utf-8")) for file in sorted(files)}


def commands(path: str, section: str) -> list[str]:
    """The blocks of commands under the heading of a page, for its own test."""
    return [block.text for block in pages()[path].blocks if (block.language, block.section) == ("bash", section)]


def name(file: Path) -> str:
    return str(file.relative_to(PROJECT))


def _line(token: Token) -> int:
    return (token.map or [0])[0] + 1
