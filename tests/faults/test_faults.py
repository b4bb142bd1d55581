"""The rounds of `python -m tests.faults`, with few executions each."""

import pytest

from tests.faults.conftest import Results
from tests.faults.rounds import MIXED, ROUNDS, Round

ALL = [(MIXED, 60), *((round_, 10) for round_ in ROUNDS)]


@pytest.mark.parametrize(("round_", "executions"), ALL, ids=[round_.name for round_, _ in ALL])
def test_nothing_is_lost_or_doubled_by(round_: Round, executions: int, results: Results) -> None:
    result = results(round_)
    assert result.problems == []
    assert (result.count.lost, result.count.doubled) == (0, 0)
    assert result.count.executions >= executions
    assert sum(result.injected.values()) > 0
