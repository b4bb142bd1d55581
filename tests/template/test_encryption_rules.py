"""Every rule about encryption finds the fault that it is there for, planted into the payment callback."""

import pytest

from tests.template import encryption_rules, key_grant_rules
from tests.template.planting import Fault, both, drop, findings_in_payment_callback, missed, of, put
from tests.template.project import Template

RULES = {**encryption_rules.RULES, **key_grant_rules.RULES}

KEY, QUEUE, TOPIC = "EncryptionKmsKey", "PaymentQueue", "NotificationTopic"
KEY_ARN = {"Fn::GetAtt": [KEY, "Arn"]}
WORKER_STATEMENTS = of("PaymentWorkerRole", "Policies", 0, "PolicyDocument", "Statement")
RECEIVE_REQUESTS, DECRYPT_MESSAGES = (*WORKER_STATEMENTS, 0), (*WORKER_STATEMENTS, 2)
MACHINE_STATEMENTS = of("WaitForCallbackStateMachineRole", "Policies", 0, "PolicyDocument", "Statement")
ENCRYPT_REQUESTS = (*MACHINE_STATEMENTS, 2, "Fn::If", 1)
KEY_STATEMENTS = of(KEY, "KeyPolicy", "Statement")
DELIVER, ENCRYPT_LOGS = (*KEY_STATEMENTS, 1), (*KEY_STATEMENTS, 2)
QUEUE_POLICY = of("RequestQueuePolicy", "PolicyDocument", "Statement", 0)

