"""Rules of composite alarms: ``ALARM("a") AND NOT (OK(b) OR FALSE)``, and which alarms they are made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from local.bridge.alarms import State

States = Mapping[str, State]
"""By alarm name."""

_TOKEN = re.compile(r'\s*(?:(?P<sign>[(),])|"(?P<quoted>[^"]*)"|(?P<word>[^\s(),"]+))')


class RuleRefused(Exception):
    """A rule that CloudWatch would not take either, or that names an alarm that is not there."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, ready to be asked; ``alarms`` are those it names, in its order, each once."""

    text: str
    alarms: tuple[str, ...]
    holds: Callable[[States], bool]

    def state(self, states: States) -> State:
        """ALARM where the rule holds. RuleRefused names an alarm that ``states`` lacks."""
        for name in self.alarms:
            if name not in states:
                raise RuleRefused(
                    f"the rule {self.text!r} names {name!r}, and there is no such alarm"
                )
        return State.ALARM if self.holds(states) else State.OK


def parse_rule(text: str) -> Rule:
    """RuleRefused says what is wrong. NOT binds closer than AND, and that closer than OR."""
    parser = _Parser(text)
    holds = parser.any_of()
    parser.end()
    return Rule(text, tuple(dict.fromkeys(parser.alarms)), holds)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = [(str(m.lastgroup), m[str(m.lastgroup)]) for m in _TOKEN.finditer(text)]
        self.alarms: list[str] = []

    def any_of(self) -> Callable[[States], bool]:
        parts = [self._all_of()]
        while self._take("OR"):
            parts.append(self._all_of())
        return lambda states: any(part(states) for part in parts)

    def end(self) -> None:
        if self._tokens:
            raise RuleRefused(f"{self._tokens[0][1]!r} is too much in the rule {self._text!r}")

    def _all_of(self) -> Callable[[States], bool]:
        parts = [self._one()]
        while self._take("AND"):
            parts.append(self._one())
        return lambda states: all(part(states) for part in parts)

    def _one(self) -> Callable[[States], bool]:
        if self._take("NOT"):
            inner = self._one()
            return lambda states: not inner(states)
        if self._take("("):
            inner = self.any_of()
            self._need(")")
            return inner
        return self._function(self._next()[1])

    def _function(self, word: str) -> Callable[[States], bool]:
        if word in ("TRUE", "FALSE"):
            return lambda _: word == "TRUE"
        if word not in list(State):
            raise RuleRefused(f"{word!r} is not understood in the rule {self._text!r}")
        wanted = State(word)
        self._need("(")
        name = self._next()[1].rsplit(":alarm:", 1)[-1]  # a name, or an ARN that ends with it
        self._need(")")
        self.alarms.append(name)
        return lambda states: states[name] is wanted

    def _next(self) -> tuple[str, str]:
        if not self._tokens:
            raise RuleRefused(f"the rule {self._text!r} ends too early")
        return self._tokens.pop(0)

    def _take(self, word: str) -> bool:
        if self._tokens and self._tokens[0] in (("word", word), ("sign", word)):
            self._tokens.pop(0)
            return True
        return False

    def _need(self, sign: str) -> None:
        if self._next() != ("sign", sign):
            raise RuleRefused(f"{sign!r} is missing in the rule {self._text!r}")
