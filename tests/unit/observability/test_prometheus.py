"""The picture as Prometheus reads it: valid text, bounded labels, the worst of many clients."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sluice.core.keys import StreamKey
from sluice.core.overview.picture import (
    OPEN,
    AccountView,
    Finding,
    Overview,
    QueueView,
    RunView,
    State,
    StreamView,
    WatchLimits,
)
from sluice.observability.prometheus import GAUGES, exposition

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LIMITS = WatchLimits(timedelta(minutes=25))

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_SAMPLE = re.compile(
    r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)"
    r'(?:\{(?P<labels>(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*",?)+)\})? (?P<value>\S+)'
)
_LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\"n])*)"')
_UNESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}

Read = dict[str, dict[tuple[tuple[str, str], ...], float]]


def read(text: str) -> Read:
    """As the format's grammar has it: HELP, then TYPE, then samples, each group once, all lines ended."""
    assert text.endswith("\n")
    found: Read = {}
    current = ""
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("# HELP "):
            current = line.split(" ")[2]
            assert _NAME.fullmatch(current)
            assert current not in found
            found[current] = {}
        elif line.startswith("# TYPE "):
            assert line == f"# TYPE {current} gauge"
            assert found[current] == {}
        else:
            match = _SAMPLE.fullmatch(line)
            assert match is not None, line
            assert match["name"] == current
            labels = tuple(
                (name, _plain(value)) for name, value in _LABEL.findall(match["labels"] or "")
            )
            assert labels not in found[current]
            found[current][labels] = float(match["value"])
    return found


def _plain(value: str) -> str:
    return re.sub(r'\\[\\"n]', lambda match: _UNESCAPED[match[0]], value)


def run(*, took_s: float = 30, rows: int = 10, ended: bool = True) -> RunView:
    began = NOW - timedelta(hours=1)
    return RunView(
        run_id="r", reason="schedule", outcome="completed", started_at=began, last_progress_at=began,
        ended_at=began + timedelta(seconds=took_s) if ended else None, slices=1, rows_read=rows, inserted=0, updated=0,
        unchanged=rows, stale=0, rejected=0, deleted=0, requests=1,
    )  # fmt: skip


def stream(
    client: str, name: str = "orders", *, fresh_s: float | None = 60, state: State = State.FRESH,
    last: RunView | None = None, rejects: int = 0,
) -> StreamView:  # fmt: skip
    return StreamView(
        key=StreamKey(client, "shipbob", name), state=state, cadence=timedelta(minutes=5), limits=LIMITS,
        fresh_at=None if fresh_s is None else NOW - timedelta(seconds=fresh_s),
        advanced_at=None if fresh_s is None else NOW - timedelta(seconds=fresh_s / 2),
        due_at=None, last=last, open_rejects=rejects,
    )  # fmt: skip


def drawn(overview: Overview) -> Read:
    return read(exposition(overview))


ORDERS = (("source", "shipbob"), ("stream", "orders"))


def test_an_empty_deployment_is_valid_text() -> None:
    found = drawn(Overview(at=NOW, streams=()))
    assert found == {
        "sluice_overview_timestamp_seconds": {(): NOW.timestamp()},
        "sluice_unknown_parts": {(): 0},
        "sluice_stale_leases": {(): 0},
    }


def test_the_worst_client_counts() -> None:
    streams = [
        stream("acme", fresh_s=60, last=run(took_s=30, rows=900), rejects=2),
        stream("bolt", fresh_s=7200.5, last=run(took_s=300, rows=10), rejects=3, state=State.LATE),
        stream("cogs", fresh_s=None, state=State.NEVER),
    ]
    found = drawn(Overview(at=NOW, streams=streams))
    assert found["sluice_freshness_seconds"] == {ORDERS: 7200.5}
    assert found["sluice_watermark_age_seconds"] == {ORDERS: 3600.25}
    assert found["sluice_last_run_rows"] == {ORDERS: 900}
    assert found["sluice_last_run_seconds"] == {ORDERS: 300}
    assert found["sluice_open_rejects"] == {ORDERS: 5}
    assert found["sluice_streams"] == {
        (*ORDERS, ("state", "fresh")): 1,
        (*ORDERS, ("state", "late")): 1,
        (*ORDERS, ("state", "never")): 1,
    }


