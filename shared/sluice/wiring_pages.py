"""Builds what people call from a dashboard: the function that draws pages, and the one that acts.

Beside ``wiring``, whose parts it takes. Both give their database connection back after each call: people look seldom,
and what is kept over warm invocations would be missing to everybody else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from sluice import wiring
from sluice.core.steering.acting import Done
from sluice.dynamo.steering import DynamoSteering
from sluice.pages.wanted import actor_of, read_wanted
from sluice.postgres.audited import KeptAudit
from sluice.postgres.run_details import PostgresRuns
from sluice.postgres.undo_removals import PostgresUndo
from sluice.sources.reconciled import table_of
from sluice.usecases import act, show_status, steer, undo_reconcile
from sluice.usecases.show_status import Kept, Shown


@cache
def picture() -> Kept:
    return Kept(wiring.overview, wiring.now)


def status_page(event: Mapping[str, Any], endpoint: str) -> Shown:
    """The page that a widget asks for. ``endpoint`` is this function's own ARN, which its buttons call."""
    steers = os.environ.get("SLUICE_STEER_FUNCTION") or None
    runs = PostgresRuns(wiring.connection())
    kit = show_status.Kit(picture(), runs, wiring.now, endpoint, steers)
    with _given_back():
        return show_status.show(event, kit)


def act_for_person(event: Mapping[str, Any], request_id: str) -> Shown:
    """What a button of that page asks for, done once and audited."""

    def done() -> Done:
        wanted = read_wanted(event)
        return act.act(_kit(actor_of(event, request_id)), wanted)

    with _given_back():
        return show_status.show_done(event, done)


def _kit(actor: str) -> act.Kit:
    commits = wiring.commits()
    commits.check_schema()
    registry = DynamoSteering(wiring.aws("dynamodb"), wiring.settings().registry_table)
    audit, streams = KeptAudit(commits.connection), wiring.registry().show()
    return act.Kit(
        steering=steer.Kit(wiring.book(), audit, registry, streams, wiring.now, actor),
        messages=wiring.messages(),
        desks=wiring.desks(),
        undoing=undo_reconcile.Kit(PostgresUndo(commits.connection), table_of, actor),
        new_id=wiring.new_id,
    )


@contextmanager
def _given_back() -> Iterator[None]:
    try:
        yield
    finally:
        wiring.connection().close()
