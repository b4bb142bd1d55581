"""The ARNs of a deployed stack's resources, and others that resemble them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from tools.stack import Stack

# By type, what an ARN holds after the account; None where the physical ID is the ARN itself
FORMS: Mapping[str, str | None] = {
    "AWS::ApiGateway::RestApi": "apigateway:/restapis/{}",
    "AWS::CloudWatch::Alarm": "cloudwatch:alarm:{}",
    "AWS::DynamoDB::Table": "dynamodb:table/{}",
    "AWS::IAM::Role": "iam:role/{}",
    "AWS::KMS::Key": "kms:key/{}",
    "AWS::Lambda::Function": "lambda:function:{}",
    "AWS::Logs::LogGroup": "logs:log-group:{}",
    "AWS::S3::Bucket": "s3:{}",
    "AWS::SNS::Topic": None,
    "AWS::SQS::Queue": "sqs:{}",
    "AWS::StepFunctions::StateMachine": None,
}
GLOBAL = {"iam"}  # services whose ARNs name no region
NOWHERE = {"s3"}  # services whose ARNs name neither region nor account
# In a bucket: what the templates know, each beside what only begins alike
FOLDERS = [f"{name}{more}" for name in ("inbound", "outbound", "processed", "rejected", "tokens") for more in ("", "2")]
# CloudWatch Logs decides about CreateLogStream and PutLogEvents by the ARN of a log stream
LOG_STREAM = ":log-stream:2026/11/20/[$LATEST]0123456789abcdef"


@dataclass(frozen=True)
class Arn:
    partition: str
    service: str
    region: str
    account: str
    name: str
    suffix: str = ""

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.name}{self.suffix}"

    def but(self, **parts: str) -> str:
        return str(Arn(**{**vars(self), **parts}))

    def near_misses(self, stack_name: str) -> Iterator[str]:
        """The same in another stack, region or account; a name that this one begins, and one that begins this one."""
        another = self.name.replace(stack_name, "another-stack")
        yield self.but(name=another if another != self.name else self.name[:-4] + "beef")
        yield self.but(name=f"{self.name}2")
        yield self.but(name=self.name[:-1])
        yield self.but(account="999999999999")
        yield self.but(region="eu-central-1")


def stack_arns(stack: Stack) -> dict[str, Arn]:
    """By logical ID, every resource of the stack that has an ARN of a type in FORMS; of log groups a stream.

    Of a bucket also `ID/FOLDER`, an object in a folder; of a table `ID/stream`, its stream; of a state machine
    `ID/executions`, one of its executions.
    """
    [description] = stack.client("cloudformation").describe_stacks(StackName=stack.name)["Stacks"]
    _, partition, _, region, account, _ = description["StackId"].split(":", 5)
    arns = {}
    for resource in stack.resources():
        kind, physical_id = resource["ResourceType"], resource["PhysicalResourceId"]
        if kind not in FORMS:
            continue
        form = FORMS[kind]
        if form is None:
            _, _, service, _, _, name = physical_id.split(":", 5)
        else:
            service, name = form.format(physical_id.rpartition("/")[2] if "SQS" in kind else physical_id).split(":", 1)
        arns[resource["LogicalResourceId"]] = Arn(
            partition,
            service,
            "" if service in GLOBAL | NOWHERE else region,
            "" if service in NOWHERE else account,
            name,
            LOG_STREAM if service == "logs" else "",
        )
        if kind == "AWS::S3::Bucket":
            bucket = arns[resource["LogicalResourceId"]]
            for folder in FOLDERS:
                arns[f"{resource['LogicalResourceId']}/{folder}"] = replace(bucket, suffix=f"/{folder}/file")
        if kind == "AWS::StepFunctions::StateMachine":
            executions = replace(arns[resource["LogicalResourceId"]], name=name.replace("stateMachine:", "execution:"))
            arns[f"{resource['LogicalResourceId']}/executions"] = replace(executions, suffix=":order-1")
        if kind == "AWS::DynamoDB::Table":
            table = stack.client("dynamodb").describe_table(TableName=physical_id)["Table"]
            stream = table["LatestStreamArn"].split(":", 5)[5]  # the embedded AWS's label may be a millisecond off
            arns[f"{resource['LogicalResourceId']}/stream"] = replace(arns[resource["LogicalResourceId"]], name=stream)
    return arns
