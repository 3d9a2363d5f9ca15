"""The recorded runs of the answers suite, as they lie in docs/results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.provenance import RESULTS

NAME = "answers"


def path(folder: Path = RESULTS) -> Path:
    return folder / f"{NAME}.json"


def runs(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """Oldest first."""
    kept = path(folder)
    found: list[dict[str, Any]] = json.loads(kept.read_text("utf-8")) if kept.exists() else []
    return found


def faulty_answers(folder: Path = RESULTS) -> int:
    """Of all recorded runs."""
    return sum(each["faulty"] for run in runs(folder) for each in run["vendors"].values())
