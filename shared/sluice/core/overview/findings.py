"""What is wrong in a deployment: one rule for each check, from what is known to findings.

A check is named like its alarm and its runbook. Rules are about the present: what mended itself is found no
more at the next look. A paused stream breaks no rule but that its sums add up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sluice.core.keys import StreamKey
from sluice.core.overview.picture import (
    CLOSED,
    DEAD_PUSHES,
    AccountView,
    Finding,
    QueueView,
    RunView,
    State,
    StreamView,
)
from sluice.core.overview.stream_history import (
    BY_PEOPLE,
    Silence,
    StreamHistory,
    Topic,
    WatchedStream,
)
from sluice.core.overview.stream_views import is_late, old_since
from sluice.core.overview.wording import duration

LARGE = 100
"""Rows of a slice, from which on it says something of change detection."""

RUNS_TO_JUDGE = 3
"""One run may be an accident."""

WRITTEN_AGAIN = 0.9
"""The part of the rows read that was written as changed, from which on nothing was told apart."""

USUAL_DAYS = 6
"""Of seven. A client that rests on weekends is not taken for one that fell silent on a Saturday."""

CALM_WINDOW = timedelta(hours=2)
CALM_CADENCES = 6
LONGEST_WINDOW = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Known:
    """A stream with all that a rule may ask."""

    stream: WatchedStream
    history: StreamHistory
    view: StreamView
    now: datetime

    @property
    def subject(self) -> str:
        return str(self.view.key)

    @property
    def judged(self) -> RunView | None:
        """The run by which time and size are judged: the open one, else the one that ended last, if the schedule
        asked for it and the stream had been loaded before."""
        run = self.history.running or self.history.last
        if run is None or run.reason in BY_PEOPLE or self.history.is_first_load(run):
            return None
        return run


Rule = Callable[[Known], Finding | None]


def of_stream(known: Known) -> Iterator[Finding]:
    """All that is wrong with a stream."""
    is_paused = known.view.state is State.PAUSED
    for rule in (sums_broken,) if is_paused else RULES:
        found = rule(known)
        if found is not None:
            yield found


def streams_late(known: Known) -> Finding | None:
    """Its data is older than ``fresh_within``."""
    since, view = old_since(known.stream, known.view), known.view
    if since is None or not is_late(known.stream, known.history, view, known.now):
        return None
    age = duration(known.now - since)
    target = duration(view.limits.fresh_within)
    what = f"data is {age} old" if view.fresh_at else f"nothing is stored yet after {age}"
    return Finding("streams-late", known.subject, f"{what}; its target is {target}", since)


def sync_slow(known: Known) -> Finding | None:
    """A scheduled run takes, or took, longer than ``sync_within``. What failed is another matter."""
    run, limit = known.judged, known.view.limits.sync_within
    if run is None or run.outcome not in ("running", "completed"):
        return None
    took = (run.ended_at or known.now) - run.started_at
    resumed_at = known.stream.resumed_at
    was_paused = resumed_at is not None and run.started_at < resumed_at
    if took <= limit or was_paused:
        return None
    verb = "took" if run.ended_at else "has taken"
    text = f"run {run.run_id[:8]} {verb} {duration(took)}; its target is {duration(limit)}"
    return Finding("sync-slow", known.subject, text, run.started_at)


def sync_too_large(known: Known) -> Finding | None:
    """A scheduled run read more than ``most_rows``: it reads again what it need not."""
    run, most = known.judged, known.view.limits.most_rows
    if run is None or run.rows_read <= most:
        return None
    text = f"run {run.run_id[:8]} read {run.rows_read:,} rows; {most:,} is the most expected"
    return Finding("sync-too-large", known.subject, text, run.started_at)


def watermark_stuck(known: Known) -> Finding | None:
    """Its cursor stood for longer than ``advance_within``, although there was something to do.

    Every cursor holds when its vendor was last read, so each read moves it, also one that finds nothing new. A
    stream that is looked at and finds nothing due does not read, and may stand: unless a run that did ask the
    vendor has completed since, and the cursor stands all the same.
    """
    advanced_at, limit = known.history.advanced_at, known.view.limits.advance_within
    if advanced_at is None:
        return None
    since = max(advanced_at, known.stream.resumed_at or advanced_at)
    if known.now - since <= limit:
        return None
    idle_at = known.history.idle_at
    rests = idle_at is not None and known.now - idle_at <= limit
    if rests and not any(_asked_in_vain(run, advanced_at) for run in known.history.runs):
        return None
    text = (
        f"the cursor has stood for {duration(known.now - since)}; its target is {duration(limit)}"
    )
    return Finding("watermark-stuck", known.subject, text, advanced_at)


def _asked_in_vain(run: RunView, advanced_at: datetime) -> bool:
    began_after = run.started_at > advanced_at
    return began_after and run.outcome == "completed" and run.requests > 0


def change_detection_off(known: Known) -> Finding | None:
    """Three runs in a row wrote nearly every row of their large slices as changed, and found none unchanged.

    Streams read again what they read before (lookback, complete listings), so some rows must be unchanged.
    """
    judged = known.history.large[:RUNS_TO_JUDGE]
    if len(judged) < RUNS_TO_JUDGE:
        return None
    for run in judged:
        told_apart = run.unchanged or run.stale or run.updated < WRITTEN_AGAIN * run.rows_read
        if told_apart or run.rows_read < LARGE:
            return None
    rows = sum(run.updated for run in judged)
    text = f"{RUNS_TO_JUDGE} runs wrote {rows:,} rows again and found none unchanged"
    return Finding("change-detection-off", known.subject, text)


def zero_rows(known: Known) -> Finding | None:
    """Its runs complete and bring no rows, in hours in which rows are usual."""
    silence = known.history.silence
    if silence is None or silence.usual_days < USUAL_DAYS or not asks_in_vain(known):
        return None
    text = (
        f"no row in {duration(silence.window)}, though on {silence.usual_days} of the 7 days before"
        " there were some in these hours"
    )
    return Finding("zero-rows", known.subject, text)


def asks_in_vain(known: Known) -> bool:
    """Its latest runs asked the vendor, completed within the window, and read nothing: worth a closer look."""
    since = known.now - calm_window(known.view.cadence)
    ended = [run for run in known.history.runs if run.ended_at is not None]
    latest = ended[:RUNS_TO_JUDGE]
    return len(latest) == RUNS_TO_JUDGE and all(
        run.outcome == "completed"
        and run.requests > 0
        and run.rows_read == 0
        and run.started_at > since
        for run in latest
    )


def calm_window(cadence: timedelta) -> timedelta:
    """So long a stream may read nothing before anybody wonders."""
    return min(max(CALM_WINDOW, CALM_CADENCES * cadence), LONGEST_WINDOW)


def sums_broken(known: Known) -> Finding | None:
    """What its log says does not add up."""
    if not known.history.broken:
        return None
    return Finding("sums-broken", known.subject, "; ".join(known.history.broken))


def brake_tripped(known: Known) -> Finding | None:
    """A complete listing lacked too many rows within a day, and no listing since was clean."""
    history = known.history
    if history.brake is None:
        return None
    return Finding("brake-tripped", known.subject, history.brake, history.braked_at)


RULES: Sequence[Rule] = (
    streams_late,
    sync_slow,
    watermark_stuck,
    sync_too_large,
    change_detection_off,
    zero_rows,
    sums_broken,
    brake_tripped,
)


def of_pushes(silent: Mapping[tuple[str, str], Silence]) -> Iterator[Finding]:
    """Clients whose vendor used to push in these hours and does not."""
    for (client_id, source), silence in sorted(silent.items()):
        if silence.usual_days >= USUAL_DAYS:
            yield Finding("webhook-silent", f"{client_id}#{source}", _no_push("", silence))


def of_topics(
    silent: Mapping[Topic, Silence], streams: Mapping[Topic, StreamKey], found: Iterable[Finding]
) -> Iterator[Finding]:
    """Topics that used to be pushed in these hours and are not, each named with its stream.

    ``found`` is what was found of whole sources: of one that pushes nothing at all no topic is named.
    """
    whole = {finding.subject for finding in found}
    for topic, silence in sorted(silent.items()):
        source = f"{topic.client_id}#{topic.source}"
        if silence.usual_days >= USUAL_DAYS and source not in whole:
            text = _no_push(f" of {topic.name}", silence)
            yield Finding("webhook-silent", str(streams[topic]), text)


def _no_push(what: str, silence: Silence) -> str:
    return (
        f"no push{what} in {duration(silence.window)}, though on {silence.usual_days} of the 7 days"
        " before there were some in these hours"
    )


def of_queues(queues: Iterable[QueueView]) -> Iterator[Finding]:
    """Messages that nobody could work on."""
    for queue in queues:
        if queue.dead and queue.waiting:
            check = "apply-dead-letters" if queue.name == DEAD_PUSHES else "dead-letters"
            text = f"{queue.waiting:,} messages lie there"
            yield Finding(check, queue.name, text)


def of_accounts(accounts: Iterable[AccountView]) -> Iterator[Finding]:
    """Vendor accounts that nobody asks: by their breaker, or because the credential was refused."""
    for account in accounts:
        if account.stopped_because is not None:
            yield Finding("account-stopped", account.name, account.stopped_because)
        if account.breaker != CLOSED:
            text = f"the breaker is {account.breaker} after {account.failures:,} failures in a row"
            yield Finding("breaker-opened", account.name, text)


def of_connections(connections: int | None, pool_size: int | None) -> Iterator[Finding]:
    """More than half of the pool is in use: the other half is not ours."""
    if connections is not None and pool_size and connections * 2 > pool_size:
        text = f"{connections} connections, more than half of a pool of {pool_size}"
        yield Finding("connections-high", "database", text)
