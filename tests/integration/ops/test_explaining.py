"""`sluice explain` against real databases: sound ones, and ones that lack what the hot queries need."""

from __future__ import annotations

import importlib
import json
import pkgutil
from typing import Any, LiteralString

import psycopg
import pytest

import sluice.sources
from ops.explain.connectors import CONNECTORS
from ops.explain.queries import ENGINE
from ops.explain.watch import WATCH
from sluice.core.records import Table
from tests.integration.ops.conftest import Command
from tests.integration.ops.deployment import Deployment


def _queries(sluice: Command, *more: str) -> tuple[int, dict[str, Any]]:
    code, out, err = sluice.run("explain", "--json", *more)
    assert err == ""
    return code, json.loads(out)


def _verdicts(document: dict[str, Any], needs: str) -> dict[str, str]:
    return {
        each["query"]: each["verdict"] for each in document["queries"] if each["needs"] == needs
    }


def test_a_database_as_the_migrations_make_it_lacks_nothing(
    deployment: Deployment, sluice: Command
) -> None:
    """Every query is planned, and every index that one needs is there and serves it."""
    out = sluice.printed("explain")
    assert "none is missing, none is invalid" in out
    lines = [line for line in out.splitlines() if line.startswith(("claim", "timelines due"))]
    assert lines[0].split()[:2] == ["claim", "sync_commit_pkey"]
    assert "shipbob_tracking_due" in lines[-1]
    document = _queries(sluice)[1]
    assert document["faults"] == []
    assert {each["verdict"] for each in document["queries"]} <= {"used", "ready", "other"}
    assert set(_verdicts(document, "commit_log_run")) == {"runs of a day", "newest runs"}
    assert {each["query"] for each in document["queries"]} == {
        hot.name for hot in (*ENGINE, *WATCH, *CONNECTORS)
    }


@pytest.mark.parametrize(
    ("index", "query"),
    [
        ("commit_log_run", "runs of a day"),
        ("run_started", "runs of a day"),
        ("run_completed", "where streams stand"),
        ("commit_log_large", "rows written every time"),
        ("inbox_client", "pushes fallen silent"),
        ("rejects_open_record", None),  # another one serves as well
        ("cars_live_vin", None),  # for people's questions, not the engine's
    ],
)
def test_a_missing_index_is_named_and_mended_by_what_is_told(
    deployment: Deployment, sluice: Command, index: str, query: str | None
) -> None:
    deployment.owner.execute(f"DROP INDEX {_place(deployment, index)}".encode())
    code, out, _ = sluice.run("explain")
    assert code == 1
    assert f"missing: {index} on " in out
    assert "none is missing" not in out
    code, document = _queries(sluice)
    assert code == 1
    (fault,) = document["faults"]
    assert (fault["index"], fault["what"]) == (index, "missing")
    assert "CONCURRENTLY" in fault["mend"]
    if query is not None:
        assert _verdicts(document, index)[query] == "missing"
    deployment.owner.execute(fault["mend"].encode())
    assert _queries(sluice)[0] == 0


def _place(deployment: Deployment, index: str) -> str:
    row = deployment.owner.execute(
        "SELECT schemaname FROM pg_indexes WHERE indexname = %s", (index,)
    ).fetchone()
    assert row is not None
    return f"{row[0]}.{index}"


def test_the_work_list_without_its_index_is_named(deployment: Deployment, sluice: Command) -> None:
    """At a million shipments this is what would take the database down, once a minute and client."""
    deployment.owner.execute("DROP INDEX public.shipbob_tracking_due")
    code, document = _queries(sluice)
    assert code == 1
    assert set(_verdicts(document, "shipbob_tracking_due").values()) == {"missing"}


def test_a_query_that_cannot_even_be_planned_is_named(
    deployment: Deployment, sluice: Command
) -> None:
    """Without its unique index there is no ON CONFLICT: each run that is opened would fail."""
    deployment.owner.execute("DROP INDEX sluice.run_open")
    code, document = _queries(sluice)
    assert code == 1
    assert _verdicts(document, "run_open") == {
        "claim": "missing",
        "open a run": "refused",
        "silent runs": "missing",
    }
    (plan,) = [each["plan"] for each in document["queries"] if each["query"] == "open a run"]
    assert "no unique or exclusion constraint" in plan


def test_a_missing_key_is_mended_by_its_constraint(deployment: Deployment, sluice: Command) -> None:
    deployment.owner.execute(
        "ALTER TABLE sluice.commit_log DROP CONSTRAINT commit_log_slice_id_key"
    )
    code, document = _queries(sluice)
    assert code == 1
    (fault,) = document["faults"]
    assert fault["mend"] == (
        "ALTER TABLE ONLY sluice.commit_log ADD CONSTRAINT commit_log_slice_id_key UNIQUE (slice_id);"
    )
    deployment.owner.execute(fault["mend"].encode())
    assert _queries(sluice)[0] == 0


def _add_cars(deployment: Deployment, vins: LiteralString, many: int) -> None:
    deployment.owner.execute(
        "INSERT INTO public.cars (client_id, car_id, content_hash, version, vin, document)"
        f" SELECT 'harbour', n::text, gen_random_uuid(), 1, {vins},"
        " jsonb_build_object('told', repeat('x', 800)) FROM generate_series(1, %s) n",
        (many,),
    )


