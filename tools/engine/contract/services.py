"""What tasks call in SQS, SNS and DynamoDB: requests as Step Functions sends them, errors by the names that AWS gives.

An optimized integration names the exception's class of the AWS SDK for Java 1, `aws-sdk:` that of version 2; what the
service's model has no exception for is the service's general one. See
https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html on `aws-sdk:` names.
"""

import functools
import html
import json
import re
from collections.abc import Callable
from typing import Any

from ministack.core.responses import new_uuid
from ministack.services import sns
from ministack.services import stepfunctions as sfn

from tools.engine.contract.runs import compact

Arguments = dict[str, Any]
Call = Callable[[str, Arguments], Any]

PREFIX = "arn:aws:states:::"
# Codes that SQS answers, by the class that names them; all others are AmazonSQSException
SQS_CLASSES = {"RequestThrottled": "RequestThrottledException", "KmsThrottled": "KmsThrottledException"}


def install() -> None:
    calls: dict[str, Call] = sfn._SERVICE_DISPATCH
    calls[f"{PREFIX}sqs:sendMessage"] = functools.partial(_send_message, calls[f"{PREFIX}sqs:sendMessage"])
    calls[f"{PREFIX}sns:publish"] = _publish
    for operation in ("putItem", "getItem", "updateItem", "deleteItem"):
        name = f"{PREFIX}dynamodb:{operation}"
        calls[name] = functools.partial(_dynamodb, calls[name])
    sfn._invoke_nested_start_execution = _start_execution
    sfn._prefix_sdk_error = functools.partial(_sdk_error, sfn._prefix_sdk_error)


def _send_message(ministacks: Call, resource: str, arguments: Arguments) -> Any:
    url, body = arguments.get("QueueUrl"), arguments.get("MessageBody")
    if isinstance(url, str) and "://" not in url:
        raise sfn._ExecutionError(
            "SQS.SdkClientException", f"Unable to execute HTTP request: {url}: Name or service not known"
        )
    try:
        if not isinstance(body, str | None):
            arguments = {**arguments, "MessageBody": compact(body)}
        if "MessageAttributes" in arguments:
            arguments = {**arguments, "MessageAttributes": _texts(arguments["MessageAttributes"])}
        return ministacks(resource, arguments)
    except sfn._ExecutionError as error:
        code = error.error.removeprefix("SQS.")
        raise _failure(
            "SQS", "AmazonSQS", SQS_CLASSES.get(code, "AmazonSQSException"), error.cause, 400, code
        ) from None


def _publish(_resource: str, arguments: Arguments) -> Any:
    """The query that ministack's SNS reads, in which attributes are numbered."""
    query = {name: value for name, value in arguments.items() if name != "MessageAttributes"}
    if not isinstance(query.get("Message"), str | None):
        query["Message"] = compact(query["Message"])
    for number, (name, value) in enumerate(_texts(arguments.get("MessageAttributes") or {}).items(), start=1):
        entry = f"MessageAttributes.entry.{number}"
        query |= {f"{entry}.Name": name, **{f"{entry}.Value.{part}": text for part, text in value.items()}}
    status, _, body = sns._publish(query)
    answer = body.decode() if isinstance(body, bytes) else body
    if status >= 400:
        code = _element("Code", answer)
        raise _failure("SNS", "AmazonSNS", _exception(code), _element("Message", answer), status, code)
    names = ("MessageId", "SequenceNumber")
    return {name: value for name in names if (value := _element(name, answer))}


def _texts(attributes: Arguments) -> Arguments:
    """Attributes whose values are texts, as they are in an API call."""
    return {
        name: {part: text if isinstance(text, str) else compact(text) for part, text in value.items()}
        for name, value in attributes.items()
    }


def _dynamodb(ministacks: Call, resource: str, arguments: Arguments) -> Any:
    try:
        return ministacks(resource, arguments)
    except sfn._ExecutionError as error:
        code = error.error.removeprefix("DynamoDB.")
        name = exceptions("dynamodb").get(code, "AmazonDynamoDBException")
        raise _failure("DynamoDB", "AmazonDynamoDBv2", name, error.cause, 400, code) from None


def _start_execution(_resource: str, arguments: Arguments) -> Arguments:
    if not isinstance(arguments.get("Input", ""), str):
        arguments = {**arguments, "Input": compact(arguments["Input"])}
    status, _, body = sfn._start_execution(sfn._nested_start_execution_request(arguments))
    answer = json.loads(body)
    if status >= 400:
        code = answer["__type"]
        raise _failure("StepFunctions", "AWSStepFunctions", _exception(code), answer["message"], status, code)
    return {"ExecutionArn": answer["executionArn"], "StartDate": answer["startDate"]}


def _sdk_error(ministacks: Callable[[str, str], str], service: str, code: str) -> str:
    """The name of an error of an `aws-sdk:` integration."""
    code = code.rpartition("#")[2]
    known = exceptions(sfn._AWS_SDK_SERVICE_MAP[service].get("service_key", service))
    prefix = sfn._AWS_SDK_ERROR_PREFIX.get(service, service.capitalize())
    if not known or code.startswith(("States.", f"{prefix}.")) or service in sfn._AWS_SDK_ERROR_CODE_OVERRIDES:
        return ministacks(service, code)
    return f"{prefix}.{known.get(code, f'{prefix}Exception')}"


@functools.cache
def exceptions(service: str) -> dict[str, str]:
    """By the code that a service answers, the name of the exception in its model."""
    model = sfn._service_model(service)
    found = {}
    for name in model.shape_names if model else ():
        shape = model.shape_for(name)
        if shape.metadata.get("exception"):
            found[name] = found[shape.metadata.get("error", {}).get("code", name)] = _exception(name)
    return found


def _exception(name: str) -> str:
    return f"{name.removesuffix('Exception')}Exception"


def _element(name: str, xml: str) -> str:
    found = re.search(f"<{name}>(.*?)</{name}>", xml, re.DOTALL)
    return html.unescape(found[1]) if found else ""


def _failure(prefix: str, service: str, name: str, message: str, status: int, code: str) -> Exception:
    about = f"Service: {service}; Status Code: {status}; Error Code: {code}; Request ID: {new_uuid()}; Proxy: null"
    failure: Exception = sfn._ExecutionError(f"{prefix}.{name}", f"{message} ({about})")
    return failure
