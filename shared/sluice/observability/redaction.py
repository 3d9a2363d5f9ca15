"""Masks secrets in log lines: those that were read, passwords in URLs, and API keys in queries."""

from __future__ import annotations

import re

MASK = "***"
SHORTEST = 6
"""Shorter secrets are not masked by value: they would mask ordinary text."""

_PATTERNS = (
    re.compile(r"(?<=://)([^/@\s:]+):[^@\s/]+(?=@)"),
    re.compile(r"(?i)((?:api[_-]?key|x-api-key|token|password|secret)[\"']?\s*[=:]\s*[\"']?)[^&\s\"',}]+"),
)
_hidden: set[str] = set()


def hide(secret: str) -> None:
    """Mask this value in every line from now on."""
    if len(secret) >= SHORTEST:
        _hidden.add(secret)


def redact(line: str) -> str:
    """The line without anything secret in it."""
    for secret in _hidden:
        line = line.replace(secret, MASK)
    line = _PATTERNS[0].sub(rf"\1:{MASK}", line)
    return _PATTERNS[1].sub(rf"\1{MASK}", line)

