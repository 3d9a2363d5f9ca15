"""Each check at its border: just under says nothing, just over is found."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from sluice.core.keys import StreamKey
from sluice.core.overview import findings
from sluice.core.overview.picture import AccountView, Finding, QueueView, Watch
from sluice.core.overview.stream_history import LargeRun, Silence, StreamHistory, Topic
from sluice.core.steering.scopes import Scope
from sluice.core.steering.switches import Cadence, Pause, SwitchBoard
from tests.unit.core.streams_known import (
    HOUR,
    KEY,
    LOADED,
    MINUTE,
    NOW,
    SECOND,
    history,
    known,
    run,
    stream,
)

DAY = timedelta(days=1)
PAUSED = SwitchBoard({Scope("acme"): Pause(Scope("acme"), NOW, "ann")})


def checks(one: findings.Known) -> list[str]:
    return [finding.check for finding in findings.of_stream(one)]


def test_a_stream_that_is_well_breaks_no_rule() -> None:
    assert checks(known(history(run(5 * MINUTE), LOADED))) == []


# --- late ---------------------------------------------------------------------------------------------------


def test_late_is_older_than_three_cadences_and_ten_minutes() -> None:
    assert checks(known(history(run(40 * MINUTE), LOADED))) == []
    late = known(history(run(40 * MINUTE + SECOND), LOADED))
    assert list(findings.of_stream(late)) == [
        Finding(
            "streams-late",
            str(KEY),
            "data is 40 min 1 s old; its target is 40 min",
            NOW - 40 * MINUTE - SECOND,
        )
    ]


def test_the_clients_file_says_what_is_late() -> None:
    past = history(run(21 * MINUTE), LOADED)
    assert checks(known(past, watch=Watch(fresh_within=20 * MINUTE))) == ["streams-late"]
    assert checks(known(past, watch=Watch(fresh_within=21 * MINUTE))) == []


def test_a_cadence_that_a_switch_sets_moves_the_target() -> None:
    past = history(run(41 * MINUTE), LOADED)
    scope = Scope("acme")
    board = SwitchBoard(cadences={scope: Cadence(scope, HOUR, NOW, "ann")})
    assert checks(known(past)) == ["streams-late"]
    assert checks(known(past, board=board)) == []


def test_a_paused_stream_is_not_late() -> None:
    past = history(run(9 * HOUR), LOADED)
    assert checks(known(past, board=PAUSED)) == []
    assert checks(known(past, stream(paused=True))) == []
    assert checks(known(past, stream(enabled=False))) == []


def test_after_a_pause_a_stream_has_its_whole_target() -> None:
    past = history(run(9 * HOUR), LOADED, advanced_at=NOW)
    assert checks(known(past, stream(resumed_at=NOW - 40 * MINUTE))) == []
    assert checks(known(past, stream(resumed_at=NOW - 41 * MINUTE))) == ["streams-late"]


def test_a_stream_that_never_completed_counts_from_its_entry() -> None:
    fails = history(run(MINUTE, outcome="failed"))
    assert checks(known(fails, stream(since=NOW - 40 * MINUTE))) == []
    assert checks(known(fails, stream(since=NOW - 41 * MINUTE))) == ["streams-late"]
    assert checks(known(StreamHistory(), stream(since=NOW - 41 * MINUTE))) == ["streams-late"]


@pytest.mark.parametrize("reason", ["schedule", "backfill"])
def test_a_first_load_and_a_backfill_may_take_their_time(reason: str) -> None:
    """As long as they move."""
    loading = run(9 * HOUR, None, reason=reason, last_progress_at=NOW - 20 * MINUTE)
    older = () if reason == "schedule" else (LOADED,)
    assert checks(known(history(loading, *older, advanced_at=NOW))) == []


def test_a_first_load_that_stands_still_is_late() -> None:
    loading = run(9 * HOUR, None, last_progress_at=NOW - 20 * MINUTE - SECOND)
    assert checks(known(history(loading, advanced_at=NOW))) == ["streams-late"]


def test_nothing_due_is_as_good_as_a_run() -> None:
    """An account's invoices are read once a day, and the stream is looked at every ten minutes."""
    past = history(run(9 * HOUR), LOADED, claimed_at=NOW - 9 * MINUTE)
    assert checks(known(past)) == []
    assert checks(known(replace(past, claimed_at=NOW - 41 * MINUTE))) == ["streams-late"]


def test_a_claim_that_began_a_run_is_no_proof_of_freshness() -> None:
    """A vendor that fails: each tick claims, opens a run, and the run fails."""
    failing = run(5 * MINUTE, 2 * MINUTE, outcome="failed")
    past = history(failing, run(9 * HOUR), claimed_at=NOW - 5 * MINUTE, advanced_at=NOW)
    assert checks(known(past)) == ["streams-late"]


