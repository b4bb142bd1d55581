"""Encryption: at rest with the template's own key, on every way with TLS, and the key for the services that need it.

The embedded AWS enforces none of it, so that nothing else would find a grant that is missing. What roles may do with
the key is in tests/security/test_least_privilege.py.

Queues: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
Topics: https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
Logs: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
"""

from collections.abc import Iterator

from callback_lint.documents import Fields, Json, Problem, Steps, fields, items, texts_in
from callback_lint.templates import Resource, Template, listed, referenced
from tests.templates.rule import template_rule

# Where a resource names its key
_KEY_FIELDS: dict[str, Steps] = {
    "AWS::SQS::Queue": ("KmsMasterKeyId",),
    "AWS::SNS::Topic": ("KmsMasterKeyId",),
    "AWS::Logs::LogGroup": ("KmsKeyId",),
}
# Policies of resources: what they are attached to, by which field, and the action that is refused without TLS
_POLICIES = {
    "AWS::SQS::Queue": ("AWS::SQS::QueuePolicy", "Queues", "sqs:*"),
    "AWS::SNS::Topic": ("AWS::SNS::TopicPolicy", "Topics", "sns:Publish"),
    "AWS::S3::Bucket": ("AWS::S3::BucketPolicy", "Bucket", "s3:*"),
}

_WRITE = frozenset({"kms:Decrypt", "kms:GenerateDataKey"})
_LOG = frozenset({"kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"})
_LOGS = "logs.${AWS::Region}.amazonaws.com"
# What limits a service to this account
_CONDITIONS = {"sns.amazonaws.com": "aws:SourceArn", _LOGS: "kms:EncryptionContext:aws:logs:arn"}


@template_rule
def requests_without_tls_are_refused(template: Template) -> Iterator[Problem]:
    for kind, (policy_type, attachment, action) in _POLICIES.items():
        refusing = attached(template, policy_type, attachment, lambda statement, of=action: _refuses(statement, of))
        for name, resource in template.of_type(kind).items():
            if name not in refusing:
                yield resource.says(f"no {policy_type} denies {action} where aws:SecureTransport is false")


def attached(template: Template, policy_type: str, attachment: str, holds: Json) -> set[str | None]:
    """What the policies are attached to that have a statement of which `holds` is true."""
    return {
        referenced(each)
        for policy in template.of_type(policy_type).values()
        if any(holds(fields(statement)) for statement in items(policy.get("PolicyDocument", "Statement")))
        for each in listed(policy.get(attachment))
    }


def _refuses(statement: Fields, action: str) -> bool:
    condition = fields(fields(statement.get("Condition")).get("Bool"))
    return (
        statement.get("Effect") == "Deny"
        and statement.get("Principal") in ("*", {"AWS": "*"})
        and condition.get("aws:SecureTransport") in (False, "false")
        and action in listed(statement.get("Action"))
    )


@template_rule
def services_that_need_the_key_may_use_it(template: Template) -> Iterator[Problem]:
    for key in template.of_type("AWS::KMS::Key").values():
        encrypted = {
            name: resource.type
            for name, resource in template.resources.items()
            if resource.type in _KEY_FIELDS and referenced(resource.get(*_KEY_FIELDS[resource.type])) == key.id
        }
        yield from _key_policy_problems(key, encrypted)


def _key_policy_problems(key: Resource, encrypted: dict[str, str]) -> Iterator[Problem]:
    allowed: dict[str, set[str]] = {}
    for position, statement in enumerate(items(key.get("KeyPolicy", "Statement"))):
        match statement:
            case {"Principal": {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}}:
                continue  # lets the roles' own policies decide
            case {"Effect": "Allow", "Principal": {"Service": service}, "Action": actions}:
                name = str(fields(service).get("Fn::Sub", service))
                allowed.setdefault(name, set()).update(texts_in(listed(actions)))
                if _CONDITIONS.get(name, "") not in str(statement.get("Condition")):
                    what = f"KeyPolicy lets {name} use the key for whomever, without a Condition on {_CONDITIONS[name]}"
                    yield key.says(what, "KeyPolicy", "Statement", position)
            case _:
                yield key.says("KeyPolicy allows what nothing here needs", "KeyPolicy", "Statement", position)
    needed = _needed_by_services(key.template, encrypted)
    for service in sorted(needed.keys() | allowed.keys()):
        yield from _difference(key, f"KeyPolicy: {service}", needed.get(service, set()), allowed.get(service, set()))


def _needed_by_services(template: Template, encrypted: dict[str, str]) -> dict[str, set[str]]:
    """SNS delivers to queues; EventBridge to queues and topics; and logs are written to their groups."""
    queues = {name for name, kind in encrypted.items() if kind == "AWS::SQS::Queue"}
    topics = {name for name, kind in encrypted.items() if kind == "AWS::SNS::Topic"}
    events = [event for function in template.functions.values() for event in fields(function.get("Events")).values()]
    subscriptions = [event for event in events if fields(event).get("Type") == "SNS"]
    subscriptions += [each.properties for each in template.of_type("AWS::SNS::Subscription").values()]
    rules = [each.properties for each in template.of_type("AWS::Events::Rule").values()]
    needed: dict[str, set[str]] = {}
    if _mentions(subscriptions, queues):
        needed["sns.amazonaws.com"] = set(_WRITE)
    if _mentions(rules, queues | topics):
        needed["events.amazonaws.com"] = set(_WRITE)
    if "AWS::Logs::LogGroup" in encrypted.values():
        needed[_LOGS] = set(_LOG)
    return needed


def _mentions(value: Json, names: set[str]) -> bool:
    if referenced(value) in names:
        return True
    children = value.values() if isinstance(value, dict) else items(value)
    return any(_mentions(child, names) for child in children)


def _difference(resource: Resource, who: str, needed: set[str], allowed: set[str]) -> Iterator[Problem]:
    if needed - allowed:
        yield resource.says(f"{who} may not {', '.join(sorted(needed - allowed))} with the key, and has to")
    if allowed - needed:
        yield resource.says(f"{who} may {', '.join(sorted(allowed - needed))} with the key, and need not")
