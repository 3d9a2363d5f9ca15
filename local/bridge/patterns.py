"""JSON patterns of CloudWatch Logs metric filters: ``{ ($.message = "slice") && ($.rows > 10) }``.

What the service documents for JSON lines, without regular expressions: comparison with ``*`` in texts, numbers,
``IS NULL``, ``IS TRUE``, ``IS FALSE``, ``NOT EXISTS``, ``&&`` before ``||``, parentheses. Anything else is refused,
never taken for "matches".
"""

from __future__ import annotations

import fnmatch
import json
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Test = Callable[[Any], bool]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<selector>\$(?:\.[A-Za-z0-9_-]+|\[\d+\])+)
      | (?P<sign>&&|\|\||!=|>=|<=|[=<>()])
      | "(?P<text>(?:[^"\\]|\\.)*)"
      | (?P<word>[A-Za-z0-9_.*+-]+)
    )""",
    re.VERBOSE,
)
_STEP = re.compile(r"\.([A-Za-z0-9_-]+)|\[(\d+)\]")
_ORDER = {"<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}
_MISSING = object()


class PatternRefused(Exception):
    """A filter pattern that is not understood here. Says where."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern, ready to look at lines."""

    text: str
    test: Test

    def matches(self, line: str) -> bool:
        """A line that is no JSON object never matches."""
        if not line.lstrip().startswith("{"):
            return False
        try:
            document = json.loads(line)
        except ValueError:
            return False
        return self.test(document)


def compile_pattern(text: str) -> Pattern:
    """PatternRefused for what is no JSON pattern, or not understood."""
    inner = text.strip()
    if not (inner.startswith("{") and inner.endswith("}")):
        raise PatternRefused(f"{text!r} is no JSON pattern; only those in braces are understood")
    parser = _Parser(inner[1:-1])
    test = parser.any_of()
    parser.end()
    return Pattern(text, test)


def value_at(document: Any, selector: str) -> Any:
    """What a selector like ``$.counts.read`` or ``$.list[0]`` points at; None where nothing is."""
    found = _at(document, selector)
    return None if found is _MISSING else found


def _at(document: Any, selector: str) -> Any:
    here = document
    for name, index in _STEP.findall(selector):
        if name and isinstance(here, dict) and name in here:
            here = here[name]
        elif index and isinstance(here, list) and int(index) < len(here):
            here = here[int(index)]
        else:
            return _MISSING
    return here


class _Parser:
    """``any`` is ``all (|| all)*``; ``all`` is ``one (&& one)*``; ``one`` is in parentheses or a comparison."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            if found is None:
                raise PatternRefused(f"cannot read {text[at:].strip()!r} in {text!r}")
            kind = str(found.lastgroup)
            self._tokens.append((kind, found[kind]))
            at = found.end()

    def any_of(self) -> Test:
        tests = [self._all_of()]
        while self._take("sign", "||"):
            tests.append(self._all_of())
        return lambda document: any(test(document) for test in tests)

    def end(self) -> None:
        if self._tokens:
            raise PatternRefused(f"{self._tokens[0][1]!r} is too much in {self._text!r}")

    def _all_of(self) -> Test:
        tests = [self._one()]
        while self._take("sign", "&&"):
            tests.append(self._one())
        return lambda document: all(test(document) for test in tests)

    def _one(self) -> Test:
        if self._take("sign", "("):
            inner = self.any_of()
            self._need("sign", ")")
            return inner
        return self._comparison(self._need("selector"))

    def _comparison(self, selector: str) -> Test:
        kind, word = self._next()
        if (kind, word) == ("word", "IS"):
            wanted = self._need("word")
            if wanted not in ("NULL", "TRUE", "FALSE"):
                raise PatternRefused(f"IS {wanted} is not understood in {self._text!r}")
            constant = {"NULL": None, "TRUE": True, "FALSE": False}[wanted]
            return lambda document: _at(document, selector) is constant
        if (kind, word) == ("word", "NOT"):
            self._need("word", "EXISTS")
            return lambda document: _at(document, selector) is _MISSING
        if kind != "sign" or word not in ("=", "!=", *_ORDER):
            raise PatternRefused(f"{word!r} is no comparison in {self._text!r}")
        return _compared(selector, word, *self._next())

    def _next(self) -> tuple[str, str]:
        if not self._tokens:
            raise PatternRefused(f"{self._text!r} ends too early")
        return self._tokens.pop(0)

    def _take(self, kind: str, word: str) -> bool:
        if self._tokens and self._tokens[0] == (kind, word):
            self._tokens.pop(0)
            return True
        return False

    def _need(self, kind: str, word: str | None = None) -> str:
        found = self._next()
        if found[0] != kind or word not in (None, found[1]):
            raise PatternRefused(f"{found[1]!r} is not what belongs there in {self._text!r}")
        return found[1]


def _compared(selector: str, sign: str, kind: str, wanted: str) -> Test:
    """``kind`` tells a quoted text from a word, which may be a number."""
    if kind not in ("text", "word"):
        raise PatternRefused(f"{wanted!r} is nothing to compare {selector} with")
    number = _number(wanted) if kind == "word" else None
    if sign in _ORDER:
        if number is None:
            raise PatternRefused(f"{selector} {sign} {wanted!r}: only numbers have an order")
        order = _ORDER[sign]
        return lambda document: (
            (found := _number(_at(document, selector))) is not None and order(found, number)
        )
    equal = sign == "="

    def test(document: Any) -> bool:
        found = _at(document, selector)
        if found is _MISSING or found is None or isinstance(found, dict | list):
            return False  # of what is no value neither = nor != is true
        return _same(found, wanted, number) is equal

    return test


def _same(found: Any, wanted: str, number: float | None) -> bool:
    if number is not None and not isinstance(found, str | bool):
        return float(found) == number
    text = json.dumps(found) if isinstance(found, bool) else str(found)
    if "*" in wanted:
        return fnmatch.fnmatchcase(text, re.sub(r"([\[\]?])", r"[\1]", wanted))
    return text == wanted


def _number(value: Any) -> float | None:
    if value is _MISSING or isinstance(value, bool) or value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
