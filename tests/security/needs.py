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

WORKFLOW_NEAR_MISSES = ("states:RedriveExecution", "states:StopExecution", "states:UpdateStateMachine")
KEY_NEAR_MISSES = ("kms:Encrypt", *TAKE_OVER_A_KEY)
LOG_NEAR_MISSES = ("logs:DeleteLogStream", "logs:GetLogEvents", "logs:PutRetentionPolicy")
ANYWHERE = (*ANSWER, *RECEIVE, *WRITE_LOGS, "sqs:SendMessage", "sns:Publish", "kms:Decrypt", *ESCALATE)
WORKFLOW_ANYWHERE = (*ANSWER, *RECEIVE, "sqs:SendMessage", "sns:Publish", "kms:Decrypt", *ESCALATE)

MANUAL_CALLBACK: Mapping[str, Role] = {
    "ManualCallbackStateMachineRole": Role(
        trusted="states.amazonaws.com",
        needs={
            "ManualCallbackQueue": ("sqs:SendMessage",),
            "EncryptionKmsKey": ("kms:Decrypt", "kms:GenerateDataKey"),
            "*": (*DELIVER_LOGS, *TRACE_WORKFLOWS),
        },
        near_misses={
            "ManualCallbackQueue": (*RECEIVE, *TAKE_OVER_A_QUEUE),
            "DeadLetterQueue": ("sqs:SendMessage",),
            "EncryptionKmsKey": KEY_NEAR_MISSES,
            "ManualCallbackStateMachine": (*ANSWER, *WORKFLOW_NEAR_MISSES, "states:StartExecution"),
            "ManualCallbackFunction": ("lambda:InvokeFunction",),
            "*": WORKFLOW_ANYWHERE,
        },
    ),
    "ManualCallbackRole": Role(
        trusted="lambda.amazonaws.com",
        needs={
            "ManualCallbackStateMachine": ANSWER,
            "EncryptionKmsKey": ("kms:Decrypt",),
            "ManualCallbackLogGroup": WRITE_LOGS,
            "*": SEND_TRACES,
        },
        near_misses={
            "ManualCallbackQueue": (*RECEIVE, "sqs:SendMessage", *TAKE_OVER_A_QUEUE),
            "DeadLetterQueue": RECEIVE,
            "ManualCallbackStateMachine": (*WORKFLOW_NEAR_MISSES, "states:StartExecution"),
            "EncryptionKmsKey": ("kms:GenerateDataKey", *KEY_NEAR_MISSES),
            "ManualCallbackLogGroup": LOG_NEAR_MISSES,
            "DeadLetterReporterLogGroup": WRITE_LOGS,
            "*": ANYWHERE,
        },
    ),
    "DeadLetterReporterRole": Role(
        trusted="lambda.amazonaws.com",
        needs={
            "DeadLetterQueue": RECEIVE,
            "ManualCallbackStateMachine": ANSWER,
            "EncryptionKmsKey": ("kms:Decrypt",),
            "DeadLetterReporterLogGroup": WRITE_LOGS,
            "*": SEND_TRACES,
        },
        near_misses={
            "DeadLetterQueue": ("sqs:SendMessage", *TAKE_OVER_A_QUEUE),
            "ManualCallbackQueue": (*RECEIVE, "sqs:SendMessage"),
            "QuarantineQueue": (*RECEIVE, "sqs:SendMessage"),
            "ManualCallbackStateMachine": WORKFLOW_NEAR_MISSES,
            "EncryptionKmsKey": ("kms:GenerateDataKey", *KEY_NEAR_MISSES),
            "DeadLetterReporterLogGroup": LOG_NEAR_MISSES,
            "ManualCallbackLogGroup": WRITE_LOGS,
            "*": ANYWHERE,
        },
    ),
}

