"""Reads what a template sets in the environment of a function."""

import os

from callbacks.entry import PrintableError


class ConfigurationError(PrintableError):
    """An environment variable is missing or wrong."""


def setting(name: str) -> str:
    """The value of an environment variable. Raises ConfigurationError when it is missing or empty."""
    value = os.environ.get(name)
    if not value:
        raise ConfigurationError(f"environment variable {name} is missing; the template sets it")
    return value
