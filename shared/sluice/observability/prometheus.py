"""The one picture as text that Prometheus scrapes (exposition format 0.0.4).

Labels are bounded as dimensions are (``counts``): source, stream, state, check, queue, never the client. Of several
clients' values the worst is shown, or their number.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sluice.core.overview.picture import OPEN, AccountView, Overview, State, StreamView

Labels = tuple[tuple[str, str], ...]
Samples = Mapping[Labels, float]

_ESCAPED = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})
_ESCAPED_HELP = str.maketrans({"\\": "\\\\", "\n": "\\n"})


@dataclass(frozen=True, slots=True)
class Gauge:
    """A metric's name, what it says, and how its samples are found in the picture."""

    name: str
    help: str
    samples: Callable[[Overview], Samples]


def exposition(overview: Overview) -> str:
    """All gauges, each with HELP and TYPE, ending with a line feed. A gauge without samples is left out."""
    return "".join(line for gauge in GAUGES for line in _lines(gauge, gauge.samples(overview)))


def _lines(gauge: Gauge, samples: Samples) -> Iterator[str]:
    if not samples:
        return
    yield f"# HELP {gauge.name} {gauge.help.translate(_ESCAPED_HELP)}\n"
    yield f"# TYPE {gauge.name} gauge\n"
    for labels, value in sorted(samples.items()):
        yield f"{gauge.name}{_braces(labels)} {_number(value)}\n"


def _braces(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{value.translate(_ESCAPED)}"' for name, value in labels) + "}"


def _number(value: float) -> str:
    """Whole numbers without a point, everything else as Python writes a float, which Go reads."""
    return str(int(value)) if value == int(value) else repr(value)


# --- What is found in the picture ------------------------------------------------------------------------


def _of_streams(
    value: Callable[[StreamView, datetime], float | None],
) -> Callable[[Overview], Samples]:
    """The highest over clients, of streams that are not paused."""

    def samples(overview: Overview) -> Samples:
        found: dict[Labels, float] = {}
        for stream in overview.streams:
            number = None if stream.state is State.PAUSED else value(stream, overview.at)
            if number is not None:
                labels = _stream(stream)
                found[labels] = max(number, found.get(labels, number))
        return found

    return samples


def _age(moment: datetime | None, at: datetime) -> float | None:
    return None if moment is None else max((at - moment).total_seconds(), 0.0)


def _took(stream: StreamView) -> float | None:
    last = stream.last
    if last is None or last.ended_at is None:
        return None
    return max((last.ended_at - last.started_at).total_seconds(), 0.0)


def _stream(stream: StreamView) -> Labels:
    return (("source", stream.key.source), ("stream", stream.key.stream))


def _states(overview: Overview) -> Samples:
    return _counted((*_stream(each), ("state", str(each.state))) for each in overview.streams)


def _rejects(overview: Overview) -> Samples:
    found: defaultdict[Labels, float] = defaultdict(float)
    for each in overview.streams:
        found[_stream(each)] += each.open_rejects
    return found


def _findings(overview: Overview) -> Samples:
    return _counted((("check", each.check),) for each in overview.findings)


def _queues(overview: Overview) -> Samples:
    return {
        (("queue", queue.name), ("state", state)): number
        for queue in overview.queues
        for state, number in (
            ("waiting", queue.waiting), ("delayed", queue.delayed), ("in_flight", queue.in_flight),
        )
    }  # fmt: skip


def _accounts(value: Callable[[AccountView], float]) -> Callable[[Overview], Samples]:
    """The number over a source's accounts of what is 0 or 1 of each."""

    def samples(overview: Overview) -> Samples:
        found: defaultdict[Labels, float] = defaultdict(float)
        for each in overview.accounts:
            found[_source(each)] += value(each)
        return found

    return samples


def _budget(overview: Overview) -> Samples:
    """Of the account that used most of its own."""
    found: dict[Labels, float] = {}
    for each in overview.accounts:
        if each.budget_used is not None:
            labels = _source(each)
            found[labels] = max(each.budget_used, found.get(labels, 0.0))
    return found


def _source(account: AccountView) -> Labels:
    """Accounts are called ``source#secret``; a secret is a client's."""
    return (("source", account.name.partition("#")[0]),)


def _counted(labels: Iterable[Labels]) -> Samples:
    return {each: float(number) for each, number in Counter(labels).items()}


def _one(value: Callable[[Overview], float | None]) -> Callable[[Overview], Samples]:
    def samples(overview: Overview) -> Samples:
        number = value(overview)
        return {} if number is None else {(): float(number)}

    return samples


GAUGES = (
    Gauge("sluice_overview_timestamp_seconds", "When this picture was drawn, in seconds since 1970.",
          _one(lambda o: o.at.timestamp())),
    Gauge("sluice_unknown_parts", "Parts of the deployment that could not be asked.", _one(lambda o: len(o.unknown))),
    Gauge("sluice_findings", "What a person should know of, by check. Each has a runbook of its name.", _findings),
    Gauge("sluice_streams", "Streams of all clients, by state.", _states),
    Gauge("sluice_freshness_seconds", "Age of the oldest client's data; paused streams aside.",
          _of_streams(lambda s, at: _age(s.fresh_at, at))),
    Gauge("sluice_watermark_age_seconds", "Time since the cursor last moved, of the client where it stands longest.",
          _of_streams(lambda s, at: _age(s.advanced_at, at))),
    Gauge("sluice_last_run_rows", "Rows that the last run read, of the client with most.",
          _of_streams(lambda s, _: None if s.last is None else s.last.rows_read)),
    Gauge("sluice_last_run_seconds", "Time that the last run took, of the client with the longest.",
          _of_streams(lambda s, _: _took(s))),
    Gauge("sluice_open_rejects", "Rows that could not be loaded and are not settled.", _rejects),
    Gauge("sluice_queue_messages", "Messages in each queue, about.", _queues),
    Gauge("sluice_breakers_open", "Vendor accounts whose breaker is open.",
          _accounts(lambda a: float(a.breaker == OPEN))),
    Gauge("sluice_accounts_stopped", "Vendor accounts whose credential was refused.",
          _accounts(lambda a: float(a.stopped_because is not None))),
    Gauge("sluice_rate_budget_used_ratio", "Share of the tightest limit in use, of the account with most.", _budget),
    Gauge("sluice_database_connections", "Connections of the application's login.", _one(lambda o: o.connections)),
    Gauge("sluice_database_pool_size", "Connections that the pooler opens for it.", _one(lambda o: o.pool_size)),
    Gauge("sluice_stale_leases", "Leases that ran out and are still held.", _one(lambda o: o.stale_leases)),
)  # fmt: skip
