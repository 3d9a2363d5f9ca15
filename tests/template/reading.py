"""template.yaml in two forms: as written, and as the SAM translator hands it to CloudFormation.

Promises read the translated form, because that is what AWS does: Globals are merged there, events have
become event source mappings, and roles that SAM makes by itself are seen. Only what SAM drops on the
way (how a layer is built) is read from the form as written.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from samtranslator.parser.parser import Parser  # type: ignore[import-untyped]
from samtranslator.translator.translator import Translator  # type: ignore[import-untyped]
from samtranslator.utils import py27hash_fix  # type: ignore[import-untyped]
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

from local.places import PROJECT

Document = dict[str, Any]

_PACKAGES = ("CodeUri", "ContentUri")
_VARIABLE = re.compile(r"\$\{([^!}]+)\}")


@dataclass(frozen=True)
class Template:
    """One template, and the questions that promises ask of it."""

    raw: Document
    translated: Document

    def resources(self, kind: str) -> Mapping[str, Document]:
        """Logical id -> resource, of one CloudFormation type, as translated."""
        found = self.translated["Resources"].items()
        return {name: each for name, each in found if each["Type"] == kind}

    def properties(self, kind: str) -> Iterator[tuple[str, Document]]:
        for name, resource in self.resources(kind).items():
            yield name, resource.get("Properties", {})

    def get(self, name: str | None) -> Document:
        """The properties of one resource; empty when there is none of that name."""
        found: Document = self.translated["Resources"].get(name, {}).get("Properties", {})
        return found

    @property
    def parameters(self) -> Mapping[str, Document]:
        found: Document = self.translated.get("Parameters", {})
        return found

    def value(self, given: Any, **chosen: str) -> Any:
        """What a literal, a parameter or a mapping comes to; else as given.

        ``chosen`` are parameters as a deploy gives them; the others are at their defaults.
        """
        match given:
            case {"Ref": str(name)} if name in chosen:
                return chosen[name]
            case {"Ref": str(name)} if name in self.parameters:
                return self.parameters[name].get("Default", given)
            case {"Fn::FindInMap": [str(table), row, str(column)]}:
                rows = self.translated.get("Mappings", {}).get(table, {})
                return rows.get(self.value(row, **chosen), {}).get(column)
            case _:
                return given


def read() -> Template:
    """The project's template."""
    return translated(written())


def written() -> Document:
    """template.yaml as it is, with CloudFormation's short tags spelled out; a copy for each caller."""
    document: Document = yaml_parse((PROJECT / "template.yaml").read_text(encoding="utf-8"))
    return document


def translated(document: Document) -> Template:
    """Translate as a deploy would, after an upload to some bucket."""
    packaged = copy.deepcopy(document)
    for resource in packaged["Resources"].values():
        for name in _PACKAGES:
            if name in resource.get("Properties", {}):
                resource["Properties"][name] = "s3://bucket/key"
    py27hash_fix.to_py27_compatible_template(packaged, {})  # as the translator's own entry does
    # With a session of our own: it would look for a region in the environment, which tests share.
    translator = Translator(None, Parser(), boto_session=boto3.Session(region_name="eu-central-1"))
    done = translator.translate(packaged, {}, get_managed_policy_map=_no_managed_policies)
    return Template(document, py27hash_fix.undo_mark_unicode_str_in_template(done))


def _no_managed_policies() -> dict[str, str]:
    """The translator would ask AWS for its managed policies; this template may use none."""
    return {}


def as_list(given: Any) -> list[Any]:
    """CloudFormation takes one or many in most places."""
    if given is None:
        return []
    return given if isinstance(given, list) else [given]


def logical_id(given: Any) -> str | None:
    """The resource or parameter that a Ref, a GetAtt or the first variable of a Sub means."""
    match given:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
            return name
        case {"Fn::Sub": str(text)}:
            found = [name for name in _VARIABLE.findall(text) if not name.startswith("AWS::")]
            return found[0].split(".")[0] if found else None
        case _:
            return None


def mentioned(given: Any) -> set[str]:
    """Every name that a value depends on, however deep: Refs, GetAtts, variables of Subs."""
    match given:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
            return {name}
        case {"Fn::Sub": inner}:
            text, values = inner if isinstance(inner, list) else (inner, {})
            names = {name.split(".")[0] for name in _VARIABLE.findall(text)}
            return (names - set(values)) | mentioned(list(values.values()))
        case dict():
            return mentioned(list(given.values()))
        case list():
            return {name for each in given for name in mentioned(each)}
        case _:
            return set()


def texts(given: Any) -> Iterator[str]:
    """Every piece of literal text in a value, however deep."""
    match given:
        case str():
            yield given
        case dict():
            for each in given.values():
                yield from texts(each)
        case list():
            for each in given:
                yield from texts(each)
