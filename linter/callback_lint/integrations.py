"""The service integrations that a Task may name, and the arguments that each takes.

Optimized integrations: https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html
Any other API call is `aws-sdk:service:action`. What an API takes is read from the service models of the AWS SDK.
"""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache

import botocore.session
from botocore.exceptions import UnknownServiceError
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StringShape, StructureShape

from callback_lint.documents import Fields, Json

WAIT = ".waitForTaskToken"
_SYNC = ".sync"

# Region and account may be there: https://docs.aws.amazon.com/step-functions/latest/dg/state-task.html
_ARN = re.compile(
    r"arn:[^:]+:states:[a-z0-9-]*:\d*:(?!activity:)(aws-sdk:)?([a-z0-9-]+):([a-z][A-Za-z0-9]*)(\.[A-Za-z:0-9]+)?"
)
_PARTITION = re.compile(r"^arn:\$\{[^}]*\}:")
_PATTERN = re.compile(r"\.(?:waitForTaskToken|sync(?::2)?)$")

_CALLBACKS = "apigateway:invoke events:putEvents lambda:invoke sns:publish sqs:sendMessage"
_JOBS = """
    athena:startQueryExecution batch:submitJob bedrock:createModelCustomizationJob codebuild:startBuild
    codebuild:startBuildBatch codebuild:retryBuildBatch databrew:startJobRun glue:startJobRun mediaconvert:createJob
"""
_REQUESTS = """
    athena:stopQueryExecution athena:getQueryExecution athena:getQueryResults bedrock:invokeModel codebuild:stopBuild
    codebuild:batchDeleteBuilds codebuild:batchGetReports codebuild:stopBuildBatch codebuild:deleteBuildBatch
    dynamodb:getItem dynamodb:putItem dynamodb:updateItem dynamodb:deleteItem http:invoke
"""
# By `service:action`, the patterns that it has beside request and response
OPTIMIZED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_CALLBACKS.split(), (WAIT,)),
    **dict.fromkeys(_JOBS.split(), (_SYNC,)),
    **dict.fromkeys(_REQUESTS.split(), ()),
    "ecs:runTask": (_SYNC, WAIT),
    "states:startExecution": (_SYNC, ".sync:2", WAIT),
}
# Of these there are more actions than stand above: only what AWS documents for the callback is known of them
_MORE_ACTIONS = {"eks", "elasticmapreduce", "emr-containers", "emr-serverless", "sagemaker"}

# Optimized integrations whose arguments are those of the API, by the SDK's name for the service
_APIS = {"sqs": "sqs", "sns": "sns", "lambda": "lambda", "states": "stepfunctions", "dynamodb": "dynamodb"}

# aws-sdk names a service by its service ID, in lower case and without blanks; where that is not the SDK's own name:
_SDK_SERVICES = {"sfn": "stepfunctions", "eventbridge": "events", "cloudwatchlogs": "logs"}


# How the names of a service's errors begin: of the optimized integrations, and of the same services by the SDK
_ERROR_PREFIXES = {
    "dynamodb": ("DynamoDB", "DynamoDb"),
    "lambda": ("Lambda", "Lambda"),
    "sfn": ("StepFunctions", "Sfn"),
    "sns": ("SNS", "Sns"),
    "sqs": ("SQS", "Sqs"),
    "states": ("StepFunctions", "Sfn"),
}
# Which no API lists: of the SDK, and of every service
_COMMON_ERRORS = """
    SdkClientException SdkServiceException ApiCallTimeoutException ApiCallAttemptTimeoutException
    AccessDeniedException ExpiredTokenException IncompleteSignature InternalFailure InternalServerError
    InternalErrorException NotFoundException ServiceUnavailable ServiceUnavailableException SlowDownException
    ThrottlingException Throttling UnrecognizedClientException ValidationException ValidationError
    AuthorizationErrorException
"""
_LAMBDA_ERRORS = "Unknown AWSLambdaException ClientExecutionTimeoutException ServiceException SdkClientException"