@pytest.mark.parametrize(("minutes", "found"), [(40, []), (41, ["streams-late"])])
@pytest.mark.parametrize("outcome", ["running", "failed"])
def test_the_run_that_ends_a_rest_is_not_late_by_the_length_of_that(
    minutes: float, found: list[str], outcome: str
) -> None:
    """Due once a day: its last completed run is a day old when the next begins. The target counts from the rest."""
    begun = run(5 * MINUTE, None if outcome == "running" else MINUTE, outcome=outcome)
    past = history(begun, run(24 * HOUR), LOADED, advanced_at=NOW - 24 * HOUR)
    assert checks(known(replace(past, rested_at=NOW - minutes * MINUTE))) == found


# --- slow and large -----------------------------------------------------------------------------------------


def test_slow_is_longer_than_ten_minutes() -> None:
    assert checks(known(history(run(15 * MINUTE, 10 * MINUTE), LOADED))) == []
    assert checks(known(history(run(15 * MINUTE, 10 * MINUTE + SECOND), LOADED))) == ["sync-slow"]
    running = history(run(11 * MINUTE, None), run(20 * MINUTE))
    assert checks(known(running)) == ["sync-slow"]
    assert checks(known(running, watch=Watch(sync_within=12 * MINUTE))) == []


@pytest.mark.parametrize("reason", ["manual", "backfill", "redrive"])
def test_what_somebody_asked_for_is_not_judged(reason: str) -> None:
    asked = run(20 * MINUTE, 19 * MINUTE, reason=reason, rows_read=900_000)
    assert checks(known(history(asked, LOADED))) == []


def test_a_first_load_is_not_judged() -> None:
    first = run(20 * MINUTE, 19 * MINUTE, rows_read=900_000)
    assert checks(known(history(first))) == []


def test_a_run_that_was_paused_meanwhile_is_not_slow() -> None:
    past = history(run(30 * MINUTE, 29 * MINUTE), LOADED)
    assert checks(known(past, stream(resumed_at=NOW - 5 * MINUTE))) == []
    assert checks(known(past, stream(resumed_at=NOW - HOUR))) == ["sync-slow"]


def test_a_run_that_failed_is_not_called_slow() -> None:
    past = history(run(30 * MINUTE, 29 * MINUTE, outcome="failed"), run(35 * MINUTE), LOADED)
    assert checks(known(past)) == []


def test_too_large_is_more_than_50_000_rows() -> None:
    assert checks(known(history(run(MINUTE, rows_read=50_000), LOADED))) == []
    assert checks(known(history(run(MINUTE, rows_read=50_001), LOADED))) == ["sync-too-large"]
    own = Watch(most_rows=50_001)
    assert checks(known(history(run(MINUTE, rows_read=50_001), LOADED), watch=own)) == []


# --- watermark ----------------------------------------------------------------------------------------------


def test_stuck_is_a_cursor_that_stood_for_six_hours() -> None:
    runs = (run(MINUTE), run(7 * HOUR))
    assert checks(known(history(*runs, advanced_at=NOW - 6 * HOUR))) == []
    assert checks(known(history(*runs, advanced_at=NOW - 6 * HOUR - SECOND))) == ["watermark-stuck"]
    own = Watch(advance_within=8 * HOUR)
    assert checks(known(history(*runs, advanced_at=NOW - 7 * HOUR), watch=own)) == []


def test_a_stream_that_rests_may_stand() -> None:
    """Looked at and nothing due, and no run that asked the vendor since."""
    past = history(run(9 * HOUR), claimed_at=NOW - MINUTE, advanced_at=NOW - 8 * HOUR)
    assert checks(known(past)) == []


def test_a_run_that_asked_in_vain_is_no_rest() -> None:
    asked = run(HOUR)
    past = history(asked, LOADED, claimed_at=NOW - MINUTE, advanced_at=NOW - 8 * HOUR)
    assert checks(known(past)) == ["watermark-stuck"]
    by_hand = replace(asked, requests=0)  # nothing was due, and the run of it says so
    past = history(by_hand, LOADED, claimed_at=NOW - MINUTE, advanced_at=NOW - 8 * HOUR)
    assert checks(known(past)) == []


def test_a_stream_that_is_seldom_due_may_stand_as_long_as_it_may_be_old() -> None:
    daily = stream(cadence=24 * HOUR)
    assert checks(known(history(run(30 * HOUR), run(54 * HOUR)), daily)) == []


def test_nobody_at_work_is_stuck_too() -> None:
    assert checks(known(history(run(7 * HOUR), LOADED))) == ["streams-late", "watermark-stuck"]


# --- change detection ---------------------------------------------------------------------------------------


def large(updated: int = 200, unchanged: int = 0, stale: int = 0, read: int = 200) -> LargeRun:
    return LargeRun("run", read, updated, unchanged, stale)


@pytest.mark.parametrize(
    ("third", "found"),
    [
        (large(), True),
        (large(updated=180), True),
        (large(updated=179), False),
        (large(unchanged=1), False),
        (large(stale=1), False),
        (large(read=100, updated=100), True),
        (large(read=99, updated=99), False),
        (large(updated=0), False),
        (None, False),
    ],
)
def test_off_is_three_large_runs_that_wrote_what_they_read(
    third: LargeRun | None, found: bool
) -> None:
    """The last but one case is a first load: everything is new."""
    judged = (large(), large(), *([third] if third else []))
    one = known(history(run(MINUTE), LOADED, large=judged))
    assert checks(one) == (["change-detection-off"] if found else [])


