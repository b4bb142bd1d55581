"""What other tools write or take is read as the template that it amounts to."""

import json
import time
from pathlib import Path

import pytest

from callback_lint.catalogue import RULES
from callback_lint.linter import lint
from test_command import MACHINE, SOUND


def found(path: Path) -> list[tuple[str, str, int]]:
    report = lint([path], RULES)
    assert report.errors == []
    return [(each.problem.path.name, each.rule.id, each.problem.line) for each in report.findings]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (MACHINE.replace('"End": true', '"End": true,'), 9),
        (MACHINE.replace('"StartAt"', '// how it begins\n"StartAt"'), 2),
        (MACHINE.replace('"End": true', '/* the\nend */ "End": true, /* , */'), 8),
        (MACHINE.replace('"q"', '"https://q,}", // comma, brace }\n "X": "/* no comment */"'), 7),
    ],
)
def test_comments_and_trailing_commas_are_read_and_named(text: str, line: int, tmp_path: Path) -> None:
    (tmp_path / "wait.asl.json").write_text(text)
    findings = found(tmp_path)
    assert ("wait.asl.json", "EC1031", line) in findings
    assert [rule for _, rule, _ in findings if rule == "EC1007"] == ["EC1007"]


@pytest.mark.parametrize("name", ["wait.asl.json", "wait.asl", "wait.json", "wait.asl.yaml"])
def test_a_byte_order_mark_is_read(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(MACHINE, encoding="utf-8-sig", newline="\r\n")
    assert found(tmp_path) == [(name, "EC1007", 4)]


def test_a_plan_of_terraform_is_read(tmp_path: Path) -> None:
    def machine(address: str, definition: str, **values: object) -> dict[str, object]:
        given = {"definition": definition, "type": "STANDARD", **values}
        return {"address": address, "type": "aws_sfn_state_machine", "values": given}

    logging = [{"include_execution_data": True, "level": "ALL"}]
    root = {
        "resources": [
            {"address": "aws_sqs_queue.q", "type": "aws_sqs_queue", "values": {}},
            machine("aws_sfn_state_machine.a", MACHINE),
            {"address": "aws_sfn_state_machine.later", "type": "aws_sfn_state_machine", "values": {"name": "x"}},
        ],
        "child_modules": [
            {"resources": [machine("module.m.aws_sfn_state_machine.b", SOUND, type="EXPRESS")]},
            {"resources": [machine("module.n.aws_sfn_state_machine.c", SOUND, logging_configuration=logging)]},
        ],
    }
    plan = {"format_version": "1.2", "planned_values": {"root_module": root}}
    text = json.dumps(plan, indent=1)
    (tmp_path / "plan.json").write_text(text)

    findings = found(tmp_path)

    assert sorted(rule for _, rule, _ in findings) == ["EC1007", "EC2003", "EC2016"]
    lines = text.splitlines()
    assert '"definition"' in lines[{rule: line for _, rule, line in findings}["EC1007"] - 1]


def test_cdk_synth_is_read_with_its_assets(tmp_path: Path) -> None:
    partition = {"Ref": "AWS::Partition"}
    definition = MACHINE.replace("arn:aws:", "arn:\0:").split("\0")
    template = {
        "Resources": {
            "Inline": {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {"DefinitionString": {"Fn::Join": ["", [definition[0], partition, definition[1]]]}},
            },
            "FromFile": {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {"DefinitionS3Location": {"Bucket": {"Fn::Sub": "assets"}, "Key": "abc.json"}},
            },
            "Worker": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Code": {"S3Bucket": {"Fn::Sub": "assets"}, "S3Key": "def.zip"},
                    "Handler": "index.handler",
                    "Runtime": "python3.13",
                },
            },
            "Named": {
                "Type": "AWS::Lambda::Function",
                "Properties": {"Code": {"S3Key": "0"}, "Handler": "index.handler", "Runtime": "python3.13"},
                "Metadata": {"aws:asset:path": "asset.def", "aws:asset:property": "Code"},
            },
        }
    }
    out = tmp_path / "cdk.out"
    (out / "asset.def").mkdir(parents=True)
    (out / "asset.def" / "index.py").write_text("def handler(event, context):\n    print(event)\n")
    (out / "asset.abc.json").write_text(MACHINE)
    (out / "Stack.template.json").write_text(json.dumps(template, indent=1))
    (out / "manifest.json").write_text('{"version": "36.0.0", "artifacts": {}}')

    findings = found(tmp_path)

    assert max(findings)[:2] == ("index.py", "EC2017")
    assert sorted(rule for _, rule, _ in findings) == ["EC1007", "EC1007", "EC2017", "EC2017"]