class UnknownIntegration(Exception):
    """No such integration. The text says what is wrong with it."""


def argument_problems(operation: OperationModel, arguments: Json) -> Iterator[tuple[str, str]]:
    """The name of each argument that the API would refuse (none where it is about all of them), and why."""
    if not isinstance(arguments, dict):
        if arguments is None and operation.input_shape and operation.input_shape.required_members:
            yield "", f"are missing, which {operation.name} needs"
        return
    if isinstance(operation.input_shape, StructureShape):
        yield from _structure_problems(arguments, operation.input_shape, "")


def service_call(resource: str) -> str | None:
    """`sqs:sendMessage`, be it optimized or not; None where it is no such call."""
    arn = _ARN.fullmatch(_PARTITION.sub("arn:aws:", resource))
    return f"{arn[2]}:{arn[3]}" if arn else None


def is_optimized(resource: str) -> bool:
    arn = _ARN.fullmatch(_PARTITION.sub("arn:aws:", resource))
    return bool(arn and not arn[1])


def error_prefix(resource: str) -> str | None:
    """`SQS` in `SQS.SdkClientException`; None where it is not known."""
    service = (service_call(resource) or "").partition(":")[0]
    found = _ERROR_PREFIXES.get(service)
    if not found and re.match(r"arn:[^:]+:lambda:", resource):
        return "Lambda"
    return found[not is_optimized(resource)] if found else None


@cache
def error_names(prefix: str) -> frozenset[str]:
    """What may follow a prefix: the errors of the API as the SDK for Java names them, and those of the SDK itself.

    None is known for a prefix that is not.
    """
    service = next((service for service, prefixes in _ERROR_PREFIXES.items() if prefix in prefixes), "")
    model = _service(_APIS.get(service) or _SDK_SERVICES.get(service, service)) if service else None
    if not model:
        return frozenset()
    own = {shape if shape.endswith("Exception") else f"{shape}Exception" for shape in _errors(model)}
    whole = {
        f"{prefix}{kind}Exception" for kind in _ERROR_PREFIXES.get(service, ()) for prefix in ("", "Amazon", "AWS")
    }
    return frozenset({*own, *_errors(model), *whole, *_COMMON_ERRORS.split(), *_LAMBDA_ERRORS.split()})


def _errors(model: ServiceModel) -> set[str]:
    return {
        shape.name for operation in model.operation_names for shape in model.operation_model(operation).error_shapes
    }


@cache
def integration(resource: str) -> OperationModel | None:
    """The API that the Resource of a Task calls; None where that is no API, or none whose arguments are known.

    Raises UnknownIntegration.
    """
    resource = _PARTITION.sub("arn:aws:", resource)
    arn = _ARN.fullmatch(resource)
    if not arn:
        _refuse_pattern_of_resource(resource)
        if re.match(r"arn:[^:]+:states:(?![^:]*:[^:]*:activity:)", resource) and "${" not in resource:
            raise UnknownIntegration(f"{resource} is not the ARN of a service integration")
        return None  # a function, an activity, or not known before the deployment
    sdk, service, action, pattern = arn[1], arn[2], arn[3], arn[4] or ""
    known = (WAIT,) if sdk else OPTIMIZED.get(f"{service}:{action}")
    if known is None:
        if service in _MORE_ACTIONS:
            return None
        raise UnknownIntegration(f"{resource}: there is no optimized integration {service}:{action}")
    if pattern and pattern not in known:
        instead = f"; there is arn:aws:states:::aws-sdk:{service}:{action}{WAIT}" if pattern == WAIT else ""
        raise UnknownIntegration(f"{resource}: {service}:{action} has no {pattern}{instead}")
    if not sdk and service not in _APIS:
        return None
    model = _service(_SDK_SERVICES.get(service, service) if sdk else _APIS[service])
    if not model:
        return None  # the SDK for Python may have another name for it
    operation = action[0].upper() + action[1:]
    if operation not in model.operation_names:
        close = {name.lower() for name in model.operation_names}
        if operation.lower() in close and sdk:
            return None  # the SDKs differ in capitals
        raise UnknownIntegration(f"{resource}: {service} has no action {action}")
    return model.operation_model(operation)


