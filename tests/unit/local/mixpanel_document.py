"""Mixpanel's published documents, where they are at hand, made readable for a JSON Schema validator.

They are looked for in SLUICE_SPECS_DIR, or in ../shared/specs beside the project.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from jsonschema import Draft202012Validator

SPECS = Path(os.environ.get("SLUICE_SPECS_DIR", Path(__file__).parents[4] / "shared" / "specs"))
EXPORT_DOCUMENT = SPECS / "mixpanel" / "export.openapi.yaml"
QUERY_DOCUMENT = SPECS / "mixpanel" / "query.openapi.yaml"

Api = Literal["export", "engage"]


def faults(schema: Any, document: Any) -> list[str]:
    """What is wrong with the document, a line each."""
    validator = Draft202012Validator(schema)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


@cache
def operation(api: Api) -> dict[str, Any]:
    """The document's word on that address, its shared parameters put in place."""
    path, method = (EXPORT_DOCUMENT, "get") if api == "export" else (QUERY_DOCUMENT, "post")
    document = yaml.safe_load(path.read_text())
    found: dict[str, Any] = document["paths"][f"/{api}"][method]
    shared = document.get("components", {}).get("parameters", {})
    told = [
        shared[each["$ref"].rpartition("/")[2]] if "$ref" in each else each
        for each in found["parameters"]
    ]
    return {**found, "parameters": told}


def parameters(api: Api) -> dict[str, dict[str, Any]]:
    """What may be asked in the query, by name."""
    told = operation(api)["parameters"]
    return {each["name"]: each for each in told if each["in"] == "query"}


def form() -> dict[str, Any]:
    """The schema of engage's form."""
    content = operation("engage")["requestBody"]["content"]
    return dict(content["application/x-www-form-urlencoded"]["schema"]["properties"])


def closed(schema: Any) -> Any:
    """The schema with every named property required, so that a misspelt one is noticed."""
    if schema.get("type") == "array":
        return {**schema, "items": closed(schema["items"])}
    if "properties" not in schema:
        return schema
    named = {name: closed(each) for name, each in schema["properties"].items()}
    return {**schema, "properties": named, "required": sorted(named), "additionalProperties": False}


def query_faults(api: Api, query: dict[str, str]) -> list[str]:
    """What of a query is not in the document, is missing in it, or is of another kind."""
    told = parameters(api)
    wrong = [f"{name} is not documented" for name in query if name not in told]
    wrong += [f"{name} is missing" for name, each in told.items() if _missing(each, query)]
    for name in query.keys() & told.keys():
        wrong += [f"{name}: {each}" for each in _text_faults(told[name]["schema"], query[name])]
    return wrong


def form_faults(fields: dict[str, str]) -> list[str]:
    """The same of a form."""
    told = form()
    wrong = [f"{name} is not documented" for name in fields if name not in told]
    for name in fields.keys() & told.keys():
        wrong += [f"{name}: {each}" for each in _text_faults(told[name], fields[name])]
    return wrong


def _missing(parameter: dict[str, Any], query: dict[str, str]) -> bool:
    return bool(parameter.get("required")) and parameter["name"] not in query


def _text_faults(schema: dict[str, Any], text: str) -> list[str]:
    """A text that says a number, a truth or a list, against its schema."""
    if schema["type"] == "string":
        return faults(schema, text)
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return [f"{text!r} cannot be read"]
    return faults(schema, value)
