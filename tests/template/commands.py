"""Commands as documents show them, and whether each of them would be understood."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import typer
from botocore import xform_name
from botocore.exceptions import UnknownServiceError
from botocore.session import Session
from typer.core import TyperGroup

from local.places import PROJECT
from ops.cli import app

_FENCED = re.compile(r"^ *```\w*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`]+)`")
_INNER = re.compile(r"\$\(((?:[^()']|'[^']*')*)\)")
_BESIDE = re.compile(r"\s{2,}")
_ENDS = re.compile(r" (?:\||&&|;) ")
_PLACEHOLDER = re.compile(r"<[^<>]+>")
_GLOBAL = {"query", "output", "region", "profile"}
"""Options of every `aws` command."""

_NOT_IN_THE_MODEL = {("logs", "tail"): {"since", "follow", "filter-pattern", "format"}}
"""Commands that the AWS CLI makes up by itself."""

_RENAMED = {("sns", "subscribe"): {"notification-endpoint": "endpoint"}}
"""Options that the AWS CLI calls otherwise than the service does."""

_POSITIONAL = {("lambda", "invoke"): 1}
"""Words that are no options: the file for the answer."""


@dataclass(frozen=True)
class Shown:
    """A command and the document that shows it."""

    document: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.document}: {' '.join(self.words)}"


def shown_in(paths: Sequence[Path]) -> list[Shown]:
    """Every `make`, `sluice`, `aws` and `git` command of some documents, once each."""
    found = {
        Shown(path.name, words): None
        for path in paths
        for text in _pieces(path.read_text(encoding="utf-8"))
        if (words := _words(text))
    }
    return list(found)


def fault(command: Shown) -> str | None:
    """What is wrong with a command; None when it would be understood."""
    return _fault(command.words)


@cache
def _fault(command: tuple[str, ...]) -> str | None:
    """Several pages show the same."""
    program, *words = command
    match program:
        case "sluice":
            return _fault_of_sluice(words)
        case "make":
            return _fault_of_make(words)
        case "aws":
            return _fault_of_aws(words)
        case _:
            return None


def program_lines(text: str) -> Iterator[str]:
    """The lines of all fenced blocks, wrapped ones as one; without what is said of them beside, after two blanks."""
    for block in _FENCED.findall(text):
        lines = re.sub(r"\\\n\s*", "", block).splitlines()
        yield from (_BESIDE.split(line.strip(), maxsplit=1)[0] for line in lines)


def inline_pieces(text: str) -> Iterator[str]:
    """What stands between backticks, in one line also where the page wraps it. A paragraph at a time: a backtick
    that is never closed spoils no more than its own."""
    for paragraph in re.split(r"\n\s*\n", _FENCED.sub("\n\n", text)):
        yield from (" ".join(piece.split()) for piece in _INLINE.findall(paragraph))


def _pieces(text: str) -> Iterator[str]:
    """Each command by itself: those within others, and those that a pipe or an ``&&`` joins."""
    for line in (*program_lines(text), *inline_pieces(text)):
        yield from (part for inner in _INNER.findall(line) for part in _ENDS.split(inner))
        yield from _ENDS.split(_INNER.sub("x", line))


def _words(text: str) -> tuple[str, ...]:
    try:
        words = shlex.split(_PLACEHOLDER.sub("x", text), comments=True)
    except ValueError:  # a sentence with an apostrophe
        return ()
    while words and re.match(r"[A-Z_]+=", words[0]):  # variables before a command
        words = words[1:]
    if not words:
        return ()
    program = words[0].rsplit("/", 1)[-1]
    known = program in {"sluice", "make", "aws", "git"} and len(words) > 1
    return (program, *words[1:]) if known else ()


def _fault_of_sluice(words: Sequence[str]) -> str | None:
    """As the command itself reads its words, group by group; nothing is run. What a page leaves out is no fault: it may
    name a command without what that needs."""
    command, context = _whole(), None
    left = [word for word in words if word != "..."]
    try:
        while left and isinstance(command, TyperGroup):
            context = command.make_context(command.name, left, parent=context)
            if not (left := [*context._protected_args, *context.args]):
                return None
            _, command, left = command.resolve_command(context, left)
        command.make_context(command.name, left, parent=context)
    except typer.Exit:  # --help
        return None
    except Exception as error:  # noqa: BLE001  # Typer's own have no public names; any other is raised
        if type(error).__name__ == "MissingParameter":
            return None
        return _told(error)
    return None


def _told(error: Exception) -> str:
    """What a person would be told of it; anything else than a fault of usage is raised."""
    tell = getattr(error, "format_message", None)
    if tell is None:
        raise error
    return str(tell())


@cache
def _whole() -> Any:
    return typer.main.get_command(app)


def _fault_of_make(words: Sequence[str]) -> str | None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    for word in words:
        name, given, _ = word.partition("=")
        if word == "...":
            continue
        if given and f"$({name})" not in makefile:
            return f"the Makefile does not read {name}"
        if not given and not re.search(rf"^{re.escape(name)}:", makefile, re.MULTILINE):
            return f"the Makefile has no target {name}"
    return None


def _fault_of_aws(words: Sequence[str]) -> str | None:
    service, operation, *rest = _without_global(words)
    options = {word[2:] for word in rest if word.startswith("--")} - _GLOBAL
    if (service, operation) in _NOT_IN_THE_MODEL:
        unknown = options - _NOT_IN_THE_MODEL[service, operation]
        return f"no option {unknown}" if unknown else None
    renamed = _RENAMED.get((service, operation), {})
    options = {renamed.get(option, option) for option in options}
    try:
        model = _model(service)
    except UnknownServiceError:
        return f"no service {service}"
    names = {xform_name(name, "-"): name for name in model.operation_names}
    if operation not in names:
        return f"no operation {operation}"
    return _fault_of_options(model.operation_model(names[operation]).input_shape, options) or (
        _fault_of_positionals(service, operation, rest)
    )


@cache
def _model(service: str) -> Any:
    return Session().get_service_model(service)


def _without_global(words: Sequence[str]) -> Sequence[str]:
    """``--endpoint-url`` and its like may stand before the service, each with a value."""
    while words and words[0].startswith("--"):
        words = words[2:]
    return words


def _fault_of_options(shape: Any, options: set[str]) -> str | None:
    members = {xform_name(name, "-"): member for name, member in shape.members.items()}
    switches = {name for name, member in members.items() if member.type_name == "boolean"}
    understood = set(members) | {f"no-{name}" for name in switches}
    missing = {xform_name(name, "-") for name in shape.required_members} - options
    if options - understood:
        return f"no option {options - understood}"
    return f"lacks {missing}" if missing else None


def _fault_of_positionals(service: str, operation: str, words: Sequence[str]) -> str | None:
    free = [
        w for place, w in enumerate(words) if not w.startswith("--") and not _is_value(words, place)
    ]
    allowed = _POSITIONAL.get((service, operation), 0)
    return None if len(free) == allowed else f"words of no option: {free}"


def _is_value(words: Sequence[str], place: int) -> bool:
    """After an option, up to the next one; a switch and the file for the answer aside."""
    before = [word for word in words[:place] if word.startswith("--")]
    return bool(before) and not before[-1].startswith("--no-") and words[place] != "answer.json"
