"""What pages name in code quotes (settings, variables, log lines, errors, metrics), and whether it is there.

A name is looked for where it would be used: settings in the models that read the clients file, variables in the
Makefile, the template and the code, lines where the code logs them. A word that is none of ours stands in ``THEIRS``.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from pydantic import BaseModel

import sluice.sources
from local.places import PROJECT
from ops.clients import file as clients_file
from tests.template.commands import inline_pieces, program_lines

CODE = ("shared/sluice", "functions", "ops", "local")
DEPLOYED = ("shared/sluice", "functions")

AWS = frozenset({"DISABLED", "Disabled", "Enabled", "ERROR", "REPORT", "Runtime", "Task", "signal"})
"""States of schedules and event sources; words of the lines that Lambda itself writes."""

THEIRS = frozenset(
    {
        "fetched_at",
        "request_id",
        "exception",
        "exception_name",
        "ValidationError",
        "pg_stat_activity",
    }
)
"""A vendor's fields, as examples; what Powertools adds to a line with an exception; an error and a view of others."""

_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")
_CAMEL = re.compile(r"(?:[A-Z][a-z0-9]+){1,}")
_WORD = re.compile(r"[a-z]\w*")
_DOTTED = re.compile(r"(watch|delete_brake)\.(\w+)")
_YAML = re.compile(r"(\w+): \{(.+)\}")
_SETTING = re.compile(r"`([\w.]+)`[^`.;:]* (?:in|of) the\s+clients\s+file")
_LINE = re.compile(r"`(\w+)`\s+lines?\b|\bline\s+`(\w+)`")
_FILTER = re.compile(r"--filter-pattern (?:\"([^\"]+)\"|(\S+))")
_FUNCTION = re.compile(r"(?:/aws/lambda/|--function-name )sluice-([\w-]+)")
_WIDGET = re.compile(r"dashboard's \"([^\"]+)\"")
_GIVEN = re.compile(r"^([A-Z][A-Z0-9_]+)=\S* +\w")


def unknown_names(text: str) -> Iterator[str]:
    """Each name of a page that is nowhere, and what it is said to be."""
    joined = " ".join(text.split())
    for piece in inline_pieces(text):
        yield from _fault_of_piece(piece)
    yield from _absent(_GIVEN.findall("\n".join(program_lines(text))), variables(), "variable")
    yield from _absent(_SETTING.findall(joined), settings(), "setting of the clients file")
    said = [one or other for one, other in _LINE.findall(joined)]
    yield from _absent(said, lines(), "line of a log")
    terms = [t.lstrip("?") for pair in _FILTER.findall(joined) for t in "".join(pair).split()]
    yield from _absent((t.strip("`.;,") for t in terms), logged() | AWS, "word in a log")
    yield from _absent(_FUNCTION.findall(joined), functions(), "function")
    yield from _absent(_WIDGET.findall(joined), widgets(), "widget of the dashboard")


def _fault_of_piece(piece: str) -> Iterator[str]:
    if found := _DOTTED.fullmatch(piece):
        yield from _absent([piece], settings(), f"setting of {found[1]}")
    elif found := _YAML.fullmatch(piece):
        keys = re.findall(r"(\w+):", found[2])
        yield from _absent((f"{found[1]}.{key}" for key in keys), settings(), "setting")
    elif _VARIABLE.fullmatch(piece) and len(piece) > 1:
        yield from _absent([piece], variables() | AWS, "variable")
    elif _CAMEL.fullmatch(piece):
        yield from _absent([piece], words() | template_words() | AWS | THEIRS, "error or metric")
    elif _WORD.fullmatch(piece):
        yield from _absent([piece], words() | columns() | THEIRS, "field or setting")


def _absent(names: Iterable[str], known: frozenset[str], what: str) -> Iterator[str]:
    yield from (f"{name}: no {what}" for name in names if name not in known)


