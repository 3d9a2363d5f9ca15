"""The monitor's figures: what is known, and nothing else; bounded by streams and not by clients."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sluice.core.keys import StreamKey
from sluice.core.overview.figures import Figure, Unit, figures_of
from sluice.core.overview.picture import AccountView, Finding, Overview
from tests.unit.core.streams_known import HOUR, MINUTE, NOW, history, known, run, stream

VIEW = known(history(run(9 * MINUTE), run(9 * HOUR))).view
OTHER = replace(
    known(history(run(30 * MINUTE, rows_read=30, unchanged=0), run(9 * HOUR))).view,
    key=StreamKey("zen", "shipbob", "orders"),
    open_rejects=4,
)
OVERVIEW = Overview(
    at=NOW,
    streams=[VIEW, OTHER],
    accounts=[
        AccountView("shipbob#a", "closed", 0, budget_used=0.25),
        AccountView("shipbob#b", "open", 11, budget_used=0.5),
    ],
    connections=5,
    pool_size=20,
    stale_leases=2,
    findings=[
        Finding("streams-late", "a", ""),
        Finding("streams-late", "b", ""),
        Finding("breaker-opened", "shipbob#b", ""),
    ],
)


def values(overview: Overview) -> dict[str, float]:
    return {figure.name: figure.value for figure in figures_of(overview)}


def test_each_check_has_its_number() -> None:
    assert values(OVERVIEW) == {
        "PartsUnknown": 0, "StreamsLate": 2, "SyncsSlow": 0, "WatermarksStuck": 0, "SyncsTooLarge": 0,
        "ChangeDetectionOff": 0, "ZeroRows": 0, "SumsBroken": 0, "WebhookTopicsSilent": 0, "BrakesTripped": 0,
        "BreakersOpen": 1, "AccountsStopped": 0, "RateBudgetPercent": 50, "StaleLeases": 2,
        "ConnectionsPercent": 25, "OpenRejects": 4, "FreshnessSeconds": 1800, "WatermarkAgeSeconds": 1800,
        "RowsPerSync": 30, "SkippedPercent": 20,
    }  # fmt: skip


def test_figures_of_streams_are_over_all_clients() -> None:
    """The oldest, the largest; of skipped rows the part of all: 8 of 40."""
    of_orders = [f for f in figures_of(OVERVIEW) if f.stream == "orders"]
    assert of_orders[0] == Figure("FreshnessSeconds", 1800, Unit.SECONDS, "shipbob", "orders")
    assert len(of_orders) == 4
    many = [replace(VIEW, key=StreamKey(f"c{n}", "shipbob", "orders")) for n in range(1000)]
    assert len(list(figures_of(replace(OVERVIEW, streams=many)))) == len(list(figures_of(OVERVIEW)))


def test_a_paused_stream_is_old_on_purpose() -> None:
    paused = known(history(run(90 * HOUR), run(99 * HOUR)), stream(paused=True)).view
    assert values(replace(OVERVIEW, streams=[paused, VIEW]))["FreshnessSeconds"] == 540
    assert "FreshnessSeconds" not in values(replace(OVERVIEW, streams=[paused]))


@pytest.mark.parametrize(
    ("part", "missing"),
    [
        ("database", {"StreamsLate", "SumsBroken", "OpenRejects", "FreshnessSeconds"}),
        ("switches", {"StreamsLate", "WebhookTopicsSilent"}),
        ("registry", {"StreamsLate", "BreakersOpen", "FreshnessSeconds", "OpenRejects"}),
        ("accounts", {"BreakersOpen", "AccountsStopped", "RateBudgetPercent"}),
        ("leases", {"StaleLeases"}),
    ],
)
def test_what_a_store_did_not_say_has_no_figure(part: str, missing: set[str]) -> None:
    """A zero would mend the alarm of whoever is late."""
    told = values(replace(OVERVIEW, unknown=[f"{part}: no answer"]))
    assert missing & set(told) == set()
    assert told["PartsUnknown"] == 1


def test_without_a_pool_size_there_is_no_share() -> None:
    assert "ConnectionsPercent" not in values(replace(OVERVIEW, pool_size=None))
    assert "ConnectionsPercent" not in values(replace(OVERVIEW, connections=None))
