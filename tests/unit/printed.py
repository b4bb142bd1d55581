"""What a handler prints: its log, and its metrics."""

import io
import sys

import pytest

from callbacks.entry import logger


def capture_prints(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Until the end of the test. The logger keeps the stdout of its import, which is not the one that capsys sees."""
    stream = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", stream)
    monkeypatch.setattr(sys, "stdout", stream)
    return stream
