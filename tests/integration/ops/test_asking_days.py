"""`sluice sync --from --to`: what reaches the queue, what is refused before anything does, and what is only told."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.ops.conftest import Command
from tests.integration.ops.deployment import CLIENTS, Deployment

EVENTS = "folio#mixpanel#events"
PROJECT = """\
  folio:
    mixpanel:
      secret: sluice/folio
      settings: {project_id: 7, time_zone: Europe/Berlin}
      streams: {events: {cadence: 5m}, profiles: {cadence: 1h}}
"""


def day(ago: int) -> str:
    return str(datetime.now(UTC).date() - timedelta(days=ago))


@pytest.fixture
def applied(deployment: Deployment, clients_yaml: Path, sluice: Command) -> Deployment:
    clients_yaml.write_text(CLIENTS + PROJECT)
    deployment.make_secrets("sluice/harbour", "sluice/ridge", "sluice/folio")
    sluice.printed("clients", "apply")
    return deployment


def test_days_are_asked_for_as_a_backfill(applied: Deployment, sluice: Command) -> None:
    """One message, which says when it was asked; the days are told as the instants that they are."""
    told = sluice.printed("sync", EVENTS, "--from", "2026-07-01", "--to", "2026-07-03")
    assert (
        f"{EVENTS}: days of Europe/Berlin, from 2026-06-30 22:00 up to 2026-07-03 22:00 UTC" in told
    )
    (message,) = applied.messages()
    assert (message["stream"], message["reason"], message["priority"]) == (
        "events",
        "manual",
        "backfill",
    )
    asked = message["days"]
    assert (asked["first"], asked["last"]) == ("2026-07-01", "2026-07-03")
    age = datetime.now(UTC) - datetime.fromisoformat(asked["asked_at"])
    assert timedelta(0) <= age < timedelta(minutes=1)
    assert "full_since" not in message


def test_a_dry_run_asks_for_nothing(applied: Deployment, sluice: Command) -> None:
    told = sluice.printed("sync", EVENTS, "--from", day(3), "--to", day(1), "--dry-run")
    assert f"for a backfill of {EVENTS}" in told
    assert "days of Europe/Berlin" in told
    assert sluice.printed("sync", "--full", "--dry-run").count("for a backfill of") == 4
    assert sluice.printed("sync", "ridge", "--dry-run").count("for a sync of") == 1
    assert applied.messages() == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((EVENTS, "--from", day(1), "--to", day(2)), "--from: "),
        ((EVENTS, "--from", day(1), "--to", day(-2)), "--to: "),
        ((EVENTS, "--from", day(402), "--to", day(1)), "--from: "),
        ((EVENTS, "--from", "1.10.2026", "--to", day(1)), "--from: '1.10.2026' is no day such as"),
        ((EVENTS, "--from", day(1)), "--to is missing: --from and --to go together"),
        ((EVENTS, "--to", day(1)), "--from is missing: --from and --to go together"),
        ((EVENTS, "--from", day(2), "--to", day(1), "--full"), "--full reads all days"),
        (("folio", "--from", day(2), "--to", day(1)), "--from: folio#mixpanel#profiles cannot read"),
        (("ridge", "--from", day(2), "--to", day(1)), "--from: ridge#cars#cars cannot read"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_line_and_nothing_is_sent(
    applied: Deployment, sluice: Command, words: tuple[str, ...], said: str
) -> None:
    """Not in part either."""
    code, told = sluice.error("sync", *words)
    assert code == 2
    assert told.startswith(said)
    assert applied.messages() == []


def test_today_of_the_project_may_be_asked_for(applied: Deployment, sluice: Command) -> None:
    """The days of Berlin begin before those of UTC."""
    assert date.fromisoformat(day(0))
    sluice.printed("sync", EVENTS, "--from", day(0), "--to", day(0))
    assert len(applied.messages()) == 1
