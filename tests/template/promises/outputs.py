"""Outputs: what the operators' command and the embedded stack read from a deployed stack."""

from __future__ import annotations

import re

from local.places import PROJECT
from tests.template.reading import Template, mentioned

_READ_BY_THE_COMMAND = re.compile(r'"SLUICE_[A-Z_]+": "(\w+)"')
_READ_BY_THE_EMBEDDED_STACK = re.compile(r'outputs\["(\w+)"\]')


def whoever_reads_outputs_finds_them(template: Template) -> list[str]:
    """Of ops/target.py and local/supervisor.py."""
    outputs = template.translated.get("Outputs", {})
    return [f"{name} is read and not given" for name in sorted(read_by_programs() - set(outputs))]


def outputs_are_of_what_is_there(template: Template) -> list[str]:
    """Each is the name of a resource or a parameter of the template."""
    known = set(template.translated["Resources"]) | set(template.parameters)
    return [
        f"{name} is of nothing"
        for name, output in template.translated.get("Outputs", {}).items()
        if not mentioned(output["Value"]) <= known or not mentioned(output["Value"])
    ]


def read_by_programs() -> set[str]:
    target = (PROJECT / "ops/target.py").read_text(encoding="utf-8")
    supervisor = (PROJECT / "local/supervisor.py").read_text(encoding="utf-8")
    return set(_READ_BY_THE_COMMAND.findall(target)) | set(
        _READ_BY_THE_EMBEDDED_STACK.findall(supervisor)
    )


PROMISES = (whoever_reads_outputs_finds_them, outputs_are_of_what_is_there)
