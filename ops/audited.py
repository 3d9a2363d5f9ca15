"""What a command did on a person's behalf, noted before it is done: killed in between, it was only meant."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from ops.callers import caller
from ops.target import Target
from sluice.core.steering.ports import Change
from sluice.postgres.audit import PostgresAudit

EVERYTHING = "*"
MOST_NAMED = 500
"""Characters of a scope that names one thing after the other; the number of streams stands beside."""


def note(
    target: Target,
    connection: psycopg.Connection[Any],
    action: str,
    names: Sequence[str],
    asked: Mapping[str, Any],
    why: str | None = None,
) -> None:
    """One row for one command. ``names``: what it was given, nothing for everything."""
    scope = " ".join(names) or EVERYTHING
    if len(scope) > MOST_NAMED:
        scope = f"{scope[: MOST_NAMED - 3]}..."
    change = Change(caller(target.aws), action, scope, None, json.dumps(dict(asked)), why)
    PostgresAudit(connection).record(change)
