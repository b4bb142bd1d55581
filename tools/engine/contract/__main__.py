"""Starts ministack with the callback contract of AWS."""

import sys
from importlib.metadata import version
from pathlib import Path

WRITTEN_FOR = "1.5.33"

if (found := version("ministack")) != WRITTEN_FOR:
    sys.exit(
        f"The callback contract replaces functions of ministack {WRITTEN_FOR}, and this is ministack {found}: "
        f"run `make setup`, or see docs/testing.md on an upgrade."
    )
sys.path[0] = str(Path(__file__).resolve().parents[3])

from ministack.app import main  # noqa: E402

from tools.engine.contract.installing import install  # noqa: E402

install()
main()
