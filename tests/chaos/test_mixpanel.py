"""Mixpanel's streams and cohorts on real parts: short rounds of faults, and an oracle that sees each damage."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import LiteralString

import psycopg
import pytest

from sluice.sources.mixpanel.events_cursor import EventsCursor
from tests.chaos import mixpanel_oracle, oracle
from tests.chaos.damage import undone
from tests.chaos.fates import Fates
from tests.chaos.kinds import kinds
from tests.chaos.mixpanel_poller import MixpanelPoller
from tests.chaos.mixpanel_truth import Event
from tests.chaos.mixpanel_world import FEWEST_LEFT, MOST_GONE, MixpanelWorld
from tests.chaos.poller import FencePoller, watching
from tests.chaos.pushing import NOBODY, PushSource
from tests.chaos.rounds import Rounds
from tests.chaos.stand import Size, Stand
from tests.chaos.tally import Tally
from tests.chaos.timing import SLOWER

SEED = int(os.environ.get("SLUICE_CHAOS_SEED", "7"))
SMALL = Size(clients=1, cars=60, facts=1, slots=6, projects=2, profiles=70)

SECONDS = 12.0
DEMANDED = {
    "pushes": ("pushes.apply.written", 4),
    "kills": ("kills", 10),
    "zombies": ("zombies", 1),
    "vendor": ("vendor.faulty_answers", 2),
}
"""For each kind what is counted and how often it must have happened at least."""

TABLES = (
    "public.mixpanel_events",
    "public.mixpanel_subscribers",
    "public.mixpanel_profiles",
    "public.mixpanel_cohort_members",
    "sluice.sync_commit",
    "sluice.inbox",
)

COPY_OF_ONE: LiteralString = (
    "INSERT INTO public.mixpanel_events SELECT client_id, event_id || 'x', content_hash, version, event, distinct_id,"
    " occurred_at, insert_id, processed_at, effects, document FROM public.mixpanel_events LIMIT 1"
)

DAMAGE: dict[str, tuple[LiteralString, str]] = {
    "an event": (
        "DELETE FROM public.mixpanel_events WHERE event_id = (SELECT max(event_id) FROM public.mixpanel_events)",
        "were exported and are missing",
    ),
    "an event of nobody": (COPY_OF_ONE.replace("distinct_id", "'nobody'"), "that the vendor never told"),
    "an event under two keys": (COPY_OF_ONE, "1 events are stored twice"),
    "events counted twice": (
        "UPDATE public.mixpanel_subscribers SET events_processed = events_processed + 1",
        "subscribers' counters",
    ),
    "a counter": (
        "UPDATE public.mixpanel_subscribers SET counters = counters || '{\"card_taps\": 1000}'",
        "subscribers' counters",
    ),
    "a counter of nobody": (
        "INSERT INTO public.mixpanel_subscribers (client_id, distinct_id, events_processed)"
        " VALUES ('app', 'nobody', 1)",
        "subscribers' counters",
    ),
    "flags": (
        "UPDATE public.mixpanel_subscribers SET flags = '{\"linked_bank_account\": false}'",
        "subscribers' counters",
    ),
    "first times": (
        "UPDATE public.mixpanel_subscribers SET first_event_time = first_event_time + interval '1 second'",
        "subscribers' counters",
    ),
    "time that was not read": (
        "UPDATE sluice.sync_commit SET cursor = cursor || '{\"read_until\": \"2026-01-01T00:00:00+00:00\"}'"
        " WHERE stream = 'events' AND source = 'mixpanel'",
        "events were read up to 2026-01-01",
    ),
    "a profile": (
        "DELETE FROM public.mixpanel_profiles WHERE distinct_id = (SELECT min(distinct_id)"
        " FROM public.mixpanel_profiles WHERE deleted_at IS NULL)",
        "profiles: missing (1)",
    ),
    "profiles' plans": (
        "UPDATE public.mixpanel_profiles SET document = jsonb_set(document, '{$properties,plan}', '\"none\"')",
        "profiles: missing (0) [], surplus (0) [], different (",
    ),
    "profiles put away": ("UPDATE public.mixpanel_profiles SET deleted_at = now()", "profiles: missing ("),
    "a member": (
        "UPDATE public.mixpanel_cohort_members SET removed_at = now() WHERE distinct_id = 'member-000'",
        "members of the cohort: missing (1)",
    ),
    "a member too many": (
        "INSERT INTO public.mixpanel_cohort_members"
        " (client_id, project_id, cohort_id, distinct_id, added_at, session_id)"
        " SELECT client_id, project_id, cohort_id, 'nobody', now(), session_id FROM public.mixpanel_cohort_members"
        " LIMIT 1",
        "members of the cohort: missing (0) [], surplus (1) ['nobody']",
    ),
    "a forged delivery": (
        "INSERT INTO sluice.inbox (client_id, source, event_id) VALUES ('app', 'mixpanel', 'msg_forged')",
        "was forged",
    ),
}  # fmt: skip
"""What is done to the database, and what the oracle then says."""

MISSED: dict[str, LiteralString] = {
    "events within the lookback": (
        "DELETE FROM public.mixpanel_events WHERE processed_at - occurred_at <= interval '50 seconds'"
    ),
    "later ones": (
        "DELETE FROM public.mixpanel_events WHERE processed_at - occurred_at > interval '2 minutes'"
        " AND processed_at > now() - interval '1 day'"
    ),
}

UNSTEADY: dict[str, tuple[LiteralString, str]] = {
    "events that are not stored": (
        "DELETE FROM public.mixpanel_events WHERE processed_at - occurred_at > interval '2 minutes'",
        "events are stored,",
    ),
    "events that were looked back upon": (
        "DELETE FROM public.mixpanel_events WHERE processed_at - occurred_at <= interval '50 seconds'",
        "missing, which is exported since",
    ),
    "a member who never left": (
        "UPDATE public.mixpanel_cohort_members SET removed_at = now() WHERE distinct_id = 'member-000'",
        "members who never left",
    ),
    "live profiles": ("UPDATE public.mixpanel_profiles SET deleted_at = now()", "were removed"),
}  # fmt: skip
"""What is done, and what whoever looks all the time then says."""


@pytest.fixture(scope="module")
def playing() -> Iterator[tuple[Rounds, FencePoller]]:
    with Stand(SEED, SMALL) as stand, watching(stand) as poller:
        yield Rounds(stand, kinds(lambda _: None, pushes=True), SEED), poller


@pytest.fixture
def stand(playing: tuple[Rounds, FencePoller]) -> Iterator[Stand]:
    """After a round in which everything held: tests may run in any order."""
    rounds, poller = playing
    if not rounds.done:
        played = rounds.play(0, poller, names=("pushes",), seconds=3 * SLOWER)
        assert not played.violations, "\n".join(played.violations)
    with poller.beside[0].left_alone():
        yield rounds.stand


@pytest.fixture
def world(stand: Stand) -> MixpanelWorld:
    assert stand.mixpanel is not None
    return stand.mixpanel


@pytest.mark.timeout(300)
def test_everything_holds_and_finishes(playing: tuple[Rounds, FencePoller]) -> None:
    """After the round events, counters, profiles and members equal the vendor's truth, each event counted once."""
    rounds, poller = playing
    before, looks = Counter(rounds.stand.tally.counts), poller.beside[0].looks
    played = rounds.play(1, poller, names=tuple(DEMANDED), seconds=SECONDS * SLOWER)
    assert not played.violations, f"seed {SEED}: " + "\n".join(played.violations)
    assert poller.beside[0].looks > looks, "nobody looked at the rows"
    done = Counter(rounds.stand.tally.counts)
    done.subtract(before)
    assert done["pushes.forged"] > 0
    assert not [
        f"{kind}: {done[name]}" for kind, (name, least) in DEMANDED.items() if done[name] < least
    ]


