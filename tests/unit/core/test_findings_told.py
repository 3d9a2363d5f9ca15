"""What each finding tells: whom it is about, its figures in a sentence, and since when."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sluice.core.overview import findings
from sluice.core.overview.picture import (
    DEAD_LETTERS,
    DEAD_PUSHES,
    TRYING,
    AccountView,
    Finding,
    QueueView,
    Watch,
)
from sluice.core.overview.stream_history import LargeRun, Silence, StreamHistory
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

SUBJECT = str(KEY)
RUN_ID = "0123456789abcdef"


def told(one: findings.Known) -> list[Finding]:
    return list(findings.of_stream(one))


def test_a_stream_that_stored_nothing_yet_is_not_said_to_have_old_data() -> None:
    entered = NOW - 2 * HOUR
    assert told(known(StreamHistory(), stream(since=entered))) == [
        Finding(
            "streams-late",
            SUBJECT,
            "nothing is stored yet after 2 h; its target is 40 min",
            entered,
        )
    ]


@pytest.mark.parametrize(
    ("took", "sentence"),
    [
        (11 * MINUTE, "run 01234567 took 11 min; its target is 10 min"),
        (None, "run 01234567 has taken 12 min; its target is 10 min"),
    ],
    ids=["ended", "open"],
)
def test_a_slow_run_is_named_with_its_time(took: object, sentence: str) -> None:
    """By the first eight characters of its id, as logs and the status page name it."""
    slow = run(12 * MINUTE, took, run_id=RUN_ID)  # type: ignore[arg-type]
    began = NOW - 12 * MINUTE
    assert told(known(history(slow, run(20 * MINUTE)))) == [
        Finding("sync-slow", SUBJECT, sentence, began)
    ]


def test_a_run_that_read_too_much_is_named_with_its_rows() -> None:
    much = run(MINUTE, run_id=RUN_ID, rows_read=1_234_567)
    sentence = "run 01234567 read 1,234,567 rows; 50,000 is the most expected"
    assert told(known(history(much, LOADED))) == [
        Finding("sync-too-large", SUBJECT, sentence, NOW - MINUTE)
    ]


def test_a_stuck_cursor_is_told_with_its_age() -> None:
    moved = NOW - 7 * HOUR
    past = history(run(MINUTE), LOADED, advanced_at=moved)
    sentence = "the cursor has stood for 7 h; its target is 6 h"
    assert told(known(past)) == [Finding("watermark-stuck", SUBJECT, sentence, moved)]


def test_a_pause_is_not_counted_as_standing() -> None:
    """The cursor moved before the pause; what it stood for counts from the pause's end."""
    moved = NOW - 30 * HOUR
    past = history(run(MINUTE), LOADED, advanced_at=moved)
    assert told(known(past, stream(resumed_at=NOW - 6 * HOUR))) == []
    assert told(known(past, stream(resumed_at=NOW - 8 * HOUR))) == [
        Finding(
            "watermark-stuck", SUBJECT, "the cursor has stood for 8 h; its target is 6 h", moved
        )
    ]
    moved_since = replace(past, advanced_at=NOW - HOUR)
    assert told(known(moved_since, stream(resumed_at=NOW - 8 * HOUR))) == []


def test_rows_written_again_are_told_with_their_sum() -> None:
    large = tuple(LargeRun(f"run {n}", 2_000, 2_000, 0, 0) for n in range(4))
    sentence = "3 runs wrote 6,000 rows again and found none unchanged"
    assert told(known(history(run(MINUTE), LOADED, large=large))) == [
        Finding("change-detection-off", SUBJECT, sentence)
    ]


def test_missing_rows_are_told_with_what_is_usual() -> None:
    calm = [run(minutes * MINUTE, rows_read=0) for minutes in (1, 11, 21)]
    sentence = "no row in 2 h, though on 6 of the 7 days before there were some in these hours"
    assert told(known(history(*calm, LOADED, silence=Silence(2 * HOUR, 6)))) == [
        Finding("zero-rows", SUBJECT, sentence)
    ]


def test_all_that_does_not_add_up_is_told_in_one_sentence() -> None:
    faults = ("there is no slice before 3", "slice 4 did not begin where the one before ended")
    assert told(known(history(run(MINUTE), LOADED, broken=faults))) == [
        Finding("sums-broken", SUBJECT, f"{faults[0]}; {faults[1]}")
    ]


def test_each_client_whose_pushes_stopped_is_told() -> None:
    """In the order of their names, so that two looks tell the same."""
    silent = {(client, "shipbob"): Silence(3 * HOUR, 7) for client in ("zen", "acme")}
    sentence = "no push in 3 h, though on 7 of the 7 days before there were some in these hours"
    assert list(findings.of_pushes(silent)) == [
        Finding("webhook-silent", f"{client}#shipbob", sentence) for client in ("acme", "zen")
    ]


