"""Subscriptions to a vendor's webhooks: what there is, what there shall be, and the steps between.

A subscription cannot be changed, only made and deleted. What replaces another is made first and the other
deleted after, so that no push falls between; what comes twice meanwhile changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

OURS = "Sluice"
"""How the description of a subscription begins that this command made."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """One as its vendor lists it. The vendor shows a secret when it is made, and never again."""

    id: str
    url: str
    topics: frozenset[str]
    enabled: bool
    description: str | None = None

    @property
    def is_ours(self) -> bool:
        return (self.description or "").startswith(OURS)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client's account shall be subscribed to, and where its pushes shall go."""

    client_id: str
    source: str
    url: str
    topics: frozenset[str]

    @property
    def description(self) -> str:
        return f"{OURS}: {self.client_id}"


class Wrong(StrEnum):
    """Why a subscription goes."""

    ANOTHER_SECRET = "its secret is another than ours"  # noqa: S105  # a reason, no secret
    DISABLED = "the vendor switched it off"
    TOPICS = "its topics are others"
    TWICE = "there is one too many"
    ELSEWHERE = "it was ours and leads elsewhere"


@dataclass(frozen=True, slots=True)
class Plan:
    """Make one if ``makes``; delete those in ``removes`` after it, each with the reason. ``keeps`` is as it
    shall be; ``strangers`` lead elsewhere and were made by somebody else: they are left alone."""

    makes: bool
    keeps: Subscription | None
    removes: Sequence[tuple[Subscription, Wrong]]
    strangers: Sequence[Subscription]

    @property
    def is_done(self) -> bool:
        """Nothing is to do."""
        return not self.makes and not self.removes


def plan(wanted: Wanted, found: Sequence[Subscription], *, secret_is_theirs: bool) -> Plan:
    """The steps from what was found to what is wanted.

    ``secret_is_theirs`` says whether what is there was made with the secret that we have: after a secret was
    made anew nothing signed with the one before would be believed.
    """
    judged = list(_judged(wanted, found, secret_is_theirs=secret_is_theirs))
    keeps = next((each for each, wrong in judged if wrong is None), None)
    return Plan(
        makes=keeps is None,
        keeps=keeps,
        removes=[(each, wrong) for each, wrong in judged if wrong is not None],
        strangers=[each for each in found if not _leads_here(each, wanted) and not each.is_ours],
    )


def _judged(
    wanted: Wanted, found: Sequence[Subscription], *, secret_is_theirs: bool
) -> Iterator[tuple[Subscription, Wrong | None]]:
    """Each that leads here or was ours, with what is wrong with it; only the first good one is good."""
    is_there = False
    for each in found:
        if not _leads_here(each, wanted):
            if each.is_ours and _is_of(each, wanted):
                yield each, Wrong.ELSEWHERE
            continue
        wrong = _wrong(each, wanted, secret_is_theirs=secret_is_theirs)
        if wrong is None and is_there:
            wrong = Wrong.TWICE
        is_there = is_there or wrong is None
        yield each, wrong


def _wrong(each: Subscription, wanted: Wanted, *, secret_is_theirs: bool) -> Wrong | None:
    if not secret_is_theirs:
        return Wrong.ANOTHER_SECRET
    if not each.enabled:
        return Wrong.DISABLED
    return Wrong.TOPICS if each.topics != wanted.topics else None


def _leads_here(each: Subscription, wanted: Wanted) -> bool:
    """Vendors may write a host in another case, and a slash more."""
    return _plain(each.url) == _plain(wanted.url)


def _plain(url: str) -> tuple[str, str, str]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower(), parts.path.rstrip("/")


def _is_of(each: Subscription, wanted: Wanted) -> bool:
    """Of this client: two deployments, a test one say, may share an account under other clients' names."""
    return each.description == wanted.description
