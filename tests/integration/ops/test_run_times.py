"""`sluice runs --times` and `sluice run`: where a run's time went, per client and per endpoint of its vendor."""

from __future__ import annotations

import json
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.integration.ops.conftest import Command
from tests.integration.ops.deployment import Deployment

SPENT = {
    "/api/cars": {"requests": 30, "retries": 2, "errors": 1, "ms": 6000},
    "/api/cars/{id}": {"requests": 3, "retries": 0, "errors": 0, "ms": 90},
}
TIMES = {
    "fetch_ms": 4000, "wait_ms": 700, "database_ms": 400, "begin_ms": 30, "merge_ms": 300, "derive_ms": 120,
}  # fmt: skip


def _add(deployment: Deployment, client: str = "harbour", **changed: Any) -> str:
    """A run of one slice whose time is known."""
    run_id = deployment.add_run(client, **changed)
    sets = ", ".join(f"{name} = %({name})s" for name in TIMES)
    deployment.owner.execute(
        f"UPDATE sluice.commit_log SET endpoints = %(endpoints)s, {sets} WHERE run_id = %(run_id)s".encode(),
        {**TIMES, "endpoints": Jsonb(SPENT), "run_id": run_id},
    )
    return run_id


def test_a_list_of_runs_says_where_the_time_went(deployment: Deployment, sluice: Command) -> None:
    """A row per run with its id, then a line per client."""
    first, second = _add(deployment), _add(deployment)
    other = _add(deployment, "ridge")
    out = sluice.printed("runs", "--times")
    lines = out[out.index("where the time went") :].splitlines()
    headings = lines[1].split()
    assert headings[:5] == ["#", "client", "stream", "busy", "fetch"]
    rows = {line.split()[-1]: line.split() for line in lines[3:6]}
    assert set(rows) == {first, second, other}
    assert rows[other][1:11] == [
        "ridge", "cars.cars", "4.3s", "4.0s", "6.1s", "700ms", "400ms", "30ms", "300ms", "120ms",
    ]  # fmt: skip
    assert "/api/cars 30 x 200ms" in lines[3]
    assert lines[6:] == [
        "harbour: busy 8.6s, vendor 12s, wait 1.4s, database 800ms, derive 240ms",
        "ridge: busy 4.3s, vendor 6.1s, wait 700ms, database 400ms, derive 120ms",
    ]


def test_without_being_asked_a_list_has_no_times(deployment: Deployment, sluice: Command) -> None:
    _add(deployment)
    assert "where the time went" not in sluice.printed("runs")


def test_programs_get_the_times_of_every_run(deployment: Deployment, sluice: Command) -> None:
    _add(deployment)
    (run,) = json.loads(sluice.printed("runs", "--json"))
    times = run["times"]
    assert {name: times[name] for name in TIMES} == TIMES
    assert (times["vendor_ms"], times["busy_ms"], times["duration_ms"]) == (6090, 4300, 10_000)
    assert times["endpoints"] == [
        {"endpoint": name, **spent} for name, spent in SPENT.items()
    ]  # the one that took most time first


def test_one_run_is_shown_by_the_beginning_of_its_id(
    deployment: Deployment, sluice: Command
) -> None:
    run_id = _add(deployment, note="brake tripped")
    lines = sluice.printed("run", run_id[:13].upper()).splitlines()
    assert lines[0] == f"run {run_id}"
    assert lines[1].startswith("harbour cars.cars completed in 10s: 1,234 read = ")
    assert lines[2] == "harbour cars.cars: brake tripped"
    assert lines[3:6] == [
        "1 slice(s) in 10s, of which they worked 4.3s: fetch 4.0s, merge 300ms",
        "at the vendor: 6.1s in all requests together, and waited 700ms for a turn",
        "at the database: 400ms, of which 30ms until a transaction had begun, 120ms for what is derived"
        " from rows",
    ]
    assert lines[6] == "asked of the vendor"
    assert lines[9].split() == ["/api/cars", "30", "2", "1", "6.0s", "200ms"]
    assert lines[10].split() == ["/api/cars/{id}", "3", "0", "0", "90ms", "30ms"]
    assert lines[11] == "slices"
    assert lines[14].split()[1:11] == [
        "crawl", "1,234", "1,207", "8", "1", "4.0s", "700ms", "400ms", "300ms", "120ms",
    ]  # fmt: skip