@cache
def variables() -> frozenset[str]:
    """Of the Makefile and of the functions' environment, and those that commands read."""
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    template = (PROJECT / "template.yaml").read_text(encoding="utf-8")
    found = set(re.findall(r"\$\(([A-Z_0-9]+)\)", makefile))
    found |= set(re.findall(r"^ +([A-Z_0-9]+):", template, re.MULTILINE))
    return frozenset(found | {each for each in words() if _VARIABLE.fullmatch(each)})


@cache
def settings() -> frozenset[str]:
    """Fields of what reads the clients file; those of a group also with its name before them."""
    found = {
        name
        for module in (clients_file, *_modules_of_sources())
        for model in vars(module).values()
        for name in _fields_of(model)
    }
    groups = {"watch": clients_file.WatchEntry, "delete_brake": clients_file.BrakeEntry}
    dotted = {f"{group}.{name}" for group, model in groups.items() for name in _fields_of(model)}
    return frozenset(found | dotted)


def _fields_of(model: object) -> Iterable[str]:
    is_model = isinstance(model, type) and issubclass(model, BaseModel)
    return getattr(model, "model_fields", ()) if is_model else ()


def _modules_of_sources() -> Iterator[object]:
    for module in pkgutil.walk_packages(sluice.sources.__path__, "sluice.sources."):
        yield importlib.import_module(module.name)


@cache
def lines() -> frozenset[str]:
    """The messages that functions log."""
    found = {
        call.args[0].value
        for tree in _trees(DEPLOYED)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and _is_logging(call.func) and call.args
        if isinstance(call.args[0], ast.Constant)
    }
    named = {
        node.value.value
        for tree in _trees(DEPLOYED)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant)
        if "line" in {target.id for target in _targets(node) if isinstance(target, ast.Name)}
    }
    return frozenset(str(each) for each in found | named)


def _targets(node: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return node.targets if isinstance(node, ast.Assign) else [node.target]


def _is_logging(called: ast.expr) -> bool:
    return (
        isinstance(called, ast.Attribute)
        and called.attr in {"debug", "info", "warning", "error", "exception"}
        and isinstance(called.value, ast.Name)
        and called.value.id == "logger"
    )


@cache
def logged() -> frozenset[str]:
    """What may stand in a line: its message, its fields and their words."""
    return frozenset(lines() | _constants(DEPLOYED))


@cache
def words() -> frozenset[str]:
    """Names and single words that the code has: classes, fields, parameters, texts."""
    found = set(_constants(CODE))
    for node in (node for tree in _trees(CODE) for node in ast.walk(tree)):
        match node:
            case ast.ClassDef(name=name) | ast.arg(arg=name):
                found.add(name)
            case ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
    return frozenset(found)


@cache
def _constants(folders: tuple[str, ...]) -> frozenset[str]:
    return frozenset(
        node.value
        for tree in _trees(folders)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if re.fullmatch(r"\w+", node.value)
    )


@cache
def _trees(folders: tuple[str, ...]) -> tuple[ast.Module, ...]:
    paths = [path for folder in folders for path in sorted((PROJECT / folder).rglob("*.py"))]
    return tuple(ast.parse(Path(path).read_text(encoding="utf-8")) for path in paths)


@cache
def columns() -> frozenset[str]:
    """Of the database, with its tables and views."""
    schema = (PROJECT / "migrations/schema.sql").read_text(encoding="utf-8")
    tables = re.findall(r"^CREATE (?:TABLE|VIEW) \w+\.(\w+)", schema, re.MULTILINE)
    return frozenset([*tables, *re.findall(r"^    (\w+) \w", schema, re.MULTILINE)])


@cache
def template_words() -> frozenset[str]:
    """Resources and properties."""
    template = (PROJECT / "template.yaml").read_text(encoding="utf-8")
    return frozenset(re.findall(r"\b([A-Z]\w+):", template))


@cache
def widgets() -> frozenset[str]:
    template = (PROJECT / "template.yaml").read_text(encoding="utf-8")
    return frozenset(re.findall(r'"title": "([^"]+)"', template))


@cache
def functions() -> frozenset[str]:
    return frozenset(path.parent.name for path in (PROJECT / "functions").glob("*/app.py"))
