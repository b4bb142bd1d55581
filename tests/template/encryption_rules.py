"""The rules about encryption: at rest with the key that EncryptionKey chooses, and on every way with TLS."""

from collections.abc import Iterator

from tests.template.deployed import deployed
from tests.template.project import Fields, Json, Template, referenced
from tests.template.template_rules import Rule

# Where a resource names its key
KEY_FIELDS: dict[str, tuple[str | int, ...]] = {
    "AWS::SQS::Queue": ("KmsMasterKeyId",),
    "AWS::SNS::Topic": ("KmsMasterKeyId",),
    "AWS::Logs::LogGroup": ("KmsKeyId",),
    "AWS::Lambda::Function": ("KmsKeyArn",),
    "AWS::DynamoDB::Table": ("SSESpecification", "KMSMasterKeyId"),
    "AWS::S3::Bucket": (
        "BucketEncryption",
        "ServerSideEncryptionConfiguration",
        0,
        "ServerSideEncryptionByDefault",
        "KMSMasterKeyID",
    ),
}

# Policies of resources: what they are attached to, by which field, and the action that is refused without TLS
_POLICIES = {
    "AWS::SQS::Queue": ("AWS::SQS::QueuePolicy", "Queues", "sqs:*"),
    "AWS::SNS::Topic": ("AWS::SNS::TopicPolicy", "Topics", "sns:Publish"),
    "AWS::S3::Bucket": ("AWS::S3::BucketPolicy", "Bucket", "s3:*"),
}


def with_customer_key(template: Template) -> Template:
    return deployed(template, EncryptionKey="CUSTOMER_MANAGED")


def key_of(kind: str, properties: Fields) -> Json:
    value: Json = properties
    for step in KEY_FIELDS[kind]:
        match step, value:
            case int(), list() if len(value) > step:
                value = value[step]
            case str(), dict():
                value = value.get(step)
            case _:
                return None
    return value


def data_at_rest_is_encrypted_with_the_key_of_choice(template: Template) -> Iterator[str]:
    with_key, without = with_customer_key(template), deployed(template, EncryptionKey="AWS_MANAGED")
    keys = with_key.resources("AWS::KMS::Key")
    for kind in KEY_FIELDS:
        field = ".".join(map(str, KEY_FIELDS[kind]))
        for name, properties in with_key.resources(kind).items():
            if referenced(key_of(kind, properties)) not in keys:
                yield f"{name}: {field} is no key of this template where EncryptionKey is CUSTOMER_MANAGED"
        for name, properties in without.resources(kind).items():
            if not _is_encrypted_by_aws(kind, properties):
                yield f"{name}: is not encrypted by a key of AWS where EncryptionKey is AWS_MANAGED"
    for name, key in keys.items():
        if key.get("EnableKeyRotation") is not True:
            yield f"{name}: EnableKeyRotation is not true"
    for name in without.resources("AWS::KMS::Key"):
        yield f"{name}: is there, and paid for, where EncryptionKey is AWS_MANAGED"


def _is_encrypted_by_aws(kind: str, properties: Fields) -> bool:
    """Log groups and environment variables always are; the others have to say so."""
    key = key_of(kind, properties)
    match kind:
        case "AWS::SQS::Queue":
            return key is None and properties.get("SqsManagedSseEnabled") is True
        case "AWS::SNS::Topic":
            return bool(key == "alias/aws/sns")
        case "AWS::DynamoDB::Table":
            return key is None and properties.get("SSESpecification", {}).get("SSEEnabled") is True
        case "AWS::S3::Bucket":
            return key is None and "BucketEncryption" in properties
    return key is None


def requests_without_tls_are_refused(template: Template) -> Iterator[str]:
    plain = template.transformed
    for kind, (policy_kind, attachment, action) in _POLICIES.items():
        refusing: set[str | None] = set()
        for policy in plain.resources(policy_kind).values():
            attached = policy.get(attachment)
            if any(_refuses(statement, action) for statement in policy["PolicyDocument"]["Statement"]):
                refusing |= {referenced(each) for each in (attached if isinstance(attached, list) else [attached])}
        for name in plain.resources(kind):
            if name not in refusing:
                yield f"{name}: no {policy_kind} denies {action} where aws:SecureTransport is false"


def _refuses(statement: Fields, action: str) -> bool:
    match statement:
        case {
            "Effect": "Deny",
            "Principal": "*" | {"AWS": "*"},
            "Condition": {"Bool": {"aws:SecureTransport": False | "false"}},
        }:
            return action in (statement.get("Action"), *statement.get("Action", []))
    return False


RULES: dict[str, Rule] = {
    "EC4001": data_at_rest_is_encrypted_with_the_key_of_choice,
    "EC4002": requests_without_tls_are_refused,
}
