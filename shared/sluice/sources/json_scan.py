"""Looking at JSON without building it: is a document whole, and where do its parts begin and end?

Nothing here recurses, so depth costs no stack. Strings, brackets and separators are checked; what
stands between them (numbers, literals, escapes) is left to the parser of each part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from sluice.core.errors import VendorAnswerBroken

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},:]|"', re.DOTALL)
_CLOSER = {ord("]"): ord("["), ord("}"): ord("{")}
_SPACE = b" \t\r\n"


@dataclass(slots=True)
class Parts:
    """The pieces of a top-level object: each member's text, and the rows of one array in it."""

    members: dict[bytes, bytes] = field(default_factory=dict)
    rows: list[bytes] = field(default_factory=list)
    has_rows: bool = False


def split(body: bytes, rows_key: bytes) -> Parts:
    """Take a whole document apart; VendorAnswerBroken when it is cut or its brackets do not match.

    The document is an object. Each element of the array under ``rows_key`` becomes one of ``rows``;
    every other member is kept under its key (as it is written) in ``members``.
    """
    return _Splitter(body, rows_key).split()


def depth(text: bytes) -> int:
    """How many brackets are open at the deepest place of a JSON text."""
    level = deepest = 0
    for match in _TOKEN.finditer(text):
        byte = text[match.start()]
        if byte in b"[{":
            level += 1
            deepest = max(deepest, level)
        elif byte in b"]}":
            level -= 1
    return deepest


class _Splitter:
    """One pass over a document with a stack of open brackets."""

    def __init__(self, body: bytes, rows_key: bytes) -> None:
        self._body = body
        self._rows_key = b'"' + rows_key + b'"'
        self._parts = Parts()
        self._stack: list[int] = []
        self._key = b""
        self._in_rows = False
        self._begin = 0
        self._last_string = b""

    def split(self) -> Parts:
        body, end = self._body, -1
        if not body.lstrip(_SPACE).startswith(b"{"):
            raise _broken("it does not begin with an object")
        for match in _TOKEN.finditer(body):
            if end >= 0:
                break
            self._take(match)
            if not self._stack:
                end = match.end()
        if end < 0 or body[end:].strip(_SPACE):
            raise _broken("it is cut, or something stands behind it")
        return self._parts

    def _take(self, match: re.Match[bytes]) -> None:
        start, byte = match.start(), self._body[match.start()]
        if byte == 0x22:
            if match.end() - start == 1:
                raise _broken("a text in it has no end")
            if len(self._stack) == 1:
                self._last_string = match.group()
        elif byte in b"[{":
            self._open(byte, start)
        elif byte in b"]}":
            self._close(byte, start)
        elif byte == 0x3A:
            self._colon(start)
        else:
            self._comma(start)

    def _open(self, byte: int, start: int) -> None:
        self._stack.append(byte)
        if len(self._stack) == 2 and self._key == self._rows_key and byte == 0x5B:
            if self._body[self._begin : start].strip(_SPACE):
                raise _broken("something stands before its rows")
            self._in_rows, self._begin = True, start + 1
            self._parts.has_rows = True

    def _close(self, byte: int, start: int) -> None:
        if not self._stack or self._stack[-1] != _CLOSER[byte]:
            raise _broken("its brackets do not match")
        if len(self._stack) == 2 and self._in_rows:
            self._end_row(start, last=True)
            self._in_rows, self._key = False, b""
            self._begin = start + 1
        elif len(self._stack) == 1:
            self._end_member(start)
        self._stack.pop()

    def _colon(self, start: int) -> None:
        if len(self._stack) == 1:
            self._key, self._begin = self._last_string, start + 1

    def _comma(self, start: int) -> None:
        if len(self._stack) == 2 and self._in_rows:
            self._end_row(start, last=False)
            self._begin = start + 1
        elif len(self._stack) == 1:
            self._end_member(start)
            self._begin = start + 1

    def _end_row(self, end: int, *, last: bool) -> None:
        text = self._body[self._begin : end].strip(_SPACE)
        if not text and last and not self._parts.rows:
            return
        if not text:
            raise _broken("a row in it is empty")
        self._parts.rows.append(text)

    def _end_member(self, end: int) -> None:
        text = self._body[self._begin : end].strip(_SPACE)
        if not self._key:
            if text:
                raise _broken("something in it has no name")
            return
        self._parts.members[self._key[1:-1]] = text
        self._key = b""


def _broken(why: str) -> VendorAnswerBroken:
    return VendorAnswerBroken(f"the vendor's answer is not a whole JSON document: {why}")
