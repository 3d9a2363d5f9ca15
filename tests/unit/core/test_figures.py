"""The monitor's figures: what is known, and nothing else; bounded by streams and not by clients."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sluice.core.keys import StreamKey
from sluice.core.overview.figures import Figure, Unit, figures_of
from sluice.core.overview.picture import AccountView, Finding, Overview, State, StreamView
from sluice.core.overview.stream_history import StreamHistory
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


@pytest.mark.parametrize(
    ("check", "name"),
    [
        ("streams-late", "StreamsLate"),
        ("sync-slow", "SyncsSlow"),
        ("watermark-stuck", "WatermarksStuck"),
        ("sync-too-large", "SyncsTooLarge"),
        ("change-detection-off", "ChangeDetectionOff"),
        ("zero-rows", "ZeroRows"),
        ("sums-broken", "SumsBroken"),
        ("webhook-silent", "WebhookTopicsSilent"),
        ("brake-tripped", "BrakesTripped"),
        ("breaker-opened", "BreakersOpen"),
        ("account-stopped", "AccountsStopped"),
    ],
)
def test_what_a_check_finds_is_counted_where_its_alarm_looks(check: str, name: str) -> None:
    """The template's alarms know the metrics by these names."""
    calm = values(replace(OVERVIEW, findings=()))
    found = values(replace(OVERVIEW, findings=[Finding(check, "a", ""), Finding(check, "b", "")]))
    assert {key for key in found if found[key] != calm[key]} == {name}
    assert (calm[name], found[name]) == (0, 2)


def test_each_source_has_the_budget_of_its_busiest_account() -> None:
    """An account whose source declares no limit has no share of one."""
    accounts = [
        AccountView("shipbob#sluice/a", "closed", 0, budget_used=0.5),
        AccountView("cars#sluice/a", "closed", 0, budget_used=0.75),
        AccountView("shipbob#sluice/b", "closed", 0, budget_used=0.25),
        AccountView("mixpanel#sluice/a", "closed", 0),
    ]
    found = figures_of(replace(OVERVIEW, accounts=accounts))
    assert [figure for figure in found if figure.name == "RateBudgetPercent"] == [
        Figure("RateBudgetPercent", 75, Unit.PERCENT, "cars"),
        Figure("RateBudgetPercent", 50, Unit.PERCENT, "shipbob"),
    ]


def test_each_stream_has_its_own_figures() -> None:
    returns = replace(
        known(history(run(2 * HOUR), run(9 * HOUR))).view,
        key=StreamKey("acme", "shipbob", "returns"),
    )
    found = figures_of(replace(OVERVIEW, streams=[returns, *OVERVIEW.streams]))
    assert [figure for figure in found if figure.name == "FreshnessSeconds"] == [
        Figure("FreshnessSeconds", 1800, Unit.SECONDS, "shipbob", "orders"),
        Figure("FreshnessSeconds", 7200, Unit.SECONDS, "shipbob", "returns"),
    ]


def test_a_stream_that_never_ran_has_no_figures_yet() -> None:
    """No age of zero, no sync of zero rows; beside another client's it takes nothing from that one's."""
    new = known(StreamHistory()).view
    assert new.open_rejects == 0
    assert not [f for f in figures_of(replace(OVERVIEW, streams=[new])) if f.stream]
    assert values(replace(OVERVIEW, streams=[new, VIEW, OTHER])) == values(OVERVIEW)


def test_a_run_that_read_nothing_skipped_no_part_of_it() -> None:
    calm = known(history(run(MINUTE, rows_read=0, unchanged=0), run(9 * HOUR))).view
    found = values(replace(OVERVIEW, streams=[calm]))
    assert found["RowsPerSync"] == 0
    assert "SkippedPercent" not in found


def test_a_picture_in_which_nothing_is_said_to_be_wrong_has_zeros() -> None:
    """So that alarms know that somebody looked."""
    plain = StreamView(VIEW.key, State.FRESH, VIEW.cadence, VIEW.limits, None, None, None)
    found = values(Overview(at=NOW, streams=[plain]))
    assert (found["OpenRejects"], found["StaleLeases"], found["PartsUnknown"]) == (0, 0, 0)