SERVERLESS = """
service: orders
provider: {name: aws, runtime: python3.13, timeout: 30}
functions:
  worker:
    handler: src/worker.handler
    events:
      - sqs: {arn: !GetAtt Queue.Arn, batchSize: 5}
stepFunctions:
  stateMachines:
    orders:
      type: STANDARD
      loggingConfig: {level: ALL, includeExecutionData: true}
      definition:
        StartAt: Wait
        States:
          Wait:
            Type: Task
            Resource: arn:aws:states:::sqs:sendMessage.waitForTaskToken
            Parameters: {QueueUrl: !Ref Queue, MessageBody: {token.$: $$.Task.Token, stage: '${self:provider.stage}'}}
            End: true
    file:
      definition: ${file(wait.asl.json)}
resources:
  Resources:
    Queue:
      Type: AWS::SQS::Queue
      Properties:
        RedrivePolicy: {deadLetterTargetArn: arn, maxReceiveCount: 3}
"""


def test_the_serverless_framework_is_read(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "worker.py").write_text("def handler(event, context):\n    print(event)\n")
    (tmp_path / "wait.asl.json").write_text(MACHINE)
    (tmp_path / "serverless.yml").write_text(SERVERLESS)

    lines = SERVERLESS.splitlines()
    wait, queue, logging, event = (
        next(number for number, line in enumerate(lines, start=1) if line.lstrip().startswith(start))
        for start in ("Wait:", "Queue:", "loggingConfig:", "- sqs:")
    )
    assert sorted(found(tmp_path)) == sorted(
        [
            ("wait.asl.json", "EC1007", 4),
            ("serverless.yml", "EC1007", wait),
            ("serverless.yml", "EC2006", queue),
            ("serverless.yml", "EC2008", event - 1),
            ("serverless.yml", "EC2016", logging),
            ("serverless.yml", "EC2018", queue + 3),
            ("worker.py", "EC2017", 2),
        ]
    )


def test_a_thousand_states_in_a_chain_take_no_time(tmp_path: Path) -> None:
    """4,000 states in under three seconds, as a whole process takes less than one on a quiet machine."""
    count = 4000
    wait = json.loads(SOUND)["States"]["Wait"]
    del wait["End"]
    states = {f"S{number}": {**wait, "Next": f"S{number + 1}"} for number in range(count - 1)}
    states[f"S{count - 1}"] = {**wait, "End": True}
    (tmp_path / "chain.asl.json").write_text(json.dumps({"StartAt": "S0", "States": states}, indent=1))

    started = time.process_time()
    assert found(tmp_path) == []
    assert time.process_time() - started < 3


def test_long_chains_of_fails_and_variables_are_followed_to_their_start(tmp_path: Path) -> None:
    count = 3000
    states: dict[str, object] = {
        f"S{number}": {"Type": "Pass", "Assign": {f"v{number}": 1}, "Next": f"S{number + 1}"} for number in range(count)
    }
    states["S0"] = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "TimeoutSeconds": 60,
        "Arguments": {"QueueUrl": "q", "MessageBody": "{% $states.context.Task.Token %}"},
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "S1"}],
        "Assign": {"v0": 1},
        "Next": "S1",
    }
    states[f"S{count}"] = {"Type": "Fail", "Error": "{% $states.input.Error %}", "Cause": "{% $string($v1) & $v9999 %}"}
    machine = {"QueryLanguage": "JSONata", "StartAt": "S0", "States": states}
    (tmp_path / "chain.asl.json").write_text(json.dumps(machine))
    assert [rule for _, rule, _ in found(tmp_path)] == ["EC1019", "EC1024"]
