"""The embedded AWS: an engine on this machine, `sam deploy` to it, and demos of the workflows. Never deployed."""

from pathlib import Path

FLAGSHIP = "payment-callback"  # the workflow of template.yaml
PROJECT = Path(__file__).resolve().parent.parent


def version() -> str:
    """Of the project, as pyproject.toml has it."""
    import tomllib  # not at the top: an older Python has to get as far as the message that it is too old

    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


class ToolError(Exception):
    """What went wrong and what to do about it, in words for whoever typed the command."""


def plain(value: object) -> str:
    r"""The text of a value from outside, for one line of a terminal: what is not printable is escaped, as in `\n`."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in str(value))
