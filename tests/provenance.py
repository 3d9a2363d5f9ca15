"""When, from what and where a result was obtained: it stands beside every recorded result."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime

from local.places import PROJECT

RESULTS = PROJECT / "docs" / "results"


def moment() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M")


def machine() -> str:
    load = os.getloadavg()[0]
    return f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load:.0f}"


def commit() -> str:
    """The commit, marked when the tree differs from it; other results that were recorded since are no difference."""
    name = _git("describe", "--always", "--exclude=*")
    if not name:
        return "unknown"
    changed = _git(
        "status",
        "--porcelain",
        "--untracked-files=no",
        "--",
        ".",
        f":!{RESULTS.relative_to(PROJECT)}",
    )
    return f"{name}-dirty" if changed else name


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=PROJECT, check=False, capture_output=True, text=True)
    return done.stdout.strip()
