"""The arithmetic of Mixpanel's benchmarks: a goal that is missed is told as missed, a row that is wrong is counted."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import orjson
import pytest

from benchmarks.mixpanel import events
from benchmarks.mixpanel.__main__ import BENCHMARKS, command_line
from benchmarks.mixpanel.figures import (
    Figure,
    Found,
    Impossible,
    at_least,
    at_most,
    exactly,
    one_part_of,
    page,
    record,
)
from benchmarks.mixpanel.stage import calls_per_slice
from benchmarks.mixpanel.truth import Subscriber, events_in, stored_totals, true_totals, wrong
from benchmarks.mixpanel.upsert import UTC_CLOCK, Compared, batch, gained
from sluice.sources.mixpanel.counting import DEFAULT
from sluice.sources.mixpanel.payloads import read_event, values_of


def found(*figures: Figure) -> Found:
    return Found("mixpanel_x", "A title", "How.", figures, "Notes.")


def line(event: str, count: int, creator: Any = None, **more: Any) -> dict[str, Any]:
    told = {"distinct_id": "ada", "first_s": 10.9, "last_s": 20.2}
    return {**told, "event": event, "by": {"creatorType": creator}, "count": count, **more}


@pytest.mark.parametrize(
    ("figure", "reached"),
    [
        (at_most("n", 200, 200), True),
        (at_most("n", 200.1, 200), False),
        (at_least("n", 8, 8), True),
        (at_least("n", 7.9, 8), False),
        (exactly("n", 3, 3), True),
        (exactly("n", 2, 3), False),
        (one_part_of("n", 4, 100, 25), True),
        (one_part_of("n", 4.1, 100, 25), False),
        (one_part_of("n", 0, 100, 25), False),
    ],
)
def test_a_goal_is_reached_at_its_bound_and_not_beyond(figure: Figure, reached: bool) -> None:
    """A part of nothing is a measurement that failed."""
    assert figure.reached is reached


def test_one_missed_goal_is_enough_and_the_page_says_which(tmp_path: Path) -> None:
    good, bad = exactly("good", 1, 1), exactly("bad", 1, 2)
    assert found(good).reached
    assert not found(good, bad).reached
    text = page(found(good, bad), "a command")
    assert "| good | 1 | 1 |" in text
    assert "| bad | 1 | 2 (missed) |" in text
    assert record(found(good), tmp_path).name == "mixpanel_x.md"


def test_true_totals_are_those_of_the_default_mapping() -> None:
    """Premium is what has it anywhere in its type, in small letters; times are whole seconds."""
    lines = [
        line("DubAutoCopyInitiated", 2, "superpremium", first_s=3.99),
        line("DubAutoCopyInitiated", 1, "Premium", last_s=99.99),
        line("DubAutoCopyInitiated", 4),
        line("Tapped Creator Card", 5),
        line("Tapped Portfolio Card", 6),
        line("BankAccountLinked", 1),
        line("Search", 7),
    ]
    assert true_totals(lines) == {
        "ada": Subscriber(
            {"copies_total": 7, "copies_premium": 2, "copies_regular": 5, "card_taps": 11},
            {"linked_bank_account"},
            26,
            3,
            99,
        )
    }
    assert events_in(true_totals(lines)) == 26


def test_a_row_is_wrong_when_anything_of_it_is_or_when_it_is_missing_or_needless() -> None:
    row = ("ada", {"card_taps": 2}, {"linked_bank_account": True, "other": False}, 3, 10, 20)
    stored = stored_totals([row])
    assert stored == {"ada": Subscriber({"card_taps": 2}, {"linked_bank_account"}, 3, 10, 20)}
    assert wrong(stored, stored_totals([row])) == 0
    others = [{"card_taps": 3}, {}, 4, 11, 21]
    for at, other in enumerate(others, start=1):
        assert wrong(stored, stored_totals([(*row[:at], other, *row[at + 1 :])])) == 1
    assert wrong(stored, {}) == wrong({}, stored) == 1


def test_calls_are_by_slice_and_without_the_event_source() -> None:
    worked = {
        "slices": 2,
        "dynamodb_calls": {"UpdateItem": 6, "PutItem": 2, "GetItem": 3},
        "sqs_calls": {"SendMessage": 1, "ChangeMessageVisibility": 2, "ReceiveMessage": 9, "DeleteMessage": 9},
    }  # fmt: skip
    assert calls_per_slice(worked) == (4.0, 1.5, 1.5)


def test_the_factor_is_the_middle_of_the_rounds_own() -> None:
    """Not that of the medians, which may be of different rounds."""
    assert Compared([10, 1, 20], [100, 4, 40], []).factor == 4


def test_a_batch_has_its_subscribers_and_events_and_no_other_batch_has_them() -> None:
    one, other = list(batch(1, 3, 4)), list(batch(2, 3, 4))
    ids = {read_event(each, UTC_CLOCK).record.id for each in one + other}
    assert len(ids) == 24
    rows = [values_of(read_event(each, UTC_CLOCK).record, UTC_CLOCK, DEFAULT) for each in one]
    gains = gained((who, at, orjson.loads(effects)) for _, who, at, _, _, effects in rows)
    assert [len(gain.times) for gain in gains.values()] == [4, 4, 4]
    assert sum(sum(g.counters.values()) + len(g.flags) for g in gains.values()) >= 9


@pytest.mark.parametrize(
    ("asked", "new", "increments"),
    [(95_001, 2_500, 3), (10_000, 2_500, 3), (195_000, 2_500, 3), (95_000, 2_500, 0), (5, 0, 1)],
)
def test_days_that_cannot_be_are_refused_before_anything_starts(
    asked: int, new: int, increments: int
) -> None:
    told = argparse.Namespace(events=asked, new=new, increments=increments)
    with pytest.raises(Impossible, match="--events must be"):
        events.measure(told, print)


@pytest.mark.parametrize("words", [[], *([name] for name in BENCHMARKS)])
def test_help_is_there_for_each(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A percent sign in a sentence is not argparse's."""
    with pytest.raises(SystemExit) as ended:
        command_line().parse_args([*words, "--help"])
    assert ended.value.code == 0
    assert ("--record" if words else "memory") in capsys.readouterr().out
