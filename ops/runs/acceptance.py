"""Acceptance checks: targets from the clients file that a watched run must reach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.text import Text

from ops.clients.file import Acceptance
from ops.failures import MISSED, RUN_FAILED
from ops.runs.figures import RunFigures
from ops.terminal import printable


@dataclass(frozen=True, slots=True)
class Check:
    """One target: what was wanted, what was measured, and whether that is enough.

    ``code`` is how the command exits when it was missed.
    """

    name: str
    wanted: str
    measured: str
    passed: bool
    code: int = MISSED


def check_runs(
    wanted: Acceptance, runs: Sequence[RunFigures], now: datetime, worker_memory_mb: float | None
) -> list[Check]:
    """That every run completed and accounts for its rows, and all targets that the file sets."""
    return [completed(runs), _accounted(runs), *_checks(wanted, runs, now, worker_memory_mb)]


def exit_code_of(checks: Sequence[Check]) -> int:
    """0 when all passed; a run that ended badly comes before a target that was missed."""
    return min((check.code for check in checks if not check.passed), default=0)


def check_line(check: Check) -> Text:
    """``ok`` or ``MISSED``, and what was measured; what was wanted too, where that says more."""
    mark, style = ("ok    ", "green") if check.passed else ("MISSED", "bold red")
    text = Text.assemble((mark, style), f"  {printable(check.name)}: {printable(check.measured)}")
    is_bound = check.wanted.startswith(("<=", ">="))
    return text if check.passed and not is_bound else text.append(f" (wanted {check.wanted})")


def completed(runs: Sequence[RunFigures], name: str = "every run completed") -> Check:
    """No run at all is no success either."""
    bad = sorted({f"{r.client_id}: {r.outcome}" for r in runs if r.outcome != "completed"})
    measured = ", ".join(bad) or ("all" if runs else "there was no run")
    return Check(name, "all", measured, bool(runs) and not bad, RUN_FAILED)


def _accounted(runs: Sequence[RunFigures]) -> Check:
    bad = [
        f"{r.client_id}: {r.rows_read:,} read, {r.accounted_for:,} accounted for"
        for r in runs
        if r.rows_read != r.accounted_for
    ]
    return Check("every row read is accounted for", "all", ", ".join(bad) or "all", not bad)


def _checks(
    wanted: Acceptance, runs: Sequence[RunFigures], now: datetime, worker_memory_mb: float | None
) -> Iterator[Check]:
    seconds = _span(runs, now)
    if wanted.finish_within is not None:
        most = wanted.finish_within.total_seconds()
        yield Check("finish within", f"<= {most:.0f} s", f"{seconds:.1f} s", seconds <= most)
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
    return Check(name, f">= {wanted:,.1f}", f"{measured:,.1f}", measured >= wanted)


def _span(runs: Sequence[RunFigures], now: datetime) -> float:
    if not runs:
        return 0.001
    begun = min(r.started_at for r in runs)
    ended = max(r.ended_at or now for r in runs)
    return max((ended - begun).total_seconds(), 0.001)
