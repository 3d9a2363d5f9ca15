"""What the template says of alarms that the embedded AWS cannot make: composite ones, and those of metric math.

The template puts them behind a condition that is false there. Here they are read out of the deployed template with that
condition as on AWS, and their functions (Ref, Sub, GetAtt and so on) worked out from what was deployed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]

COMPOSITE = "AWS::CloudWatch::CompositeAlarm"
ALARM = "AWS::CloudWatch::Alarm"

_VARIABLE = re.compile(r"\$\{(!?)([^}]+)\}")
_NOTHING = object()


class TemplateRefused(Exception):
    """The template uses something that is not worked out here. Names it."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """A stack's template, as deployed. ``resources``: physical id by logical id."""

    template: Document
    stack: str
    region: str
    account: str
    parameters: Mapping[str, str]
    resources: Mapping[str, str]

    def alarms_to_make(self) -> Iterator[tuple[str, Document]]:
        """Kind and properties of each composite alarm and each alarm of metric math that AWS would have."""
        for name, resource in self.template["Resources"].items():
            kind, properties = resource["Type"], resource.get("Properties", {})
            made_here = kind == COMPOSITE or (kind == ALARM and "Metrics" in properties)
            if made_here and self.holds(resource.get("Condition")):
                yield kind, self.value({"AlarmName": self.named(name), **properties})

    def named(self, logical: str) -> str:
        """What Ref of a resource gives: its physical id, or of an alarm not deployed here the name it would have."""
        if logical in self.resources:
            return self.resources[logical]
        resource = self.template["Resources"].get(logical)
        if resource is None or resource["Type"] not in (COMPOSITE, ALARM):
            raise TemplateRefused(f"{logical} was not deployed, so there is nothing to refer to")
        given = resource.get("Properties", {}).get("AlarmName")
        return str(self.value(given)) if given else f"{self.stack}-{logical}"

    def holds(self, condition: str | None) -> bool:
        """A condition as it would be with Stage at ``prod``; no condition holds."""
        if condition is None:
            return True
        return bool(self._test(self.template.get("Conditions", {})[condition]))

    def value(self, given: Any) -> Any:
        """A property with its functions worked out; list members and keys of AWS::NoValue are left out."""
        if isinstance(given, list):
            worked = [self.value(each) for each in given]
            return [each for each in worked if each is not _NOTHING]
        if not isinstance(given, dict):
            return given
        if len(given) == 1 and (function := _function_of(next(iter(given)))):
            return function(self, next(iter(given.values())))
        pairs = ((name, self.value(each)) for name, each in given.items())
        return {name: each for name, each in pairs if each is not _NOTHING}

    def _test(self, given: Any) -> bool:
        (name, inner), *_ = given.items()
        if name == "Condition":
            return self.holds(inner)
        if name == "Fn::Equals":
            one, other = (self._as_on_aws(each) for each in inner)
            return bool(one == other)
        if name == "Fn::Not":
            return not self._test(inner[0])
        if name in ("Fn::And", "Fn::Or"):
            return (all if name == "Fn::And" else any)(self._test(each) for each in inner)
        raise TemplateRefused(f"condition {name} is not worked out here")

    def _as_on_aws(self, given: Any) -> Any:
        return "prod" if given == {"Ref": "Stage"} else self.value(given)

    def _ref(self, name: Any) -> Any:
        pseudo = {
            "AWS::StackName": self.stack,
            "AWS::Region": self.region,
            "AWS::AccountId": self.account,
            "AWS::Partition": "aws",
            "AWS::NoValue": _NOTHING,
        }
        if name in pseudo:
            return pseudo[name]
        return self.parameters[name] if name in self.parameters else self.named(name)

    def _get_att(self, given: Any) -> Any:
        logical, attribute = given.split(".", 1) if isinstance(given, str) else given
        kind = self.template["Resources"][logical]["Type"]
        name = self.named(logical)
        if attribute == "Arn" and kind in (COMPOSITE, ALARM):
            return f"arn:aws:cloudwatch:{self.region}:{self.account}:alarm:{name}"
        if attribute == "QueueName" and kind == "AWS::SQS::Queue":
            return name.rsplit("/", 1)[-1]
        if attribute == "TopicName" and kind == "AWS::SNS::Topic":
            return name.rsplit(":", 1)[-1]
        raise TemplateRefused(f"GetAtt {logical}.{attribute} is not worked out here")

    def _sub(self, given: Any) -> str:
        text, own = given if isinstance(given, list) else (given, {})

        def replaced(found: re.Match[str]) -> str:
            literal, name = found[1], found[2].strip()
            if literal:
                return f"${{{name}}}"
            if name in own:
                return str(self.value(own[name]))
            return str(self._get_att(name) if "." in name else self._ref(name))

        return _VARIABLE.sub(replaced, text)

    def _if(self, given: Any) -> Any:
        condition, then, otherwise = given
        return self.value(then if self.holds(condition) else otherwise)

    def _join(self, given: Any) -> str:
        return str(given[0]).join(str(self.value(each)) for each in given[1])

    def _find(self, given: Any) -> Any:
        mapping, first, second = (self.value(each) for each in given)
        return self.template["Mappings"][mapping][first][second]


def _function_of(name: str) -> Callable[[Deployed, Any], Any] | None:
    known: dict[str, Callable[[Deployed, Any], Any]] = {
        "Ref": Deployed._ref,
        "Fn::Sub": Deployed._sub,
        "Fn::GetAtt": Deployed._get_att,
        "Fn::If": Deployed._if,
        "Fn::Join": Deployed._join,
        "Fn::FindInMap": Deployed._find,
    }
    if name.startswith("Fn::") and name not in known:
        raise TemplateRefused(f"{name} is not worked out here")
    return known.get(name)
