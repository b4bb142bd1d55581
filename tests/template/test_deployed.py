"""Conditions are decided, and resources transformed, as CloudFormation and SAM do it."""

from pathlib import Path

import pytest

from tests.template.deployed import deployed
from tests.template.project import Fields, Json, Template

IS_A = {"Fn::Equals": [{"Ref": "Letter"}, "a"]}
IS_B = {"Fn::Equals": ["b", {"Ref": "Letter"}]}


def template(conditions: Fields, properties: Json) -> Template:
    body = {
        "Parameters": {"Letter": {"Type": "String", "Default": "a"}},
        "Conditions": conditions,
        "Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": properties}},
    }
    return Template(Path("template.yaml"), {"Transform": "AWS::Serverless-2016-10-31", **body})


@pytest.mark.parametrize(
    ("condition", "letters"),
    [
        (IS_A, "a"),
        ({"Fn::Not": [IS_A]}, "bc"),
        ({"Fn::Or": [IS_A, IS_B]}, "ab"),
        ({"Fn::And": [{"Fn::Not": [IS_A]}, {"Fn::Not": [{"Condition": "IsB"}]}]}, "c"),
    ],
)
def test_conditions_are_decided_by_the_parameters(condition: Fields, letters: str) -> None:
    source = template({"IsB": IS_B, "Holds": condition}, {"DelaySeconds": {"Fn::If": ["Holds", 1, 2]}})

    decided = {
        letter: deployed(source, Letter=letter).resources("AWS::SQS::Queue")["Queue"]["DelaySeconds"]
        for letter in "abc"
    }

    assert decided == {letter: 1 if letter in letters else 2 for letter in "abc"}


def test_parameter_that_is_not_given_has_its_default() -> None:
    source = template({"IsA": IS_A}, {"DelaySeconds": {"Fn::If": ["IsA", 1, 2]}})

    assert deployed(source).resources("AWS::SQS::Queue")["Queue"]["DelaySeconds"] == 1


def test_no_value_is_no_property_and_no_item() -> None:
    no_value = {"Ref": "AWS::NoValue"}
    source = template(
        {"IsA": IS_A},
        {"DelaySeconds": {"Fn::If": ["IsA", no_value, 1]}, "Tags": [{"Fn::If": ["IsA", no_value, "x"]}, "y"]},
    )

    assert deployed(source).resources("AWS::SQS::Queue")["Queue"] == {"Tags": ["y"]}


def test_resource_whose_condition_does_not_hold_is_not_there() -> None:
    source = template({"IsA": IS_A}, {})
    source.body["Resources"]["Queue"]["Condition"] = "IsA"

    assert set(deployed(source, Letter="a").resources("AWS::SQS::Queue")) == {"Queue"}
    assert set(deployed(source, Letter="b").resources("AWS::SQS::Queue")) == set()


def test_metadata_outlives_the_transform() -> None:
    metadata = {"checkov": {"skip": [{"id": "CKV_AWS_1"}]}}
    source = template({}, {})
    source.body["Resources"] |= {
        "Function": {
            "Type": "AWS::Serverless::Function",
            "Metadata": metadata,
            "Properties": {"Runtime": "python3.14", "Handler": "a.b", "CodeUri": "functions/"},
        },
        "Machine": {
            "Type": "AWS::Serverless::StateMachine",
            "Metadata": metadata,
            "Properties": {"DefinitionUri": "machine.asl.json"},
        },
        "Api": {"Type": "AWS::Serverless::Api", "Metadata": metadata, "Properties": {"StageName": "v1"}},
        "Table": {"Type": "AWS::Serverless::SimpleTable", "Metadata": metadata},
    }
    source.body["Resources"]["Function"]["Properties"]["Events"] = {
        "Get": {"Type": "Api", "Properties": {"Path": "/", "Method": "get", "RestApiId": {"Ref": "Api"}}}
    }

    resources = source.transformed.body["Resources"]

    assert {name: resources[name].get("Metadata") for name in ("Function", "Machine", "Api", "Table")} == dict.fromkeys(
        ("Function", "Machine", "Api", "Table"), metadata
    )