def test_what_a_failed_build_left_is_named_as_invalid(
    deployment: Deployment, sluice: Command
) -> None:
    """CONCURRENTLY leaves it behind: written with every row, read by no query, and passed by IF NOT EXISTS."""
    owner = deployment.owner
    _add_cars(deployment, "'the same'", 2)
    owner.execute("DROP INDEX public.cars_live_vin")
    with pytest.raises(psycopg.errors.UniqueViolation):
        owner.execute("CREATE UNIQUE INDEX CONCURRENTLY cars_live_vin ON public.cars (vin)")
    code, out, _ = sluice.run("explain")
    assert code == 1
    assert "invalid: cars_live_vin on public.cars" in out
    assert "unless it is being built" in out
    (fault,) = _queries(sluice)[1]["faults"]
    drop, create = fault["mend"].split("; ")
    assert drop == "DROP INDEX CONCURRENTLY public.cars_live_vin"
    owner.execute(drop.encode())
    owner.execute(create.encode())
    assert _queries(sluice)[0] == 0


def test_what_a_failed_rebuild_left_is_named_too(deployment: Deployment, sluice: Command) -> None:
    """It has a name that no migration gave: it goes."""
    owner = deployment.owner
    _add_cars(deployment, "'the same'", 2)
    with pytest.raises(psycopg.errors.UniqueViolation):
        owner.execute("CREATE UNIQUE INDEX CONCURRENTLY cars_vin_ccnew ON public.cars (vin)")
    code, document = _queries(sluice)
    assert code == 1
    (fault,) = document["faults"]
    assert (fault["index"], fault["what"]) == ("cars_vin_ccnew", "invalid")
    assert fault["mend"] == "DROP INDEX CONCURRENTLY public.cars_vin_ccnew;"


def test_an_invalid_index_does_not_count_as_one_that_serves(
    deployment: Deployment, sluice: Command
) -> None:
    owner = deployment.owner
    for _ in range(2):
        deployment.add_run()
    owner.execute("DROP INDEX sluice.run_stream")
    with pytest.raises(psycopg.errors.UniqueViolation):
        owner.execute("CREATE UNIQUE INDEX CONCURRENTLY run_stream ON sluice.run (client_id)")
    code, document = _queries(sluice)
    assert code == 1
    assert set(_verdicts(document, "run_stream").values()) == {"invalid"}


def test_an_index_that_does_not_serve_its_query_is_named(
    deployment: Deployment, sluice: Command
) -> None:
    """Somebody made it anew, of the name and not of the columns."""
    deployment.owner.execute("DROP INDEX sluice.run_stream")
    deployment.owner.execute("DROP INDEX sluice.run_completed")  # it would serve as well
    deployment.owner.execute("CREATE INDEX run_stream ON sluice.run (reason)")
    code, out, _ = sluice.run("explain")
    assert code == 1
    assert "unfit: run_stream does not serve for 'first load over': Seq Scan of run" in out


def test_a_small_table_that_is_read_whole_is_no_fault(
    deployment: Deployment, sluice: Command
) -> None:
    """The planner is right to: its index would serve as soon as it pays."""
    deployment.add_run()
    deployment.owner.execute("DROP INDEX sluice.run_completed")  # it would serve as well
    deployment.owner.execute("ANALYZE sluice.run")
    _, document = _queries(sluice)
    assert [fault["index"] for fault in document["faults"]] == ["run_completed"]
    assert _verdicts(document, "run_stream")["first load over"] == "ready"
    (row,) = [each for each in document["queries"] if each["query"] == "first load over"]
    assert (row["plan"], row["rows"]) == ("Seq Scan of run", 1)


def test_a_large_table_shows_its_index_in_use(deployment: Deployment, sluice: Command) -> None:
    """Asked about a client who works: with the statistics of its rows."""
    _add_cars(deployment, "n::text", 20_000)
    deployment.owner.execute(
        "INSERT INTO sluice.sync_commit (stream_key, client_id, source, stream, fencing_token, seq)"
        " VALUES ('harbour#cars#cars', 'harbour', 'cars', 'cars', 1, 3)"
    )
    deployment.owner.execute("ANALYZE public.cars")
    document = _queries(sluice, "--analyze")[1]
    (row,) = [each for each in document["queries"] if each["query"] == "compare cars"]
    assert (row["verdict"], row["plan"]) == ("used", "Index Scan by cars_pkey")
    assert row["rows"] == 200  # as many as the batch had
    assert row["ms"] > 0


def test_nothing_that_was_analyzed_stays(deployment: Deployment, sluice: Command) -> None:
    """Statements that write are run, and rolled back."""
    deployment.add_run()
    deployment.add_reject()
    tables = [
        f"{schema}.{name}"
        for schema, name in deployment.owner.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('sluice', 'public')"
        ).fetchall()
    ]

    def everything() -> list[object]:
        query = "SELECT xmin::text, t.*::text FROM {} t ORDER BY 2"
        return [deployment.owner.execute(query.format(t).encode()).fetchall() for t in tables]

    before = everything()
    assert sluice.run("explain", "--analyze")[0] == 0
    assert everything() == before


def test_each_table_of_a_connector_has_its_queries_here() -> None:
    """Who adds a connector enters its merge; what else is hot of it only he knows."""
    named = {hot.name for hot in CONNECTORS}
    found = _tables()
    assert {"cars", "shipbob_orders"} <= found
    assert {f"compare {name}" for name in found} <= named


def _tables() -> set[str]:
    """Names of all tables that the connectors' modules declare."""
    found: set[str] = set()
    for module in pkgutil.walk_packages(sluice.sources.__path__, "sluice.sources."):
        loaded = importlib.import_module(module.name)
        found |= {value.name for value in vars(loaded).values() if isinstance(value, Table)}
    return found
