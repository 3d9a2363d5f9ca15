"""Masks secrets in log lines: values that were read as secrets, and whatever is named like one.

Works on the finished line of JSON, so that nothing (an exception's text, a nested dict, a header)
gets past it. The line stays JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

MASK = "***"

SHORTEST = 6
"""Shorter values are not masked by value: they would mask ordinary text."""

_HARMLESS = {
    "host",
    "hostname",
    "port",
    "user",
    "username",
    "dbname",
    "database",
    "engine",
    "region",
}
"""Fields of a JSON secret that are no secrets. Every other field of one is."""

_NAMES = (
    r"(?:x[_-])?api[_-]?key|(?:access[_-]|refresh[_-]|auth[_-]|id[_-])?token|password|passwd|pwd"
    r"|(?:client[_-])?secret(?:[_-]key)?|authorization|signature"
)
# Not inside a longer name: fencing_token and page_token are no secrets.
_NAME = rf"(?<![\w-])(?:{_NAMES})"

_URL_PASSWORD = re.compile(r"(?<=://)([^/@\s:\"]*):[^\s/\"]+(?=@)")
_JSON_FIELD = re.compile(rf"(?i)(\"{_NAME}\"\s*:\s*\")(?:\\.|[^\"\\])*")
_QUOTED_FIELD = re.compile(rf"(?i)((\\+\"|'){_NAME}\2\s*:\s*\2)[^\"'\\]*")
_ASSIGNED = re.compile(rf"(?i)({_NAME}\s*[=:]\s*(?:bearer |basic )?)[^\s&\"'\\,;}})]+")


class Redaction:
    """Masks what it was told to hide, and what is named like a secret."""

    def __init__(self) -> None:
        self._hidden: set[str] = set()

    def hide(self, secret: str) -> None:
        """Mask this secret from now on, also where it is escaped or percent-encoded.

        Of a JSON secret each field is masked, of a URL its password.
        """
        for value in (secret, secret.strip(), *_parts(secret)):
            if len(value) >= SHORTEST:
                self._hidden.update(_spellings(value))

    def redact(self, line: str) -> str:
        """The line without anything secret in it."""
        for spelling in sorted(self._hidden, key=len, reverse=True):
            line = line.replace(spelling, MASK)
        line = _URL_PASSWORD.sub(rf"\1:{MASK}", line)
        for pattern in (_JSON_FIELD, _QUOTED_FIELD, _ASSIGNED):
            line = pattern.sub(rf"\1{MASK}", line)
        return line


_everywhere = Redaction()
hide = _everywhere.hide
redact = _everywhere.redact


def _parts(secret: str) -> Iterator[str]:
    if "://" in secret:
        yield from _password_of(secret)
    if secret.lstrip().startswith(("{", "[")):
        yield from _fields_of(secret)


def _password_of(url: str) -> Iterator[str]:
    try:
        password = urlsplit(url.strip()).password
    except ValueError:  # not a URL after all; the whole of it is masked anyway
        return
    if password:
        yield password
        yield unquote(password)


def _fields_of(secret: str) -> Iterator[str]:
    try:
        content = json.loads(secret)
    except ValueError:  # not JSON after all; the whole of it is masked anyway
        return
    yield from _leaves(content)


def _leaves(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
        yield from _parts(content)
    elif isinstance(content, list):
        for item in content:
            yield from _leaves(item)
    elif isinstance(content, dict):
        for name, item in content.items():
            if name.lower() not in _HARMLESS:
                yield from _leaves(item)


def _spellings(value: str) -> Iterator[str]:
    """The value as it may stand in a line of JSON: as it is, quoted by Python or by JSON (and then
    once more, as part of the line), or percent-encoded."""
    for quoted in (value, _python(value), _json(value), _ascii_json(value)):
        yield quoted
        yield _json(quoted)
        yield _ascii_json(quoted)
    yield quote(value, safe="")
    yield quote_plus(value)


def _python(value: str) -> str:
    return repr(value)[1:-1]


def _json(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)[1:-1]


def _ascii_json(value: str) -> str:
    return json.dumps(value)[1:-1]
