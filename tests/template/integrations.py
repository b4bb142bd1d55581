"""The service integrations that a Task may name, and the arguments that each takes.

Optimized integrations: https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html
Any other API call is `aws-sdk:service:action`. What an API takes is read from the service models of the AWS SDK.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import botocore.session
from botocore.exceptions import UnknownServiceError
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StringShape, StructureShape

from tests.template.jsonata_expressions import expression_in
from tests.template.project import Fields, Json

WAIT = ".waitForTaskToken"

_ARN = re.compile(r"arn:aws:states:::(aws-sdk:)?([a-z0-9]+):([a-z][A-Za-z0-9]*)(\.[A-Za-z:0-9]+)?")
_SYNC = (".sync", ".sync:2")


@dataclass(frozen=True)
class Optimized:
    """`service`: the SDK's name for it. `documents`: arguments that are text to the API but may be given as JSON."""

    service: str
    patterns: tuple[str, ...]
    documents: tuple[str, ...] = ()
    required: tuple[str, ...] = ()  # beyond what the API requires: it takes one of several, this project uses this one


OPTIMIZED = {
    "sqs:sendMessage": Optimized("sqs", (WAIT,), ("MessageBody",)),
    "sns:publish": Optimized("sns", (WAIT,), ("Message",), ("TopicArn",)),
    "lambda:invoke": Optimized("lambda", (WAIT,), ("Payload",)),
    "states:startExecution": Optimized("stepfunctions", (*_SYNC, WAIT), ("Input",)),
    # A wait is aws-sdk:dynamodb:putItem.waitForTaskToken: the optimized integration has none
    "dynamodb:getItem": Optimized("dynamodb", ()),
    "dynamodb:putItem": Optimized("dynamodb", ()),
    "dynamodb:updateItem": Optimized("dynamodb", ()),
    "dynamodb:deleteItem": Optimized("dynamodb", ()),
}

# aws-sdk names a service by its service ID, in lower case and without blanks; where that is not the SDK's own name:
_SDK_SERVICES = {"sfn": "stepfunctions", "eventbridge": "events", "cloudwatchlogs": "logs"}


class UnknownIntegration(Exception):
    """No such integration. The text says what is wrong with it."""


@dataclass(frozen=True)
class Integration:
    operation: OperationModel
    waits: bool
    documents: tuple[str, ...]
    required: tuple[str, ...]

    def is_error_of_the_service(self, error: str) -> bool:
        """Whether an error name is one that only the service itself raises: `SQS.AmazonSQSException`."""
        service, _, name = error.partition(".")
        model = self.operation.service_model
        return service.lower() in {model.service_name, _sdk_name(model)} and name.endswith(("Exception", "Error"))

    def argument_problems(self, arguments: Json) -> Iterator[str]:
        if not isinstance(arguments, dict):
            if not (isinstance(arguments, str) and expression_in(arguments)):
                yield f"Arguments of {self.operation.name} are missing"
            return
        for name in self.required:
            if name not in arguments:
                yield f"Arguments.{name} is missing"
        sent = {
            name: json.dumps(value) if name in self.documents and isinstance(value, dict | list) else value
            for name, value in arguments.items()
        }
        yield from _shape_problems(sent, self.operation.input_shape, "Arguments")


@cache
def integration(resource: str) -> Integration:
    """The integration that the Resource of a Task names. Raises UnknownIntegration."""
    arn = _ARN.fullmatch(resource)
    if not arn:
        raise UnknownIntegration(f"Resource {resource} is not the ARN of a service integration")
    sdk, service, action, pattern = arn[1], arn[2], arn[3], arn[4] or ""
    if sdk:
        model, patterns = _service(_SDK_SERVICES.get(service, service)), (WAIT,)
        if not model or _sdk_name(model) != service:
            raise UnknownIntegration(f"Resource {resource} names no service of the AWS SDK")
        optimized = Optimized(model.service_name, patterns)
    elif f"{service}:{action}" in OPTIMIZED:
        optimized = OPTIMIZED[f"{service}:{action}"]
        model = _service(optimized.service)
    else:
        raise UnknownIntegration(f"Resource {resource} is not an integration that this project knows")
    if pattern and pattern not in optimized.patterns:
        raise UnknownIntegration(f"Resource {resource}: {service}:{action} has no {pattern}")
    operation = action[0].upper() + action[1:]
    if not model or operation not in model.operation_names:
        raise UnknownIntegration(f"Resource {resource}: {service} has no action {action}")
    return Integration(model.operation_model(operation), pattern == WAIT, optimized.documents, optimized.required)


@cache
def _service(name: str) -> ServiceModel | None:
    try:
        return botocore.session.Session().get_service_model(name)
    except UnknownServiceError:
        return None


def _sdk_name(model: ServiceModel) -> str:
    return str(model.service_id).replace(" ", "").lower()


def _shape_problems(value: Json, shape: Shape | None, where: str) -> Iterator[str]:
    """Whatever is known before the execution: an expression may give anything."""
    if isinstance(value, str) and expression_in(value):
        return
    match shape, value:
        case StructureShape(), dict():
            yield from _structure_problems(value, shape, where)
        case MapShape(), dict():
            for key, child in value.items():
                yield from _shape_problems(child, shape.value, f"{where}.{key}")
        case ListShape(), list():
            for index, child in enumerate(value):
                yield from _shape_problems(child, shape.member, f"{where}[{index}]")
        case StringShape(enum=choices), str() if choices and value not in choices:
            yield f"{where} is {value!r}, not one of {', '.join(choices)}"
        case Shape(type_name=kind), _ if not _is_scalar(value, kind):
            yield f"{where} is {value!r}, which is no {kind}"


def _structure_problems(value: Fields, shape: StructureShape, where: str) -> Iterator[str]:
    members = {_capitalized(name): member for name, member in shape.members.items()}
    for name, child in value.items():
        if name in members:
            yield from _shape_problems(child, members[name], f"{where}.{name}")
        else:
            yield f"{where}.{name} does not exist; there is {', '.join(sorted(members))}"
    for name in map(_capitalized, shape.required_members):
        if name not in value:
            yield f"{where}.{name} is missing"


def _is_scalar(value: Json, kind: str) -> bool:
    match kind:
        case "integer" | "long":
            return isinstance(value, int) and not isinstance(value, bool)
        case "float" | "double":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "string" | "blob" | "timestamp":
            return isinstance(value, str)
    return False


def _capitalized(name: str) -> str:
    """How Step Functions spells the members of every API, whatever the API's own spelling."""
    return name[0].upper() + name[1:]
