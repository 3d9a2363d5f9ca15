"""The oracle sees damage: one change by hand at a time, in a stand where everything held."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.chaos import oracle
from tests.chaos.damage import undone
from tests.chaos.fates import SPARED
from tests.chaos.holders import Recovered, nth_id
from tests.chaos.kinds import kinds
from tests.chaos.poller import FencePoller
from tests.chaos.report import Recovery, Run, record
from tests.chaos.rounds import Rounds
from tests.chaos.stand import Size, Stand
from tests.chaos.tally import Tally
from tests.chaos.timing import SLOWER, TIMES
from tests.chaos.workers import Ended

SMALL = Size(clients=2, cars=60, facts=1, slots=3)

TABLES = (
    "sluice.commit_log",
    "sluice.sync_commit",
    "sluice.ledger",
    "sluice.counter",
    "public.cars",
)

DAMAGE = {
    "a link of the log": (
        "UPDATE sluice.commit_log SET cursor_before = '{\"x\": 1}' WHERE seq = 2",
        "the log is broken at seq 2",
    ),
    "a token of the log": (
        "UPDATE sluice.commit_log SET fencing_token = 0 WHERE seq = 2",
        "the log is broken at seq 2",
    ),
    "a slice of the log": ("DELETE FROM sluice.commit_log WHERE seq = 1", "the log is broken at"),
    "the log's end": (
        "UPDATE sluice.sync_commit SET seq = seq + 1",
        "sync_commit is not where the log ends",
    ),
    "the position alone": (
        "UPDATE sluice.sync_commit SET cursor = cursor || '{\"x\": 1}'",
        "the watermark is not the cursor",
    ),
    "a fact of the ledger": (
        "DELETE FROM sluice.ledger WHERE fact_id = (SELECT min(fact_id) FROM sluice.ledger)",
        "the counter is not the sum",
    ),
    "a fact counted twice": (
        "UPDATE sluice.counter SET total = total + 1",
        "the counter is not the sum",
    ),
    "an invented amount": (
        "UPDATE sluice.ledger SET amount = amount + 100",
        "facts that the vendor never told",
    ),
    "a car": ("DELETE FROM public.cars WHERE client_id = 'client-00'", "missing ("),
    "a car's color": ("UPDATE public.cars SET color = 'none'", "different ("),
    "a car sold long ago": ("UPDATE public.cars SET deleted_at = now()", "missing ("),
}
"""What is done to the database, and what the oracle then says."""


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    with Stand(11, SMALL) as made, FencePoller(made.database, made.state_items) as poller:
        rounds = Rounds(made, kinds(lambda _: None), 11)
        for number in (1, 2, 3):
            played = rounds.play(number, poller, names=("duplicates",), seconds=4 * SLOWER)
            assert not played.violations
            if _has_facts(made):
                break
        yield made


def _has_facts(stand: Stand) -> bool:
    """A busy machine may have read none yet: a stream of facts reads nothing while all is calm."""
    with psycopg.connect(stand.database.database.owner_url) as owner:
        return owner.execute("SELECT 1 FROM sluice.ledger LIMIT 1").fetchone() is not None


@pytest.mark.timeout(200)
def test_it_sees_each_damage(stand: Stand) -> None:
    """Each is done, seen and undone; then nothing is wrong again."""
    unseen = []
    assert list(oracle.faults(stand)) == []
    for name, (statement, says) in DAMAGE.items():
        with undone(stand, statement, TABLES):
            found = list(oracle.faults(stand))
        if not any(says in line for line in found):
            unseen.append(f"{name}: {found}")
    assert unseen == []
    assert list(oracle.faults(stand)) == []


@pytest.mark.timeout(200)
def test_the_poller_sees_a_fence_that_falls(stand: Stand) -> None:
    """Unless the database went back in time: then fences begin anew."""
    poller = FencePoller(stand.database, stand.state_items)
    poller.look()
    with undone(stand, "UPDATE sluice.sync_commit SET fencing_token = 0", TABLES):
        poller.look()
        assert len(poller.take_faults()) == len(stand.keys)
        poller.look()
        assert poller.take_faults() == []
    poller.look()
    stand.database.incarnation += 1
    with undone(stand, "UPDATE sluice.sync_commit SET fencing_token = 0", TABLES):
        poller.look()
        assert poller.take_faults() == []
    assert poller.looks == 5


@pytest.mark.timeout(200)
def test_the_poller_sees_a_watermark_that_leads(stand: Stand) -> None:
    """Once, when it begins to."""
    poller = FencePoller(stand.database, stand.state_items)
    poller.look()
    with undone(stand, "UPDATE sluice.sync_commit SET seq = seq - 1", TABLES):
        poller.look()
        poller.look()
    assert len(poller.take_faults()) == len(stand.keys)


def test_the_poller_sees_a_watermark_that_falls(stand: Stand) -> None:
    """Unless it led the data, as after a failover: then it is rewound."""
    seq = {"value": "5"}

    def items() -> list[dict[str, Any]]:
        return [{"stream_key": {"S": "client-00#cars#cars"}, "seq": {"N": seq["value"]}}]

    poller = FencePoller(stand.database, items)
    for value in ("2", "1", "900", "1"):
        seq["value"] = value
        poller.look()
    assert [fault.split(": ")[1] for fault in poller.take_faults()] == [
        "its watermark fell from seq 2 to 1",
        "the watermark leads the data",
    ]


def test_recorded_runs_add_up(tmp_path: Path) -> None:
    """Two runs of 6,000 kills reach what is demanded of one row, and every violation is told."""
    late = TIMES.lease_s + 1
    recovery = Recovery.of(
        [
            Recovered(1.0, True, True),
            Recovered(late, True, True, again=True),
            Recovered(late, False, True),
            Recovered(late, True, False),
        ]
    )
    run = Run("2026-01-01", "abc", "x", "y", 1, 60, 2, {"kills": 6000}, recovery)
    record(run, tmp_path)
    page = record(run, tmp_path).read_text(encoding="utf-8")
    assert "| 1 | workers killed | 12,000 | 10,000 | reached |" in page
    assert "None." in page
    assert "| 2 | zombies woken late | 0 | 2,000 | 0 % |" in page
    assert f"| {TIMES.lease_s} | 4 | 25 % | {late} | {late} | {late} | 3 | 33 % |" in page
    assert f"| 2 | 50.0 % | {late} | {late} | 1 | 100.0 % |" in page


def test_floods_that_went_unmeasured_and_look_ups_are_told(tmp_path: Path) -> None:
    counts = {"rounds.flood": 3, "look_ups.stored": 30, "look_ups.not_stored": 30}
    counts |= {"rounds.poison": 2, "poison.unmeasured": 1}
    run = Run(
        "2026-01-01", "abc", "x", "y", 1, 60, 2, counts, Recovery(), [(1.0, 2.0)], beside_poison=[(2.0, 3.0)]
    )  # fmt: skip
    page = record(run, tmp_path).read_text(encoding="utf-8")
    assert "2 of 3 floods went unmeasured" in page
    assert "1 of 2 rounds went unmeasured" in page
    assert "| 2026-01-01 | 1.00 | 2.00 | 2.0 |" in page
    assert "| 2026-01-01 | 2.00 | 3.00 | 1.5 |" in page
    assert "| 3 | slices looked up, since nobody knew of their COMMIT | 60 | 50 | reached |" in page
    assert "| 3 | of these, found stored | 30 | 50 | 60 % |" in page


def test_a_commit_that_was_looked_up_is_counted_by_what_was_found() -> None:
    tally = Tally()
    for outcome, found in (("committed", "stored"), ("deferred", "not_stored")):
        answer = {"outcome": outcome, "rows": 1, "errors": 0, "detail": "", "looked_up": {found: 1}}
        tally.note("acme#cars#cars", Ended(answer), SPARED)
    assert {tally.counts[f"look_ups.{found}"] for found in ("stored", "not_stored")} == {1}


@pytest.mark.parametrize("spent", [False, True])
def test_a_death_says_whether_its_message_comes_back(spent: bool) -> None:
    tally, attempt, key = Tally(), str(uuid.uuid4()), "acme#cars#cars"
    tally.holders.acquired(key, nth_id(attempt, 1), 1)
    tally.note(key, Ended({}, death="random"), SPARED, attempt, spent=spent)
    tally.holders.acquired(key, "another", 2)
    [found] = tally.holders.recovered
    assert (found.held, found.spent, found.is_alone) == (True, spent, not spent)
    assert tally.counts["deaths.of_the_last_receive"] == spent


@pytest.mark.timeout(200)
def test_whom_the_suite_brings_back_did_not_recover_by_itself(stand: Stand) -> None:
    """At a round's end messages of the dead come back at once, and all streams are asked for."""
    holders = stand.tally.holders
    for key in stand.keys:
        holders.died(str(key), str(uuid.uuid4()))
    before = len(holders.recovered)
    assert oracle.settle(stand) == []
    assert len(holders.recovered) == before
