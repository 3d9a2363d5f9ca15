"""Which older code is put beside today's, and what workers count."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local.places import PROJECT
from sluice.core.errors import CommitUnknown, DatabaseUnavailable
from tests.chaos import worker_breakers
from tests.chaos.worker_breakers import newest_migration, older_code, older_commits
from tests.chaos.worker_process import CountingCommits


def _has(commit: str, path: str) -> bool:
    asked = ["git", "cat-file", "-e", f"{commit}:{path}"]
    return subprocess.run(asked, cwd=PROJECT, check=False, capture_output=True).returncode == 0


@pytest.fixture
def commits() -> list[str]:
    found = list(older_commits())
    if not found or not worker_breakers.before_the_newest_migration():
        pytest.skip("no history of the newest migration is here")
    return found


def test_older_code_is_first_of_all_of_before_the_newest_migration(commits: list[str]) -> None:
    """So that older code meets a newer schema; those after it are newer."""
    assert not _has(commits[0], newest_migration())
    assert _has(commits[1], newest_migration())


def test_its_workers_start_and_know_an_older_schema_only(
    commits: list[str], tmp_path: Path
) -> None:
    shared = older_code(tmp_path)
    assert shared == tmp_path / commits[0] / "shared"
    asked = "from sluice.postgres import commits; print(commits.REQUIRED_MIGRATION)"
    told = subprocess.run(
        [sys.executable, "-c", asked],
        env={"PYTHONPATH": str(shared)}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert told.stdout.strip() < Path(newest_migration()).name[:4]


def test_without_that_history_it_is_the_newest_that_differs(
    commits: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_breakers, "before_the_newest_migration", list)
    assert next(older_commits()) == commits[1]


class Answering:
    """A database that knows of one slice, or of none, and was silent before."""

    def __init__(self, row: tuple[Any, ...] | None) -> None:
        self.row = row

    @contextmanager
    def transaction(self) -> Iterator[Answering]:
        yield self

    def execute(self, *_: object) -> Answering:
        return self

    def fetchone(self) -> tuple[Any, ...] | None:
        return self.row


@pytest.mark.parametrize(
    ("row", "found"), [((4, {}, False, 1, 1, {}, None, 2), "stored"), (None, "not_stored")]
)
def test_a_worker_counts_what_it_looked_up(row: tuple[Any, ...] | None, found: str) -> None:
    connection: Any = Answering(row)
    draft: Any = SimpleNamespace(slice_id="1")
    commits = CountingCommits(connection)
    with nullcontext() if row else pytest.raises(CommitUnknown):
        commits._look_up(draft, DatabaseUnavailable("no answer"))
    assert commits.looked_up == {found: 1}
