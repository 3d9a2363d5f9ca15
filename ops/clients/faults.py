"""Faults of a clients file in words that tell a person what to do.

pydantic's own messages speak of inputs and dictionaries; here each says what to write instead.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ops.clients.yaml_text import Place
from ops.durations import HOW_TO_WRITE, parse_duration

SECRET_NAME = re.compile(r"[A-Za-z0-9/_+=.@-]+|arn:aws[a-z-]*:secretsmanager:[A-Za-z0-9/_+=.@:-]+")
VALUE_FOR_NAME = (
    "this looks like the secret's value, not its name: put the value into Secrets Manager"
    " (aws secretsmanager create-secret), take it out of this file, and write the secret's name"
    " here (or its ARN)"
)

_ARN = re.compile(r"arn:aws[a-z-]*:secretsmanager:")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SEPARATORS = re.compile(r"[-_/.:@+=,;\s]+")
_KNOWN_BEGINNINGS = ("eyJ", "sk_", "sk-", "pk_", "AKIA", "ASIA", "ghp_", "xox", "-----BEGIN", "Bearer ",
                     "postgres://", "postgresql://", "https://", "http://")  # fmt: skip
_LONGEST_WORD = 16

_ISO_DURATION = re.compile(r"-?P[0-9T]")
_REFUSED = re.compile(r"^\w+ (['\"]).*\1 is refused: ")
"""A refused address is not repeated: there may be a password in it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and with which field."""

    place: Place
    message: str

    def within(self, outer: Place) -> Fault:
        return replace(self, place=(*outer, *self.place))

    def at_what_it_names(self, settings: Mapping[str, Any]) -> Fault:
        """Complaints about several settings together name them in their text; move to the first."""
        words = re.findall(r"\w+", self.message)
        named = next((word for word in words if word in settings), None)
        at_the_whole = self.place[-1:] == ("settings",)
        return replace(self, place=(*self.place, named)) if at_the_whole and named else self


def of_model(error: ValidationError, known: Callable[[Place], Iterable[str]]) -> list[Fault]:
    """pydantic's complaints as faults; ``known`` tells which keys there are at a place."""
    return [_fault(each, known) for each in error.errors(include_url=False)]


def keys_at(model: type[BaseModel], place: Place) -> Iterator[str]:
    """The keys that a model takes at a place: fields by name, mappings by whatever key."""
    annotation: Any = model
    for part in place:
        fields = getattr(annotation, "model_fields", None)
        annotation = fields[part].annotation if fields else _values_of(annotation)
    yield from getattr(annotation, "model_fields", {})


def looks_like_a_secret(text: str) -> bool:
    """Whether a text is rather a credential than a name. An ARN never is.

    Names consist of words; a credential has a long run of mixed letters and digits, or a beginning
    that gives it away.
    """
    if _ARN.match(text):
        return False
    if text.startswith(_KNOWN_BEGINNINGS) or _UUID.fullmatch(text):
        return True
    return any(_is_random(word) for word in _SEPARATORS.split(text))


def is_misread_duration(written: Any, checked: Any) -> bool:
    """True where a bare number, or a text of another form, was taken for a duration.

    ``crawl_every: 24`` would be 24 seconds, and ``1:30`` is a number in YAML.
    """
    is_duration = isinstance(checked, str) and _ISO_DURATION.match(checked) is not None
    return is_duration and written is not None and parse_duration(written) == written


def _is_random(word: str) -> bool:
    if len(word) < _LONGEST_WORD:
        return False
    return any(c.isdigit() for c in word) and any(c.isalpha() for c in word)


def _fault(each: ErrorDetails, known: Callable[[Place], Iterable[str]]) -> Fault:
    place = tuple(part for part in each["loc"] if part != "[key]")
    match each["type"]:
        case "missing":
            return Fault(place, _missing(str(place[-1])))
        case "extra_forbidden":
            return Fault(place, f"no such key{_there_are(str(place[-1]), known(place[:-1]))}")
        case "dict_type" | "model_type" | "model_attributes_type":
            return Fault(place, "write indented `key: value` lines below it")
        case "too_short":
            return Fault(place, "is empty; name at least one")
        case "time_delta_parsing" | "time_delta_type":
            return Fault(place, HOW_TO_WRITE)
        case "string_type" if place != each["loc"]:
            return Fault(place, "is no text to YAML; put the name in quotes")
        case _:
            message = each["msg"].removeprefix("Value error, ")
            return Fault(place, _REFUSED.sub("refused: ", message))


def _missing(name: str) -> str:
    if name == "secret":
        return "is missing: the name of the secret in Secrets Manager that holds the credentials"
    return "is missing"


def _there_are(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(name, names, 1)
    meant = f"; did you mean {close[0]!r}?" if close else ";"
    return f"{meant} there are: {', '.join(names)}"


def _values_of(annotation: Any) -> Any:
    return get_args(annotation)[-1] if get_args(annotation) else None
