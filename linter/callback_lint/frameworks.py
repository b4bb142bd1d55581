"""Reads what other tools write or take as templates: plans of Terraform, and serverless.yml.

Each becomes the template that it amounts to, as far as the rules ask: state machines, functions, what CloudFormation
there is. What only the tool knows - a variable, a value known after the apply - is left open.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from callback_lint.documents import Document, Fields, Json, Steps, fields, items
from callback_lint.templates import Place, Template

_FILE = re.compile(r"\$\{file\(([^):]+)\)\}")
_SERVERLESS_TIMEOUT = 6  # https://www.serverless.com/framework/docs/providers/aws/guide/functions


def is_terraform(value: Json) -> bool:
    return isinstance(value, dict) and "format_version" in value and bool({"planned_values", "values"} & value.keys())


def is_serverless(value: Json) -> bool:
    return isinstance(value, dict) and "service" in value and bool({"provider", "stepFunctions"} & value.keys())


def template_of_terraform(document: Document) -> Template:
    """`terraform show -json` of a plan or of a state: https://developer.hashicorp.com/terraform/internals/json-format"""
    resources: Fields = {}
    places: dict[str, Place] = {}
    name = "planned_values" if "planned_values" in document.value else "values"
    for steps, resource in _resources(fields(document.value[name]).get("root_module"), (name, "root_module")):
        values = fields(resource.get("values"))
        if resource.get("type") == "aws_sfn_state_machine" and isinstance(values.get("definition"), str):
            address = str(resource.get("address"))
            logging = fields(next(iter(items(values.get("logging_configuration"))), None))
            resources[address] = {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {
                    "DefinitionString": values["definition"],
                    "StateMachineType": values.get("type") or "STANDARD",
                    "LoggingConfiguration": {
                        "IncludeExecutionData": logging.get("include_execution_data"),
                        "Level": logging.get("level"),
                    },
                },
            }
            places[address] = Place((*steps, "values"), {"DefinitionString": "definition"})
    return Template(document, made_of={"Resources": resources}, places=places)


def _resources(module: Json, steps: Steps) -> Iterator[tuple[Steps, Fields]]:
    """Those of a module and of the modules within it."""
    for position, resource in enumerate(items(fields(module).get("resources"))):
        if isinstance(resource, dict):
            yield (*steps, "resources", position), resource
    for position, child in enumerate(items(fields(module).get("child_modules"))):
        yield from _resources(child, (*steps, "child_modules", position))


def template_of_serverless(document: Document) -> Template:
    """Functions, the state machines of its plugin serverless-step-functions, and the CloudFormation beside them."""
    body: Fields = document.value
    resources: Fields = {}
    places: dict[str, Place] = {}
    given = body.get("resources")
    for position, part in enumerate(given if isinstance(given, list) else [given]):
        way: Steps = ("resources", position) if isinstance(given, list) else ("resources",)
        for name, resource in fields(fields(part).get("Resources")).items():
            resources[name] = resource
            places[name] = Place((*way, "Resources", name, "Properties"))
    provider = fields(body.get("provider"))
    for name, function in fields(body.get("functions")).items():
        if isinstance(function, dict):
            resources[name] = {"Type": "AWS::Serverless::Function", "Properties": _function(function, provider)}
            places[name] = Place(("functions", name), {"Handler": "handler", "Timeout": "timeout", "Events": "events"})
    for name, machine in fields(fields(body.get("stepFunctions")).get("stateMachines")).items():
        if isinstance(machine, dict):
            resources[name] = {"Type": "AWS::Serverless::StateMachine", "Properties": _machine(machine)}
            places[name] = Place(
                ("stepFunctions", "stateMachines", name), {"Definition": "definition", "Logging": "loggingConfig"}
            )
    return Template(document, made_of={"Resources": resources}, places=places)


def _function(function: Fields, provider: Fields) -> Fields:
    events: Fields = {}
    for position, event in enumerate(items(function.get("events"))):
        kind, given = next(iter(event.items()), ("", None)) if isinstance(event, dict) else (str(event), None)
        settings = given if isinstance(given, dict) else {"arn": given}
        properties = {"Queue": settings.get("arn"), "BatchSize": settings.get("batchSize", 10)}
        if settings.get("functionResponseType") is not None:
            properties["FunctionResponseTypes"] = [settings["functionResponseType"]]
        events[f"event{position}"] = {"Type": "SQS" if kind == "sqs" else kind, "Properties": properties}
    return {
        "Handler": function.get("handler"),
        "Runtime": function.get("runtime", provider.get("runtime", "python")),
        "Timeout": function.get("timeout", provider.get("timeout", _SERVERLESS_TIMEOUT)),
        "CodeUri": ".",
        "Role": "made by the framework",  # and so not known here
        "Environment": {"Variables": {**fields(provider.get("environment")), **fields(function.get("environment"))}},
        "Events": events,
    }


def _machine(machine: Fields) -> Fields:
    properties: Fields = {"Type": str(machine.get("type") or "STANDARD").upper()}
    logging = fields(machine.get("loggingConfig"))
    properties["Logging"] = {
        "Level": logging.get("level"),
        "IncludeExecutionData": logging.get("includeExecutionData"),
    }
    definition = machine.get("definition")
    file = _FILE.fullmatch(definition) if isinstance(definition, str) else None
    if file:
        properties["DefinitionUri"] = str(Path(file[1].strip()))
    else:
        properties["Definition" if isinstance(definition, dict) else "DefinitionString"] = definition
    return properties