ASYNC_API: Mapping[str, Role] = {
    "AsyncApiStateMachineRole": Role(
        trusted="states.amazonaws.com",
        needs={
            "ApiRequestQueue": ("sqs:SendMessage",),
            "NotificationTopic": ("sns:Publish",),
            "EncryptionKmsKey": ("kms:Decrypt", "kms:GenerateDataKey"),
            "*": (*DELIVER_LOGS, *TRACE_WORKFLOWS),
        },
        near_misses={
            "ApiRequestQueue": (*RECEIVE, *TAKE_OVER_A_QUEUE),
            "DeadLetterQueue": ("sqs:SendMessage",),
            "UndeliveredNotificationQueue": ("sqs:SendMessage",),
            "NotificationTopic": ("sns:DeleteTopic", "sns:SetTopicAttributes", "sns:Subscribe"),
            "EncryptionKmsKey": KEY_NEAR_MISSES,
            "AsyncApiSimulatorStateMachine": (*ANSWER, *WORKFLOW_NEAR_MISSES, "states:StartExecution"),
            "AsyncApiSimulatorFunction": ("lambda:InvokeFunction",),
            "*": WORKFLOW_ANYWHERE,
        },
    ),
    "AsyncApiSimulatorStateMachineRole": Role(
        trusted="states.amazonaws.com",
        needs={
            "AsyncApiSimulatorFunction": ("lambda:InvokeFunction",),
            "*": (*DELIVER_LOGS, *TRACE_WORKFLOWS),
        },
        near_misses={
            "AsyncApiSimulatorFunction": ("lambda:DeleteFunction", "lambda:UpdateFunctionCode"),
            "AsyncApiRequesterFunction": ("lambda:InvokeFunction",),
            "ApiRequestQueue": (*RECEIVE, "sqs:SendMessage"),
            "NotificationTopic": ("sns:Publish",),
            "AsyncApiStateMachine": (*ANSWER, *WORKFLOW_NEAR_MISSES, "states:StartExecution"),
            "EncryptionKmsKey": ("kms:Decrypt", "kms:GenerateDataKey", *KEY_NEAR_MISSES),
            "*": WORKFLOW_ANYWHERE,
        },
    ),
    "AsyncApiRequesterRole": Role(
        trusted="lambda.amazonaws.com",
        needs={
            "ApiRequestQueue": RECEIVE,
            "AsyncApiSimulatorStateMachine": ("states:StartExecution",),
            "AsyncApiStateMachine": ANSWER,
            "EncryptionKmsKey": ("kms:Decrypt",),
            "AsyncApiRequesterLogGroup": WRITE_LOGS,
            "*": SEND_TRACES,
        },
        near_misses={
            "ApiRequestQueue": ("sqs:SendMessage", *TAKE_OVER_A_QUEUE),
            "DeadLetterQueue": RECEIVE,
            "AsyncApiStateMachine": ("states:StartExecution", *WORKFLOW_NEAR_MISSES),
            "AsyncApiSimulatorStateMachine": (*ANSWER, *WORKFLOW_NEAR_MISSES),
            "AsyncApiSimulatorFunction": ("lambda:InvokeFunction",),
            "EncryptionKmsKey": ("kms:GenerateDataKey", *KEY_NEAR_MISSES),
            "AsyncApiRequesterLogGroup": LOG_NEAR_MISSES,
            "AsyncApiSimulatorLogGroup": WRITE_LOGS,
            "*": ("states:StartExecution", *ANYWHERE),
        },
    ),
    "AsyncApiSimulatorRole": Role(
        trusted="lambda.amazonaws.com",
        needs={
            "AsyncApiStateMachine": ANSWER,
            "EncryptionKmsKey": ("kms:Decrypt",),
            "AsyncApiSimulatorLogGroup": WRITE_LOGS,
            "*": SEND_TRACES,
        },
        near_misses={
            "ApiRequestQueue": (*RECEIVE, "sqs:SendMessage"),
            "AsyncApiStateMachine": ("states:StartExecution", *WORKFLOW_NEAR_MISSES),
            "AsyncApiSimulatorStateMachine": (*ANSWER, "states:StartExecution"),
            "EncryptionKmsKey": ("kms:GenerateDataKey", *KEY_NEAR_MISSES),
            "AsyncApiSimulatorLogGroup": LOG_NEAR_MISSES,
            "AsyncApiRequesterLogGroup": WRITE_LOGS,
            "*": ANYWHERE,
        },
    ),
    "DeadLetterReporterRole": Role(
        trusted="lambda.amazonaws.com",
        needs={
            "DeadLetterQueue": RECEIVE,
            "AsyncApiStateMachine": ANSWER,
            "EncryptionKmsKey": ("kms:Decrypt",),
            "DeadLetterReporterLogGroup": WRITE_LOGS,
            "*": SEND_TRACES,
        },
        near_misses={
            "DeadLetterQueue": ("sqs:SendMessage", *TAKE_OVER_A_QUEUE),
            "ApiRequestQueue": (*RECEIVE, "sqs:SendMessage"),
            "QuarantineQueue": (*RECEIVE, "sqs:SendMessage"),
            "AsyncApiStateMachine": WORKFLOW_NEAR_MISSES,
            "AsyncApiSimulatorStateMachine": (*ANSWER, "states:StartExecution"),
            "EncryptionKmsKey": ("kms:GenerateDataKey", *KEY_NEAR_MISSES),
            "DeadLetterReporterLogGroup": LOG_NEAR_MISSES,
            "*": ANYWHERE,
        },
    ),
    "NotificationLoggerRole": Role(
        trusted="lambda.amazonaws.com",
        needs={
            "UndeliveredNotificationQueue": ("sqs:SendMessage",),
            "EncryptionKmsKey": ("kms:Decrypt", "kms:GenerateDataKey"),
            "NotificationLoggerLogGroup": WRITE_LOGS,
            "*": SEND_TRACES,
        },
        near_misses={
            "UndeliveredNotificationQueue": (*RECEIVE, *TAKE_OVER_A_QUEUE),
            "QuarantineQueue": ("sqs:SendMessage",),
            "NotificationTopic": ("sns:Publish", "sns:Subscribe"),
            "AsyncApiStateMachine": (*ANSWER, "states:StartExecution"),
            "EncryptionKmsKey": KEY_NEAR_MISSES,
            "NotificationLoggerLogGroup": LOG_NEAR_MISSES,
            "*": ANYWHERE,
        },
    ),
}

# By the section of samconfig.toml that deploys the stack
TABLES: Mapping[str, Mapping[str, Role]] = {
    "default": PAYMENT_CALLBACK,
    "manual-callback": MANUAL_CALLBACK,
    "async-api": ASYNC_API,
}
