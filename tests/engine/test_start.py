"""The contract is for one version of ministack, and moves no other clock than that of workflows."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools import PROJECT
from tools.engine.engine import CONTRACT, Engine, EngineError

PINNED = re.search(r"^ministack==(.+)$", (PROJECT / "tools/engine/requirements.txt").read_text(), re.MULTILINE)


def test_it_is_for_the_version_that_is_installed() -> None:
    assert PINNED
    assert f'WRITTEN_FOR = "{PINNED[1]}"' in (CONTRACT / "__main__.py").read_text()


def test_another_version_is_refused_with_words(tmp_path: Path) -> None:
    # Given an environment that holds another version
    (tmp_path / "ministack-9.9.9.dist-info").mkdir()
    (tmp_path / "ministack-9.9.9.dist-info" / "METADATA").write_text("Name: ministack\nVersion: 9.9.9\n")
    started = subprocess.run(
        [sys.executable, CONTRACT], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert started.returncode == 1
    assert "replaces functions of ministack 1.5.33, and this is ministack 9.9.9" in started.stderr


@pytest.mark.local("it moves the clock of the embedded AWS")
def test_a_moved_clock_says_what_time_it_is(engine: Engine) -> None:
    before = engine.skip(0)
    assert 3600 <= (engine.skip(3600) - before).total_seconds() < 3660


@pytest.mark.local("it moves the clock of the embedded AWS")
@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), "3600", None, True])
def test_a_clock_is_not_moved_backwards_or_nowhere(engine: Engine, seconds: float) -> None:
    before = engine.skip(0)
    with pytest.raises(EngineError, match="did not move its clock"):
        engine.skip(seconds)
    assert 0 <= (engine.skip(0) - before).total_seconds() < 60
