"""The suite of faulty answers in short: some rounds of each vendor, guards that are missed, and what judges them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from local.postgres import Database
from tests.answers.__main__ import main
from tests.answers.controls import CONTROLS
from tests.answers.ground import Ground, standing
from tests.answers.kept import faulty_answers
from tests.answers.kinds import Drawn, Kinds, draw, kind_of
from tests.answers.playing import Wanted, played
from tests.answers.record import record
from tests.answers.rounds import SCENES, Played, Tally, play

DAY = datetime.now(UTC).date() + timedelta(days=1)
NONE = Drawn((), strict=True)
ROUNDS = {"cars": (1, 3), "shipbob": (6,), "mixpanel": (2, 4)}


@pytest.fixture(params=ROUNDS)
def ground(request: pytest.FixtureRequest, database: Database) -> Iterator[Ground]:
    with standing(request.param, database, DAY, apart=False) as made:
        yield made


def test_whatever_a_vendor_answers_nothing_is_lost(ground):
    """Drawn rounds, the same ones every time: what is stored is the vendor's truth in the end."""
    tally = Tally()
    for number in ROUNDS[ground.vendor]:
        tally.add(play(ground, 1, number))
    assert tally.violations == []
    assert tally.silent == 0
    assert tally.faulty >= 10
    assert tally.rows > 0


@pytest.mark.parametrize(("guard", "first"), [("end_of_stream", 2), ("point_read", 3)])
def test_a_guard_that_is_missing_is_noticed(database, guard, first):
    """In a process of its own, since nothing is put back."""
    control = CONTROLS[guard]
    wanted = Wanted(
        control.vendor,
        1,
        DAY,
        1000,
        first=first,
        without=(guard,),
        focus=control.focus,
        stop_at_once=True,
        apart=False,
    )
    assert played(wanted, [database], lambda _: None).violations


JUDGED = {
    "cars": ("cars", "UPDATE public.cars SET document = '{}'", "different"),
    "shipbob": ("shipbob_orders", "DELETE FROM public.shipbob_returns", "missing"),
    "mixpanel": ("mixpanel_profiles", "DELETE FROM public.mixpanel_events", "missing"),
}


def test_what_is_changed_by_hand_is_seen(ground):
    """A live row that is removed at once, whatever fails meanwhile; in the end also one that differs or is missing."""
    removable, query, word = JUDGED[ground.vendor]
    scene = SCENES[ground.vendor](ground, random.Random(3))  # noqa: S311
    assert list(scene.run(sound=True)) == []
    assert [*scene.wrong_now(NONE), *scene.wrongly_rejected(NONE, {})] == []
    ground.rows.execute(query)  # type: ignore[arg-type]
    assert any(word in each for each in scene.compared())
    ground.rows.execute(f"UPDATE public.{removable} SET deleted_at = now()")  # type: ignore[arg-type]
    assert any("removed" in each for each in scene.wrong_now(Drawn((), strict=False)))
    scene.close()


def test_a_lie_is_told_once_only_where_nothing_hides_it():
    """Rows that come twice on a page make up for those that are missing."""
    known = Kinds(
        at_once=("twice", "cut"),
        listed=("lie",),
        once={"short": ({"pages": (1,)},)},
        hides={"short": ("twice",)},
    )
    drawn = [draw(random.Random(n), known) for n in range(200)]  # noqa: S311
    assert any("short" in each.kinds for each in drawn)
    assert not any({"short", "twice"} <= set(each.kinds) for each in drawn)
    assert all(each.strict != ("lie" in each.kinds) for each in drawn)
    for each in drawn:
        once = [fault for fault in each.faults if fault["kind"] == "short"]
        assert all(fault["limit"] == 1 and kind_of(fault["name"]) == "short" for fault in once)


def test_what_is_recorded_adds_up(tmp_path):
    """Raw numbers of every run, and a page of their sums."""
    tally = Tally()
    tally.add(Played(["cars round 1: wrong"], 40, {"cut_body": 41, "poison_rows": 900}, 100, 5, {}))
    tally.add(Played([], 0, {}, 10, 1, {}))
    for _ in range(2):
        page = record("python -m tests.answers", 1, 2.0, {"cars": tally}, tmp_path)
    text = page.read_text(encoding="utf-8")
    assert faulty_answers(tmp_path) == 80
    assert "80 faulty answers in 2 recorded runs, 2 violations." in text
    assert "| cars | 80 | 4 | 2 | 12 | 220 | 2 |" in text
    assert "| `cut_body` | 82 |" in text
    assert "poison_rows" not in text


@pytest.mark.parametrize(
    "words", [["--round", "3"], ["--record", "--controls"], ["--answers", "0"], ["--only", "moon"]]
)
def test_a_wrong_command_is_refused(words, capsys):
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2
    assert "error" in capsys.readouterr().err
