"""Judges templates and state machines: `python -m callback_lint [--format text|json|sarif] [PATH …]`.

Ends with 0 where there is no finding, 1 where there is one, and 2 where a file cannot be read or the command is wrong.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any
from urllib.parse import quote

from callback_lint.catalogue import RULES
from callback_lint.linter import Finding, Report, lint
from callback_lint.rules import Rule

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "lint.md"


def main(arguments: Sequence[str] | None = None) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file may hold what cannot be printed
    options = _options(arguments)
    report = lint(options.paths or [Path()], RULES)
    text = _FORMATS[options.format](report.findings, list(RULES.values()))
    try:
        print(text, end="\n" if text else "", flush=True)
    except BrokenPipeError:  # a reader who has seen enough: python -m callback_lint | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    for error in report.errors:
        print(error, file=sys.stderr)
    print(_summary(report), file=sys.stderr)
    return 2 if report.errors else int(bool(report.findings))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m callback_lint", description="Judges templates and state machines.")
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="files and folders (this folder)")
    parser.add_argument("--format", choices=_FORMATS, default="text")
    return parser.parse_args(arguments)


def _summary(report: Report) -> str:
    counts = {"file": report.files, "finding": len(report.findings), "error": len(report.errors)}
    words = (f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts.items() if count or name != "error")
    return ", ".join(words)


def as_text(findings: list[Finding], _: list[Rule]) -> str:
    return "\n".join(
        f"{one.problem.path}:{one.problem.line}: {one.rule.id} {_one_line(one)} ({one.rule.link})" for one in findings
    )


def _one_line(finding: Finding) -> str:
    return " ".join(finding.problem.message.split())


def as_json(findings: list[Finding], _: list[Rule]) -> str:
    return json.dumps(
        [
            {
                "file": str(one.problem.path),
                "line": one.problem.line,
                "id": one.rule.id,
                "message": one.problem.message,
                "link": one.rule.link,
            }
            for one in findings
        ],
        indent=2,
    )


def as_sarif(findings: list[Finding], rules: list[Rule]) -> str:
    """SARIF 2.1.0, which editors and code hosts show: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html"""
    driver = {
        "name": "callback-workflows-lint",
        "rules": [
            {
                "id": rule.id,
                "shortDescription": {"text": rule.title},
                "help": {"text": rule.link},
                "helpUri": f"{DOCUMENT.as_uri()}#{rule.id.lower()}",
            }
            for rule in rules
        ],
    }
    results: list[Any] = [
        {
            "ruleId": one.rule.id,
            "level": "error",
            "message": {"text": one.problem.message},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": quote(one.problem.path.as_posix())},
                        "region": {"startLine": one.problem.line},
                    }
                }
            ],
        }
        for one in findings
    ]
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }
    return json.dumps(log, indent=2)


_FORMATS: dict[str, Callable[[list[Finding], list[Rule]], str]] = {"text": as_text, "json": as_json, "sarif": as_sarif}

if __name__ == "__main__":
    sys.exit(main())
