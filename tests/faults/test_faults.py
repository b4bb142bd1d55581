"""The rounds of `python -m tests.faults`, with few executions each."""

from collections.abc import Iterator

import pytest

from tests.faults.ledger import check_afterwards
from tests.faults.rounds import MIXED, ROUNDS, Round, play
from tests.faults.world import World, world_in

ALL = [(MIXED, 60), *((round_, 10) for round_ in ROUNDS)]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_in(tmp_path_factory.mktemp("world") / "engine") as world:
        yield world


@pytest.mark.parametrize(("round_", "executions"), ALL, ids=[round_.name for round_, _ in ALL])
def test_nothing_is_lost_or_doubled_by(round_: Round, executions: int, world: World) -> None:
    result = play(round_, world, executions, seed=1)
    assert result.problems + check_afterwards(world) == []
    assert (result.count.lost, result.count.doubled) == (0, 0)
    assert result.count.executions >= executions
    assert sum(result.injected.values()) > 0