def test_a_paused_stream_is_not_old() -> None:
    """It is where somebody left it; its rejects and its state are told all the same."""
    paused = stream("acme", fresh_s=900_000, state=State.PAUSED, rejects=1)
    found = drawn(Overview(at=NOW, streams=[paused]))
    assert "sluice_freshness_seconds" not in found
    assert found["sluice_open_rejects"] == {ORDERS: 1}
    assert found["sluice_streams"] == {(*ORDERS, ("state", "paused")): 1}


def test_a_run_that_has_not_ended_has_no_length() -> None:
    found = drawn(Overview(at=NOW, streams=[stream("acme", last=run(ended=False))]))
    assert "sluice_last_run_seconds" not in found


def test_accounts_are_told_by_their_source() -> None:
    """Their names have the client's secret in them."""
    accounts = [
        AccountView("shipbob#sluice/acme", OPEN, 12, budget_used=0.25),
        AccountView("shipbob#sluice/bolt", "closed", 0, stopped_because="401", budget_used=0.75),
        AccountView("cars#sluice/cogs", "closed", 0),
    ]
    text = exposition(Overview(at=NOW, streams=(), accounts=accounts))
    shipbob, cars = (("source", "shipbob"),), (("source", "cars"),)
    found = read(text)
    assert found["sluice_breakers_open"] == {shipbob: 1, cars: 0}
    assert found["sluice_accounts_stopped"] == {shipbob: 1, cars: 0}
    assert found["sluice_rate_budget_used_ratio"] == {shipbob: 0.75}
    assert "acme" not in text


def test_queues_findings_and_the_rest() -> None:
    overview = Overview(
        at=NOW, streams=(), queues=[QueueView("slices", 4, 2, 1), QueueView("dead letters", 0, 0, 0, dead=True)],
        connections=7, pool_size=15, stale_leases=2, unknown=["accounts: throttled"],
        findings=[
            Finding("streams-late", "acme#a#b", "x"), Finding("streams-late", "bolt#a#b", "x"),
            Finding("zero-rows", "y", "z"),
        ],
    )  # fmt: skip
    found = drawn(overview)
    assert found["sluice_queue_messages"][(("queue", "slices"), ("state", "waiting"))] == 4
    assert found["sluice_queue_messages"][(("queue", "dead letters"), ("state", "in_flight"))] == 0
    assert found["sluice_findings"] == {
        (("check", "streams-late"),): 2,
        (("check", "zero-rows"),): 1,
    }
    assert found["sluice_database_connections"] == {(): 7}
    assert found["sluice_database_pool_size"] == {(): 15}
    assert found["sluice_stale_leases"] == {(): 2}
    assert found["sluice_unknown_parts"] == {(): 1}


def test_labels_are_escaped() -> None:
    """A name can hold what would end a label, or a line."""
    hostile = 'a"b\\c\nd} 1\nforged 1'
    found = drawn(Overview(at=NOW, streams=(), queues=[QueueView(hostile, 1, 0, 0)]))
    assert {dict(labels)["queue"] for labels in found["sluice_queue_messages"]} == {hostile}
    assert "forged" not in found


def test_what_a_thousand_clients_cost_is_what_one_costs() -> None:
    def series(clients: int) -> int:
        streams = [stream(f"client-{n}", last=run()) for n in range(clients)]
        accounts = [
            AccountView(f"shipbob#sluice/{n}", "closed", 0, budget_used=0.1) for n in range(clients)
        ]
        return sum(map(len, drawn(Overview(at=NOW, streams=streams, accounts=accounts)).values()))

    assert series(1000) == series(1)
    text = exposition(
        Overview(
            at=NOW,
            streams=[stream("canary-client")],
            findings=[Finding("late", "canary-client#a#b", "canary")],
        )
    )
    assert "canary" not in text


def test_every_gauge_says_what_it_is() -> None:
    names = [gauge.name for gauge in GAUGES]
    assert len(set(names)) == len(names)
    assert all(
        name.startswith("sluice_") and gauge.help.endswith(".")
        for name, gauge in zip(names, GAUGES, strict=True)
    )


def test_a_moment_of_tomorrow_is_no_negative_age() -> None:
    """Clocks differ."""
    ahead = replace(stream("acme"), fresh_at=NOW + timedelta(seconds=5))
    found = drawn(Overview(at=NOW, streams=[ahead]))["sluice_freshness_seconds"]
    assert found == {ORDERS: 0}
