"""Breakers of workers: deaths, long sleeps, wrong clocks, two versions of the code side by side."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from local.places import PROJECT
from tests.chaos.stand import Stand

SKEW_S = 600.0
OLDEST = 30
"""How many commits back an older version is looked for."""


class Kills:
    """Row 1: SIGKILL at a random moment of an invocation, or at a named fault point."""

    name = "kills"
    matrix_rows: Sequence[int] = (1,)
    share = 0.5

    def begin(self, stand: Stand, _random: random.Random) -> None:
        self._stand = stand
        stand.fates.kill_share = self.share

    def disturb(self) -> None:
        """The fates are dealt to each invocation."""

    def end(self) -> None:
        self._stand.fates.kill_share = 0.0

    def counts(self) -> dict[str, int]:
        return {}


class Zombies:
    """Row 2: SIGSTOP in the middle of an invocation, and SIGCONT once somebody else went on."""

    name = "zombies"
    matrix_rows: Sequence[int] = (2,)
    share = 0.25

    def begin(self, stand: Stand, _random: random.Random) -> None:
        self._stand = stand
        stand.fates.stop_share = self.share

    def disturb(self) -> None:
        """The fates are dealt to each invocation."""

    def end(self) -> None:
        self._stand.fates.stop_share = 0.0

    def counts(self) -> dict[str, int]:
        return {}


class Skew:
    """Row 10: each worker's clock is wrong by up to ten minutes, and steps now and then.

    Afterwards everybody's time, the vendor's too, is moved on by twice that: leases and rests that a
    clock ahead wrote are over then, as they would be by waiting.
    """

    name = "skew"
    matrix_rows: Sequence[int] = (10,)

    def begin(self, stand: Stand, random: random.Random) -> None:
        self._stand, self._random, self._slices = stand, random, stand.tally.counts["slices"]
        stand.aws_proxy.audit.suspend()  # by clocks that differ a lease may be taken before its time
        self._step()

    def disturb(self) -> None:
        if self._random.random() < 0.1:
            self._step()

    def end(self) -> None:
        stand = self._stand
        stand.event_source.conditions.skew_s = ()
        stand.move_time_on(SKEW_S * 2)
        stand.aws_proxy.audit.forget()
        self._slices = stand.tally.counts["slices"] - self._slices

    def counts(self) -> dict[str, int]:
        return {"skewed.slices": self._slices}

    def _step(self) -> None:
        source = self._stand.event_source
        source.conditions.skew_s = tuple(
            self._random.uniform(-SKEW_S, SKEW_S) for _ in range(source.slots)
        )


class TwoVersions:
    """Row 18: half of the workers run an older commit's code, on the newer schema: see ``older_commits``."""

    name = "two_versions"
    matrix_rows: Sequence[int] = (18,)

    def begin(self, stand: Stand, _random: random.Random) -> None:
        self._stand, self._slices = stand, stand.tally.counts["slices"]
        if stand.older is None:
            stand.older = stand.new_nursery(older_code(stand.folder / "older"))
        stand.event_source.nurseries = [stand.nursery, stand.older]

    def disturb(self) -> None:
        """Both versions are at work."""

    def end(self) -> None:
        self._stand.event_source.nurseries = [self._stand.nursery]
        self._slices = self._stand.tally.counts["slices"] - self._slices

    def counts(self) -> dict[str, int]:
        return {"mixed.slices": self._slices, "deploys": 1}


def older_commits() -> Iterator[str]:
    """Commits whose engine differs from this tree's and knows fault points; none without git.

    First the one before the newest migration came, whose schema is older, then the others, the newest first.
    """
    log = _git("log", f"-{OLDEST}", "--format=%H", "--", "shared/sluice")
    commits = [*before_the_newest_migration(), *(log or "").split()]
    for commit in dict.fromkeys(commits):
        same = subprocess.run(
            ["git", "diff", "--quiet", commit, "--", "shared/sluice"], cwd=PROJECT, check=False
        )
        known = _git("cat-file", "-t", f"{commit}:shared/sluice/core/fault_points.py")
        if same.returncode == 1 and known:
            yield commit


def newest_migration() -> str:
    """Its path in the project."""
    return max(f"migrations/{each.name}" for each in (PROJECT / "migrations").glob("[0-9]*.sql"))


def before_the_newest_migration() -> list[str]:
    """The parent of the commit that added it; none if nobody committed it yet, or history was cut there."""
    words = ("log", "-1", "--diff-filter=A", "--format=%P", "--", newest_migration())
    return (_git(*words) or "").split()[:1]


def older_commit() -> str | None:
    """The first of them."""
    return next(older_commits(), None)


def older_code(folder: Path) -> Path:
    """The ``shared`` folder of the first of them that works: a change that was committed in parts did not between."""
    for commit in older_commits():
        place = folder / commit
        place.mkdir(parents=True, exist_ok=True)
        archive = subprocess.run(
            ["git", "archive", commit, "shared"], cwd=PROJECT, check=True, capture_output=True
        )
        subprocess.run(["tar", "-x", "-C", str(place)], input=archive.stdout, check=True)
        if _imports(place / "shared"):
            return place / "shared"
    raise LookupError("there is no older commit that could be run")


def _imports(shared: Path) -> bool:
    """Whether a worker of that code would start."""
    path = f"{shared}{os.pathsep}{PROJECT}"
    words = [sys.executable, "-c", "import tests.chaos.worker_process"]
    tried = subprocess.run(
        words, cwd=PROJECT, env={**os.environ, "PYTHONPATH": path}, check=False, capture_output=True
    )
    return tried.returncode == 0


def _git(*words: str) -> str | None:
    done = subprocess.run(["git", *words], cwd=PROJECT, check=False, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None
