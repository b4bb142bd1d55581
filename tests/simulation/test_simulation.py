"""Stories of each workflow that hypothesis makes up, each played to its end: `make simulate` plays very many more."""

import importlib
import os
from pathlib import Path

import pytest

from tests.simulation.async_api import AsyncApis
from tests.simulation.file_exchange import FileExchanges
from tests.simulation.manual_callback import ManualCallbacks
from tests.simulation.order_confirmation import OrderConfirmations
from tests.simulation.payment_callback import Payments
from tests.simulation.playing import LONG, counted, play
from tests.simulation.story import Story

STORIES = [Payments, ManualCallbacks, AsyncApis, FileExchanges, OrderConfirmations]


@pytest.mark.parametrize("stories", STORIES)
def test_no_story_breaks_a_promise(stories: type[Story]) -> None:
    counted.clear()
    play(stories, int(os.environ.get("EXAMPLES", stories.examples)), derandomize=not LONG)
    print(f"\n{stories.__name__}: {counted['stories']:,} stories of {counted['steps']:,} steps")


@pytest.mark.skipif(LONG, reason="make simulate plays other stories each time")
def test_the_same_stories_are_played_whatever_else_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    class Told(Payments):
        def teardown(self) -> None:
            super().teardown()
            told.append("\n".join(self.aws.story))

    play(Told, 150, derandomize=True)
    before = list(told)
    told.clear()
    (tmp_path / "numbers_of_ours.py").write_text(f"NUMBERS = {[*range(100, 500)]}\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("numbers_of_ours")
    play(Told, 150, derandomize=True)
    assert told == before
