"""`python -m benchmarks.attribution`: whose 100,000 charges are, in one pass and in many, against the truth.

A generated ledger of every reference type; the statement, the tables, the application's role and its timeouts are
the product's. What charges refer to is entered as rows, without the streams that would read it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from local import postgres
from local.places import PROJECT
from local.postgres import Database, Postgres
from local.vendors.shipbob.moments import chance
from sluice.postgres.connection import STATEMENT_TIMEOUT, PostgresConnection
from sluice.postgres.migrations import apply_migrations
from sluice.sources.shipbob.attribution import MOST
from tests.provenance import RESULTS, commit, machine, moment
from tests.shipbob_ledger import (
    Ledger,
    attribute,
    attributed,
    ledger,
    store_charges,
    store_references,
)

BATCHES = 40
MERGE = 10_000
LONG = timedelta(minutes=3)
Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Run:
    """Seconds of each pass by the clock, ``_cpu_s`` of the database's processor. ``wrong`` counts charges whose
    client or rule is not the truth's, ``lost`` those that were known and became unknown on the way."""

    date: str
    commit: str
    command: str
    machine: str
    charges: int
    references: int
    types: list[str]
    rules: dict[str, int]
    one_pass_s: float
    one_pass_cpu_s: float
    nothing_new_s: float
    again_s: float
    wrong_at_once: int
    batches: int
    batch_s: list[float]
    batch_cpu_s: float
    lost: int
    wrong_in_batches: int
    nothing_left_s: float
    left: int

    @property
    def is_right(self) -> bool:
        in_time = self.one_pass_cpu_s < STATEMENT_TIMEOUT.total_seconds() / 2
        return in_time and not (self.wrong_at_once or self.wrong_in_batches or self.lost)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attribution", description=__doc__)
    parser.add_argument("--charges", type=int, default=100_000)
    parser.add_argument("--orders", type=int, default=60_000)
    parser.add_argument("--record", action="store_true", help="write docs/results/attribution.md")
    options = parser.parse_args()
    book = ledger(
        orders=options.orders,
        transactions=options.charges,
        products=options.orders // 60,
        returns=options.orders // 20,
        receivings=options.orders // 100,
        history_days=45,
    )
    with _server() as server:
        run = _measured(server, book)
    Console().print(_table(run))
    if run.is_right and options.record:
        _record(run)
    return 0 if run.is_right else 1


@contextmanager
def _server() -> Iterator[Postgres]:
    parent = PROJECT / ".sluice" / "tests"
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix="attribution-") as folder:
        server = postgres.create(Path(folder) / "postgres", Path(folder) / "postgres.log")
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _database(server: Postgres, name: str) -> Database:
    made = postgres.create_database(server, name)
    apply_migrations(made.owner_url, phase="pre", folder=PROJECT / "migrations")
    return made


def _measured(server: Postgres, book: Ledger) -> Run:
    rules = Counter(rule or "nothing" for _, rule in book.truth.values())
    return Run(
        date=moment(),
        commit=commit(),
        command=" ".join(["python -m benchmarks.attribution", *sys.argv[1:]]),
        machine=machine(),
        charges=len(book.charges),
        references=len(book.references),
        types=sorted(book.types),
        rules=dict(rules.most_common()),
        **_at_once(_database(server, "at_once"), book),
        **_in_batches(_database(server, "in_batches"), book),
    )


def _at_once(database: Database, book: Ledger) -> dict[str, Any]:
    """Everything is there, and no table was analyzed: one pass. Then one with nothing new, and one of all."""
    with psycopg.connect(database.owner_url, autocommit=True) as rows:
        store_references(rows, book.references)
        for seq, at in enumerate(range(0, len(book.charges), MERGE), start=1):
            store_charges(rows, book.charges[at : at + MERGE], seq=seq)
        took, cpu, _ = _pass(database)
        figures: dict[str, Any] = {"one_pass_s": took, "one_pass_cpu_s": cpu}
        figures["wrong_at_once"] = _wrong(rows, book)
        rows.execute("ANALYZE")
        figures["nothing_new_s"] = _pass(database)[0]
        figures["again_s"] = _pass(database, again=True)[0]
        figures["wrong_at_once"] += _wrong(rows, book)
    return figures


