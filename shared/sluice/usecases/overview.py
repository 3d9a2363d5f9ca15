"""Draw the one picture of a deployment: what stands in every store, and what is wrong with it.

It only looks: nothing is written, no message is received, no vendor is asked. A store that does not answer takes
its part of the picture with it and no more; ``unknown`` says which part, and why.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from sluice.core.budget import Clock
from sluice.core.errors import SluiceError
from sluice.core.keys import StreamKey
from sluice.core.limits.rates import RateLimit
from sluice.core.overview import findings
from sluice.core.overview.account_views import account_view
from sluice.core.overview.picture import AccountView, Finding, Overview, QueueView, StreamView
from sluice.core.overview.stream_history import Histories, StreamHistory, Topic, WatchedStream
from sluice.core.overview.stream_views import view_of, why_paused
from sluice.core.overview.wording import duration
from sluice.core.ports import StaleLease
from sluice.core.steering.switches import SwitchBoard
from sluice.usecases.clean_up import LEASE_GRACE

T = TypeVar("T")

REGISTRY, DATABASE, SWITCHES = "registry", "database", "switches"
QUEUES, ACCOUNTS, LEASES = "queues", "accounts", "leases"
"""Parts of the picture: each entry of ``unknown`` begins with one of them and a colon."""

MOST_LEASES = 100


@dataclass(frozen=True, slots=True)
class WatchedAccount:
    """A vendor account: its page in the book, what people call it, and its declared limits."""

    subject: str
    name: str
    limits: Sequence[RateLimit] = ()


@dataclass(frozen=True, slots=True)
class Watched:
    """All streams of the registry, disabled ones too, and the vendor accounts that they ask."""

    streams: Sequence[WatchedStream]
    accounts: Sequence[WatchedAccount] = ()


class CountsQueues(Protocol):
    """The queues."""

    def depths(self) -> Sequence[QueueView]:
        """Each queue as it stands. Raises QueueUnavailable."""
        ...


class ReadsPages(Protocol):
    """The book, as far as accounts are looked at."""

    def pages(self, subjects: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """Those of these subjects that have a page. Raises StateUnavailable."""
        ...


class StaleLeases(Protocol):
    """The state table, as far as dead workers are looked for."""

    def stale(self, *, before: datetime, limit: int) -> Sequence[StaleLease]:
        """Leases that ran out before that moment and are still held. Raises StateUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Kit:
    """What looking needs. ``registry`` and ``board`` are asked once each."""

    registry: Callable[[], Watched]
    histories: Histories
    board: Callable[[], SwitchBoard]
    queues: CountsQueues
    pages: ReadsPages
    leases: StaleLeases
    clock: Clock
    pool_size: int | None = None


@dataclass(slots=True)
class _Asking:
    """Asks store after store, and notes who did not answer."""

    unknown: list[str] = field(default_factory=list)

    def ask(self, part: str, question: Callable[[], T]) -> T | None:
        """The answer; None where there is none, which is noted."""
        try:
            return question()
        except SluiceError as error:
            self.unknown.append(f"{part}: {error}")
            return None


def look(kit: Kit, *, clients: Collection[str] | None = None) -> Overview:
    """The whole picture, or that of some clients with all queues, accounts and leases.

    Never raises for a store that does not answer: see ``Overview.unknown``. While the switches cannot be read,
    nothing is found of streams: one that somebody paused would seem late.
    """
    asking, now = _Asking(), kit.clock()
    watched = asking.ask(REGISTRY, kit.registry) or Watched(())
    streams = [s for s in watched.streams if clients is None or s.key.client_id in clients]
    board = asking.ask(SWITCHES, kit.board)
    known = _know(kit, asking, streams, (board or SwitchBoard()).at(now), now)
    queues = asking.ask(QUEUES, kit.queues.depths) or ()
    accounts = asking.ask(ACCOUNTS, lambda: _accounts(kit, watched, now)) or ()
    before = now - LEASE_GRACE
    stale = asking.ask(LEASES, lambda: kit.leases.stale(before=before, limit=MOST_LEASES)) or ()
    found = [
        *(known.findings if board is not None else ()),
        *findings.of_queues(queues),
        *findings.of_accounts(accounts),
        *findings.of_connections(known.connections, kit.pool_size),
        *_of_leases(stale, now),
    ]
    return Overview(
        at=now,
        streams=known.views,
        queues=queues,
        accounts=accounts,
        connections=known.connections,
        pool_size=kit.pool_size,
        stale_leases=len(stale),
        findings=found,
        unknown=asking.unknown,
    )


