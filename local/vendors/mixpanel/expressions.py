"""``where``: the part of the vendor's expressions that is in use, as a tree and as a test.

The grammar here, of the published one: properties compared with a literal, ``in``, ``and``, ``or``,
parentheses. Beyond it, since connectors in production send it: ``properties["$time"]`` compared
with ``datetime(<epoch seconds>)``. ``and`` binds more than ``or``. Anything else is refused.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

TIME = "$time"
_DEEPEST = 50

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<number>-?\d+(?:\.\d+)?)
    | (?P<word>[A-Za-z_]+)
    | (?P<sign>==|!=|<=|>=|<|>|\(|\)|\[|\]|,)
    )""",
    re.VERBOSE,
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class ExpressionError(ValueError):
    """The expression is not in the grammar; the text says where."""


@dataclass(frozen=True)
class Moment:
    """``datetime(seconds)``."""

    seconds: float


Literal = str | float | bool | Moment


@dataclass(frozen=True)
class Comparison:
    """One property against one literal."""

    name: str
    sign: str
    literal: Literal

    def holds(self, said: Mapping[str, Any]) -> bool:
        """Values of different kinds are different, and neither is less."""
        found = said.get(self.name)
        wanted = self.literal.seconds if isinstance(self.literal, Moment) else self.literal
        if _kind(found) != _kind(wanted):
            return self.sign == "!="
        return _COMPARE[self.sign](found, wanted)


@dataclass(frozen=True)
class Contains:
    """``"text" in properties["name"]``: part of a text, or member of a list."""

    name: str
    text: str

    def holds(self, said: Mapping[str, Any]) -> bool:
        """False where there is neither a text nor a list."""
        found = said.get(self.name)
        return isinstance(found, (str, list)) and self.text in found


@dataclass(frozen=True)
class OneOf:
    """``properties["name"] in [...]``."""

    name: str
    literals: tuple[Literal, ...]

    def holds(self, said: Mapping[str, Any]) -> bool:
        """Whether the property equals one of them."""
        return any(Comparison(self.name, "==", each).holds(said) for each in self.literals)


@dataclass(frozen=True)
class AllOf:
    """``and``."""

    parts: tuple[Expression, ...]

    def holds(self, said: Mapping[str, Any]) -> bool:
        """Whether each part does."""
        return all(part.holds(said) for part in self.parts)


@dataclass(frozen=True)
class AnyOf:
    """``or``."""

    parts: tuple[Expression, ...]

    def holds(self, said: Mapping[str, Any]) -> bool:
        """Whether some part does."""
        return any(part.holds(said) for part in self.parts)


Expression = Comparison | Contains | OneOf | AllOf | AnyOf


def parsed(text: str) -> Expression:
    """The expression; raises ExpressionError."""
    reader = _Reader(_tokens(text))
    found = reader.either(0)
    reader.end()
    return found


def seconds_asked(expression: Expression | None) -> tuple[float, float]:
    """A half-open range of $time outside of which the expression cannot hold: an index range."""
    least, most = float("-inf"), float("inf")
    parts = expression.parts if isinstance(expression, AllOf) else (expression,)
    for part in parts:
        if isinstance(part, AllOf):
            low, high = seconds_asked(part)
        elif isinstance(part, Comparison) and isinstance(part.literal, Moment):
            low, high = _range(part.sign, part.literal.seconds)
        else:
            continue
        least, most = max(least, low), min(most, high)
    return least, most


def _range(sign: str, seconds: float) -> tuple[float, float]:
    """A second wider than told where the end is open, as times are in whole seconds."""
    low = seconds if sign in {">", ">=", "=="} else float("-inf")
    high = seconds + 1 if sign in {"<", "<=", "=="} else float("inf")
    return low, high


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "truth"
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if found is None:
            raise ExpressionError(f"unexpected {text[at:].strip()[:20]!r} at character {at}")
        at = found.end()
        yield str(found.lastgroup), found[str(found.lastgroup)]


class _Reader:
    """Reads tokens from left to right, one ahead."""

    def __init__(self, tokens: Iterator[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._next = next(tokens, ("end", ""))

    def either(self, depth: int) -> Expression:
        """``a or b or ...``."""
        parts = [self._both(depth)]
        while self._skip("or"):
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def end(self) -> None:
        """Nothing may follow."""
        if self._next[0] != "end":
            raise ExpressionError(f"unexpected {self._next[1]!r} after the expression")

    def _both(self, depth: int) -> Expression:
        parts = [self._term(depth)]
        while self._skip("and"):
            parts.append(self._term(depth))
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _term(self, depth: int) -> Expression:
        if depth > _DEEPEST:
            raise ExpressionError(f"more than {_DEEPEST} parentheses in one another")
        if self._skip("("):
            inner = self.either(depth + 1)
            self._expect(")")
            return inner
        if self._next[0] == "text":
            text = self._literal()
            self._expect("in")
            return Contains(self._property(), str(text))
        name = self._property()
        if self._skip("in"):
            return OneOf(name, self._list())
        return self._comparison(name)

    def _comparison(self, name: str) -> Comparison:
        sign = self._take()[1]
        if sign not in _COMPARE:
            raise ExpressionError(f"expected a comparison after properties[{name!r}], got {sign!r}")
        literal = self._literal()
        if (name == TIME) != isinstance(literal, Moment):
            raise ExpressionError(f"{TIME} is compared with datetime(), and nothing else is")
        return Comparison(name, sign, literal)

    def _property(self) -> str:
        for expected in ("properties", "["):
            self._expect(expected)
        kind, written = self._take()
        if kind != "text":
            raise ExpressionError(f"expected the name of a property in quotes, got {written!r}")
        self._expect("]")
        return _unquoted(written)

    def _list(self) -> tuple[Literal, ...]:
        self._expect("[")
        found = [self._literal()]
        while self._skip(","):
            found.append(self._literal())
        self._expect("]")
        return tuple(found)

    def _literal(self) -> Literal:
        kind, written = self._take()
        if kind == "text":
            return _unquoted(written)
        if kind == "number":
            return float(written)
        if written in {"true", "false"}:
            return written == "true"
        if written == "datetime":
            return self._moment()
        raise ExpressionError(f"expected a literal, got {written!r}")

    def _moment(self) -> Moment:
        self._expect("(")
        kind, written = self._take()
        if kind != "number":
            raise ExpressionError(f"datetime() takes epoch seconds, got {written!r}")
        self._expect(")")
        return Moment(float(written))

    def _take(self) -> tuple[str, str]:
        taken, self._next = self._next, next(self._tokens, ("end", ""))
        return taken

    def _skip(self, written: str) -> bool:
        if self._next[0] in {"word", "sign"} and self._next[1] == written:
            self._take()
            return True
        return False

    def _expect(self, written: str) -> None:
        if not self._skip(written):
            raise ExpressionError(f"expected {written!r}, got {self._next[1] or 'the end'!r}")


def _unquoted(written: str) -> str:
    return re.sub(r"\\(.)", r"\1", written[1:-1])
