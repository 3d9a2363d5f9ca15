"""A database that is told of cohorts, as the application: what the door queued is applied in any order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from sluice.core.ports import Applied
from sluice.core.webhooks import Portion
from sluice.messages import ApplyMessage
from sluice.postgres.connection import PostgresConnection
from sluice.postgres.portions import PostgresPortions
from sluice.sources.mixpanel.cohort import MixpanelPushes
from sluice.sources.pushes import statements_of
from tests.unit.sources.mixpanel.cohort_pages import delivery_of

CLIENT = "acme"
NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def messages(payload: Mapping[str, Any], received_at: datetime) -> list[str]:
    """One delivery as it lies in the queue."""
    portions = MixpanelPushes().news(CLIENT, delivery_of(payload))
    return [
        ApplyMessage.asking_for(each, received_at=received_at).model_dump_json(exclude_none=True)
        for each in portions
    ]


@dataclass
class Rolls:
    """Cohorts in a database. ``forgets`` loses the note of a delivery, as cleanup does after two weeks."""

    connection: PostgresConnection
    rows: psycopg.Connection[Any]
    applied: list[Applied] = field(default_factory=list)

    def apply(self, message: str) -> Applied:
        read = ApplyMessage.model_validate_json(message)
        news = read.news
        assert isinstance(news, Portion)
        portions = PostgresPortions(self.connection, statements_of)
        self.applied.append(portions.apply(news, read.received_at))
        return self.applied[-1]

    def tell(self, payload: Mapping[str, Any], minutes: float = 0) -> list[Applied]:
        """A delivery, applied at once."""
        return [self.apply(each) for each in messages(payload, at(minutes))]

    def forget_deliveries(self) -> None:
        self.rows.execute("DELETE FROM sluice.inbox")

    def members(self, cohort: str = "1001") -> set[str]:
        return {name for name, row in self.everybody(cohort).items() if row["removed_at"] is None}

    def everybody(self, cohort: str = "1001") -> dict[str, dict[str, Any]]:
        cursor = self.rows.execute(
            "SELECT distinct_id, email, first_name, last_name, added_at, removed_at, session_id, updated_at"
            " FROM mixpanel_cohort_members WHERE client_id = %s AND project_id = '77' AND cohort_id = %s",
            [CLIENT, cohort],
        )
        names = [each.name for each in cursor.description or ()]
        return {row[0]: dict(zip(names, row, strict=True)) for row in cursor.fetchall()}

    def ask(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self.rows.execute(query, parameters).fetchall()  # type: ignore[arg-type]
