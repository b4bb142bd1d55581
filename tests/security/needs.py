"""What every role needs, written by hand: all of this is allowed, and nothing else.

One table a stack. A resource is the logical ID of one in the template, or `*` for actions that know no resources.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Role:
    """`trusted` may assume the role. `near_misses` are the refusals that a reader should see by name."""

    trusted: str
    needs: Mapping[str, tuple[str, ...]]  # actions by resource
    near_misses: Mapping[str, tuple[str, ...]]


RECEIVE = ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")
ANSWER = ("states:SendTaskFailure", "states:SendTaskHeartbeat", "states:SendTaskSuccess")
WRITE_LOGS = ("logs:CreateLogStream", "logs:PutLogEvents")
SEND_TRACES = ("xray:PutTelemetryRecords", "xray:PutTraceSegments")
# https://docs.aws.amazon.com/step-functions/latest/dg/concepts-xray-tracing.html: a workflow samples, too
TRACE_WORKFLOWS = (*SEND_TRACES, "xray:GetSamplingRules", "xray:GetSamplingTargets")
# https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
DELIVER_LOGS = (
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
)
TAKE_OVER_A_QUEUE = (
    "sqs:AddPermission",
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteQueue",
    "sqs:PurgeQueue",
    "sqs:SetQueueAttributes",
    "sqs:StartMessageMoveTask",
)
TAKE_OVER_A_KEY = (
    "kms:CreateGrant",
    "kms:DisableKey",
    "kms:PutKeyPolicy",
    "kms:ReEncryptTo",
    "kms:ScheduleKeyDeletion",
)
ESCALATE = (
    "cloudformation:UpdateStack",
    "iam:AttachRolePolicy",
    "iam:CreateAccessKey",
    "iam:PassRole",
    "iam:PutRolePolicy",
    "lambda:InvokeFunction",
    "lambda:UpdateFunctionCode",
    "s3:GetObject",
    "secretsmanager:GetSecretValue",
    "sqs:ListQueues",
    "states:ListStateMachines",
    "sts:AssumeRole",
)

PAYMENT_CALLBACK: Mapping[str, Role] = {
    "WaitForCallbackStateMachineRole": Role(
        trusted="states.amazonaws.com",
        needs={
            "PaymentQueue": ("sqs:SendMessage",),
            "NotificationTopic": ("sns:Publish",),
            "EncryptionKmsKey": ("kms:Decrypt", "kms:GenerateDataKey"),
            "*": (*DELIVER_LOGS, *TRACE_WORKFLOWS),
        },
        near_misses={
            "PaymentQueue": (*RECEIVE, *TAKE_OVER_A_QUEUE),
            "DeadLetterQueue": ("sqs:SendMessage",),
            "NotificationTestQueue": ("sqs:SendMessage",),
            "NotificationTopic": ("sns:AddPermission", "sns:DeleteTopic", "sns:SetTopicAttributes", "sns:Subscribe"),
            "EncryptionKmsKey": ("kms:Encrypt", *TAKE_OVER_A_KEY),
            "WaitForCallbackStateMachine": (*ANSWER, "states:StartExecution", "states:UpdateStateMachine"),
            "WaitForCallbackStateMachineLogGroup": ("logs:DeleteLogGroup", "logs:GetLogEvents"),
            "PaymentWorkerFunction": ("lambda:InvokeFunction",),
            "PaymentWorkerRole": ("iam:PassRole", "sts:AssumeRole"),
            "*": ("sqs:SendMessage", "sns:Publish", "kms:Decrypt", *ESCALATE),
        },
    ),
    "PaymentWorkerRole": Role(
        trusted="lambda.amazonaws.com",
        needs={
            "PaymentQueue": RECEIVE,
            "WaitForCallbackStateMachine": ANSWER,
            "EncryptionKmsKey": ("kms:Decrypt",),
            "PaymentWorkerLogGroup": WRITE_LOGS,
            "*": SEND_TRACES,
        },
        near_misses={
            "PaymentQueue": ("sqs:SendMessage", *TAKE_OVER_A_QUEUE),
            "DeadLetterQueue": (*RECEIVE, "sqs:SendMessage"),
            "QuarantineQueue": RECEIVE,
            "NotificationTestQueue": RECEIVE,
            "NotificationTopic": ("sns:Publish", "sns:Subscribe"),
            "WaitForCallbackStateMachine": ("states:RedriveExecution", "states:StartExecution", "states:StopExecution"),
            "EncryptionKmsKey": ("kms:Encrypt", "kms:GenerateDataKey", *TAKE_OVER_A_KEY),
            "PaymentWorkerLogGroup": ("logs:DeleteLogStream", "logs:GetLogEvents", "logs:PutRetentionPolicy"),
            "DeadLetterReporterLogGroup": WRITE_LOGS,
            "WaitForCallbackStateMachineLogGroup": WRITE_LOGS,
            "DeadLetterReporterFunction": ("lambda:InvokeFunction",),
            "*": (*ANSWER, *RECEIVE, *WRITE_LOGS, "logs:CreateLogGroup", "kms:Decrypt", *ESCALATE),
        },
    ),
    "DeadLetterReporterRole": Role(
        trusted="lambda.amazonaws.com",
        needs={
            "DeadLetterQueue": RECEIVE,
            "WaitForCallbackStateMachine": ANSWER,
            "EncryptionKmsKey": ("kms:Decrypt",),
            "DeadLetterReporterLogGroup": WRITE_LOGS,
            "*": SEND_TRACES,
        },
        near_misses={
            "DeadLetterQueue": ("sqs:SendMessage", *TAKE_OVER_A_QUEUE),
            "PaymentQueue": (*RECEIVE, "sqs:SendMessage"),
            "QuarantineQueue": (*RECEIVE, "sqs:SendMessage"),
            "UndeliveredNotificationQueue": RECEIVE,
            "NotificationTopic": ("sns:Publish", "sns:Subscribe"),
            "WaitForCallbackStateMachine": ("states:RedriveExecution", "states:StartExecution", "states:StopExecution"),
            "EncryptionKmsKey": ("kms:Encrypt", "kms:GenerateDataKey", *TAKE_OVER_A_KEY),
            "DeadLetterReporterLogGroup": ("logs:DeleteLogStream", "logs:GetLogEvents", "logs:PutRetentionPolicy"),
            "PaymentWorkerLogGroup": WRITE_LOGS,
            "PaymentWorkerFunction": ("lambda:InvokeFunction",),
            "*": (*ANSWER, *RECEIVE, *WRITE_LOGS, "logs:CreateLogGroup", "kms:Decrypt", *ESCALATE),
        },
    ),
}

# By the section of samconfig.toml that deploys the stack
TABLES: Mapping[str, Mapping[str, Role]] = {"default": PAYMENT_CALLBACK}