def test_dead_messages_are_told_by_the_name_that_people_know_their_queue_by() -> None:
    queues = [QueueView(name, 1_500, 0, 0, dead=True) for name in (DEAD_LETTERS, DEAD_PUSHES)]
    assert list(findings.of_queues(queues)) == [
        Finding("dead-letters", "dead letters", "1,500 messages lie there"),
        Finding("apply-dead-letters", "dead pushes", "1,500 messages lie there"),
    ]


def test_an_account_is_told_with_how_it_came_to_that() -> None:
    account = AccountView("cars#b", TRYING, 1_100, stopped_because="401: credential refused")
    assert list(findings.of_accounts([account])) == [
        Finding("account-stopped", "cars#b", "401: credential refused"),
        Finding("breaker-opened", "cars#b", "the breaker is trying after 1,100 failures in a row"),
    ]


def test_connections_are_told_with_the_pool() -> None:
    assert list(findings.of_connections(11, 20)) == [
        Finding("connections-high", "database", "11 connections, more than half of a pool of 20")
    ]


# --- what is not told ---------------------------------------------------------------------------------------


def test_a_stream_of_which_nobody_knows_an_age_is_not_late() -> None:
    """An entry older than the registry's dates, which no worker has come to yet."""
    assert told(known(StreamHistory(), stream(since=None))) == []
    resumed = stream(since=None, resumed_at=NOW - HOUR)
    assert [found.check for found in told(known(StreamHistory(), resumed))] == ["streams-late"]


def test_a_scheduled_run_under_way_makes_old_data_no_younger() -> None:
    """Only a first load and a backfill have all the time that they need."""
    late = known(history(run(5 * MINUTE, None), run(HOUR)))
    assert [found.check for found in told(late)] == ["streams-late"]


def test_a_run_that_began_when_the_pause_ended_is_judged() -> None:
    past = history(run(30 * MINUTE, 29 * MINUTE), LOADED)
    just_after = stream(resumed_at=NOW - 30 * MINUTE)
    assert [found.check for found in told(known(past, just_after))] == ["sync-slow"]
    just_before = stream(resumed_at=NOW - 30 * MINUTE + SECOND)
    assert told(known(past, just_before)) == []


def test_a_cursor_that_never_moved_is_not_stuck() -> None:
    """Its stream has stored nothing so far, and is late when that takes too long."""
    past = history(run(MINUTE), LOADED, advanced_at=None)
    assert told(known(past, stream(resumed_at=NOW - 9 * HOUR))) == []


def test_a_rest_is_as_old_as_the_last_look() -> None:
    """Where nobody has looked for longer than a cursor may stand, nobody knows that nothing is due."""
    asleep = history(run(9 * HOUR), advanced_at=NOW - 8 * HOUR, claimed_at=NOW - 6 * HOUR)
    patient = Watch(fresh_within=7 * HOUR, advance_within=6 * HOUR)
    assert told(known(asleep, watch=patient)) == []
    longer = replace(asleep, claimed_at=NOW - 6 * HOUR - SECOND)
    assert [found.check for found in told(known(longer, watch=patient))] == ["watermark-stuck"]


@pytest.mark.parametrize(
    ("more", "is_stuck"),
    [({"requests": 1}, True), ({"requests": 0}, False), ({"outcome": "failed"}, False)],
    ids=str,
)
def test_only_a_run_that_asked_and_completed_ends_a_rest(
    more: dict[str, object], is_stuck: bool
) -> None:
    """A run that failed read nothing to the end: it is told as failed, not as a cursor that stands."""
    asked = run(HOUR, **more)
    past = history(asked, LOADED, claimed_at=NOW - MINUTE, advanced_at=NOW - 8 * HOUR)
    checks = [found.check for found in told(known(past))]
    assert checks == (["watermark-stuck"] if is_stuck else [])


@pytest.mark.parametrize(
    ("third", "in_vain"),
    [
        (run(2 * HOUR - SECOND, rows_read=0), True),
        (run(2 * HOUR, rows_read=0), False),
        (run(HOUR, rows_read=0, requests=1), True),
    ],
    ids=["just within the window", "before the window", "one request"],
)
def test_runs_say_something_of_the_hours_in_which_they_ran(third: object, in_vain: bool) -> None:
    """Three runs of a window of two hours; one that is older is no sign that this window is calm."""
    newer = [run(minutes * MINUTE, rows_read=0) for minutes in (1, 11)]
    assert findings.asks_in_vain(known(history(*newer, third, LOADED))) is in_vain  # type: ignore[arg-type]