FAULTS: list[Fault[Template]] = [
    # at rest
    *(
        Fault(
            encryption_rules.data_at_rest_is_encrypted_with_the_key_of_choice,
            drop(*path),
            f"{path[1]}: {path[-1]} is no key of this template where EncryptionKey is CUSTOMER_MANAGED",
        )
        for path in (
            of(QUEUE, "KmsMasterKeyId"),
            of(TOPIC, "KmsMasterKeyId"),
            of("PaymentWorkerLogGroup", "KmsKeyId"),
        )
    ),
    Fault(
        encryption_rules.data_at_rest_is_encrypted_with_the_key_of_choice,
        drop("Globals", "Function", "KmsKeyArn"),
        "PaymentWorkerFunction: KmsKeyArn is no key of this template",
    ),
    Fault(
        encryption_rules.data_at_rest_is_encrypted_with_the_key_of_choice,
        put(*of(QUEUE, "KmsMasterKeyId"), value="alias/aws/sqs"),
        "PaymentQueue: KmsMasterKeyId is no key of this template",
    ),
    Fault(
        encryption_rules.data_at_rest_is_encrypted_with_the_key_of_choice,
        drop(*of(QUEUE, "SqsManagedSseEnabled")),
        "PaymentQueue: is not encrypted by a key of AWS where EncryptionKey is AWS_MANAGED",
    ),
    Fault(
        encryption_rules.data_at_rest_is_encrypted_with_the_key_of_choice,
        put(*of(TOPIC, "KmsMasterKeyId"), value={"Ref": KEY}),
        "NotificationTopic: is not encrypted by a key of AWS where EncryptionKey is AWS_MANAGED",
    ),
    Fault(
        encryption_rules.data_at_rest_is_encrypted_with_the_key_of_choice,
        put("Resources", "Orders", value={"Type": "AWS::DynamoDB::Table", "Properties": {}}),
        "Orders: SSESpecification.KMSMasterKeyId is no key of this template",
    ),
    Fault(
        encryption_rules.data_at_rest_is_encrypted_with_the_key_of_choice,
        put("Resources", "Files", value={"Type": "AWS::S3::Bucket", "Properties": {}}),
        "Files: is not encrypted by a key of AWS where EncryptionKey is AWS_MANAGED",
    ),
    Fault(
        encryption_rules.data_at_rest_is_encrypted_with_the_key_of_choice,
        drop(*of(KEY, "EnableKeyRotation")),
        "EncryptionKmsKey: EnableKeyRotation is not true",
    ),
    Fault(
        encryption_rules.data_at_rest_is_encrypted_with_the_key_of_choice,
        drop("Resources", KEY, "Condition"),
        "EncryptionKmsKey: is there, and paid for",
    ),
    # on the way
    Fault(
        encryption_rules.requests_without_tls_are_refused,
        drop(*of("RequestQueuePolicy", "Queues", 0)),
        "PaymentQueue: no AWS::SQS::QueuePolicy denies sqs:*",
    ),
    Fault(
        encryption_rules.requests_without_tls_are_refused,
        drop("Resources", "NotificationTopicPolicy"),
        "NotificationTopic: no AWS::SNS::TopicPolicy denies sns:Publish",
    ),
    *(
        Fault(
            encryption_rules.requests_without_tls_are_refused,
            put(*QUEUE_POLICY, field, value=value),
            "DeadLetterQueue: no AWS::SQS::QueuePolicy denies sqs:*",
        )
        for field, value in (
            ("Effect", "Allow"),
            ("Action", "sqs:SendMessage"),
            ("Principal", {"AWS": "arn:aws:iam::123456789012:root"}),
            ("Condition", {"Bool": {"aws:SecureTransport": True}}),
        )
    ),
    # the key: roles
    Fault(
        key_grant_rules.whoever_needs_the_key_may_use_it,
        drop(*DECRYPT_MESSAGES),
        "PaymentWorkerRole: may not kms:Decrypt with EncryptionKmsKey, and has to",
    ),
    Fault(
        key_grant_rules.whoever_needs_the_key_may_use_it,
        both(drop(*DECRYPT_MESSAGES), drop(*RECEIVE_REQUESTS)),
        "PaymentWorkerRole: may not kms:Decrypt",  # for its environment variables
    ),
    Fault(
        key_grant_rules.whoever_needs_the_key_may_use_it,
        put(*RECEIVE_REQUESTS, "Action", value=["sqs:ReceiveMessage", "sqs:SendMessage"]),
        "PaymentWorkerRole: may not kms:GenerateDataKey with EncryptionKmsKey, and has to",
    ),
    Fault(
        key_grant_rules.whoever_needs_the_key_may_use_it,
        put(*ENCRYPT_REQUESTS, "Action", value="kms:GenerateDataKey"),
        "WaitForCallbackStateMachineRole: may not kms:Decrypt with EncryptionKmsKey, and has to",
    ),
    Fault(
        key_grant_rules.whoever_needs_the_key_may_use_it,
        both(put(*ENCRYPT_REQUESTS, "Action", value="kms:Decrypt"), drop(*MACHINE_STATEMENTS, 0)),
        "WaitForCallbackStateMachineRole: may not kms:GenerateDataKey",  # for the topic
    ),
    Fault(
        key_grant_rules.whoever_needs_the_key_may_use_it,
        put(*ENCRYPT_REQUESTS, "Action", value=["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]),
        "WaitForCallbackStateMachineRole: may kms:Encrypt with EncryptionKmsKey, and need not",
    ),
    Fault(
        key_grant_rules.whoever_needs_the_key_may_use_it,
        put(*ENCRYPT_REQUESTS, "Resource", value={"Fn::GetAtt": ["OtherKey", "Arn"]}),
        "WaitForCallbackStateMachineRole: may not kms:Decrypt, kms:GenerateDataKey",
    ),
    # the key: services
    Fault(
        key_grant_rules.whoever_needs_the_key_may_use_it,
        drop(*DELIVER),
        "sns.amazonaws.com: may not kms:Decrypt, kms:GenerateDataKey with EncryptionKmsKey, and has to",
    ),
    Fault(
        key_grant_rules.whoever_needs_the_key_may_use_it,
        put(*DELIVER, "Action", value="kms:GenerateDataKey"),
        "sns.amazonaws.com: may not kms:Decrypt",
    ),
    Fault(
        key_grant_rules.whoever_needs_the_key_may_use_it,
        drop("Resources", "NotificationTestSubscription"),
        "sns.amazonaws.com: may kms:Decrypt, kms:GenerateDataKey with EncryptionKmsKey, and need not",
    ),
    Fault(
        key_grant_rules.whoever_needs_the_key_may_use_it,
        put(
            "Resources",
            "FilesArrived",
            value={
                "Type": "AWS::Events::Rule",
                "Properties": {"Targets": [{"Id": "queue", "Arn": {"Fn::GetAtt": [QUEUE, "Arn"]}}]},
            },
        ),
        "events.amazonaws.com: may not kms:Decrypt, kms:GenerateDataKey",
    ),
    Fault(
        key_grant_rules.whoever_needs_the_key_may_use_it,
        drop(*ENCRYPT_LOGS),
        "logs.${AWS::Region}.amazonaws.com: may not kms:Decrypt, kms:DescribeKey, kms:Encrypt, kms:GenerateDataKey*",
    ),
    Fault(
        key_grant_rules.whoever_needs_the_key_may_use_it,
        drop(*DELIVER, "Condition"),
        "EncryptionKmsKey: lets sns.amazonaws.com use the key for whomever",
    ),
    Fault(
        key_grant_rules.whoever_needs_the_key_may_use_it,
        put(*DELIVER, "Principal", value="*"),
        "EncryptionKmsKey: KeyPolicy allows *, which nothing here needs",
    ),
    Fault(
        key_grant_rules.whoever_needs_the_key_may_use_it,
        put(
            "Resources",
            "Orders",
            value={
                "Type": "AWS::DynamoDB::Table",
                "Properties": {"SSESpecification": {"SSEEnabled": True, "KMSMasterKeyId": KEY_ARN}},
            },
        ),
        "Orders: nothing is known here of who needs the key of an encrypted AWS::DynamoDB::Table",
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_rule_finds_planted_fault(fault: Fault[Template]) -> None:
    assert fault.finding in findings_in_payment_callback(fault)


def test_every_rule_has_a_planted_fault() -> None:
    assert missed(FAULTS, RULES) == set()
