"""Runs every check on every template, and prints what each says: `python -m tools checks`.

No check reaches a network or needs an AWS account. Ends with 1 where one has a finding.
"""

import json
import logging
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

from samcli.lib.translate.sam_template_validator import SamTemplateValidator  # type: ignore[import-untyped]
from samcli.yamlhelper import yaml_parse  # type: ignore[import-untyped]

from callback_lint.documents import Fields, Json, fields, read
from tools import PROJECT

TEMPLATE_FILES = [
    PROJECT / "template.yaml",
    *sorted((PROJECT / "templates").glob("*.y*ml")),
    *sorted((PROJECT / "examples").rglob("template.yaml")),
]
CHECKOV = "checkov, source and transformed"
AUDIT_PYTHON = PROJECT / ".venv-audit" / "bin" / "python"  # checkov cannot share an environment with SAM CLI

_PROGRAMS = Path(sys.executable).parent
_TIMEOUT = 300  # seconds, for the slowest machine
# One process for all of them, which saves its imports: sam validate --lint --template EACH
_SAM_VALIDATE = """
import sys
from samcli.cli.main import cli
failed = False
for template in sys.argv[1:]:
    try:
        cli.main(["validate", "--lint", "--template", template], prog_name="sam")
    except SystemExit as end:
        if end.code:
            failed = True
            print(f"in {template}")
sys.exit(failed)
"""


@dataclass(frozen=True)
class Verdict:
    check: str
    findings: str  # in the words of the check; nothing where there is none
    remark: str = ""

    def __str__(self) -> str:
        if self.findings:
            return f"{self.check}: findings\n{textwrap.indent(self.findings.strip(), '  ')}"
        return f"{self.check}: no finding{self.remark}"


def verdicts(templates: Sequence[Path]) -> Iterator[Verdict]:
    """The slowest runs first."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool, tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        work: list[Callable[[], Verdict]] = [
            partial(checkov, templates, scratch),
            partial(cfn_lint, templates, scratch),
            partial(sam_validate, templates, scratch),
        ]
        yield from pool.map(lambda ask: ask(), work)


def sam_validate(templates: Sequence[Path], scratch: Path) -> Verdict:
    run = _run([sys.executable, "-c", _SAM_VALIDATE, *templates], scratch)
    return _verdict("sam validate --lint", run, templates)


def cfn_lint(templates: Sequence[Path], scratch: Path) -> Verdict:
    run = _run([_PROGRAMS / "cfn-lint", "--append-rules=cfn_lint_serverless.rules", "--", *templates], scratch)
    return _verdict("cfn-lint with the serverless rules", run, templates)


def _verdict(check: str, run: subprocess.CompletedProcess[str], templates: Sequence[Path]) -> Verdict:
    return Verdict(check, run.stdout + run.stderr if run.returncode else "", f" in {len(templates)} templates")


def checkov(templates: Sequence[Path], scratch: Path) -> Verdict:
    """About each template as it is written, and as SAM transforms it."""
    files = list(templates)
    for template in templates:
        try:
            body = transformed(template)
        except Exception as error:  # noqa: BLE001 - whatever SAM finds fault with
            return Verdict(CHECKOV, f"{template.name} cannot be transformed: {error}")
        files.append(scratch / f"{template.stem}.transformed.json")
        files[-1].write_text(json.dumps(body, indent=2), encoding="utf-8")
    return ask_checkov(files, scratch)


def ask_checkov(files: Sequence[Path], scratch: Path) -> Verdict:
    """It ends with 0 for a file that it cannot read, so what counts is the checks that it reports for each file."""
    if not AUDIT_PYTHON.exists():
        return Verdict(CHECKOV, f"{AUDIT_PYTHON.relative_to(AUDIT_PYTHON.parents[2])} is missing: make audit")
    named = [argument for file in files for argument in ("--file", file)]
    options = ["--framework", "cloudformation", "--skip-download", "--output", "json"]
    run = _run([AUDIT_PYTHON, "-m", "checkov.main", *named, *options], scratch)
    try:
        results = json.loads(run.stdout)["results"]
        failed, passed, skipped = (results[f"{kind}_checks"] for kind in ("failed", "passed", "skipped"))
    except (ValueError, KeyError, TypeError):
        return Verdict(CHECKOV, run.stdout + run.stderr or "it says nothing")
    checked = {Path(check["file_abs_path"]).resolve() for check in (*failed, *passed, *skipped)}
    unread = [f"{file.name} is not read" for file in files if file.resolve() not in checked]
    findings = "\n".join((*map(_worded, failed), *unread)) or (run.stderr if run.returncode else "")
    counts = f" in {len(files)} files ({len(passed)} checks passed, {len(skipped)} suppressed)"
    return Verdict(CHECKOV, findings, counts)


def _worded(check: Json) -> str:
    place = f"{Path(check['file_path']).name}:{check['file_line_range'][0]}"
    return f"{check['check_id']} {check['resource']}: {check['check_name']} ({place})"


def transformed(template: Path) -> Fields:
    """What SAM makes of a template, as in `sam validate`: plain CloudFormation, Metadata and all."""
    logging.getLogger("samtranslator").setLevel(logging.ERROR)  # it warns of metrics that nobody here collects
    source = fields(read(template).value)
    plain = SamTemplateValidator(json.loads(json.dumps(source)), _NoManagedPolicies(), region="us-east-1")
    body: Fields = json.loads(json.dumps(yaml_parse(plain.get_translated_template_if_valid())))
    for logical_id, resource in fields(source.get("Resources")).items():
        if "Metadata" in resource:
            for name, made in body["Resources"].items():
                if name == logical_id or (name.startswith(logical_id) and made["Type"] == "AWS::ApiGateway::Stage"):
                    made.setdefault("Metadata", resource["Metadata"])
    return body


class _NoManagedPolicies:
    """Instead of SAM CLI's, which asks AWS for them."""

    def load(self) -> dict[str, str]:
        return {}


def _run(command: Sequence[Path | str], home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=PROJECT,
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


def main(_arguments: list[str] | None = None) -> int:
    found = False
    for verdict in verdicts(TEMPLATE_FILES):
        print(verdict, flush=True)
        found = found or bool(verdict.findings)
    return int(found)
