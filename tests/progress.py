"""Says what is being proven: instead of pytest's dots, how far each layer of tests is, and how it ended."""

import time
from collections import Counter
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

# By the folder of tests/ that holds it
LAYERS = {
    "unit": "each function by itself: decisions, hostile input, every error code of AWS",
    "simulation": "each order of events: functions and state machines over a small AWS, and planted faults",
    "lint": "templates and state machines, and that each rule finds the fault planted for it",
    "e2e": "the workflows, deployed and run from start to notification",
    "engine": "the embedded AWS, held to what AWS was recorded to do with task tokens",
    "aws": "what AWS shows, and the embedded AWS where it can",
    "browser": "the page on which a person decides, and the desk, in a browser: by hand, by keys, and what scanners do",
    "faults": "the same with faults from outside: nothing is lost, nothing is doubled",
    "containers": "every function in a container, with every sample event, and with live tokens",
    "security": "what roles may do, and that no token or card number gets out",
}
SILENCE = 10  # seconds at most between two lines where there is no terminal


@dataclass
class Layer:
    tests: int
    outcomes: Counter[str] = field(default_factory=Counter)
    ended: int = 0
    first: float = float("inf")
    last: float = 0


class Progress:
    """Instead of pytest's dots: how far each layer is, a failure as soon as it is known, each layer's result."""

    def __init__(self, terminal: Any) -> None:
        self._terminal = terminal
        self._layers: dict[str, Layer] = {}
        self._shown = time.monotonic()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._count(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Iterable[str]) -> None:
        self._count(ids)

    def _count(self, ids: Iterable[str]) -> None:
        if not self._layers:  # every process of pytest-xdist collects the same
            self._layers = {name: Layer(tests) for name, tests in Counter(map(layer_of, ids)).items()}

    @pytest.hookimpl(wrapper=True)
    def pytest_report_teststatus(self) -> Generator[None, tuple[str, str, str], tuple[str, str, str]]:
        category, _, word = yield
        return category, "", word

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        layer = self._layers[layer_of(report.nodeid)]
        layer.first, layer.last = min(layer.first, report.start), max(layer.last, report.stop)
        if report.failed:
            self._say(f"FAILED {report.nodeid} ({report.when})")
        if report.when == "call" or not report.passed:
            layer.outcomes[report.outcome] += 1
        if report.when == "teardown":
            layer.ended += 1
            if layer.ended == layer.tests:
                name, outcomes = layer_of(report.nodeid), ", ".join(f"{n} {how}" for how, n in layer.outcomes.items())
                self._say(f"{name}: {LAYERS.get(name, '')}: {outcomes} in {layer.last - layer.first:.0f} s")
        under_way = {name: layer for name, layer in self._layers.items() if 0 < layer.ended < layer.tests}
        line = " · ".join(f"{name} {layer.ended}/{layer.tests}" for name, layer in under_way.items())
        if self._terminal.isatty:
            self._terminal.rewrite(line, erase=True)
        elif line and time.monotonic() > self._shown + SILENCE:
            self._say(line)

    def _say(self, line: str) -> None:
        self._shown = time.monotonic()
        if self._terminal.isatty:
            self._terminal.rewrite("", erase=True)
            self._terminal.rewrite("")
        self._terminal.write_line(line)


def layer_of(nodeid: str) -> str:
    """The folder of tests/ that holds a test."""
    return nodeid.removeprefix("tests/").partition("/")[0]