def test_the_newest_slices_are_shown(deployment: Deployment, sluice: Command) -> None:
    run_id = _add(deployment)
    deployment.owner.execute("UPDATE sluice.commit_log SET seq = 1")
    copied = "stream_key, fencing_token, run_id, kind, cursor_before, cursor_after, has_more, rows_read, inserted,"
    copied += " updated, unchanged, stale, rejected, deleted, pages, requests, retries, errors, bytes_received,"
    copied += " latencies_ms, fetch_ms, merge_ms"
    deployment.owner.execute(
        f"INSERT INTO sluice.commit_log (seq, slice_id, {copied})"
        f" SELECT n, gen_random_uuid(), {copied} FROM sluice.commit_log, generate_series(2, 5) n".encode()
    )
    lines = sluice.printed("run", run_id, "--limit", "2").splitlines()
    assert [line.split()[0] for line in lines[-3:-1]] == ["5", "4"]
    assert lines[-3].split()[7:11] == ["-", "-", "300ms", "-"]  # an older worker noted no more
    assert lines[-1] == "there are 5 slices; see more with --limit"
    document = json.loads(sluice.printed("run", run_id, "--limit", "2", "--json"))
    assert [each["seq"] for each in document["newest_slices"]] == [5, 4]
    assert document["times"]["vendor_ms"] == 6090
    assert document["rows_read"] == 5 * 1234


def test_a_run_without_a_slice_is_shown(deployment: Deployment, sluice: Command) -> None:
    """It failed before anything was committed: what there is to say is why."""
    run_id = _add(deployment, outcome="failed", last_error="SecretMissing: no secret")
    deployment.owner.execute("DELETE FROM sluice.commit_log")
    out = sluice.printed("run", run_id)
    assert "harbour cars.cars failed: SecretMissing: no secret" in out
    assert "slices\n" not in out
    assert "asked of the vendor" not in out


@pytest.mark.parametrize("wrong", ["ffffffff", "abc", "%%%%", "____"])
def test_a_run_that_is_not_there_is_refused(
    deployment: Deployment, sluice: Command, wrong: str
) -> None:
    run_id = _add(deployment)
    assert not run_id.startswith(wrong)
    code, error = sluice.error("run", wrong)
    assert code == 2
    assert error.startswith(f"no run {wrong!r}; `sluice runs --times` shows the ids")


def test_an_id_that_two_runs_begin_with_is_refused(deployment: Deployment, sluice: Command) -> None:
    for last in "12":
        _add(deployment, run_id=f"aaaaaaaa-0000-4000-8000-00000000000{last}")
    code, error = sluice.error("run", "aaaaaaaa")
    assert code == 2
    assert error.startswith("more than one run's id begins with 'aaaaaaaa'")


def test_what_the_newest_derive_step_answered_is_told(
    deployment: Deployment, sluice: Command
) -> None:
    """By kind, and without zeros: a statement that counts by reason has many of them."""
    run_id = _add(deployment)
    deployment.owner.execute(
        "UPDATE sluice.commit_log SET kind = 'attribute', derived = %s",
        (Jsonb({"looked_at": 1200, "attributed": 0, "unattributed": 1200}),),
    )
    (line,) = [each for each in sluice.printed("run", run_id).splitlines() if "in slice" in each]
    assert line.startswith("attribute, in slice ")
    assert line.endswith(": looked_at 1,200, unattributed 1,200")
    deployment.owner.execute("UPDATE sluice.commit_log SET derived = %s", (Jsonb({"seen": 0}),))
    assert ": nothing\n" in sluice.printed("run", run_id)
