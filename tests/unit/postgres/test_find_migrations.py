"""Which files are migrations, in what order, and what is refused before any database is asked."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from local.places import PROJECT
from sluice.core.errors import SettingInvalid
from sluice.postgres.commits import REQUIRED_MIGRATION
from sluice.postgres.migrations import find_migrations

MIGRATIONS = PROJECT / "migrations"


def _write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_text("-- migrate:up\n", encoding="utf-8")


def test_migrations_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """Whatever their phase, and whatever order the folder lists them in."""
    _write(tmp_path, "0010_post_c.sql", "0002_pre_b.sql", "0001_post_a_1.sql", "notes.txt")
    found = [(m.version, m.phase, m.path.name) for m in find_migrations(tmp_path)]
    assert found == [
        ("0001", "post", "0001_post_a_1.sql"),
        ("0002", "pre", "0002_pre_b.sql"),
        ("0010", "post", "0010_post_c.sql"),
    ]


@pytest.mark.parametrize(
    "name",
    ["1_pre_a.sql", "00001_pre_a.sql", "0001_during_a.sql", "0001_a.sql", "0001_pre_.sql",
     "0001_pre_Add.sql", "0001-pre-a.sql", "pre_a.sql", "schema2.sql"],
)  # fmt: skip
def test_a_wrong_name_is_refused(tmp_path: Path, name: str) -> None:
    """Passed over in silence, it would never be applied and nobody would know."""
    _write(tmp_path, "0009_pre_fine.sql", name)
    with pytest.raises(SettingInvalid, match=rf"^{name}: name it NNNN_pre_what_it_does"):
        find_migrations(tmp_path)


def test_a_number_used_twice_is_refused(tmp_path: Path) -> None:
    """Two branches that each took the next number: both files are named."""
    _write(tmp_path, "0001_pre_a.sql", "0001_post_b.sql")
    with pytest.raises(SettingInvalid, match=r"^0001_pre_a.*taken by 0001_post_b\.sql"):
        find_migrations(tmp_path)


def test_a_folder_without_migrations_is_refused(tmp_path: Path) -> None:
    """A layer that was built wrong must not pass for a database that is up to date."""
    _write(tmp_path, "schema.sql")
    with pytest.raises(SettingInvalid, match="no migrations there"):
        find_migrations(tmp_path)


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    """Renaming a file changes nothing that was applied; a single byte in it does."""
    _write(tmp_path, "0001_pre_a.sql")
    before = find_migrations(tmp_path)[0].sha256
    (tmp_path / "0001_pre_a.sql").rename(tmp_path / "0001_pre_b.sql")
    assert find_migrations(tmp_path)[0].sha256 == before
    (tmp_path / "0001_pre_b.sql").write_text("-- migrate:up \n", encoding="utf-8")
    assert find_migrations(tmp_path)[0].sha256 != before


def test_the_code_asks_for_the_newest_pre_migration() -> None:
    """Add a ``pre`` migration, and REQUIRED_MIGRATION in sluice/postgres/commits.py moves with it."""
    newest = max(m.version for m in find_migrations(MIGRATIONS) if m.phase == "pre")
    assert newest == REQUIRED_MIGRATION


def test_the_layer_holds_the_migrations_and_nothing_else(tmp_path: Path) -> None:
    """Built as SAM builds it, from a copy, with the installer left out."""
    copy, artifacts = tmp_path / "migrations", tmp_path / "artifacts"
    shutil.copytree(MIGRATIONS, copy)
    words = ["make", "-C", str(copy), "build-MigrationsLayer", f"ARTIFACTS_DIR={artifacts}"]
    environment = {**os.environ, "SLUICE_UV": "true"}
    subprocess.run(words, check=True, capture_output=True, env=environment)
    layer = artifacts / "python" / "sluice_migrations"
    expected = [m.path.name for m in find_migrations(MIGRATIONS)]
    assert [m.path.name for m in find_migrations(layer)] == expected
    assert sorted(path.name for path in layer.glob("*.sql")) == expected
