"""The embedded AWS: an engine on this machine, `sam deploy` to it, and demos of the workflows. Never deployed."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


class ToolError(Exception):
    """What went wrong and what to do about it, in words for whoever typed the command."""
