"""Acceptance checks: targets from the clients file that a watched run must reach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from ops.clients_file import Acceptance
from ops.run_figures import RunFigures


@dataclass(frozen=True, slots=True)
class Check:
    """One target: what was wanted, what was measured, and whether that is enough."""

    name: str
    wanted: str
    measured: str
    passed: bool


def check_runs(
    wanted: Acceptance, runs: Sequence[RunFigures], now: datetime, worker_memory_mb: float | None
) -> list[Check]:
    """All targets that the file sets, and that every run completed."""
    return [_completed(runs), *_checks(wanted, runs, now, worker_memory_mb)]


def _completed(runs: Sequence[RunFigures]) -> Check:
    bad = sorted({f"{r.client_id}: {r.outcome}" for r in runs if r.outcome != "completed"})
    return Check("every run completed", "all", ", ".join(bad) or "all", bool(runs) and not bad)


def _checks(
    wanted: Acceptance, runs: Sequence[RunFigures], now: datetime, worker_memory_mb: float | None
) -> Iterator[Check]:
    seconds = _span(runs, now)
    if wanted.finish_within is not None:
        most = wanted.finish_within.total_seconds()
        yield Check("finish within", f"{most:.0f} s", f"{seconds:.1f} s", seconds <= most)
    if wanted.pages_per_second is not None:
        yield _at_least("pages/s", wanted.pages_per_second, sum(r.pages for r in runs) / seconds)
    if wanted.rows_per_second is not None:
        yield _at_least("rows/s", wanted.rows_per_second, sum(r.rows_read for r in runs) / seconds)
    if wanted.error_rate is not None:
        requests = sum(r.requests for r in runs)
        rate = sum(r.errors for r in runs) / requests if requests else 0.0
        yield Check(
            "error rate", f"<= {wanted.error_rate:.2%}", f"{rate:.2%}", rate <= wanted.error_rate
        )
    if wanted.worker_memory_mb is not None:
        yield _memory(wanted.worker_memory_mb, worker_memory_mb)


def _memory(most: float, measured: float | None) -> Check:
    """A memory that nobody could measure is a missed target, not a met one."""
    text = "not measured" if measured is None else f"{measured:.0f} MB"
    return Check(
        "worker peak memory", f"<= {most:.0f} MB", text, measured is not None and measured <= most
    )


def _at_least(name: str, wanted: float, measured: float) -> Check:
    return Check(name, f">= {wanted:,.0f}", f"{measured:,.0f}", measured >= wanted)


def _span(runs: Sequence[RunFigures], now: datetime) -> float:
    if not runs:
        return 0.001
    begun = min(r.started_at for r in runs)
    ended = max(r.ended_at or now for r in runs)
    return max((ended - begun).total_seconds(), 0.001)
