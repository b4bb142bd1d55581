"""A state machine drawn as SVG: its states from top to bottom, each with what became of it, and the ways between."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

Fields = Mapping[str, Any]

WIDTH, HEIGHT, GAP, ROW = 190, 44, 24, 40  # of a state; between states; between rows


@dataclass(frozen=True)
class Status:
    """`kind` is a class of the style sheet, `words` what stands under the state's name."""

    kind: str
    words: str


@dataclass(frozen=True)
class _Drawing:
    width: int
    height: int
    svg: str


def draw(definition: Fields, statuses: Mapping[str, Status]) -> str:
    drawing = _scope(definition, statuses)
    box = f"0 0 {drawing.width} {drawing.height}"
    size = f'width="{drawing.width}" height="{drawing.height}"'
    return f'<svg class="graph" role="img" aria-label="The state machine" viewBox="{box}" {size}>{drawing.svg}</svg>'


def _scope(definition: Fields, statuses: Mapping[str, Status]) -> _Drawing:
    """The states that a Next may name: those of a state machine, of a branch, or of a Map's processor."""
    states: Fields = definition.get("States", {})
    drawn = {name: _state(name, state, statuses) for name, state in states.items()}
    rows: dict[int, list[str]] = {}
    for name, rank in _ranks(definition).items():
        rows.setdefault(rank, []).append(name)
    widths = {rank: sum(drawn[name].width for name in names) + GAP * (len(names) - 1) for rank, names in rows.items()}
    width = max(widths.values(), default=WIDTH) + 2 * GAP
    places: dict[str, tuple[int, int]] = {}
    top = GAP // 2
    for rank in sorted(rows):
        left = (width - widths[rank]) // 2
        for name in rows[rank]:
            places[name] = (left, top)
            left += drawn[name].width + GAP
        top += max(drawn[name].height for name in rows[rank]) + ROW
    ways = [
        _way(places[name], drawn[name], places[target], drawn[target], is_error)
        for name in places
        for target, is_error in _ways(states[name])
        if target in places
    ]
    boxes = [f'<g transform="translate({x},{y})">{drawn[name].svg}</g>' for name, (x, y) in places.items()]
    return _Drawing(width, top - ROW + GAP // 2, "".join([*ways, *boxes]))


def _ranks(definition: Fields) -> dict[str, int]:
    """In which row each state that can be reached stands: as many below the first as it takes steps to get there."""
    states, first = definition.get("States", {}), str(definition.get("StartAt"))
    ranks = {first: 0} if first in states else {}
    for name in (queue := list(ranks)):
        for target, _ in _ways(states[name]):
            if target in states and target not in ranks:
                ranks[target] = ranks[name] + 1
                queue.append(target)
    return ranks


def _ways(state: Fields) -> Iterator[tuple[str, bool]]:
    """Each state that may follow, and whether an error leads there."""
    found = {state.get("Next"): False, state.get("Default"): False}
    for choice in state.get("Choices", ()):
        found[choice.get("Next")] = False
    for catcher in state.get("Catch", ()):
        found.setdefault(catcher.get("Next"), True)
    return ((name, is_error) for name, is_error in found.items() if isinstance(name, str))


def _state(name: str, state: Fields, statuses: Mapping[str, Status]) -> _Drawing:
    inner = [_scope(each, statuses) for each in _inner(state)]
    width = max(WIDTH, sum(each.width for each in inner) + GAP)
    height = HEIGHT + (max(each.height for each in inner) + GAP // 2 if inner else 0)
    status = statuses.get(name, Status("unentered", "not entered"))
    shown, words = (escape(text if len(text) <= 26 else f"{text[:25]}…") for text in (name, status.words))
    parts = [
        f"<title>{escape(name)}: {escape(status.words)}</title>",
        f'<rect class="state {status.kind}" width="{width}" height="{height}" rx="6"/>',
        f'<text class="name" x="{width // 2}" y="18">{shown}</text>',
        f'<text class="words" x="{width // 2}" y="35">{words}</text>',
    ]
    left = (width - sum(each.width for each in inner)) // 2
    for each in inner:
        parts.append(f'<g transform="translate({left},{HEIGHT})">{each.svg}</g>')
        left += each.width
    return _Drawing(width, height, f"<g>{''.join(parts)}</g>")


def _inner(state: Fields) -> list[Fields]:
    processor = state.get("ItemProcessor") or state.get("Iterator")
    return [*state.get("Branches", ()), *([processor] if processor else [])]


def _way(begin: tuple[int, int], source: _Drawing, end: tuple[int, int], target: _Drawing, is_error: bool) -> str:
    """From the lower edge of one state to the upper edge of another; a way back bends around the right side."""
    x1, y1 = begin[0] + source.width // 2, begin[1] + source.height
    x2, y2 = end[0] + target.width // 2, end[1]
    if y2 >= y1:
        curve = f"M{x1},{y1}C{x1},{y1 + ROW // 2},{x2},{y2 - ROW // 2},{x2},{y2 - 5}"
    else:
        side = max(begin[0] + source.width, end[0] + target.width) + GAP - 4
        curve = f"M{x1},{y1}C{side},{y1 + ROW},{side},{y2 - ROW},{x2},{y2 - 5}"
    head = f"M{x2 - 4},{y2 - 6}L{x2},{y2}L{x2 + 4},{y2 - 6}Z"
    return f'<path class="way{" error" if is_error else ""}" d="{curve}"/><path class="head" d="{head}"/>'
