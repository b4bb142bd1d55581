"""What every role needs, written by hand: all of this is allowed, and nothing else.

One table a stack; actions by the logical ID of a resource in the template, or by `*` if they know no resources.
"""

from collections.abc import Mapping
from dataclasses import dataclass

Needs = Mapping[str, tuple[str, ...]]

SEND = ("sqs:SendMessage",)
RECEIVE = ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")
PUBLISH = ("sns:Publish",)
START = ("states:StartExecution",)
ANSWER = ("states:SendTaskFailure", "states:SendTaskHeartbeat", "states:SendTaskSuccess")
DESCRIBE = ("states:DescribeExecution",)
INVOKE = ("lambda:InvokeFunction",)
DECRYPT = ("kms:Decrypt",)
ENCRYPT = ("kms:Decrypt", "kms:GenerateDataKey")  # as queues and topics do for whoever sends to them
TELL_MISSING_FROM_FORBIDDEN = ("s3:ListBucket",)  # S3 tells only those who may list that an object is not there
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html: of a table
USE_TABLE_KEY = (*ENCRYPT, "kms:DescribeKey", "kms:Encrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo")
READ_STREAM = ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator")
FIND_STREAMS = ("dynamodb:ListStreams",)  # Lambda asks for it beside the three
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


@dataclass(frozen=True)
class Role:
    """The service that is `trusted` assumes the role; `this_account_only`: for no other account's state machines."""

    trusted: str
    needs: Needs
    this_account_only: bool = False


def workflow(needs: Needs) -> Role:
    return Role("states.amazonaws.com", {**needs, "*": (*DELIVER_LOGS, *TRACE_WORKFLOWS)}, this_account_only=True)


def function(needs: Needs) -> Role:
    """What every function needs, the key of its environment variables among it, and its own needs."""
    everyone = {"EncryptionKmsKey": DECRYPT, "FunctionLogGroup": WRITE_LOGS, "*": SEND_TRACES}
    return Role("lambda.amazonaws.com", {**everyone, **needs})


# By stack name
TABLES: Mapping[str, Mapping[str, Role]] = {
    "payment-callback": {
        "WaitForCallbackStateMachineRole": workflow(
            {"PaymentQueue": SEND, "NotificationTopic": PUBLISH, "EncryptionKmsKey": ENCRYPT}
        ),
        "PaymentWorkerRole": function({"PaymentQueue": RECEIVE, "WaitForCallbackStateMachine": ANSWER}),
        "DeadLetterReporterRole": function({"DeadLetterQueue": RECEIVE, "WaitForCallbackStateMachine": ANSWER}),
    },
    "manual-callback": {
        "ManualCallbackStateMachineRole": workflow({"ManualCallbackQueue": SEND, "EncryptionKmsKey": ENCRYPT}),
        "ManualCallbackRole": function({"ManualCallbackStateMachine": ANSWER}),
        "DeadLetterReporterRole": function({"DeadLetterQueue": RECEIVE, "ManualCallbackStateMachine": ANSWER}),
    },
    "async-api": {
        "AsyncApiStateMachineRole": workflow(
            {"ApiRequestQueue": SEND, "NotificationTopic": PUBLISH, "EncryptionKmsKey": ENCRYPT}
        ),
        "AsyncApiSimulatorStateMachineRole": workflow({"AsyncApiSimulatorFunction": INVOKE}),
        "AsyncApiRequesterRole": function(
            {"ApiRequestQueue": RECEIVE, "AsyncApiSimulatorStateMachine": START, "AsyncApiStateMachine": ANSWER}
        ),
        "AsyncApiSimulatorRole": function({"AsyncApiStateMachine": ANSWER}),
        "DeadLetterReporterRole": function({"DeadLetterQueue": RECEIVE, "AsyncApiStateMachine": ANSWER}),
        "NotificationLoggerRole": function({"UndeliveredNotificationQueue": SEND, "EncryptionKmsKey": ENCRYPT}),
    },
    "file-exchange": {
        "FileExchangeStateMachineRole": workflow(
            {
                "FileExchangeProcessorFunction": INVOKE,
                "OutboxQueue": SEND,
                "NotificationTopic": PUBLISH,
                "EncryptionKmsKey": ENCRYPT,
            }
        ),
        "FileExchangeProcessorRole": function({}),
        "FileExchangeOutboxRole": function(
            {
                "OutboxQueue": RECEIVE,
                "ExchangeBucket": TELL_MISSING_FROM_FORBIDDEN,
                "ExchangeBucket/tokens": ("s3:DeleteObject", "s3:GetObject", "s3:PutObject"),
                "ExchangeBucket/outbound": ("s3:GetObject", "s3:PutObject"),
                "FileExchangeStateMachine": ANSWER,
                "EncryptionKmsKey": ENCRYPT,
            }
        ),
        "FileExchangeInboxRole": function(
            {
                "InboundQueue": RECEIVE,
                "ExchangeBucket": TELL_MISSING_FROM_FORBIDDEN,
                "ExchangeBucket/inbound": ("s3:DeleteObjectVersion", "s3:GetObject", "s3:GetObjectVersion"),
                "ExchangeBucket/processed": ("s3:PutObject",),
                "ExchangeBucket/rejected": ("s3:PutObject",),
                "ExchangeBucket/tokens": ("s3:DeleteObject", "s3:GetObject", "s3:PutObject"),
                "ExchangeBucket/outbound": ("s3:GetObject",),
                "FileExchangeStateMachine": ANSWER,
                "EncryptionKmsKey": ENCRYPT,
            }
        ),
        "DeadLetterReporterRole": function({"DeadLetterQueue": RECEIVE, "FileExchangeStateMachine": ANSWER}),
    },
    "order-confirmation": {
        "OrderConfirmationStateMachineRole": workflow(
            {
                "OrderProcessorFunction": INVOKE,
                "OrderTable": ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"),
                "NotificationTopic": PUBLISH,
                "EncryptionKmsKey": USE_TABLE_KEY,
            }
        ),
        "OrderApiRole": function(
            {
                "OrderTable": ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"),
                "EncryptionKmsKey": USE_TABLE_KEY,
            }
        ),
        "OrderProcessorRole": function(
            {
                "OrderTable": ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"),
                "EncryptionKmsKey": USE_TABLE_KEY,
            }
        ),
        "OrderStarterRole": function(
            {
                "OrderTable/stream": READ_STREAM,
                "OrderConfirmationStateMachine": START,
                "UndeliveredRecordQueue": SEND,
                "EncryptionKmsKey": ENCRYPT,
                "*": (*FIND_STREAMS, *SEND_TRACES),
            }
        ),
        "OrderConfirmerRole": function(
            {
                "OrderTable/stream": READ_STREAM,
                "OrderTable": ("dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:UpdateItem"),
                "OrderConfirmationStateMachine": ANSWER,
                "OrderConfirmationStateMachine/executions": DESCRIBE,
                "NotificationTopic": PUBLISH,
                "UndeliveredRecordQueue": SEND,
                "EncryptionKmsKey": USE_TABLE_KEY,
                "*": (*FIND_STREAMS, *SEND_TRACES),
            }
        ),
        "OrderCloserRole": function(
            {
                "OrderTable": ("dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:UpdateItem"),
                "OrderConfirmationStateMachine/executions": DESCRIBE,
                "NotificationTopic": PUBLISH,
                "UndeliveredRecordQueue": SEND,
                "EncryptionKmsKey": USE_TABLE_KEY,
            }
        ),
    },
}
