"""Stories of each workflow that hypothesis makes up, each played to its end: `make simulate` plays very many more."""

import os

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
