"""Every check runs, finds the fault that only it can find, and reports nothing about what is sound."""

from pathlib import Path

import pytest

from tools import PROJECT, checks
from tools.checks import Verdict, verdicts

pytestmark = pytest.mark.slow

FAULTY = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Resources:
  Queue: # no KmsMasterKeyId: checkov; no RedrivePolicy: the serverless rules
    Type: AWS::SQS::Queue
    Properties:
      Lifetime: 1 # cfn-lint
  Suppressed:
    Type: AWS::Serverless::Function
    Metadata:
      checkov:
        skip:
          - id: CKV_AWS_117
            comment: It stays suppressed when it is transformed.
    Properties:
      Runtime: python3.14
      Handler: payment_worker.lambda_handler
      CodeUri: functions/
      FunctionUrlConfig:
        AuthType: NONE # checkov, in what SAM makes of it
"""
UNTRANSFORMABLE = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Resources:
  Function:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.14
"""


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    template = tmp_path_factory.mktemp("templates") / "faulty.yaml"
    template.write_text(FAULTY, encoding="utf-8")
    return {verdict.check: verdict for verdict in verdicts([template])}


@pytest.mark.parametrize(
    ("check", "finding"),
    [
        ("sam validate --lint", "'Lifetime' was unexpected"),
        ("cfn-lint with the serverless rules", "'Lifetime' was unexpected"),
        ("cfn-lint with the serverless rules", "ES6000 SQS Queue Queue should have a RedrivePolicy"),
        ("checkov, source and transformed", "CKV_AWS_27 AWS::SQS::Queue.Queue: "),
        ("checkov, source and transformed", "CKV_AWS_258 AWS::Lambda::Url.SuppressedUrl: "),
    ],
)
def test_check_finds_planted_fault(faulty: dict[str, Verdict], check: str, finding: str) -> None:
    assert finding in faulty[check].findings


def test_no_check_is_without_a_planted_fault(faulty: dict[str, Verdict]) -> None:
    assert len(faulty) == 3


def test_suppression_outlives_the_transform(faulty: dict[str, Verdict]) -> None:
    findings = faulty["checkov, source and transformed"].findings
    assert "Function.Suppressed" in findings
    assert "CKV_AWS_117" not in findings


def test_checkov_is_not_believed_about_what_it_cannot_read(tmp_path: Path) -> None:
    texts = {"broken.yaml": "Resources: [", "empty.yaml": "", "bare.yaml": "Description: no resources"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    unreadable = [tmp_path / name for name in (*texts, "missing.yaml")]

    verdict = checks.ask_checkov([PROJECT / "template.yaml", *unreadable], tmp_path)

    assert verdict.findings.splitlines() == [f"{file.name} is not read" for file in unreadable]


def test_what_cannot_be_transformed_is_a_finding(tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    template.write_text(UNTRANSFORMABLE, encoding="utf-8")

    assert "template.yaml cannot be transformed" in checks.checkov([template], tmp_path).findings


def test_missing_checkov_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "AUDIT_PYTHON", tmp_path / "bin" / "python")

    assert "bin/python is missing: make audit" in checks.checkov([], tmp_path).findings


@pytest.mark.parametrize(("findings", "status"), [("", 0), ("E3002 'Lifetime' was unexpected", 1)])
def test_a_finding_is_shown_and_ends_the_audit_with_1(
    findings: str, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checks, "verdicts", lambda _: iter([Verdict("first", findings), Verdict("last", "")]))

    assert checks.main() == status
    assert findings in capsys.readouterr().out
