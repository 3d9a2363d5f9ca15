"""ShipBob's published document, where it is at hand, made readable for a JSON Schema validator.

It carries no licence, so it is no part of this repository: it is looked for in SLUICE_SPECS_DIR, or
in ../shared/specs beside the project.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from local.vendors.shipbob.endpoints import Endpoint

SPECS = Path(os.environ.get("SLUICE_SPECS_DIR", Path(__file__).parents[4] / "shared" / "specs"))
DOCUMENT = SPECS / "shipbob" / "openapi-2026-01.json"
FORMATS = FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def _is_moment(text: object) -> bool:
    return not isinstance(text, str) or datetime.fromisoformat(text).tzinfo is not None


def faults(schema: Any, document: Any) -> list[str]:
    """What is wrong with the document, a line each."""
    validator = Draft202012Validator(schema, format_checker=FORMATS)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


@cache
def the_document() -> dict[str, Any]:
    """The whole of it."""
    return json.loads(DOCUMENT.read_text())


def named(name: str) -> dict[str, Any]:
    """One of its schemas, as it stands."""
    return the_document()["components"]["schemas"][name]


def readable(schema: Any) -> Any:
    """A schema of the document as JSON Schema, references resolved.

    ``nullable`` becomes null. Two things of the document's generator no answer could meet: a closed
    object that extends another closed one, and alternatives of which several fit. The first become
    one closed object; of the second any may fit.
    """
    if "$ref" in schema:
        return readable(_base(schema))
    whole = _joined(schema)
    kind = whole.get("type")
    made = {name: whole[name] for name in ("type", "format", "enum", "required") if name in whole}
    if "oneOf" in whole:
        made["anyOf"] = [readable(each) for each in whole["oneOf"]]
    elif kind == "array":
        made["items"] = readable(whole["items"])
    elif kind == "object":
        made["properties"] = {name: readable(s) for name, s in whole.get("properties", {}).items()}
        made["additionalProperties"] = _others(whole.get("additionalProperties", True))
    return {"anyOf": [made, {"type": "null"}]} if whole.get("nullable") else made


def operation(endpoint: Endpoint) -> dict[str, Any]:
    """The document's word on that address; parts in braces may have other names."""

    def shape(path: str) -> str:
        return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))

    for path, methods in the_document()["paths"].items():
        if shape(path) == "/2026-01" + shape(endpoint.path) and endpoint.method.lower() in methods:
            return methods[endpoint.method.lower()]
    raise AssertionError(f"the document has no {endpoint.method} {endpoint.path}")


def _base(schema: dict[str, Any]) -> dict[str, Any]:
    return named(schema["$ref"].rpartition("/")[2]) if "$ref" in schema else schema


def _joined(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with the properties of all it extends."""
    whole = {**schema, "properties": dict(schema.get("properties", {}))}
    for base in map(_joined, map(_base, whole.pop("allOf", ()))):
        whole["properties"] = {**base["properties"], **whole["properties"]}
        whole["required"] = [*base.get("required", ()), *whole.get("required", ())]
        whole.setdefault("type", base.get("type"))
    return whole


def _others(schema: Any) -> Any:
    return schema if isinstance(schema, bool) else readable(schema)
