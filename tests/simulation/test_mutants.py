"""The simulation finds each fault that is planted, within as many stories as `make test` plays."""

import pytest

from tests.simulation.mutants import MUTANTS, Mutant, shortest_story
from tests.simulation.order_mutants import ORDER_MUTANTS
from tests.simulation.playing import LONG


@pytest.mark.slow
@pytest.mark.parametrize("mutant", [*MUTANTS, *ORDER_MUTANTS], ids=lambda mutant: mutant.name)
def test_a_planted_fault_is_found(mutant: Mutant) -> None:
    found = shortest_story(mutant, shrink=LONG)
    assert found
    if LONG:
        print(f"\n{mutant.name}\n  {found}")
