"""SEARCH of metric math: which metrics fit ``{Sluice,stack,source} MetricName="RowsRead" NOT stream=orders``.

A search is a schema (a namespace and exactly these dimensions) and terms. A quoted term fits whole, another one fits a
part of a name, as CloudWatch takes names apart: at capital letters, numbers and signs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_SCHEMA = re.compile(r"^\s*\{([^}]*)\}\s*,?")
_TOKEN = re.compile(
    r'\s*(?:(?P<sign>[()])|(?P<term>(?:[^\s()="]+=|"[^"]*"=)?(?:"[^"]*"|[^\s()"]+)))'
)
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


class SearchRefused(Exception):
    """A search that is not understood."""


@dataclass(frozen=True, slots=True)
class Metric:
    """What a metric is told apart by."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]

    def words(self) -> list[str]:
        return [self.namespace, self.name, *self.dimensions, *self.dimensions.values()]


Test = Callable[[Metric], bool]


def parse_search(text: str) -> Test:
    """What tells whether a metric is found. SearchRefused says what is wrong."""
    schema = _SCHEMA.match(text)
    rest = text[schema.end() :] if schema else text
    tests = [_of_schema(schema[1])] if schema else []
    if rest.strip():
        parser = _Parser(rest)
        tests.append(parser.any_of())
        parser.end()
    if not tests:
        raise SearchRefused("an empty search finds everything; CloudWatch refuses it")
    return lambda metric: all(test(metric) for test in tests)


def _of_schema(inner: str) -> Test:
    namespace, *names = [part.strip().strip('"') for part in inner.split(",")]
    wanted = set(names)
    return lambda metric: (
        metric.namespace == namespace and (not wanted or set(metric.dimensions) == wanted)
    )


class _Parser:
    """OR of AND of terms; terms side by side are AND."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._words = [m[0].strip() for m in _TOKEN.finditer(text)]

    def any_of(self) -> Test:
        parts = [self._all_of()]
        while self._take("OR"):
            parts.append(self._all_of())
        return lambda metric: any(part(metric) for part in parts)

    def end(self) -> None:
        if self._words:
            raise SearchRefused(f"{self._words[0]!r} is too much in the search {self._text!r}")

    def _all_of(self) -> Test:
        parts = [self._one()]
        while self._words and self._words[0] not in ("OR", ")"):
            self._take("AND")
            parts.append(self._one())
        return lambda metric: all(part(metric) for part in parts)

    def _one(self) -> Test:
        if not self._words:
            raise SearchRefused(f"the search {self._text!r} ends too early")
        if self._take("NOT"):
            inner = self._one()
            return lambda metric: not inner(metric)
        if self._take("("):
            inner = self.any_of()
            if not self._take(")"):
                raise SearchRefused(f"')' is missing in the search {self._text!r}")
            return inner
        return _term(self._words.pop(0))

    def _take(self, word: str) -> bool:
        if self._words and self._words[0] == word:
            self._words.pop(0)
            return True
        return False


def _term(word: str) -> Test:
    owner, sign, rest = word.partition("=") if not word.startswith('"') else _split_quoted(word)
    if not sign:
        return lambda metric: any(_fits(owner, each) for each in metric.words())
    name = owner.strip('"')
    if name == "MetricName":
        return lambda metric: _fits(rest, metric.name)
    if name == "Namespace":
        return lambda metric: _fits(rest, metric.namespace)
    return lambda metric: name in metric.dimensions and _fits(rest, metric.dimensions[name])


def _split_quoted(word: str) -> tuple[str, str, str]:
    closing = word.index('"', 1) + 1
    return (word[:closing], "=", word[closing + 1 :]) if word[closing:] else (word, "", "")


def _fits(term: str, name: str) -> bool:
    if term.startswith('"'):
        return term.strip('"') == name
    wanted, parts = _parts(term), _parts(name)
    if len(wanted) == 1 and wanted[0] == "".join(parts):
        return True
    length = len(wanted)
    return any(parts[at : at + length] == wanted for at in range(len(parts) - length + 1))


def _parts(text: str) -> list[str]:
    return [part.lower() for part in _PART.findall(text)]
