"""What the monitor asks every five minutes, and the index each question must use.

A look at a thousand streams is quick only by indexes: each question is asked of many streams at once. What is
forgotten is not here: ``sluice.forget_history`` holds its own plans to its indexes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, LiteralString

from psycopg import sql

from ops.explain.queries import HotQuery, Sample
from sluice.core.overview.stream_history import RUNS_KEPT
from sluice.postgres import overview_queries as queries
from sluice.postgres.overview import LARGE_SLICES, LATELY, SLICES_CHECKED

QUIET = timedelta(hours=6)
"""How long somebody has to be silent, as the questions are asked here."""


def _of_streams(sample: Sample) -> Mapping[str, Any]:
    return {
        "keys": [sample.stream_key],
        "runs": RUNS_KEPT,
        "lately": LATELY,
        "slices": SLICES_CHECKED,
        "spans": [QUIET],
    }


def _of_large_slices(sample: Sample) -> Mapping[str, Any]:
    return {**_of_streams(sample), "slices": LARGE_SLICES}


def _of_pushes(sample: Sample) -> Mapping[str, Any]:
    return {
        "clients": [sample.client_id],
        "sources": [sample.stream_key.split("#")[1]],
        "spans": [QUIET],
    }


def _of_topics(sample: Sample) -> Mapping[str, Any]:
    return {**_of_pushes(sample), "topics": ["order.shipped"]}


def _watched(name: str, query: LiteralString, *indexes: str) -> HotQuery:
    return HotQuery(name, sql.SQL(query), indexes, _of_streams)


WATCH: Sequence[HotQuery] = (
    _watched(
        "where streams stand",
        queries.STANDINGS,
        "run_completed",
        "sync_commit_pkey",
        "rejects_open or rejects_open_record",
    ),
    _watched("newest runs", queries.RUNS, "run_stream", "commit_log_run"),
    _watched("sums that are broken", queries.BROKEN, "commit_log_pkey", "sync_commit_pkey"),
    _watched("brakes that tripped", queries.BRAKED, "commit_log_braked", "commit_log_pkey"),
    HotQuery(
        "rows written every time",
        sql.SQL(queries.LARGE),
        ("commit_log_large", "run_pkey"),
        _of_large_slices,
    ),
    _watched("streams fallen silent", queries.SILENT_STREAMS, "commit_log_with_rows"),
    HotQuery(
        "pushes fallen silent",
        sql.SQL(queries.SILENT_PUSHES),
        ("inbox_client",),
        _of_pushes,
        ("shipbob", "orders"),
    ),
    HotQuery(
        "topics fallen silent",
        sql.SQL(queries.SILENT_TOPICS),
        ("inbox_topic",),
        _of_topics,
        ("shipbob", "orders"),
    ),
)