@pytest.mark.timeout(200)
def test_it_sees_each_damage(stand: Stand) -> None:
    """Each is done, seen and undone; then nothing is wrong again."""
    unseen = []
    stand.forged.add("msg_forged")
    assert list(oracle.faults(stand)) == []
    for name, (statement, says) in DAMAGE.items():
        with undone(stand, statement, TABLES) as met:
            found = list(oracle.faults(stand))
        if not met or not any(says in line for line in found):
            unseen.append(f"{name}: {met} rows, {found[:3]}")
    assert unseen == []
    assert list(oracle.faults(stand)) == []


@pytest.mark.timeout(200)
def test_it_sees_what_a_full_read_would_have_mended(stand: Stand, world: MixpanelWorld) -> None:
    """Events that were due before anybody asked for everything: within the lookback, or since the days were read
    again. Of the latter nothing is known while clocks are wrong."""
    url = stand.database.database.owner_url
    with psycopg.connect(url, autocommit=True, row_factory=psycopg.rows.dict_row) as rows:
        assert list(mixpanel_oracle.missed(world, rows)) == []
        found = {}
        for name, statement in MISSED.items():
            with undone(stand, statement, TABLES):
                found[name] = list(mixpanel_oracle.missed(world, rows))
                world.skewed = True
                found[f"{name}, skewed"] = list(mixpanel_oracle.missed(world, rows))
                world.skewed = False
    seen = {name: any("came in time" in line for line in lines) for name, lines in found.items()}
    assert seen == {
        "events within the lookback": True,
        "events within the lookback, skewed": True,
        "later ones": True,
        "later ones, skewed": False,
    }


