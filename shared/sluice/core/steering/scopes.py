"""Scopes: what a switch is about, from everything down to one stream of one client.

::

    *                                        everything
    acme                                     a client
    acme#cars                                a client's source
    acme#cars#cars                           a client's stream, or acme#cars#cars#2026 one partition
    source:cars                              a source, of all clients
    source:cars#cars                         a stream, of all clients
    platform:shopify                         a platform that is published to

``client:NAME`` is the same as ``NAME``, for clients whose name begins like one of the others.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass

from sluice.core.errors import SettingInvalid, StreamUnknown
from sluice.core.keys import SEPARATOR, StreamKey

EVERYTHING = "*"
CLIENT, SOURCE, PLATFORM = "client:", "source:", "platform:"
PREFIXES = (CLIENT, SOURCE, PLATFORM)
PLATFORMS = ("amazon", "shipstation", "shopify")
"""Platforms that can be switched, also before anything is published to them."""

HOW_TO_WRITE = (
    "write '*', CLIENT, CLIENT#SOURCE, CLIENT#SOURCE#STREAM, source:SOURCE, source:SOURCE#STREAM"
    " or platform:PLATFORM"
)
MOST_NAMED = 12


@dataclass(frozen=True, slots=True)
class Scope:
    """Parts that are None mean any. A platform has no other parts; no part at all is everything."""

    client_id: str | None = None
    source: str | None = None
    stream: str | None = None
    partition: str | None = None
    platform: str | None = None

    @classmethod
    def parse(cls, text: str) -> Scope:
        """Read a scope from its text; SettingInvalid says how to write one."""
        if text == EVERYTHING:
            return cls()
        if text.startswith(PLATFORM):
            return cls(platform=_checked(text, [text.removeprefix(PLATFORM)], most=1)[0])
        if text.startswith(SOURCE):
            return cls(None, *_checked(text, text.removeprefix(SOURCE).split(SEPARATOR), most=2))
        return cls(*_checked(text, text.removeprefix(CLIENT).split(SEPARATOR), most=4))

    def covers(self, key: StreamKey) -> bool:
        """Whether a switch of this scope is about that stream. A platform is about none."""
        theirs = (key.client_id, key.source, key.stream, key.partition)
        pairs = zip(self._parts, theirs, strict=True)
        return self.platform is None and all(part in (None, other) for part, other in pairs)

    def within(self, wider: Scope) -> bool:
        """Whether all that this is about is what ``wider`` is about too, and not the other way."""
        pairs = zip(self._parts, wider._parts, strict=True)
        is_part = wider.platform is None and all(other in (None, part) for part, other in pairs)
        return is_part and self != wider

    @property
    def depth(self) -> int:
        """How many parts it names: more of them are narrower."""
        return sum(part is not None for part in (*self._parts, self.platform))

    @property
    def _parts(self) -> tuple[str | None, ...]:
        return (self.client_id, self.source, self.stream, self.partition)

    def __str__(self) -> str:
        if self.platform is not None:
            return f"{PLATFORM}{self.platform}"
        parts = [part for part in (self.source, self.stream, self.partition) if part is not None]
        if self.client_id is None:
            return f"{SOURCE}{SEPARATOR.join(parts)}" if parts else EVERYTHING
        prefix = CLIENT if self.client_id.startswith(PREFIXES) else ""
        return prefix + SEPARATOR.join([self.client_id, *parts])


def scopes_of(key: StreamKey) -> tuple[Scope, ...]:
    """Every scope that covers the stream, narrowest first: the order in which switches are asked.

    A client goes before a source: who says something about one client means it whatever is said of
    all clients.
    """
    client, source, stream = key.client_id, key.source, key.stream
    found = (
        Scope(client, source, stream),
        Scope(client, source),
        Scope(client),
        Scope(None, source, stream),
        Scope(None, source),
        Scope(),
    )
    return (
        found if key.partition is None else (Scope(client, source, stream, key.partition), *found)
    )


def known_scope(text: str, keys: Collection[StreamKey]) -> Scope:
    """The scope meant by ``text`` among the streams there are; StreamUnknown names the nearest."""
    scope = Scope.parse(text)
    if scope == Scope() or any(scope.covers(key) for key in keys):
        return scope
    if scope.platform in PLATFORMS:
        return scope
    if scope.platform is None and not keys:
        raise StreamUnknown("there is no client yet; run `sluice clients apply` first")
    raise _unknown(scope, keys)


def _checked(text: str, parts: list[str], *, most: int) -> list[str]:
    if len(parts) > most:
        raise SettingInvalid(f"scope {text!r} has too many parts; {HOW_TO_WRITE}")
    try:
        for part in parts:
            StreamKey(part, part, part)  # a scope is made of a stream key's parts
    except SettingInvalid:
        raise SettingInvalid(f"scope {text!r} is none; {HOW_TO_WRITE}") from None
    return parts


def _unknown(scope: Scope, keys: Collection[StreamKey]) -> StreamUnknown:
    """What is like it among scopes of its own shape, and of what shape it might have been meant."""
    every = {each for key in keys for each in scopes_of(key)} - {Scope()}
    every |= {Scope(platform=name) for name in PLATFORMS}
    alike = sorted(str(each) for each in every if _shape(each) == _shape(scope))
    named = str(scope)
    meant = _meant_otherwise(scope, every) or difflib.get_close_matches(named, alike)
    hint = f" did you mean {meant[0]!r}?" if meant else ""
    more = f" and {len(alike) - MOST_NAMED:,} more" if len(alike) > MOST_NAMED else ""
    there_are = f"there are: {', '.join(alike[:MOST_NAMED])}{more}" if alike else HOW_TO_WRITE
    return StreamUnknown(f"nothing is called {named!r};{hint} {there_are}")


def _meant_otherwise(scope: Scope, every: Collection[Scope]) -> list[str]:
    """A bare name is a client; it may have been meant as the source or platform of that name."""
    wanted = (Scope(None, scope.client_id, scope.source), Scope(platform=scope.client_id))
    return [str(each) for each in wanted if scope.stream is None and each in every]


def _shape(scope: Scope) -> tuple[bool, ...]:
    parts = (scope.client_id, scope.source, scope.stream, scope.partition, scope.platform)
    return tuple(part is not None for part in parts)
