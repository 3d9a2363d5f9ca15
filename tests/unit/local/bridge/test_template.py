"""What is read out of the template for the embedded AWS, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

from local.bridge.rules import parse_rule
from local.bridge.template import COMPOSITE, Deployed, TemplateRefused
from local.places import PROJECT


def deployed(template: dict[str, Any], **resources: str) -> Deployed:
    return Deployed(
        template, "sluice", "us-east-1", "000000000000", {"Stage": "local", "Size": "15"}, resources
    )


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("text", "text"),
        ({"Ref": "AWS::StackName"}, "sluice"),
        ({"Ref": "Size"}, "15"),
        ({"Ref": "Queue"}, "http://127.0.0.1/0/q"),
        ({"Fn::GetAtt": ["Queue", "QueueName"]}, "q"),
        ({"Fn::GetAtt": "Late.Arn"}, "arn:aws:cloudwatch:us-east-1:000000000000:alarm:sluice-late"),
        (
            {"Fn::Sub": "${AWS::StackName}-${Size} ${!Left} ${Late}"},
            "sluice-15 ${Left} sluice-late",
        ),
        ({"Fn::Sub": ["${a}-${Queue.QueueName}", {"a": {"Ref": "Size"}}]}, "15-q"),
        ({"Fn::Join": ["", ["a", {"Ref": "Size"}]]}, "a15"),
        ({"Fn::FindInMap": ["Map", {"Ref": "Size"}, "K"]}, 7),
        ({"Fn::If": ["OnAws", "aws", "here"]}, "aws"),
        ([1, {"Ref": "AWS::NoValue"}, 2], [1, 2]),
        ({"a": {"Fn::If": ["Embedded", 1, {"Ref": "AWS::NoValue"}]}, "b": 2}, {"b": 2}),
    ],
)
def test_functions(given: Any, value: Any) -> None:
    """Conditions are as they would be with Stage at prod."""
    template = {
        "Conditions": {
            "Embedded": {"Fn::Equals": [{"Ref": "Stage"}, "local"]},
            "OnAws": {"Fn::Not": [{"Condition": "Embedded"}]},
        },
        "Mappings": {"Map": {"15": {"K": 7}}},
        "Resources": {
            "Queue": {"Type": "AWS::SQS::Queue"},
            "Late": {
                "Type": COMPOSITE,
                "Properties": {"AlarmName": {"Fn::Sub": "${AWS::StackName}-late"}},
            },
        },
    }
    assert deployed(template, Queue="http://127.0.0.1/0/q").value(given) == value


@pytest.mark.parametrize(
    "given",
    [
        {"Fn::Split": [",", "a,b"]},
        {"Ref": "Nowhere"},
        {"Fn::GetAtt": ["Queue", "Arn"]},
        {"Fn::Sub": "${Topic}"},
    ],
)
def test_what_is_not_worked_out_is_refused(given: Any) -> None:
    template = {
        "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}, "Topic": {"Type": "AWS::SNS::Topic"}}
    }
    with pytest.raises(TemplateRefused):
        deployed(template, Queue="q").value(given)


def test_the_projects_own_pages_are_understood() -> None:
    """Each composite alarm of template.yaml is made here, and its rule is one."""
    template = yaml_parse((PROJECT / "template.yaml").read_text(encoding="utf-8"))
    resources = {
        name: name for name, each in template["Resources"].items() if each["Type"] != COMPOSITE
    }
    parameters = {
        name: str(each.get("Default", "")) for name, each in template["Parameters"].items()
    }
    own = Deployed(template, "sluice", "us-east-1", "0", parameters | {"Stage": "local"}, resources)
    made = list(own.alarms_to_make())
    composites = [given for kind, given in made if kind == COMPOSITE]
    expected = [each for each in template["Resources"].values() if each["Type"] == COMPOSITE]
    assert len(composites) == len(expected)
    for given in composites:
        assert given["AlarmName"].startswith("sluice-")
        assert parse_rule(given["AlarmRule"]).alarms
