"""Asks every judge about every template, and prints what each says: `python -m lint.judges`.

No judge reaches a network or needs an AWS account. Ends with 1 where one has a finding.
"""

import json
import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lint.documents import Fields, Json, read

ROOT = Path(__file__).resolve().parents[1]
AUDIT_PYTHON = ROOT / ".venv-audit" / "bin" / "python"  # checkov cannot share an environment with SAM CLI
OWN_RULES = ROOT / "lint" / "cfn_lint_rules"
TEMPLATE_FILES = [ROOT / "template.yaml", *sorted((ROOT / "templates").glob("*.y*ml"))]

_PROGRAMS = Path(sys.executable).parent
_TIMEOUT = 300  # seconds, for the slowest machine


@dataclass(frozen=True)
class Verdict:
    judge: str
    findings: str  # as the judge words them; nothing where there is none
    remark: str = ""

    def __str__(self) -> str:
        if self.findings:
            return f"{self.judge}: findings\n{textwrap.indent(self.findings.strip(), '  ')}"
        return f"{self.judge}: no finding{self.remark}"


def verdicts(templates: Sequence[Path]) -> Iterator[Verdict]:
    """The slowest judge is asked first."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool, tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        work: list[Callable[[], Verdict]] = [
            partial(checkov, templates, scratch),
            partial(checkov_of_transformed, templates, scratch),
            partial(cfn_lint, "cfn-lint", templates, scratch),
            partial(cfn_lint, "cfn-lint, serverless rules", templates, scratch, "cfn_lint_serverless.rules"),
            partial(cfn_lint, "cfn-lint, our own rules", templates, scratch, str(OWN_RULES)),
            *(partial(sam_validate, template, scratch) for template in templates),
        ]
        yield from pool.map(lambda ask: ask(), work)


def sam_validate(template: Path, scratch: Path) -> Verdict:
    run = _run([_PROGRAMS / "sam", "validate", "--lint", "--template", template], scratch)
    return Verdict(f"sam validate --lint, {name_of(template)}", run.stdout + run.stderr if run.returncode else "")


def cfn_lint(judge: str, templates: Sequence[Path], scratch: Path, *rules: str) -> Verdict:
    run = _run([_PROGRAMS / "cfn-lint", *(f"--append-rules={each}" for each in rules), "--", *templates], scratch)
    return Verdict(judge, run.stdout + run.stderr if run.returncode else "", f" in {len(templates)} templates")


def checkov_of_transformed(templates: Sequence[Path], scratch: Path) -> Verdict:
    judge = "checkov, transformed"
    files = []
    for template in templates:
        try:
            body = Template.read(template).transformed.body
        except Exception as error:  # noqa: BLE001 - whatever SAM finds fault with
            return Verdict(judge, f"{name_of(template)} cannot be transformed: {error}")
        files.append(scratch / f"{template.stem}.transformed.json")
        files[-1].write_text(json.dumps(body, indent=2), encoding="utf-8")
    return checkov(files, scratch, judge)


def checkov(templates: Sequence[Path], scratch: Path, judge: str = "checkov, source") -> Verdict:
    """It ends with 0 for a file that it cannot read, so what counts is the checks that it reports for each file."""
    if not AUDIT_PYTHON.exists():
        return Verdict(judge, f"{name_of(AUDIT_PYTHON)} is missing: make audit")
    files = [argument for template in templates for argument in ("--file", template)]
    options = ["--framework", "cloudformation", "--skip-download", "--output", "json"]
    run = _run([AUDIT_PYTHON, "-m", "checkov.main", *files, *options], scratch)
    try:
        results = json.loads(run.stdout)["results"]
        failed, passed, skipped = (results[f"{kind}_checks"] for kind in ("failed", "passed", "skipped"))
    except (ValueError, KeyError, TypeError):
        return Verdict(judge, run.stdout + run.stderr or "it says nothing")
    judged = {Path(check["file_abs_path"]).resolve() for check in (*failed, *passed, *skipped)}
    unread = [f"{template.name} is not read" for template in templates if template.resolve() not in judged]
    findings = "\n".join((*map(_worded, failed), *unread)) or (run.stderr if run.returncode else "")
    return Verdict(
        judge, findings, f" in {len(templates)} templates ({len(passed)} checks passed, {len(skipped)} suppressed)"
    )


def _worded(check: Json) -> str:
    place = f"{Path(check['file_path']).name}:{check['file_line_range'][0]}"
    return f"{check['check_id']} {check['resource']}: {check['check_name']} ({place})"


def _run(command: Sequence[Path | str], home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "AWS_DEFAULT_REGION": "us-east-1",
            "SAM_CLI_TELEMETRY": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        check=False,
    )


def main() -> int:
    found = False
    for verdict in verdicts(TEMPLATE_FILES):
        print(verdict, flush=True)
        found = found or bool(verdict.findings)
    return int(found)


if __name__ == "__main__":
    sys.exit(main())
