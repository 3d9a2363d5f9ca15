"""The board: which pause stops a stream, which cadence counts, and how a page keeps both."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.errors import SettingInvalid
from sluice.core.keys import StreamKey
from sluice.core.steering import switches
from sluice.core.steering.scopes import Scope, scopes_of
from sluice.core.steering.switches import Cadence, Pause, Recorded, SwitchBoard

T = TypeVar("T", Pause, Cadence)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
KEY = StreamKey("acme", "cars", "cars", "p")

NAMES = st.sampled_from(["acme", "bolt", "cars"])
STREAM_KEYS = st.builds(StreamKey, NAMES, NAMES, NAMES, st.none() | NAMES)
SCOPES = STREAM_KEYS.flatmap(lambda key: st.sampled_from(scopes_of(key)))
MOMENTS = st.datetimes(
    datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)  # noqa: DTZ001
)  # fmt: skip
WORDS = st.none() | st.text(max_size=20)


def boards() -> st.SearchStrategy[SwitchBoard]:
    pauses = st.builds(Pause, SCOPES, MOMENTS, st.text(max_size=20), WORDS, st.none() | MOMENTS)
    every = st.integers(60, 7 * 86400).map(lambda seconds: timedelta(seconds=seconds))
    cadences = st.builds(Cadence, SCOPES, every, MOMENTS, st.text(max_size=20), WORDS)
    return st.builds(
        SwitchBoard,
        st.lists(pauses, max_size=6).map(lambda some: {each.scope: each for each in some}),
        st.lists(cadences, max_size=6).map(lambda some: {each.scope: each for each in some}),
        st.none() | st.builds(Recorded, st.integers(1, 10**9), st.text(max_size=8)),
    )


def paused(*texts: str, **said: Any) -> SwitchBoard:
    scopes = [Scope.parse(text) for text in texts]
    return SwitchBoard({scope: Pause(scope, NOW, "me", **said) for scope in scopes})


def every(**minutes: int) -> SwitchBoard:
    board = SwitchBoard()
    for text, count in minutes.items():
        scope = Scope.parse(text)
        board = board.with_cadence(scope, Cadence(scope, count * MINUTE, NOW, "me"))
    return board


@given(boards())
def test_a_board_is_read_back_from_its_page(board: SwitchBoard) -> None:
    """Through JSON, as the book keeps it."""
    assert SwitchBoard.of_page(json.loads(json.dumps(board.page()))) == board


def narrowest(found: Sequence[T], key: StreamKey) -> T | None:
    """By another way than the board's: of those that cover it, one of the client before one of all
    clients, and the one that names most parts."""
    covering = [each for each in found if each.scope.covers(key)]
    return max(
        covering,
        key=lambda each: (each.scope.client_id is not None, each.scope.depth),
        default=None,
    )


@given(boards(), STREAM_KEYS)
def test_the_narrowest_cadence_counts(board: SwitchBoard, key: StreamKey) -> None:
    counts = narrowest(list(board.cadences.values()), key)
    assert board.cadence_of(key, 1000 * HOUR) == (counts.every if counts else 1000 * HOUR)


@given(boards(), STREAM_KEYS)
def test_any_pause_that_covers_a_stream_stops_it(board: SwitchBoard, key: StreamKey) -> None:
    assert board.pause_of(key) == narrowest(list(board.pauses.values()), key)


@pytest.mark.parametrize("leave_out", range(8))
def test_cadences_count_in_this_order(leave_out: int) -> None:
    """Partition, stream, the client's source, the client, the stream of all, the source, everything."""
    minutes = {"acme#cars#cars#p": 1, "acme#cars#cars": 2, "acme#cars": 3, "acme": 4}
    minutes |= {"source:cars#cars": 5, "source:cars": 6, "*": 7}
    left = dict(list(minutes.items())[leave_out:])
    expected = (leave_out + 1) * MINUTE if left else HOUR
    assert every(**left).cadence_of(KEY, HOUR) == expected


def test_other_clients_keep_their_own_cadence() -> None:
    board = every(acme=1)
    assert board.cadence_of(StreamKey("bolt", "cars", "cars"), HOUR) == HOUR


def test_a_narrower_scope_does_not_start_what_a_wider_one_stops() -> None:
    board = paused("*", "acme")
    found = board.pause_of(KEY)
    assert found is not None
    assert str(found.scope) == "acme"
    assert board.with_pause(Scope("acme"), None).pause_of(KEY) == board.pauses[Scope()]


def test_a_platform_is_stopped_by_its_own_pause_or_that_of_everything() -> None:
    board = paused("platform:shopify", "acme", "source:shopify")
    assert board.platform_pause("shopify") is not None
    assert board.platform_pause("amazon") is None
    assert board.pause_of(StreamKey("bolt", "cars", "cars")) is None
    assert paused("*").platform_pause("amazon") is not None