@dataclass(frozen=True, slots=True)
class _Known:
    """What became of the streams."""

    views: Sequence[StreamView]
    findings: Sequence[Finding]
    connections: int | None


def _know(
    kit: Kit,
    asking: _Asking,
    streams: Sequence[WatchedStream],
    board: SwitchBoard,
    now: datetime,
) -> _Known:
    keys = [stream.key for stream in streams]
    histories = asking.ask(DATABASE, lambda: kit.histories.of(keys))
    if histories is None:
        return _Known([view_of(stream, None, board, now) for stream in streams], (), None)
    known = [_known(stream, histories.get(stream.key), board, now) for stream in streams]
    # What is asked next is asked of a database that answered: if it does not any more, that is noted, too.
    known = asking.ask(DATABASE, lambda: _with_silence(kit, known)) or known
    silent = asking.ask(DATABASE, lambda: _silent_pushes(kit, streams, board, now)) or ()
    found = [each for one in known for each in findings.of_stream(one)]
    connections = asking.ask(DATABASE, kit.histories.connections)
    return _Known([one.view for one in known], [*found, *silent], connections)


def _known(
    stream: WatchedStream, history: StreamHistory | None, board: SwitchBoard, now: datetime
) -> findings.Known:
    history = history or StreamHistory()
    return findings.Known(stream, history, view_of(stream, history, board, now), now)


def _with_silence(kit: Kit, known: Sequence[findings.Known]) -> list[findings.Known]:
    """Of those whose latest runs brought nothing: is that usual at these hours?"""
    windows = {
        one.view.key: findings.calm_window(one.view.cadence)
        for one in known
        if one.view.paused_because is None and findings.asks_in_vain(one)
    }
    silences = kit.histories.silent_streams(windows) if windows else {}
    return [
        replace(one, history=replace(one.history, silence=silences.get(one.view.key)))
        for one in known
    ]


def _silent_pushes(
    kit: Kit, streams: Sequence[WatchedStream], board: SwitchBoard, now: datetime
) -> Sequence[Finding]:
    """Of clients' sources that push and of which something is not paused; and of each topic of what is not.

    What comes during a pause is noted nowhere, so a stream that was resumed has its window to begin with.
    """
    pushing: dict[tuple[str, str], timedelta] = {}
    windows: dict[Topic, timedelta] = {}
    keys: dict[Topic, StreamKey] = {}
    for stream in streams:
        if not stream.pushed or why_paused(stream, board) is not None:
            continue
        span = stream.watch.limits(stream.cadence).pushed_within
        if stream.resumed_at is not None and now - stream.resumed_at < span:
            continue
        subject = (stream.key.client_id, stream.key.source)
        pushing[subject] = max(span, pushing.get(subject, span))
        for name in stream.topics:
            windows[Topic(*subject, name)] = span
            keys[Topic(*subject, name)] = stream.key
    found = list(findings.of_pushes(kit.histories.silent_pushes(pushing))) if pushing else []
    topics = kit.histories.silent_topics(windows) if windows else {}
    return [*found, *findings.of_topics(topics, keys, found)]


def _accounts(kit: Kit, watched: Watched, now: datetime) -> Sequence[AccountView]:
    """Accounts that have a page, by name: those with limits, and those that failed or were stopped at least
    once."""
    named = {account.subject: account for account in watched.accounts}
    pages = kit.pages.pages(list(named)) if named else {}
    views = (
        account_view(named[subject].name, page, named[subject].limits, now)
        for subject, page in pages.items()
    )
    return sorted(views, key=lambda view: view.name)


def _of_leases(stale: Sequence[StaleLease], now: datetime) -> Iterator[Finding]:
    """Whose worker died; cleanup frees them at its next pass."""
    for lease in stale:
        age = duration(now - lease.until)
        text = f"the lease of {lease.owner} ran out {age} ago and is still held"
        yield Finding("stale-leases", str(lease.key), text, lease.until)
