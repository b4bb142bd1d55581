"""Clients with the types of AWS's service models, so that `make check` checks calls that nothing here can try."""

from mypy_boto3_cloudwatch import CloudWatchClient
from mypy_boto3_iam import IAMClient
from mypy_boto3_logs import CloudWatchLogsClient
from mypy_boto3_sns import SNSClient
from mypy_boto3_sqs import SQSClient
from mypy_boto3_stepfunctions import SFNClient
from mypy_boto3_sts import STSClient
from mypy_boto3_xray import XRayClient

from tools.stack import Stack


class Clients:
    def __init__(self, stack: Stack) -> None:
        self.cloudwatch: CloudWatchClient = stack.client("cloudwatch")
        self.iam: IAMClient = stack.client("iam")
        self.logs: CloudWatchLogsClient = stack.client("logs")
        self.sns: SNSClient = stack.client("sns")
        self.sqs: SQSClient = stack.client("sqs")
        self.stepfunctions: SFNClient = stack.client("stepfunctions")
        self.sts: STSClient = stack.client("sts")
        self.xray: XRayClient = stack.client("xray")
