"""Every rule about templates finds the fault that it is there for, and is silent on what is sound or not known."""

import json
from pathlib import Path

import pytest

from lint.catalogue import ALL_RULES, GENERAL_RULES
from lint.documents import Fields, Json
from lint.linter import lint
from tests.lint import test_state_machine_rules
from tests.lint.planting import SOUND, Change, Fault, all_found, both, drop, found, of, planted, put, state

EVENT = of("WorkerFunction", "Events", "Work", "Properties")
MACHINE_STATEMENTS = of("MachineRole", "Policies", 0, "PolicyDocument", "Statement")
WORKER_STATEMENTS = of("WorkerRole", "Policies", 0, "PolicyDocument", "Statement")
KEY_STATEMENTS = of("Key", "KeyPolicy", "Statement")
ENCRYPTED = {
    "ServerSideEncryptionConfiguration": [
        {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": {"Ref": "Key"}}}
    ]
}
WRITE_FILES = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": {"Fn::Sub": "${Files.Arn}/inbox/*"}}
KEEP_ORDERS = {"Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": {"Fn::GetAtt": ["Orders", "Arn"]}}
LAYER = "arn:aws:lambda:${AWS::Region}:017000801446:layer:AWSLambdaPowertoolsPythonV3-python314-${Architecture}"


def code(text: str) -> Change:
    """The worker's code stands in the template."""
    return both(
        put(*of("WorkerFunction", "Handler"), value="index.handler"),
        put(*of("WorkerFunction", "InlineCode"), value=f"def handler(order, context):\n    {text}\n"),
    )


def resource(name: str, kind: str, **properties: Json) -> Change:
    return put("Resources", name, value={"Type": kind, "Properties": properties})


FAULTS = [
    # definitions
    Fault(
        "EC2002", drop(*of("Machine", "DefinitionSubstitutions", "WorkQueueUrl")), "Machine: DefinitionSubstitutions"
    ),
    # queues
    Fault(
        "EC2006", put(*of("WorkerFunction", "Timeout"), value="16"), "VisibilityTimeout 90 is under 6 x the Timeout 16"
    ),
    Fault(
        "EC2008",
        resource("Mapping", "AWS::Lambda::EventSourceMapping", EventSourceArn="arn:aws:sqs:us-east-1:1:q", BatchSize=2),
        "Mapping: FunctionResponseTypes lacks ReportBatchItemFailures: one bad message brings back all 2",
    ),
    Fault(
        "EC5001", drop(*of("ReporterFunction", "Events")), "WorkQueue: its dead letters go to DeadLetterQueue, which"
    ),
    Fault(
        "EC5001",
        put(*of("WorkQueue", "RedrivePolicy", "deadLetterTargetArn"), value={"Fn::GetAtt": ["WorkQueue", "Arn"]}),
        "WorkQueue: its dead letters go to WorkQueue",
    ),
    # tokens
    *(
        Fault("EC2017", code(text), f"WorkerFunction: {finding}")
        for text, finding in (
            ("print(order)", "logs order"),
            ("print(event)", "logs event"),
            ("print(json.dumps(order, indent=2))", "logs order"),
            ("print('got ' + str(order))", "logs order"),
            ("print('got %s' % order)", "logs order"),
            ("print('got {}'.format(token))", "logs token"),
            ("logger.info(order)", "logs order"),
            ("logging.debug('event: %s', order)", "logs order"),
            ("logger.info('got it', extra={'event': order})", "logs order"),
            ("self.logger.info(f'got {task_token}')", "logs task_token"),
            ("logger.info(order['taskToken'])", "logs taskToken"),
            ("logger.info(order.get('TaskToken'))", "logs TaskToken"),
            ("logger.info(record['body'])", "logs body"),
            ("logger.info(record.body)", "logs body"),
            ("logger.inject_lambda_context(log_event=True)", "log_event=True logs each event"),
        )
    ),
    # rights
    Fault("EC3002", put(*MACHINE_STATEMENTS, 0, "Action", value="sqs:*"), "MachineRole: SendWork allows Action sqs:*"),
    Fault(
        "EC3002", put(*MACHINE_STATEMENTS, 0, "Resource", value="*"), "SendWork allows sqs:SendMessage on Resource *"
    ),
    Fault(
        "EC3002",
        put(*of("WorkerFunction", "Policies"), value=[{"Statement": [{"Effect": "Allow", "Action": ["*"]}]}]),
        "WorkerFunction: a statement allows Action *",
    ),
    # functions of the house
    Fault("EC2009", drop(*EVENT, "ScalingConfig"), "WorkerFunction.Work: ScalingConfig.MaximumConcurrency is None"),
    Fault("EC2009", put(*EVENT, "ScalingConfig", "MaximumConcurrency", value={"Ref": "Most"}), "is {'Ref': 'Most'}"),
    Fault("EC2011", put(*of("WorkerFunction", "Runtime"), value="python3.13"), "Runtime is 'python3.13'"),
    Fault("EC2011", drop("Globals", "Function", "Architectures"), "Architectures is not the parameter"),
    Fault("EC2012", put("Globals", "Function", "Layers", value=[{"Fn::Sub": f"{LAYER}:35"}]), "35 is Powertools None"),
    Fault("EC2012", drop("Globals", "Function", "Layers"), "WorkerFunction: Layers is not the one of Powertools"),
    Fault("EC2014", drop("Globals", "Function", "LoggingConfig"), "WorkerFunction: LoggingConfig.LogGroup is no log"),
    Fault("EC2014", drop(*WORKER_STATEMENTS, 3), "Role may not logs:CreateLogStream, logs:PutLogEvents to FunctionLog"),
    Fault("EC2015", put(*of("WorkQueue", "QueueName"), value="work"), "WorkQueue: QueueName is a physical name"),
    Fault("EC2015", put(*of("Machine", "Name"), value="work"), "Machine: Name is a physical name"),
    Fault(
        "EC2015",
        put(*of("FunctionLogGroup", "LogGroupName"), value="/functions"),
        "FunctionLogGroup: LogGroupName is a",
    ),
    Fault("EC2019", drop(*of("MachineLogGroup", "LogGroupName")), "MachineLogGroup: LogGroupName is not !Sub"),
    Fault("EC2019", drop(*of("Machine", "Logging")), "Machine: Logging.Destinations names no log group"),
    # rights of the house
    Fault("EC3001", drop(*of("WorkerFunction", "Role")), "WorkerFunction: Role is no role of this template"),
    Fault(
        "EC3001",
        put(*of("ReporterFunction", "Role"), value={"Fn::GetAtt": ["WorkerRole", "Arn"]}),
        "ReporterFunction: Role WorkerRole is that of WorkerFunction, too",
    ),
    Fault(
        "EC3001", put(*of("WorkerRole", "ManagedPolicyArns"), value=["a"]), "WorkerRole: ManagedPolicyArns allow more"
    ),
    Fault("EC3004", drop(*WORKER_STATEMENTS, 1), "worker.lambda_handler answers task tokens and its role may not"),
    Fault(
        "EC3004", put(*of("ReporterFunction", "Handler"), value="nobody.handler"), "answers no task token and its role"
    ),
    Fault("EC3006", drop(*WORKER_STATEMENTS, 1, "Action", 1), "SendTaskSuccess only"),
    Fault("EC3006", put(*WORKER_STATEMENTS, 1, "Resource", value="*"), "allows task tokens of *, which is no state"),
    Fault(
        "EC3006",
        both(
            resource("Other", "AWS::StepFunctions::StateMachine"),
            put(*WORKER_STATEMENTS, 1, "Resource", value=[{"Ref": "Machine"}, {"Ref": "Other"}]),
        ),
        "allows task tokens of Other beside those of another state machine",
    ),
    Fault(
        "EC3007",
        drop(*of("MachineRole", "AssumeRolePolicyDocument", "Statement", 0, "Condition")),
        "MachineRole: AssumeRolePolicyDocument lacks the Condition StringEquals aws:SourceAccount",
    ),
    Fault("EC3007", drop(*of("Machine", "Role")), "Machine: Role is no role of this template"),
    # encryption
    Fault("EC4002", drop(*of("QueuePolicy", "Queues", 0)), "WorkQueue: no AWS::SQS::QueuePolicy denies sqs:*"),
    Fault(
        "EC4002", drop(*of("TopicPolicy", "PolicyDocument", "Statement", 0)), "Topic: no AWS::SNS::TopicPolicy denies"
    ),
    *(
        Fault("EC4003", change, finding)
        for change, finding in (
            (
                drop(*MACHINE_STATEMENTS, 2),
                "MachineRole may not kms:Decrypt, kms:GenerateDataKey with the key, and has",
            ),
            (drop(*WORKER_STATEMENTS, 2), "WorkerRole may not kms:Decrypt with the key, and has to"),
            (
                both(
                    resource("Files", "AWS::S3::Bucket", BucketEncryption=ENCRYPTED),
                    put(*WORKER_STATEMENTS, 3, value=WRITE_FILES),
                ),
                "WorkerRole may not kms:GenerateDataKey with the key, and has to",
            ),
            (
                both(
                    resource("Orders", "AWS::DynamoDB::Table", SSESpecification={"KMSMasterKeyId": {"Ref": "Key"}}),
                    put(*WORKER_STATEMENTS, 3, value=KEEP_ORDERS),
                ),
                "WorkerRole may not kms:DescribeKey, kms:Encrypt, kms:GenerateDataKey, kms:ReEncryptFrom",
            ),
            (
                put(*WORKER_STATEMENTS, 2, "Action", value=["kms:Decrypt", "kms:Encrypt"]),
                "may kms:Encrypt with the key",
            ),
            (drop(*KEY_STATEMENTS, 1), "KeyPolicy: sns.amazonaws.com may not kms:Decrypt, kms:GenerateDataKey"),
            (
                drop(*KEY_STATEMENTS, 1, "Condition"),
                "lets sns.amazonaws.com use the key for whomever, without a Condition",
            ),
            (drop(*KEY_STATEMENTS, 2), "KeyPolicy: events.amazonaws.com may not kms:Decrypt, kms:GenerateDataKey"),
            (drop(*KEY_STATEMENTS, 3, "Action", 0), "KeyPolicy: logs.${AWS::Region}.amazonaws.com may not kms:Decrypt"),
            (
                drop("Resources", "StopRule"),
                "KeyPolicy: events.amazonaws.com may kms:Decrypt, kms:GenerateDataKey with",
            ),
            (put(*KEY_STATEMENTS, 1, "Principal", value="*"), "KeyPolicy allows what nothing here needs"),
        )
    ),
    # alarms and notifications
    Fault("EC5002", drop("Resources", "QuarantineAlarm"), "QuarantineQueue: no function reads it, and no alarm tells"),
    Fault(
        "EC5002", put(*of("QuarantineAlarm", "MetricName"), value="NumberOfMessagesSent"), "QuarantineQueue: no func"
    ),
    Fault("EC5003", drop(*of("WorkLateAlarm", "AlarmDescription")), "AlarmDescription does not say what to do"),
    Fault(
        "EC5003", put(*of("WorkLateAlarm", "AlarmActions"), value=[]), "WorkLateAlarm: AlarmActions are not the topic"
    ),
    Fault("EC5004", put(*of("WorkLateAlarm", "Threshold"), value=3600), "go off at [3600], not at half of the 3600 s"),
    Fault("EC5004", drop("Resources", "WorkLateAlarm"), "go off at no age, not at half of the 3600 s that RequestWork"),
    Fault("EC5004", put(*state("RequestWork", "HeartbeatSeconds"), value=60), "[1800], not at half of the 60 s"),
    Fault("EC5005", drop(*of("DeadLetterQueue", "RedrivePolicy")), "DeadLetterQueue: RedrivePolicy names no queue"),
    Fault(
        "EC5005",
        put(*of("DeadLetterQueue", "RedrivePolicy", "maxReceiveCount"), value=9),
        "DeadLetterQueue: maxReceiveCount 9 is under 5, of the queue before, and 5",
    ),
    *(
        Fault("EC5006", change, "Machine: no AWS::Events::Rule on ABORTED publishes to Topic")
        for change in (
            drop("Resources", "StopRule"),
            put(*of("StopRule", "EventPattern", "detail", "status"), value=["FAILED"]),
            put(*of("StopRule", "EventPattern", "detail", "stateMachineArn"), value=[{"Ref": "Other"}]),
            drop(*of("StopRule", "Targets", 0, "InputTransformer")),
            drop(*of("StopRule", "Targets", 0, "DeadLetterConfig")),
            drop(*of("QueuePolicy", "PolicyDocument", "Statement", 1)),
        )
    ),
    Fault("EC5006", drop(*of("TopicPolicy", "PolicyDocument", "Statement", 1)), "Topic: no AWS::SNS::TopicPolicy lets"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_rule_finds_planted_fault(fault: Fault) -> None:
    findings = found(fault.rule_id, planted(fault.change))
    assert any(fault.finding in finding for finding in findings), findings


def test_every_house_rule_has_a_planted_fault() -> None:
    """Those of the others are in naive.yaml."""
    faults = [*FAULTS, *test_state_machine_rules.FAULTS]
    assert ALL_RULES.keys() - GENERAL_RULES.keys() - {fault.rule_id for fault in faults} == set()


CHOSEN_LATER = {"Fn::If": ["IsProduction", 5, 1]}

SILENT: dict[str, Change] = {
    "times that are parameters": both(
        put(*of("WorkQueue", "VisibilityTimeout"), value={"Ref": "Visibility"}),
        put(*of("WorkQueue", "MessageRetentionPeriod"), value={"Ref": "Retention"}),
        put(*of("WorkQueue", "RedrivePolicy", "maxReceiveCount"), value=CHOSEN_LATER),
        put(*of("ReporterFunction", "Timeout"), value=CHOSEN_LATER),
    ),
    "a redrive policy by condition": put(*of("WorkQueue", "RedrivePolicy"), value=CHOSEN_LATER),
    "a batch of one": both(drop(*EVENT, "FunctionResponseTypes"), put(*EVENT, "BatchSize", value=1)),
    "a queue of another stack": put(*EVENT, "Queue", value={"Fn::ImportValue": "queue"}),
    "a pipe that reads dead letters": both(
        drop(*of("ReporterFunction", "Events")),
        resource("Pipe", "AWS::Pipes::Pipe", Source={"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}),
    ),
    "data in a log that is off": put(*of("Machine", "Logging"), value={"IncludeExecutionData": True, "Level": "OFF"}),
    "SAM's policy for callbacks": put(
        *of("WorkerFunction", "Policies"), value=[{"StepFunctionsCallbackPolicy": {"StateMachineName": "m"}}]
    ),
    "a managed policy that may hold the rest": both(
        put(*WORKER_STATEMENTS, 1, "Action", value="states:SendTaskSuccess"),
        put(*of("WorkerRole", "ManagedPolicyArns"), value=["arn:aws:iam::aws:policy/AWSStepFunctionsFullAccess"]),
    ),
    "a right that knows no resource": put(
        *MACHINE_STATEMENTS, 0, value={"Effect": "Allow", "Action": ["sqs:ListQueues", "s3:List*"], "Resource": "*"}
    ),
    "a resource by condition": put(*MACHINE_STATEMENTS, 0, "Resource", value={"Fn::If": ["IsProduction", "*", "a"]}),
    "code that is no Python": code("function ( {"),
    **{
        f"printing {text}": code(text)
        for text in (
            "print('event')",
            "print(len(order))",
            "print(order['orderId'])",
            "logger.info('token received')",
            "logger.info('answered', extra={'id': order['orderId']})",
            "print(next_token)",
            "table.put_item(order)",
            "logger.inject_lambda_context(log_event=False)",
        )
    },
}


@pytest.mark.parametrize("change", SILENT.values(), ids=list(SILENT))
def test_general_rules_are_silent_on_what_is_sound_or_not_known(change: Change) -> None:
    assert all_found(planted(change), house=False) == []


def test_a_function_that_has_nothing_to_do_with_callbacks_may_log_its_event() -> None:
    def change(body: Fields) -> None:
        code("print(order)")(body)
        del body["Resources"]["Machine"]

    assert found("EC2017", planted(change)) == []


def test_code_beside_a_template_is_read_with_what_it_imports(tmp_path: Path) -> None:
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "worker.py").write_text(
        "from shared import show\n\ndef handler(event, _):\n    show(event)\n"
    )
    (tmp_path / "functions" / "shared.py").write_text(
        "def show(event):\n    print(event)\n    send_task_success(event)\n"
    )
    function = {
        "Type": "AWS::Serverless::Function",
        "Properties": {"CodeUri": "functions/", "Handler": "worker.handler"},
    }
    template = tmp_path / "template.json"
    template.write_text(json.dumps({"Resources": {"Worker": function}}))

    [finding] = lint([template], GENERAL_RULES).findings

    assert (finding.problem.path, finding.problem.line) == (tmp_path / "functions" / "shared.py", 2)
    assert finding.problem.message == "Worker: logs event, and with it task tokens"


def test_the_sound_template_is_sound_where_it_stands() -> None:
    assert lint([SOUND.parent], ALL_RULES).findings == []