def _refuse_pattern_of_resource(resource: str) -> None:
    pattern = _PATTERN.search(resource)
    if pattern and re.match(r"arn:[^:]+:(?:lambda:|states:.*:activity:)", resource):
        what, instead = "a function", f"arn:aws:states:::lambda:invoke{WAIT}"
        if ":activity:" in resource:
            what, instead = "an activity", "the ARN alone, which waits by itself"
        raise UnknownIntegration(f"{resource}: the ARN of {what} takes no {pattern[0]}; there is {instead}")


@cache
def _service(name: str) -> ServiceModel | None:
    try:
        return botocore.session.Session().get_service_model(name)
    except UnknownServiceError:
        return None


def _shape_problems(value: Json, shape: Shape | None, where: str) -> Iterator[tuple[str, str]]:
    if _is_open(value, shape):
        return
    match shape, value:
        case StructureShape(), dict():
            yield from _structure_problems(value, shape, f"{where}.")
        case MapShape(), dict():
            for key, child in value.items():
                if not str(key).endswith(".$"):
                    yield from _shape_problems(child, shape.value, f"{where}.{key}")
        case ListShape(), list():
            for index, child in enumerate(value):
                yield from _shape_problems(child, shape.member, f"{where}.{index}")
        case StringShape(enum=choices), str() if choices and value not in choices:
            yield where, f"is {value!r}, not one of {', '.join(choices)}"
        case Shape(type_name=kind), _ if not _is_scalar(value, kind):
            yield where, f"is {value!r}, which is no {kind}"


def _is_open(value: Json, shape: Shape | None) -> bool:
    """An expression or a substitution may give anything; DynamoDB's optimized integration takes plain values, too."""
    if isinstance(value, str) and ("{%" in value or "${" in value):
        return True
    return bool(shape and shape.name == "AttributeValue" and not isinstance(value, dict))


def _structure_problems(value: Fields, shape: StructureShape, where: str) -> Iterator[tuple[str, str]]:
    """Capitals do not count, because the SDKs differ in them: DBInstanceIdentifier, DbInstanceIdentifier."""
    members = {name.lower(): (name, member) for name, member in shape.members.items()}
    given = {str(name).removesuffix(".$").lower() for name in value}
    for name, child in value.items():
        plain = str(name).removesuffix(".$").lower()
        if plain not in members:
            close = get_close_matches(plain, members, n=1)
            instead = f"; there is {_capitalized(members[close[0]][0])}" if close else ""
            yield f"{where}{name}", f"does not exist{instead}"
        elif plain == str(name).lower():  # else a path, which may give anything
            yield from _shape_problems(child, members[plain][1], f"{where}{name}")
    for name in shape.required_members:
        if name.lower() not in given:
            yield f"{where}{_capitalized(name)}", "is missing"


def _is_scalar(value: Json, kind: str) -> bool:
    """Texts of booleans and numbers are taken as such: AWS's own published workflows send them, and the API's model is
    filled by Jackson, which coerces scalars unless that is switched off.
    """
    match kind:
        case "integer" | "long":
            text = isinstance(value, str) and re.fullmatch(r"[+-]?\d+", value)
            return bool(text) or (isinstance(value, int) and not isinstance(value, bool))
        case "float" | "double":
            text = isinstance(value, str) and re.fullmatch(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", value)
            return bool(text) or (isinstance(value, int | float) and not isinstance(value, bool))
        case "boolean":
            return isinstance(value, bool) or value in ("true", "false", "True", "False")
        case "string" | "blob" | "timestamp":
            return isinstance(value, str | dict | list)  # what is JSON in a text may be given as it is
    return False


def _capitalized(name: str) -> str:
    """How Step Functions spells the members of every API, whatever the API's own spelling."""
    return name[0].upper() + name[1:]
