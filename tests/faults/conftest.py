"""Plays the rounds that were selected, in several worlds at once: a round waits more than it works."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import pytest

from tests.faults.ledger import check_afterwards
from tests.faults.rounds import Result, Round, play
from tests.faults.world import World, world_in

WORLDS = 3

Results = Callable[[Round], Result]


@pytest.fixture(scope="session")
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    """The result of a round, once it has been played."""
    futures: dict[str, Future[Result]] = {}
    waiting: SimpleQueue[tuple[Round, int]] = SimpleQueue()
    for item in request.session.items:
        if item.path == Path(__file__).with_name("test_faults.py") and isinstance(item, pytest.Function):
            parameters: dict[str, Any] = dict(item.callspec.params)
            round_, executions = parameters["round_"], parameters["executions"]
            futures[round_.name] = Future()
            waiting.put((round_, executions))

    def play_all(world: World) -> None:
        while True:
            try:
                round_, executions = waiting.get_nowait()
            except Empty:
                return
            try:
                result = play(round_, world, executions, seed=1)
                result.problems.extend(check_afterwards(world))
                futures[round_.name].set_result(result)
            except Exception as error:  # noqa: BLE001 - the test of this round raises it
                futures[round_.name].set_exception(error)

    with ExitStack() as worlds:
        with ThreadPoolExecutor(WORLDS) as pool:
            folders = [tmp_path_factory.mktemp("world") / "engine" for _ in range(WORLDS)]
            for entered in [pool.submit(worlds.enter_context, world_in(folder)) for folder in folders]:
                threading.Thread(target=play_all, args=[entered.result()], daemon=True).start()
        yield lambda round_: futures[round_.name].result()
        while not waiting.empty():  # the tests ended early: those rounds are not wanted any more
            waiting.get_nowait()
