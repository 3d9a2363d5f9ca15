"""The profiles of one project, their listing, and the sessions in which it is paged through."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from local.vendors.loopback.clock import iso
from local.vendors.loopback.draws import draw, number, pick, token
from local.vendors.mixpanel.feed import subscriber_id

Properties = dict[str, Any]

_NAMES = ("Ada", "Bruno", "Çelik", "Dörte", "Ewa", "Fumiko", "Günther", "Hélène")
_FAMILIES = ("Alvarez", "Brandt", "Chen", "D'Amico", "Østergård", "Özil", "Smith", "中村")
_COUNTRIES = ("US", "DE", "BR", "JP", None)
_PLANS = ("free", "plus", "premium")
BLANKS = ("missing", "null", "empty")  # three ways to say nothing
_BLANK_NAMES = ("nickname", "referrer")


class ProfileBook:
    """Profiles by distinct_id. They are listed in the order of a hash: a new one lands anywhere."""

    def __init__(self, seed: str) -> None:
        self.by_id: dict[str, Properties] = {}
        self._seed = seed
        self._listed: list[tuple[str, str]] = []

    def put(self, distinct_id: str, properties: Properties) -> None:
        """Make the profile, or put these properties in place of those it has."""
        if distinct_id not in self.by_id:
            insort(self._listed, self._place(distinct_id))
        self.by_id[distinct_id] = properties

    def remove(self, distinct_id: str) -> bool:
        """Whether there was one."""
        if self.by_id.pop(distinct_id, None) is None:
            return False
        del self._listed[bisect_left(self._listed, self._place(distinct_id))]
        return True

    def listing(self) -> list[str]:
        """Every distinct_id as it is listed now."""
        return [distinct_id for _, distinct_id in self._listed]

    def some(self, count: int, *question: object) -> list[str]:
        """That many different ones, or all."""
        lucky = sorted(self.by_id, key=lambda each: number(*question, each))
        return lucky[:count]

    def share(self, share: float, *question: object) -> list[str]:
        """That share of them, each by its own luck."""
        return [each for each in self.by_id if draw(*question, each) < share]

    def _place(self, distinct_id: str) -> tuple[str, str]:
        return token(self._seed, "place", distinct_id)[:12], distinct_id


def new_profile(seed: str, at: int, now_s: float) -> tuple[str, Properties]:
    """The profile of the subscriber of that number: its distinct_id and its properties."""
    first, last = pick(_NAMES, seed, at, "first"), pick(_FAMILIES, seed, at, "last")
    country = pick(_COUNTRIES, seed, at, "country")
    made_s = now_s - 86_400 * (1 + number(seed, at, "age") % 700)
    said: Properties = {
        "$email": f"subscriber{at}@example.com",
        "$first_name": first,
        "$last_name": last,
        "$name": f"{first} {last}",
        "$created": iso(made_s)[:19],
        "$last_seen": iso(now_s - number(seed, at, "seen") % 86_400)[:19],
        "plan": pick(_PLANS, seed, at, "plan"),
        "linked_bank_account": number(seed, at, "linked") % 3 == 0,
        "total_deposits": round(number(seed, at, "deposits") % 100_000 / 7, 2),
        "interests": ["etf", "ünïcode"] if at % 4 == 0 else [],
    }
    if country is not None:
        said["$country_code"] = country
    blank = pick(BLANKS, seed, at, "blank")
    return subscriber_id(at), {**said, **_said(blank, _BLANK_NAMES[: 1 + at % 2])}


def updated(properties: Properties, *question: object) -> Properties:
    """Another plan and another total: what a reader must notice."""
    plans = [plan for plan in _PLANS if plan != properties.get("plan")]
    total = properties.get("total_deposits")
    more = float(total) if isinstance(total, (int, float)) else 0.0
    return {
        **properties,
        "plan": pick(plans, *question),
        "total_deposits": round(more + 1 + number(*question, "more") % 500, 2),
    }


def touched(properties: Properties, *question: object) -> Properties:
    """Nothing is said in another way, and properties come in another order: no change at all."""
    blank = [name for name in _BLANK_NAMES if properties.get(name) in (None, "")]
    kept = {name: said for name, said in properties.items() if name not in blank}
    before = {name: properties[name] for name in blank if name in properties}
    ways = [way for way in BLANKS if _said(way, blank) != before]
    return {**_said(pick(ways or BLANKS, *question), blank), **dict(reversed(kept.items()))}


def _said(way: str, names: Sequence[str]) -> Properties:
    """Nothing, said that way."""
    if way == "missing":
        return {}
    return dict.fromkeys(names, None if way == "null" else "")


@dataclass
class Session:
    """One paging through one question."""

    question: str
    used_s: float
    kept: list[str] | None  # the listing as it was at first, where listings are snapshots


class Sessions:
    """The sessions of one project."""

    def __init__(self, seed: str, ttl_s: float) -> None:
        self._seed = seed
        self._ttl_s = ttl_s
        self._by_id: dict[str, Session] = {}
        self._made = 0

    def begin(self, question: str, now_s: float, kept: list[str] | None) -> str:
        """A new session; those that ended are forgotten."""
        self._by_id = dict(self._alive(now_s))
        self._made += 1
        session_id = f"{int(now_s)}-{token(self._seed, 'session', self._made)[:8].upper()}"
        self._by_id[session_id] = Session(question, now_s, kept)
        return session_id

    def of(self, session_id: str, question: str, now_s: float) -> Session | None:
        """The session if it lives and was begun with this question; it lives on from now."""
        found = dict(self._alive(now_s)).get(session_id)
        if found is None or found.question != question:
            return None
        found.used_s = now_s
        return found

    def forget(self, session_id: str) -> None:
        """End it."""
        self._by_id.pop(session_id, None)

    def _alive(self, now_s: float) -> Iterator[tuple[str, Session]]:
        for session_id, session in self._by_id.items():
            if now_s < session.used_s + self._ttl_s:
                yield session_id, session
