"""How findings are printed."""

import json
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from callback_lint.linter import Finding, Report
from callback_lint.rules import Rule, documentation


def printable(text: str) -> str:
    """On one line, and harmless to a terminal, whatever a name or a file holds."""
    line = " ".join(text.split())
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in line)


def as_text(report: Report, _: list[Rule]) -> str:
    return "\n".join(map(_line, report.findings))


def _line(one: Finding) -> str:
    text = f"{one.rule.id} {printable(one.problem.message)} ({one.rule.link})"
    return f"{printable(str(one.problem.path))}:{one.problem.line}: {text}"


def as_json(report: Report, _: list[Rule]) -> str:
    return json.dumps(
        [
            {
                "file": str(one.problem.path),
                "line": one.problem.line,
                "id": one.rule.id,
                "message": one.problem.message,
                "link": one.rule.link,
            }
            for one in report.findings
        ],
        indent=2,
    )


def as_sarif(report: Report, rules: list[Rule]) -> str:
    """SARIF 2.1.0, which editors and code hosts show: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html"""
    driver: dict[str, Any] = {"name": "callback-lint", "rules": [_sarif_rule(rule) for rule in rules]}
    if documentation().startswith("https://"):
        driver["informationUri"] = documentation()
    with suppress(PackageNotFoundError):
        driver["version"] = version("callback-lint")
    errors = [{"level": "error", "message": {"text": error}} for error in report.errors]
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": not errors, "toolExecutionNotifications": errors}],
        "results": [_sarif_result(one) for one in report.findings],
    }
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=2)


def _sarif_rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.explanation},
        "help": {
            "text": f"{rule.explanation}\n{rule.source}",
            "markdown": f"{rule.explanation}\n\n[What it stands on]({rule.source})",
        },
        "helpUri": rule.link if rule.link.startswith("https://") else rule.source,
        "properties": {"tags": [rule.topic]},
    }


def _sarif_result(one: Finding) -> dict[str, Any]:
    place = {"artifactLocation": {"uri": _uri(one.problem.path)}, "region": {"startLine": one.problem.line}}
    return {
        "ruleId": one.rule.id,
        "level": "error",
        "message": {"text": one.problem.message},
        "locations": [{"physicalLocation": place}],
    }


def _uri(path: Path) -> str:
    """Relative to where the linter runs, as code hosts want it; of what lies elsewhere, the whole."""
    if path.is_absolute():
        try:
            path = path.relative_to(Path.cwd())
        except ValueError:
            return path.as_uri()
    return quote(path.as_posix(), errors="surrogateescape")


FORMATS: dict[str, Callable[[Report, list[Rule]], str]] = {"text": as_text, "json": as_json, "sarif": as_sarif}