def test_a_pause_lapses_at_its_moment() -> None:
    """Not a moment later: its streams are made due then, and whoever looks must find them free."""
    board = paused("acme", until=NOW + HOUR)
    assert board.at(NOW + HOUR - timedelta(microseconds=1)) == board
    assert board.at(NOW + HOUR).pause_of(KEY) is None
    assert paused("acme").at(NOW + 1000 * HOUR).pause_of(KEY) is not None


def test_the_newest_audit_row_is_remembered_whatever_order_they_come_in() -> None:
    board = SwitchBoard().after(Recorded(7, "b")).after(Recorded(6, "a"))
    assert board.audited == Recorded(7, "b")
    assert board.after(Recorded(8, "c")).audited == Recorded(8, "c")


def test_a_page_never_written_has_no_switch() -> None:
    assert SwitchBoard.of_page({}) == SwitchBoard()


RIGHT = paused("acme", until=NOW).with_cadence(Scope(), Cadence(Scope(), HOUR, NOW, "me")).page()


@pytest.mark.parametrize(
    "wrong",
    [
        {"pauses": []}, {"pauses": {"acme": None}}, {"pauses": {"a b": RIGHT["pauses"]["acme"]}},
        {"pauses": {"acme": {**RIGHT["pauses"]["acme"], "until": "tomorrow"}}},
        {"pauses": {"acme": {**RIGHT["pauses"]["acme"], "until": ""}}},
        {"pauses": {"acme": {**RIGHT["pauses"]["acme"], "until": False}}},
        {"pauses": {"acme": {**RIGHT["pauses"]["acme"], "since": "2026-03-01T12:00:00"}}},
        {"pauses": {"acme": {"since": NOW.isoformat()}}}, {"cadences": {"*": {"every_s": 60}}},
        {"cadences": {"*": {**RIGHT["cadences"]["*"], "every_s": 0}}},
        {"cadences": {"*": {**RIGHT["cadences"]["*"], "every_s": 90.5}}},
        {"cadences": {"*": {**RIGHT["cadences"]["*"], "every_s": 1e300}}}, {"audited": {"number": 1}},
    ],
    ids=str,
)  # fmt: skip
def test_a_page_that_cannot_be_read_is_refused(wrong: dict[str, Any]) -> None:
    """Run on without it, and a pause that somebody relies on is overlooked."""
    assert SwitchBoard.of_page(RIGHT).pauses
    with pytest.raises(SettingInvalid, match="page 'switches' of the limits table cannot be read"):
        SwitchBoard.of_page({**RIGHT, **wrong})


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"pauses": {"acme": {**RIGHT["pauses"]["acme"], "until": "2026-03-01T12:00:00"}}},
         "ValueError: 2026-03-01T12:00:00 says no time zone"),
        ({"cadences": {"*": {**RIGHT["cadences"]["*"], "every_s": 0}}}, "ValueError: *: a cadence of 0 s"),
        ({"cadences": {"*": {"every_s": 60}}}, "KeyError: 'since'"),
    ],
    ids=str,
)  # fmt: skip
def test_an_unreadable_page_is_told_with_what_is_wrong_and_what_to_do(
    wrong: dict[str, Any], told: str
) -> None:
    with pytest.raises(SettingInvalid) as caught:
        SwitchBoard.of_page({**RIGHT, **wrong})
    assert str(caught.value) == (
        f"the page 'switches' of the limits table cannot be read ({told});"
        " write it anew from what `sluice audit` says is in force"
    )


def test_a_page_takes_300_kilobytes_and_no_more() -> None:
    """Its item's other fields, and what is written next, have room in DynamoDB's 400."""

    def with_reason(size: int) -> SwitchBoard:
        return SwitchBoard({Scope("acme"): Pause(Scope("acme"), NOW, "me", "w" * size)})

    empty = len(json.dumps(with_reason(0).page()))
    assert with_reason(300_000 - empty).page()
    with pytest.raises(SettingInvalid, match="too many for one page"):
        with_reason(300_001 - empty).page()


def test_a_board_too_large_for_its_page_is_refused() -> None:
    """DynamoDB would refuse it too, but would not say what to do."""
    some = [Scope(f"client-{number}") for number in range(3000)]
    board = SwitchBoard({scope: Pause(scope, NOW, "me", "w" * 50) for scope in some})
    with pytest.raises(SettingInvalid, match="3,000 switches are too many for one page; resume"):
        board.page()
    fits = replace(board, pauses=dict(list(board.pauses.items())[:1000]))
    assert len(json.dumps(fits.page())) < switches.MOST_BYTES


def test_a_page_of_just_so_many_bytes_fits() -> None:
    def board(length: int) -> SwitchBoard:
        return SwitchBoard({Scope(): Pause(Scope(), NOW, "me", "w" * length)})

    most = switches.MOST_BYTES - len(json.dumps(board(0).page()))
    assert switches.MOST_BYTES == 300_000
    assert board(most).page()
    with pytest.raises(SettingInvalid, match="too many for one page"):
        board(most + 1).page()
