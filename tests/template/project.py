"""Where the templates and state machines are, and how they are read."""

import copy
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from cfnlint.decode.decode import decode  # type: ignore[import-untyped]
from samcli.lib.translate.sam_template_validator import SamTemplateValidator  # type: ignore[import-untyped]
from samcli.yamlhelper import yaml_parse  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = ROOT / "functions"
STATE_MACHINE_FILES = sorted((ROOT / "statemachine").glob("*.asl.json"))
TEMPLATE_FILES = [ROOT / "template.yaml", *sorted((ROOT / "templates").glob("*.y*ml"))]

Json: TypeAlias = Any
Fields: TypeAlias = dict[str, Any]

logging.getLogger("samtranslator").setLevel(logging.ERROR)  # it warns of metrics that nobody here collects


def name_of(path: Path) -> str:
    """The path of a file as a test's name shows it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


def read_definition(path: Path) -> Fields:
    """A state machine. Raises ValueError when a key is there twice, of which JSON would silently keep the last."""
    definition: Fields = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_without_duplicates)
    return definition


def _without_duplicates(pairs: list[tuple[str, Json]]) -> Fields:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError(f"a key is there twice among {[key for key, _ in pairs]}")
    return fields


@dataclass(frozen=True)
class StateMachine:
    """A state machine of a template; `definition` is None where its file does not exist."""

    logical_id: str
    properties: Fields
    file: Path
    definition: Fields | None


@dataclass(frozen=True)
class Template:
    """A SAM template, with its short forms (`!Ref X`) as their long ones (`{"Ref": "X"}`)."""

    path: Path
    body: Fields

    @classmethod
    def read(cls, path: Path) -> "Template":
        body, errors = decode(str(path))
        if errors:
            raise ValueError(f"{path}: {errors}")
        return cls(path, json.loads(json.dumps(body)))

    def resources(self, kind: str) -> dict[str, Fields]:
        """The properties of every resource of a type, by logical ID."""
        return {
            logical_id: resource.get("Properties", {})
            for logical_id, resource in self.body["Resources"].items()
            if resource["Type"] == kind
        }

    @cached_property
    def functions(self) -> dict[str, Fields]:
        """The properties of every function, those of Globals included."""
        shared = self.body.get("Globals", {}).get("Function", {})
        return {
            logical_id: _merged(shared, own) for logical_id, own in self.resources("AWS::Serverless::Function").items()
        }

    @cached_property
    def state_machines(self) -> list[StateMachine]:
        machines = []
        for logical_id, properties in self.resources("AWS::Serverless::StateMachine").items():
            file = (self.path.parent / str(properties.get("DefinitionUri"))).resolve()
            definition = read_definition(file) if file.is_file() else None
            machines.append(StateMachine(logical_id, properties, file, definition))
        return machines

    @cached_property
    def transformed(self) -> "Template":
        """What SAM makes of it, as in `sam validate`: plain CloudFormation, Metadata and all."""
        validator = SamTemplateValidator(copy.deepcopy(self.body), _NoManagedPolicies(), region="us-east-1")
        body = json.loads(json.dumps(yaml_parse(validator.get_translated_template_if_valid())))
        for logical_id, resource in self.body["Resources"].items():
            if "Metadata" in resource and logical_id in body["Resources"]:
                body["Resources"][logical_id].setdefault("Metadata", resource["Metadata"])
        return Template(self.path, body)

    def queue_events(self) -> Iterator[tuple[str, Fields, Fields]]:
        """Every SQS event of every function: its name, its properties, and those of the function."""
        for logical_id, function in self.functions.items():
            for event_name, event in function.get("Events", {}).items():
                if event["Type"] == "SQS":
                    yield f"{logical_id}.{event_name}", event["Properties"], function


class _NoManagedPolicies:
    """Instead of SAM CLI's, which asks AWS for them."""

    def load(self) -> dict[str, str]:
        return {}


def referenced(value: Json) -> str | None:
    """The logical ID that `!Ref X` or `!GetAtt X.Y` names; None for anything else."""
    match value:
        case {"Ref": str(logical_id)} | {"Fn::GetAtt": [str(logical_id), str()]}:
            return logical_id
    return None


def _merged(shared: Json, own: Json) -> Json:
    """What SAM makes of Globals: objects are merged, lists joined, anything else is replaced."""
    match shared, own:
        case dict(), dict():
            return shared | {key: _merged(shared.get(key), value) for key, value in own.items()}
        case list(), list():
            return shared + own
    return own