def test_what_the_vendor_had_not_shown_yet_is_not_due_by_a_reading_of_that_time() -> None:
    """Its clock stands while everything is read in full, and ours goes on: an event of in between is exported later."""
    noon = datetime(2026, 11, 28, 12, tzinfo=UTC)
    world = MixpanelWorld(1, 1, 0, noon.timestamp, "")
    world.stood = [(noon, noon + timedelta(minutes=1))]
    event = Event(("e", "d", 1, "i"), noon - timedelta(hours=9), noon + timedelta(seconds=10), {})
    due = {
        seconds: mixpanel_oracle.was_due(
            event, EventsCursor(reread_at=noon + timedelta(seconds=seconds)), world
        )
        for seconds in (-1, 5, 30, 59, 60, 90)
    }
    assert due == {-1: False, 5: False, 30: False, 59: False, 60: True, 90: True}


@pytest.mark.timeout(200)
def test_the_poller_sees_what_holds_at_no_moment(stand: Stand, world: MixpanelWorld) -> None:
    poller = MixpanelPoller(stand.database, world, recent=timedelta(days=1))
    unseen = []
    for name, (statement, says) in UNSTEADY.items():
        poller.look()
        assert poller.take_faults() == []
        with undone(stand, statement, TABLES) as met:
            poller.look()
        if not met or not any(says in line for line in poller.take_faults()):
            unseen.append(f"{name}: {met} rows")
    assert unseen == []
    assert poller.looks == 2 * len(UNSTEADY)


def test_a_transaction_that_is_under_way_keeps_its_time_when_time_moves_on(stand: Stand) -> None:
    """What it inserted and looks for by ``now()`` is its own. The next one has the new time."""
    at = "SELECT now(), pg_catalog.now()"
    with psycopg.connect(stand.database.database.app_url) as application:
        row = application.execute(at).fetchone()
        stand.move_time_on(100)
        assert application.execute(at).fetchone() == row
        application.commit()
        after = application.execute(at).fetchone()
    assert row is not None
    assert after is not None
    assert (after[0] - after[1]) - (row[0] - row[1]) == timedelta(seconds=100)


def test_a_request_that_found_no_worker_is_given_to_none_later() -> None:
    """Its sender has gone on: received then, a page would come after those of a later session."""
    chance = random.Random(1)  # noqa: S311
    source = PushSource(
        sqs=None, queue_url="", nurseries=[], slots=1, random=chance, fates=Fates(chance), tally=Tally(),
        answer_s=0.01,
    )  # fmt: skip
    assert source.call({}) == NOBODY
    assert source._turn(0.0) is None


def test_an_hour_leaves_a_project_more_than_a_page_of_profiles() -> None:
    """More leave than come. Of a listing without any nobody is removed, and then what left last would stay."""
    world = MixpanelWorld(7, 1, FEWEST_LEFT + MOST_GONE + 2, time.time, "http://127.0.0.1:9")
    world.start()
    try:
        for number in range(200):
            world.change(random.Random(number))  # noqa: S311  # chance, not a secret
            world.release()
        [project] = world.control.summary().projects
    finally:
        world.stop()
    assert FEWEST_LEFT <= project.profiles < FEWEST_LEFT + MOST_GONE
    assert world.changes_refused == 0
