"""Which faults a round meets, and what may be expected of it.

A *strict* round has only kinds that are found out at once: whatever comes, nothing that a cursor claims to have read
may be missing. Beside them a lie may be told *once* at a place: an empty page, a page that lacks rows. It is doubted,
and the second answer is another one.

Other rounds have lies at any share. Our own rule believes what a vendor says twice alike (``docs/reliability.md``,
"Assumed"; ``sources/doubts.py``): such a page is short until the next complete listing, and only then must every row
be there. What is removed on the word of lies is a violation in every round.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

STRICT_SHARE = 0.6
LEAST, MOST = 0.05, 0.70
MOST_KINDS = 5


@dataclass(frozen=True, slots=True)
class Kinds:
    """What one vendor's simulator knows.

    ``at_once`` and ``listed``: kinds that are found out by the answer, and with the next listing. ``once`` names
    lies with the places where each may be told a single time: fields of a fault. ``fields`` are those that a kind
    always has. ``hides`` names kinds beside which a lie is not seen: rows that come twice make up for those
    that are missing.
    """

    at_once: Sequence[str]
    listed: Sequence[str]
    once: Mapping[str, Sequence[Mapping[str, Any]]]
    fields: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    hides: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def without(self, kinds: Collection[str]) -> Kinds:
        """Where these can meet no answer."""
        at_once, listed = (
            [kind for kind in known if kind not in kinds] for known in (self.at_once, self.listed)
        )
        return replace(self, at_once=at_once, listed=listed)


@dataclass(frozen=True, slots=True)
class Drawn:
    """The faults of a round, as fields of the vendor's ``Fault``. ``strict``: each is found out at once."""

    faults: Sequence[Mapping[str, Any]]
    strict: bool

    @property
    def kinds(self) -> Sequence[str]:
        return sorted({each["kind"] for each in self.faults})

    def __str__(self) -> str:
        return "+".join(self.kinds) + ("" if self.strict else " (lies)")


def draw(chance: random.Random, known: Kinds, focus: Sequence[str] = ()) -> Drawn:
    """1 to 5 kinds, each with its share of the answers, and perhaps lies that are told once. ``focus`` are kinds that
    must be among them, where the vendor knows them."""
    strict = chance.random() < STRICT_SHARE
    pool = sorted(known.at_once) if strict else sorted([*known.at_once, *known.listed])
    chosen = chance.sample(pool, min(chance.randint(1, MOST_KINDS), len(pool)))
    if not strict and not set(chosen) & set(known.listed):
        chosen[0] = chance.choice(sorted(known.listed))
    wanted = [kind for kind in focus if kind in pool and kind not in chosen]
    faults = [_fault(chance, known, kind) for kind in (*wanted, *chosen)]
    for kind, places in sorted(known.once.items()):
        hidden = set(known.hides.get(kind, ())) & set(chosen)
        told = chance.random() < 0.4 or kind in focus
        if kind not in chosen and not hidden and told:
            faults += [_once(chance, known, kind, place) for place in places]
    return Drawn(faults, strict)


def kind_of(label: str) -> str:
    """The kind of a fault by the label that the simulator counts it under."""
    return label.split(" ", 1)[0]


def _fault(chance: random.Random, known: Kinds, kind: str) -> dict[str, Any]:
    share = chance.uniform(LEAST, MOST)
    return {"probability": round(share, 3), **_drawn(chance, kind), **known.fields.get(kind, {})}


def _once(
    chance: random.Random, known: Kinds, kind: str, place: Mapping[str, Any]
) -> dict[str, Any]:
    name = f"{kind} once {' '.join(str(each) for each in place.values())}"
    told = {"name": name, "limit": 1, "skip": chance.randrange(12)}
    return {**_drawn(chance, kind), **known.fields.get(kind, {}), **told, **place}


def _drawn(chance: random.Random, kind: str) -> dict[str, Any]:
    """Waits are short: what is tested is what is read. A cut lies anywhere in the body, by KB or by byte."""
    zipped = chance.random() < 0.2
    fields: dict[str, Any] = {
        "kind": kind,
        "seed": chance.randrange(10**6),
        "at_bytes": chance.choice(
            (
                None,
                1024 * chance.randrange(200),
                1024 * chance.randrange(24),
                chance.randrange(2048),
            )
        ),
        "by_bytes": chance.choice((1, 64, chance.randrange(1, 5000))),
        "rows": chance.randint(1, 5),
        "back": chance.randrange(3),
        "retry_after_s": chance.choice((None, 0, 1, 30, 1200)),
        "delay_ms": {"slow": chance.randrange(6), "drip": chance.randrange(2)}.get(kind, 0),
        "size_bytes": 33 * 1024 * 1024 if zipped else 512 * 1024,
        "zipped": zipped,
    }
    if kind == "oversized" and zipped:
        fields["limit"] = 3
    if kind == "server_error":
        fields["after_work"] = chance.random() < 0.5
        fields["status"] = chance.choice((500, 502, 503, 504))
    return fields
