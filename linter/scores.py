"""Measures the linter on files that are given to it, and writes scores.md beside this file.

    python linter/scores.py FOLDER [--verdicts linter/verdicts.toml]

Counts files, crashes, findings by rule and seconds. Of each rule it draws up to three findings, always the same ones; a
person says of each in the verdicts whether it is right, and why. What has no verdict yet is printed, to be checked.
"""

import argparse
import random
import sys
import time
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from callback_lint.catalogue import RULES
from callback_lint.linter import Finding, Report, lint

PAGE = Path(__file__).with_name("scores.md")
SAMPLE = 3  # of each rule
SEED = 2026

HEAD = """# Scores

What `callback-lint` finds in {files} public files: the state machines and templates of AWS's collection of Step
Functions workflows (aws-samples/step-functions-workflows-collection), without the code of their functions.
Made by `python linter/scores.py FOLDER`.

| | |
|---|---|
| files that are templates or state machines | {files} |
| files that cannot be read, each named with its line | {errors} |
| crashes | {crashes} |
| findings | {findings} |
| seconds of CPU per 100 files | {seconds:.1f} |
| findings checked by hand | {checked} |
| of these right | {right} |

A finding is right where what it says is true of the file and worth changing. That says nothing of what is missed.
The rules about code in Python are not in here: the tables in `linter/tests/test_token_flow.py` hold them.

## Findings by rule

| rule | findings | checked | right |
|---|---|---|---|
"""


@dataclass
class Measured:
    report: Report = field(default_factory=Report)
    crashes: list[str] = field(default_factory=list)
    seconds: float = 0.0


def measured(folder: Path) -> Measured:
    """A folder at a time, so that a crash is one of the folder that it is in."""
    result = Measured()
    started = time.process_time()
    for part in sorted(path for path in folder.iterdir() if path.is_dir()):
        try:
            report = lint([part], RULES, if_any=True)
        except Exception as crash:  # noqa: BLE001 - which is what is counted
            result.crashes.append(f"{part.name}: {type(crash).__name__}")
            continue
        result.report.files += report.files
        result.report.findings += report.findings
        result.report.errors += report.errors
    result.seconds = time.process_time() - started
    return result


def sample(findings: list[Finding]) -> list[Finding]:
    """Up to three of each rule, always the same ones of the same findings."""
    chosen = []
    for rule_id in sorted({finding.rule.id for finding in findings}):
        of_rule = [finding for finding in findings if finding.rule.id == rule_id]
        chosen += sorted(random.Random(SEED).sample(of_rule, min(SAMPLE, len(of_rule))))  # noqa: S311 - no secret
    return chosen


def page(folder: Path, result: Measured, verdicts: dict[str, tuple[bool, str]]) -> str:
    counts = Counter(finding.rule.id for finding in result.report.findings)
    checked: Counter[str] = Counter()
    right: Counter[str] = Counter()
    lines = []
    for finding in sample(result.report.findings):
        key = _key(folder, finding)
        if key in verdicts:
            is_right, reason = verdicts[key]
            checked[finding.rule.id] += 1
            right[finding.rule.id] += is_right
            lines.append(f"| {key} | {finding.problem.message} | {'right' if is_right else '**wrong**'}: {reason} |")
        else:
            print(f'["{key}"]  # {finding.problem.message}\nright = true\nreason = ""\n')
    head = HEAD.format(
        files=result.report.files,
        errors=len(result.report.errors),
        crashes=len(result.crashes),
        findings=len(result.report.findings),
        seconds=100 * result.seconds / max(result.report.files, 1),
        checked=sum(checked.values()),
        right=sum(right.values()),
    )
    rules = "".join(
        f"| {rule} {RULES[rule].title} | {count} | {checked[rule]} | {right[rule]} |\n"
        for rule, count in sorted(counts.items())
    )
    table = "\n## Checked by hand\n\n| where | what it says | verdict |\n|---|---|---|\n"
    return f"{head}{rules}{table}" + "\n".join(lines) + "\n"


def _key(folder: Path, finding: Finding) -> str:
    return f"{finding.problem.path.relative_to(folder).as_posix()}:{finding.problem.line} {finding.rule.id}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures the linter on files that are given to it.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--verdicts", type=Path, default=PAGE.with_name("verdicts.toml"))
    options = parser.parse_args()
    loaded = tomllib.loads(options.verdicts.read_text(encoding="utf-8")) if options.verdicts.exists() else {}
    verdicts = {key: (bool(value["right"]), str(value["reason"])) for key, value in loaded.items()}
    result = measured(options.folder)
    PAGE.write_text(page(options.folder, result, verdicts), encoding="utf-8")
    print("\n".join(result.crashes), file=sys.stderr)
    return int(bool(result.crashes))


if __name__ == "__main__":
    sys.exit(main())