def _in_batches(database: Database, book: Ledger) -> dict[str, Any]:
    """Charges and what they refer to in one random order, cut into batches; a pass after each."""
    luck = chance("batches", len(book.charges))
    things: list[Any] = [*book.charges, *book.references]
    luck.shuffle(things)
    size = -(-len(things) // BATCHES)
    times, cpus, lost, known = [], [], 0, 0
    with psycopg.connect(database.owner_url, autocommit=True) as rows:
        for seq, at in enumerate(range(0, len(things), size), start=1):
            batch = things[at : at + size]
            store_references(rows, [each for each in batch if isinstance(each, tuple)])
            store_charges(rows, [each for each in batch if not isinstance(each, tuple)], seq=seq)
            took, cpu, told = _pass(database)
            times.append(took)
            cpus.append(cpu)
            found = sum(client is not None for client, _ in attributed(rows).values())
            lost, known = lost + abs(known + told["attributed"] - found), found
        took, _, told = _pass(database)
        wrong = _wrong(rows, book)
    return {
        "batches": len(times),
        "batch_s": times,
        "batch_cpu_s": round(sum(cpus), 2),
        "lost": lost,
        "wrong_in_batches": wrong,
        "nothing_left_s": took,
        "left": told["unattributed"],
    }


def _pass(database: Database, *, again: bool = False) -> tuple[float, float, dict[str, int]]:
    """One pass as the application makes it, in a statement's time of its own: seconds by the clock with the commit,
    seconds of the database's processor, and what it answered."""
    connection = PostgresConnection(database.app_url, statement_timeout=LONG)
    try:
        began = time.monotonic()
        with connection.transaction() as transaction:
            told = attribute(transaction, again=again)
            cpu = _cpu_s(transaction.info.backend_pid)
        return round(time.monotonic() - began, 3), cpu, told
    finally:
        connection.close()


def _cpu_s(pid: int) -> float:
    """Processor time of a process that was begun for the pass."""
    words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return round((int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK"), 2)


def _wrong(rows: Connection, book: Ledger) -> int:
    found = attributed(rows)
    return sum(found.get(key) != value for key, value in book.truth.items())


def _lines(run: Run) -> dict[str, str]:
    per_pass = sorted(run.batch_s)
    right: Callable[[int], str] = lambda wrong: "none" if not wrong else f"{wrong:,}"  # noqa: E731
    return {
        "charges, and rows they may refer to": f"{run.charges:,}; {run.references:,}",
        "reference types": ", ".join(run.types),
        "true rule of how many": ", ".join(f"{name} {n:,}" for name, n in run.rules.items()),
        "one pass over all, tables not analyzed": (
            f"{run.one_pass_cpu_s:.1f} s of the processor, {run.one_pass_s:.1f} s by the clock"
        ),
        "the next pass, nothing new": f"{run.nothing_new_s:.2f} s",
        "all attributed again (a full read)": f"{run.again_s:.1f} s",
        "not as in the truth": right(run.wrong_at_once),
        "in batches of random order": (
            f"{run.batches} passes, {run.batch_cpu_s:.1f} s of the processor, {sum(run.batch_s):.1f} s by the clock"
        ),
        "a pass of these, median and longest": f"{per_pass[len(per_pass) // 2]:.2f} s, {per_pass[-1]:.2f} s",
        "known and lost on the way": right(run.lost),
        "not as in the truth at the end": right(run.wrong_in_batches),
        "left that nothing leads to": f"{run.left:,}; a pass over them takes {run.nothing_left_s:.2f} s",
    }


def _table(run: Run) -> Table:
    table = Table("what", "measured", title=f"attribution, {run.machine}")
    for name, value in _lines(run).items():
        table.add_row(name, value)
    return table


def _record(run: Run) -> None:
    kept = RESULTS / "attribution.json"
    runs = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else []
    runs.append(asdict(run))
    kept.write_text(json.dumps(runs, indent=1) + "\n", encoding="utf-8")
    (RESULTS / "attribution.md").write_text(_page(run), encoding="utf-8")


def _page(run: Run) -> str:
    rows = "\n".join(f"| {name} | {value} |" for name, value in _lines(run).items())
    return f"""# Attribution: whose each charge is

Written by `python -m benchmarks.attribution --record`; raw numbers of every recorded run are in `attribution.json`.
{run.date}, commit {run.commit}, `{run.command}`, {run.machine}.

A generated ledger with its truth: whose each charge is, and what leads there. Real statement, tables, role and
timeouts on the embedded Postgres, fsync on; no streams, what charges refer to is entered as rows.

| what | measured |
|---|---|
{rows}

A pass must end within the application's {STATEMENT_TIMEOUT.total_seconds():.0f} s for a statement; here it was given
more, as the machine was shared with other work (see its load). It takes at most {MOST:,} charges, the newest
first, and a full read attributes again day by day.

The batches hold charges and what they refer to in one random order, so that a reference comes before its charges
or long after. After each pass as many clients are known as before it and those it says it found; at the end every
charge has the client and the rule of the truth. What nothing leads to (tickets whose comment names nobody,
transfer plans) stays on the list, and is looked at by every pass.
"""


if __name__ == "__main__":
    sys.exit(main())
