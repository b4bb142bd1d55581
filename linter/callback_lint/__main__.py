"""Checks templates and state machines: `callback-lint [PATH …]`, or `python -m callback_lint`.

Ends with 0 where there is no finding, 1 where there is one, and 2 where a file cannot be read, there is nothing to
check, or the command is wrong.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, version
from io import TextIOWrapper
from pathlib import Path

from callback_lint.catalogue import RULES
from callback_lint.config import WrongConfig, find_config, read_config
from callback_lint.formats import FORMATS, printable
from callback_lint.linter import Report, lint
from callback_lint.rules import Rule


def main(arguments: Sequence[str] | None = None) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file may hold what cannot be printed
    options = _options(arguments)
    if options.list_rules or options.explain:
        return _about_rules(options)
    try:
        config = read_config(options.config) if options.config else find_config(Path.cwd())
    except WrongConfig as wrong:
        print(printable(str(wrong)), file=sys.stderr)
        return 2
    report = lint(options.paths or [Path()], RULES, config, if_any=options.if_any)
    _print(FORMATS[options.format](report, list(RULES.values())))
    for error in report.errors:
        print(printable(error), file=sys.stderr)
    print(_summary(report), file=sys.stderr)
    return 2 if report.errors else int(bool(report.findings))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("callback-lint", description="Checks templates and state machines.")
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="files and folders (this folder)")
    parser.add_argument("--format", choices=FORMATS, default="text")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help=".callback-lint.toml or pyproject.toml (the nearest)"
    )
    parser.add_argument(
        "--if-any", action="store_true", help="pass over named files that are neither; none is no error"
    )
    parser.add_argument("--list-rules", action="store_true", help="print the id and the title of every rule")
    parser.add_argument("--explain", metavar="RULE", help="print what a rule is about, and what to do")
    parser.add_argument("--version", action="version", version=f"%(prog)s {_version()}")
    return parser.parse_args(arguments)


def _version() -> str:
    try:
        return version("callback-lint")
    except PackageNotFoundError:  # run from a checkout in which it is not installed
        return "of a checkout"


def _about_rules(options: argparse.Namespace) -> int:
    if options.list_rules:
        _print("\n".join(f"{rule.id} {rule.title}" for rule in RULES.values()))
        return 0
    wanted = options.explain.upper()
    rule = RULES.get(wanted) or next((rule for rule in RULES.values() if rule.cfn_lint_id == wanted), None)
    if rule:
        _print(_explained(rule))
        return 0
    close = get_close_matches(wanted, RULES, n=1)
    print(f"There is no rule {printable(options.explain)}{f'; there is {close[0]}' if close else ''}", file=sys.stderr)
    return 2


def _explained(rule: Rule) -> str:
    return (
        f"{rule.id} {rule.title} (in cfn-lint: {rule.cfn_lint_id})\n\n{rule.explanation}\n\n{rule.source}\n{rule.link}"
    )


def _print(text: str) -> None:
    try:
        print(text, end="\n" if text else "", flush=True)
    except BrokenPipeError:  # a reader who has seen enough: callback-lint | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _summary(report: Report) -> str:
    counts = {"file": report.files, "finding": len(report.findings), "error": len(report.errors)}
    words = (f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts.items() if count or name != "error")
    return ", ".join(words)


if __name__ == "__main__":
    sys.exit(main())
