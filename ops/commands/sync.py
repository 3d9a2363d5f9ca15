"""`sluice sync`, `runs`, `leases`: ask for work, and see how it goes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ops.acceptance import Check, check_runs
from ops.clients_file import Acceptance, read_clients_file
from ops.follow import NotFinished, follow
from ops.run_figures import RunFigures, read_runs
from ops.show_runs import closing_table
from ops.target import Target, find_target
from sluice.core.errors import StreamUnknown
from sluice.core.keys import StreamKey

RUN_FAILED, MISSED = 3, 4


def sync(
    context: typer.Context,
    client: Annotated[
        list[str] | None, typer.Argument(help="Clients; all when none is named.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Read everything anew, not only what is due.")
    ] = False,
    watch: Annotated[bool, typer.Option("--follow", help="Watch until the runs end.")] = False,
    timeout_s: Annotated[float, typer.Option("--timeout", help="Seconds to watch at most.")] = 3600,
    file: Annotated[
        Path | None, typer.Option(help="Clients file whose acceptance targets to check.")
    ] = None,
    json_path: Annotated[
        Path | None, typer.Option("--json", help="Write the runs' figures here.")
    ] = None,
) -> None:
    """Ask for a sync now. With --follow: exit 3 if a run failed, 4 if a target was missed."""
    target = find_target(context.obj)
    acceptance = (
        read_clients_file(file, allow_loopback=target.embedded).acceptance if file else Acceptance()
    )
    keys = _keys(target, client or [])
    since = datetime.now(UTC)
    for key in keys:
        target.messages.ask_for_slice(key, reason="manual", full_since=since if full else None)
    console = Console()
    console.print(f"Asked for {len(keys)} stream(s): {', '.join(map(str, keys))}", soft_wrap=True)
    if watch:
        _watch(target, keys, since, acceptance, timeout_s, json_path, console)


def _watch(
    target: Target,
    keys: list[StreamKey],
    since: datetime,
    acceptance: Acceptance,
    timeout_s: float,
    json_path: Path | None,
    console: Console,
) -> None:
    with target.connect() as connection:
        try:
            found = follow(
                connection,
                since,
                {k.client_id for k in keys},
                console=console,
                title="sync",
                timeout_s=timeout_s,
            )
        except NotFinished as error:
            console.print(f"[red]{error}", soft_wrap=True)
            raise typer.Exit(RUN_FAILED) from error
    now = datetime.now(UTC)
    console.print(closing_table(found, now, "sync"))
    checks = check_runs(acceptance, found, now, None)
    _write_json(json_path, found, checks)
    _exit_by(checks, console)


def _write_json(path: Path | None, runs: list[RunFigures] | object, checks: list[Check]) -> None:
    if path is not None and isinstance(runs, list):
        document = {
            "runs": [run.as_json() for run in runs],
            "checks": [
                {"name": c.name, "wanted": c.wanted, "measured": c.measured, "passed": c.passed}
                for c in checks
            ],
        }
        path.write_text(json.dumps(document, default=str, indent=2), encoding="utf-8")


def _exit_by(checks: list[Check], console: Console) -> None:
    missed = [c for c in checks if not c.passed]
    for check in missed:
        console.print(
            f"[red]missed[/] {check.name}: wanted {check.wanted}, measured {check.measured}"
        )
    if missed:
        raise typer.Exit(RUN_FAILED if missed[0] is checks[0] else MISSED)


def _keys(target: Target, clients: list[str]) -> list[StreamKey]:
    entries = [e for e in target.registry.show() if e.enabled]
    unknown = set(clients) - {e.key.client_id for e in entries}
    if unknown or not entries:
        known = (
            ", ".join(sorted({e.key.client_id for e in entries}))
            or "none; apply a clients file first"
        )
        raise StreamUnknown(
            f"no such client: {', '.join(sorted(unknown)) or '(any)'}; there are: {known}"
        )
    return [e.key for e in entries if not clients or e.key.client_id in clients]


def runs(
    context: typer.Context,
    client: Annotated[str | None, typer.Option(help="Only this client's runs.")] = None,
    hours: Annotated[float, typer.Option(help="How far back to look.")] = 24,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Runs, newest first: what they read, wrote and cost."""
    now = datetime.now(UTC)
    with find_target(context.obj).connect() as connection:
        found = read_runs(connection, now - timedelta(hours=hours), client_id=client, limit=limit)
    if as_json:
        typer.echo(json.dumps([run.as_json() for run in found], default=str, indent=2))
        return
    Console().print(closing_table(found, now, "runs"))
    for run in found:
        if run.last_error and run.outcome != "completed":
            Console().print(
                f"{run.client_id} {run.source}.{run.stream}: {run.last_error}", soft_wrap=True
            )


def leases(context: typer.Context) -> None:
    """Leases held now, and whether they ran out (cleanup frees those every 5 minutes)."""
    target = find_target(context.obj)
    now = datetime.now(UTC)
    table = Table("stream", "owner", "token", "until", "state")
    for held in target.leases.stale(before=now + timedelta(days=1), limit=1000):
        state = "ran out" if held.until < now else "held"
        table.add_row(
            str(held.key), held.owner, str(held.fencing_token), f"{held.until:%H:%M:%S}", state
        )
    Console().print(table)
