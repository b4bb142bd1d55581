"""Every rule about templates finds the fault that it is there for, and is silent on what is sound or not known."""

import json
from pathlib import Path

import pytest

from callback_lint.catalogue import RULES
from callback_lint.documents import Fields, Json
from callback_lint.linter import lint
from planting import DEFINITION, SOUND, Change, Fault, all_found, both, drop, found, of, planted, put

REQUEST = (*DEFINITION, "States", "RequestWork")
RESOURCE, ARGUMENTS = (*REQUEST, "Resource"), (*REQUEST, "Arguments")
TOKEN = "{% $states.context.Task.Token %}"
EVENT = of("WorkerFunction", "Events", "Work", "Properties")
MACHINE_STATEMENTS = of("MachineRole", "Policies", 0, "PolicyDocument", "Statement")
WORKER_STATEMENTS = of("WorkerRole", "Policies", 0, "PolicyDocument", "Statement")


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
    Fault(
        "EC2017",
        put(*of("WorkerFunction", "Environment"), value={"Variables": {"POWERTOOLS_LOGGER_LOG_EVENT": "true"}}),
        "WorkerFunction: POWERTOOLS_LOGGER_LOG_EVENT is true",
    ),
    Fault(
        "EC2016",
        both(
            put(*RESOURCE, value="arn:aws:states:::states:startExecution.waitForTaskToken"),
            put(*ARGUMENTS, value={"StateMachineArn": {"Ref": "Child"}, "Input": {"token": TOKEN}}),
            resource(
                "Child",
                "AWS::Serverless::StateMachine",
                Definition={"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}},
                Logging={"Level": "ALL", "IncludeExecutionData": True},
            ),
        ),
        "Child: Logging.IncludeExecutionData is true: task tokens, which RequestWork passes on",
    ),
    # times
    Fault("EC2025", put(*of("WorkQueue", "DelaySeconds"), value=3600), "WorkQueue: DelaySeconds 3600 is not below"),
    Fault(
        "EC2025",
        both(put(*ARGUMENTS, "DelaySeconds", value=900), put(*REQUEST, "HeartbeatSeconds", value=600)),
        "RequestWork: DelaySeconds 900 is not below the 600 s",
    ),
    Fault("EC2025", put(*of("WorkQueue", "VisibilityTimeout"), value=720), "VisibilityTimeout 720 x maxReceiveCount 5"),
    Fault("EC2025", put(*of("WorkQueue", "VisibilityTimeout"), value=43200), "VisibilityTimeout 43200 x"),
    Fault(
        "EC2004",
        both(
            put(*of("WorkQueue", "MessageRetentionPeriod"), value=1209600),
            put(*of("DeadLetterQueue", "MessageRetentionPeriod"), value=345600),
        ),
        "DeadLetterQueue: MessageRetentionPeriod 345600 is under the 1209600 of WorkQueue",
    ),
    Fault(
        "EC2004",
        both(
            put(*of("WorkQueue", "VisibilityTimeout"), value=43200),
            put(*of("WorkQueue", "RedrivePolicy", "maxReceiveCount"), value=10),
        ),
        "WorkQueue: MessageRetentionPeriod 345600 does not exceed VisibilityTimeout 43200 x maxReceiveCount 10",
    ),
    # FIFO
    Fault("EC2020", put(*of("WorkQueue", "FifoQueue"), value=True), "RequestWork: Arguments.MessageGroupId is missing"),
    Fault("EC2020", put(*of("WorkQueue", "FifoQueue"), value=True), "RequestWork: Arguments.MessageDeduplicationId"),
    Fault("EC2020", put(*of("Topic", "FifoTopic"), value=True), "NotifyFailure: Arguments.MessageGroupId is missing"),
    Fault("EC2021", put(*of("WorkQueue", "FifoQueue"), value=True), "WorkQueue: is a FIFO queue, and its dead-letter"),
    Fault("EC2021", put(*of("DeadLetterQueue", "FifoQueue"), value=True), "WorkQueue: is a standard queue, and its"),
    # aliases
    *(
        Fault("EC2022", both(put(*of("WorkerFunction", "AutoPublishAlias"), value="live"), change), finding)
        for change, finding in (
            (
                resource("Mapping", "AWS::Lambda::EventSourceMapping", FunctionName={"Ref": "WorkerFunction"}),
                "Mapping: FunctionName names WorkerFunction and goes past its alias",
            ),
            (
                resource("Rule", "AWS::Events::Rule", Targets=[{"Arn": {"Fn::GetAtt": ["WorkerFunction", "Arn"]}}]),
                "Rule: Targets names WorkerFunction",
            ),
            (
                resource("Subscription", "AWS::SNS::Subscription", Endpoint={"Fn::GetAtt": "WorkerFunction.Arn"}),
                "Subscription: Endpoint names WorkerFunction",
            ),
            (
                resource(
                    "Bucket",
                    "AWS::S3::Bucket",
                    NotificationConfiguration={
                        "LambdaConfigurations": [{"Function": {"Fn::Sub": "${WorkerFunction.Arn}"}}]
                    },
                ),
                "Bucket: NotificationConfiguration names WorkerFunction",
            ),
        )
    ),
    Fault(
        "EC2022",
        both(
            put(*of("Machine", "AutoPublishAlias"), value="live"),
            put(*of("Machine", "Events"), value={"Daily": {"Type": "Schedule"}}),
        ),
        "Machine: Events start the state machine past its alias",
    ),
    # code
    Fault("EC2024", put(*of("WorkerFunction", "CodeUri"), value="function/"), "CodeUri function/ does not exist"),
    # rights
    Fault("EC3004", put(*WORKER_STATEMENTS, value=[]), "WorkerFunction: calls states:SendTaskSuccess, which"),
    Fault(
        "EC3004",
        put(*WORKER_STATEMENTS, 1, "Action", value=["states:SendTaskFailure", "states:SendTaskHeartbeat"]),
        "WorkerFunction: calls states:SendTaskSuccess, which no policy",
    ),
    Fault(
        "EC3004",
        both(drop(*of("WorkerFunction", "Role")), put(*of("WorkerFunction", "Policies"), value=["AWSLambdaExecute"])),
        "WorkerFunction: calls states:SendTaskSuccess",
    ),
    *(
        Fault("EC3005", put(*WORKER_STATEMENTS, 1, "Resource", value=value), f"AnswerTaskTokens allows {finding}")
        for value, finding in (
            ({"Fn::Sub": "arn:aws:states:${AWS::Region}:1:execution:${Machine.Name}:*"}, "states:SendTaskFailure"),
            ("arn:aws:states:us-east-1:1:execution:m:*", "states:SendTaskFailure"),
            ({"Fn::GetAtt": ["WorkQueue", "Arn"]}, "states:SendTaskFailure"),
            ([{"Ref": "Machine"}, {"Ref": "Topic"}], "states:SendTaskFailure"),
        )
    ),
    Fault("EC3002", put(*MACHINE_STATEMENTS, 0, "Action", value="sqs:*"), "MachineRole: SendWork allows Action sqs:*"),
    Fault(
        "EC3002", put(*MACHINE_STATEMENTS, 0, "Resource", value="*"), "SendWork allows sqs:SendMessage on Resource *"
    ),
    Fault(
        "EC3002",
        put(*of("WorkerFunction", "Policies"), value=[{"Statement": [{"Effect": "Allow", "Action": ["*"]}]}]),
        "WorkerFunction: a statement allows Action *",
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_rule_finds_planted_fault(fault: Fault) -> None:
    findings = found(fault.rule_id, planted(fault.change))
    assert any(fault.finding in finding for finding in findings), findings


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
    "a policy that cannot be read": both(
        drop(*of("WorkerFunction", "Role")), put(*of("WorkerFunction", "Policies"), value=[{"Ref": "Policy"}])
    ),
    "a role of another stack": put(*of("WorkerFunction", "Role"), value={"Fn::ImportValue": "role"}),
    "a right by a wildcard": put(*WORKER_STATEMENTS, 1, "Action", value="states:SendTask*"),
    "an activity's tokens": both(
        put(*WORKER_STATEMENTS, 1, "Resource", value={"Ref": "Activity"}),
        resource("Activity", "AWS::StepFunctions::Activity", Name="a"),
    ),
    "the alias of a function": both(
        put(*of("WorkerFunction", "AutoPublishAlias"), value="live"),
        resource("Rule", "AWS::Events::Rule", Targets=[{"Arn": {"Ref": "WorkerFunction.Alias"}}]),
    ),
    "events at the alias": both(
        put(*of("Machine", "AutoPublishAlias"), value="live"),
        put(*of("Machine", "UseAliasAsEventTarget"), value=True),
        put(*of("Machine", "Events"), value={"Daily": {"Type": "Schedule"}}),
    ),
    "FIFO queues throughout": both(
        *(put(*of(name, "FifoQueue"), value=True) for name in ("WorkQueue", "DeadLetterQueue", "QuarantineQueue")),
        put(*of("WorkQueue", "ContentBasedDeduplication"), value=True),
        put(*ARGUMENTS, "MessageGroupId", value="g"),
    ),
    "a wait below one visibility timeout, as advised": put(*REQUEST, "TimeoutSeconds", value=60),
    "a delay that leaves time": put(*of("WorkQueue", "DelaySeconds"), value=60),
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
    assert all_found(planted(change)) == []


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

    [finding] = [finding for finding in lint([template], RULES).findings if finding.rule.id == "EC2017"]

    assert (finding.problem.path, finding.problem.line) == (tmp_path / "functions" / "shared.py", 2)
    assert finding.problem.message == "Worker: logs event, and with it task tokens"


def test_the_sound_template_is_sound_where_it_stands() -> None:
    assert lint([SOUND.parent], RULES).findings == []