# --- zero rows ----------------------------------------------------------------------------------------------


def quiet(**more: object) -> tuple[object, ...]:
    return tuple(run(minutes * MINUTE, rows_read=0, **more) for minutes in (1, 11, 21))


def test_zero_rows_where_they_are_usual() -> None:
    silence = Silence(2 * HOUR, 6)
    assert checks(known(history(*quiet(), LOADED, silence=silence))) == ["zero-rows"]  # type: ignore[arg-type]
    rare = Silence(2 * HOUR, 5)
    assert checks(known(history(*quiet(), LOADED, silence=rare))) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "more", [{"outcome": "failed"}, {"requests": 0}, {"rows_read": 1}], ids=str
)
def test_only_runs_that_asked_and_completed_say_so(more: dict[str, object]) -> None:
    """Runs that fail are late; a run of which nothing was due asked nobody."""
    runs = quiet()
    third = replace(runs[2], **more)  # type: ignore[type-var]
    one = known(history(runs[0], runs[1], third, LOADED, silence=Silence(2 * HOUR, 7)))  # type: ignore[arg-type]
    assert not findings.asks_in_vain(one)
    assert "zero-rows" not in checks(one)


def test_a_run_under_way_is_not_one_of_those_that_asked_in_vain() -> None:
    open_one = run(MINUTE / 2, took=None)
    one = known(history(open_one, *quiet(), LOADED, silence=Silence(2 * HOUR, 7)))  # type: ignore[arg-type]
    assert findings.asks_in_vain(one)


def test_the_window_follows_the_cadence() -> None:
    assert findings.calm_window(MINUTE) == 2 * HOUR
    assert findings.calm_window(HOUR) == 6 * HOUR
    assert findings.calm_window(DAY) == DAY


# --- what else ----------------------------------------------------------------------------------------------


def test_sums_are_told_of_a_paused_stream_too() -> None:
    broken = history(run(MINUTE), LOADED, broken=("there is no slice before 3",))
    assert checks(known(broken)) == ["sums-broken"]
    assert checks(known(broken, board=PAUSED)) == ["sums-broken"]


def test_a_brake_is_told_with_its_note() -> None:
    braked = history(run(MINUTE), LOADED, brake="delete brake: 30 of 100", braked_at=NOW - HOUR)
    assert list(findings.of_stream(known(braked))) == [
        Finding("brake-tripped", str(KEY), "delete brake: 30 of 100", NOW - HOUR)
    ]


def test_a_silent_webhook_is_one_that_was_usual() -> None:
    silent = {("acme", "shipbob"): Silence(3 * HOUR, 6), ("zen", "shipbob"): Silence(3 * HOUR, 5)}
    assert [(f.check, f.subject) for f in findings.of_pushes(silent)] == [
        ("webhook-silent", "acme#shipbob")
    ]


def test_a_silent_topic_is_named_with_its_stream() -> None:
    """Only where pushes of it are usual, and not where its whole source is silent."""
    topics = [Topic(c, "shipbob", name) for c in ("acme", "zen") for name in ("a.made", "b.made")]
    silent = {topic: Silence(3 * HOUR, 6 if topic.name == "b.made" else 5) for topic in topics}
    streams = {topic: StreamKey(topic.client_id, "shipbob", "orders") for topic in topics}
    of_zen = list(findings.of_pushes({("zen", "shipbob"): Silence(3 * HOUR, 7)}))
    assert list(findings.of_topics(silent, streams, of_zen)) == [
        Finding(
            "webhook-silent",
            "acme#shipbob#orders",
            "no push of b.made in 3 h, though on 6 of the 7 days before there were some in these hours",
        )
    ]


def test_dead_letters_are_told_by_their_queue() -> None:
    queues = [
        QueueView("slices", 9, 0, 0),
        QueueView("dead letters", 1, 0, 0, dead=True),
        QueueView("dead pushes", 2, 0, 0, dead=True),
        QueueView("dead letters", 0, 4, 4, dead=True),
    ]
    assert [(f.check, f.detail) for f in findings.of_queues(queues)] == [
        ("dead-letters", "1 messages lie there"),
        ("apply-dead-letters", "2 messages lie there"),
    ]


def test_accounts_that_nobody_asks_are_told() -> None:
    accounts = [
        AccountView("cars#a", "closed", 10),
        AccountView("cars#b", "open", 11),
        AccountView("cars#c", "trying", 11),
        AccountView("cars#d", "closed", 0, stopped_because="401"),
    ]
    assert [(f.check, f.subject) for f in findings.of_accounts(accounts)] == [
        ("breaker-opened", "cars#b"),
        ("breaker-opened", "cars#c"),
        ("account-stopped", "cars#d"),
    ]


def test_more_than_half_of_the_pool_is_too_many() -> None:
    assert list(findings.of_connections(10, 20)) == []
    assert [f.check for f in findings.of_connections(11, 20)] == ["connections-high"]
    assert list(findings.of_connections(11, None)) == []
    assert list(findings.of_connections(None, 20)) == []
