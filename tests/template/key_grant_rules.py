"""The rule about who may use the key: whoever needs it, for exactly what AWS documents. The embedded AWS enforces none
of it, so that nothing else would find a grant that is missing.

Queues: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
Topics: https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
Environment variables: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars-encryption.html
Logs: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
"""

from collections.abc import Iterator

from tests.template.encryption_rules import KEY_FIELDS, key_of, with_customer_key
from tests.template.grants import Grant, grants
from tests.template.project import Fields, Json, Template, referenced
from tests.template.template_rules import Rule

_READ = frozenset({"kms:Decrypt"})
_WRITE = frozenset({"kms:Decrypt", "kms:GenerateDataKey"})
_LOG = frozenset({"kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"})

# What a role that may do this to an encrypted thing needs of the key
_OF_ACTIONS = {"sqs:SendMessage": _WRITE, "sqs:ReceiveMessage": _READ, "sns:Publish": _WRITE}

# Services that send to a queue, and the resources that name it as the end of a delivery or of failed ones
_SENDERS = {"sns.amazonaws.com": "AWS::SNS::Subscription", "events.amazonaws.com": "AWS::Events::Rule"}

# What is encrypted without a grant that this rule knows would be a hole in it
_KNOWN = {"AWS::SQS::Queue", "AWS::SNS::Topic", "AWS::Logs::LogGroup", "AWS::Lambda::Function"}


def whoever_needs_the_key_may_use_it(template: Template) -> Iterator[str]:
    plain = with_customer_key(template)
    granted = list(grants(plain))
    for key, properties in plain.resources("AWS::KMS::Key").items():
        encrypted = _encrypted_with(key, plain)
        for name, kind in encrypted.items():
            if kind not in _KNOWN:
                yield f"{name}: nothing is known here of who needs the key of an encrypted {kind}"
        for role in plain.resources("AWS::IAM::Role"):
            own = [grant for grant in granted if grant.role == role]
            yield from _difference(role, key, _needed_by(role, own, plain, encrypted.keys()), _allowed(own, key))
        yield from _key_policy_problems(key, properties, plain, encrypted)


def _encrypted_with(key: str, plain: Template) -> dict[str, str]:
    """Type by logical ID."""
    return {
        name: kind
        for kind in KEY_FIELDS
        for name, properties in plain.resources(kind).items()
        if referenced(key_of(kind, properties)) == key
    }


# ------------------------------------------------------------------ roles


def _needed_by(role: str, own: list[Grant], plain: Template, encrypted: Json) -> set[str]:
    needed: set[str] = set()
    for grant in own:
        if any(referenced(resource) in encrypted for resource in grant.resources):
            needed.update(*(_OF_ACTIONS[action] for action in grant.of(set(_OF_ACTIONS))))
    for name, function in plain.resources("AWS::Lambda::Function").items():
        if name in encrypted and referenced(function.get("Role")) == role:
            needed |= _READ
    return needed


def _allowed(own: list[Grant], key: str) -> set[str]:
    return {
        action
        for grant in own
        if any(referenced(resource) == key for resource in grant.resources)
        for action in grant.actions
    }


# ------------------------------------------------------------------ services, which the key policy names


def _key_policy_problems(key: str, properties: Fields, plain: Template, encrypted: Fields) -> Iterator[str]:
    allowed: dict[str, set[str]] = {}
    for statement in properties["KeyPolicy"]["Statement"]:
        match statement:
            case {"Principal": {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}}:
                continue  # lets the roles' own policies decide
            case {"Effect": "Allow", "Principal": {"Service": service}, "Action": actions}:
                name = service["Fn::Sub"] if isinstance(service, dict) else service
                allowed.setdefault(name, set()).update([actions] if isinstance(actions, str) else actions)
                if "Condition" not in statement:
                    yield f"{key}: lets {name} use the key for whomever, without a Condition"
            case _:
                yield f"{key}: KeyPolicy allows {statement.get('Principal')}, which nothing here needs"
    needed = _needed_by_services(plain, encrypted)
    for service in sorted(needed.keys() | allowed.keys()):
        yield from _difference(service, key, needed.get(service, set()), allowed.get(service, set()))


def _needed_by_services(plain: Template, encrypted: Fields) -> dict[str, set[str]]:
    needed: dict[str, set[str]] = {}
    queues = {name for name, kind in encrypted.items() if kind == "AWS::SQS::Queue"}
    for sender, kind in _SENDERS.items():
        if any(_mentions(properties, queues) for properties in plain.resources(kind).values()):
            needed[sender] = set(_WRITE)
    if "AWS::Logs::LogGroup" in encrypted.values():
        needed["logs.${AWS::Region}.amazonaws.com"] = set(_LOG)
    return needed


def _mentions(value: Json, queues: set[str]) -> bool:
    if referenced(value) in queues:
        return True
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return any(_mentions(child, queues) for child in children)


# ------------------------------------------------------------------ what differs


def _difference(who: str, key: str, needed: set[str], allowed: set[str]) -> Iterator[str]:
    if needed - allowed:
        yield f"{who}: may not {', '.join(sorted(needed - allowed))} with {key}, and has to"
    if allowed - needed:
        yield f"{who}: may {', '.join(sorted(allowed - needed))} with {key}, and need not"


RULES: dict[str, Rule] = {"EC4003": whoever_needs_the_key_may_use_it}
