"""The rounds of `make faults`, with few executions each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.adapter import Round
from tests.faults.ledger import check_afterwards
from tests.faults.payment import PaymentCallback
from tests.faults.rounds import play
from tests.faults.workflows import ADAPTERS
from tests.faults.world import World, worlds_in

ALL = [
    pytest.param(PaymentCallback.mixed, 60, id=PaymentCallback.mixed.name),
    *(pytest.param(each, 10, id=each.name, marks=pytest.mark.slow) for each in PaymentCallback.rounds),
]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with worlds_in(tmp_path_factory.mktemp("world") / "engine", PaymentCallback()) as [world]:
        yield world


@pytest.mark.parametrize(("round_", "executions"), ALL)
def test_nothing_is_lost_or_doubled_by(round_: Round, executions: int, world: World) -> None:
    check(world, round_, executions)


@pytest.mark.slow
@pytest.mark.parametrize("workflow", sorted(ADAPTERS.keys() - {PaymentCallback.name}))
def test_nothing_is_lost_or_doubled_by_all_faults_of_the(workflow: str, tmp_path: Path) -> None:
    with worlds_in(tmp_path / "engine", ADAPTERS[workflow]()) as [world]:
        check(world, world.adapter.mixed, 50)


def check(world: World, round_: Round, executions: int) -> None:
    result = play(round_, world, executions, seed=1)
    assert result.problems + check_afterwards(world) == []
    assert (result.count.lost, result.count.doubled) == (0, 0)
    assert result.count.executions >= executions
    assert sum(result.injected.values()) > 0
