"""`sluice sync`, `runs`: ask for work, and see how it goes."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from ops.asking import Asked, ask, board_of, desks_of
from ops.audited import note
from ops.clients.file import Acceptance, Allowed, read_clients_file
from ops.commands.options import writable
from ops.commands.teaching import examples
from ops.completion import client_names, client_or_stream_names
from ops.days import asked_days, span_line, spans_of
from ops.known import check_client, stream_keys
from ops.memory import WorkerMemory, memory_line, memory_of
from ops.runs.acceptance import Check, check_line, check_runs, exit_code_of
from ops.runs.figures import Connection, RunFigures, read_runs, server_now
from ops.runs.follow import SystemTime, Watch, follow
from ops.runs.progress import screen_for
from ops.runs.sheets import closing_sheet, remarks, sum_line
from ops.runs.times import read_times
from ops.runs.times_sheet import client_lines, times_sheet
from ops.show_switches import paused_lines
from ops.target import Target, find_target
from ops.terminal import open_console
from sluice.core.asked_days import AskedDays
from sluice.core.errors import SettingInvalid
from sluice.core.keys import StreamKey
from sluice.core.steering.acting import Action


def sync(
    context: typer.Context,
    client: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CLIENT | CLIENT#SOURCE#STREAM]...",
            help="Clients or single streams; all when none is named.",
            autocompletion=client_or_stream_names,
        ),
    ] = None,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="Read everything anew, not only what is due: a backfill, for which nothing else waits.",
        ),
    ] = False,
    first_day: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="DAY", help="Read days again, from this one (2026-10-01)..."
        ),
    ] = None,
    last_day: Annotated[
        str | None, typer.Option("--to", metavar="DAY", help="...to this one, which is included.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be asked for, and ask for nothing.")
    ] = False,
    watch: Annotated[bool, typer.Option("--follow", help="Watch until the runs end.")] = False,
    timeout_s: Annotated[
        float, typer.Option("--timeout", min=1, help="Seconds to watch at most.")
    ] = 3600,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="Clients file whose acceptance targets to check."),
    ] = None,
    json_path: Annotated[
        Path | None, typer.Option("--json", help="Write the runs' figures to this file.")
    ] = None,
) -> None:
    """Ask for a sync now.

    It goes before what the schedule asked for. With --full it is a backfill: its slices have a queue of
    their own and few workers, and leave the client's last slot to everything else. So is --from with --to,
    for streams that can read certain days again (mixpanel#events): where else they stand is left alone.

    With --follow: watch it, and exit with 3 if a run ended badly, with 4 if a target was missed.
    Ctrl-C stops the watching only; the runs go on. Audited, as `sluice audit` shows.

    At most 10 requests wait per client. Those of a client beyond that are refused ("429: queue full"),
    other clients' are not; the exit code is 1. So it is when all is paused. Of paused streams it is told
    how to resume them; the others are asked for.
    """
    if not watch and (file or json_path):
        raise SettingInvalid("--file and --json are about the runs' end; add --follow")
    writable(json_path)
    days = asked_days(first_day, last_day, datetime.now(UTC))
    if full and days:
        raise SettingInvalid("--full reads all days: leave out --from and --to")
    target = find_target(context.obj)
    acceptance = _acceptance(target, file)
    entries = target.registry.show()
    keys = stream_keys(entries, client or [])
    spans = spans_of(entries, keys, days) if days else []
    for key, span in spans:
        open_console().print(span_line(key, span), soft_wrap=True)
    if dry_run:
        _show_what_would_be_asked(target, keys, backfill=full or days is not None)
        return
    with target.database() as connection:
        _note(target, connection, client or [], keys, full=full, days=days)
        if not watch and not full:
            _ask(target, keys, None, days).check()
            return
        since = server_now(connection)
        backfill = full or days is not None
        watching = Watch.begin(connection, [str(key) for key in keys], since, full=backfill)
        asked = _ask(target, keys, since if full else None, days)
        if watch and asked.keys:
            watching = replace(watching, stream_keys=frozenset(map(str, asked.keys)))
            watched = _Watched(target, connection, watching, acceptance, timeout_s, json_path)
            watched.to_the_end(open_console())
        asked.check()


@dataclass(frozen=True, slots=True)
class _Watched:
    """Runs that were asked for, watched to their end and judged."""

    target: Target
    connection: Connection
    watch: Watch
    acceptance: Acceptance
    timeout_s: float
    json_path: Path | None

    def to_the_end(self, console: Console) -> None:
        memory = memory_of(self.target, self.watch.since)
        runs = follow(
            self.watch,
            lambda: self.watch.read(self.connection),
            screen_for(console, "sync"),
            SystemTime(),
            timeout_s=self.timeout_s,
            each_poll=memory.sample,
        )
        checks = self._close(runs, memory, console)
        code = exit_code_of(checks)
        if code:
            raise typer.Exit(code)

    def _close(
        self, runs: Sequence[RunFigures], memory: WorkerMemory, console: Console
    ) -> Sequence[Check]:
        now, peak_mb = datetime.now(UTC), memory.peak_mb()
        checks = check_runs(self.acceptance, runs, now, peak_mb)
        _show(console, "sync", runs, now)
        console.print(memory_line(peak_mb), soft_wrap=True)
        for check in checks:
            console.print(check_line(check), soft_wrap=True)
        if self.json_path is not None:
            document = {
                "runs": [run.as_json(now) for run in runs],
                "worker_memory_mb": peak_mb,
                "checks": [asdict(check) for check in checks],
                "exit_code": exit_code_of(checks),
            }
            self.json_path.write_text(_json(document) + "\n", encoding="utf-8")
        return checks


def runs(
    context: typer.Context,
    client: Annotated[
        str | None,
        typer.Option(help="Only this client's runs.", autocompletion=client_names),
    ] = None,
    hours: Annotated[float, typer.Option(min=0, help="How far back to look.")] = 24,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at most.")] = 30,
    times: Annotated[
        bool, typer.Option("--times", help="Where their time went, and their ids for `sluice run`.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Runs, newest first: what they read, wrote and cost."""
    target, now = find_target(context.obj), datetime.now(UTC)
    with target.database() as connection:
        since = now - timedelta(hours=hours)
        found = read_runs(connection, since, client_id=client, limit=limit)
        spent = read_times(connection, [run.run_id for run in found]) if times or as_json else {}
    if not found:
        check_client(target.registry, client)
    if as_json:
        told = [{**run.as_json(now), "times": spent[run.run_id].as_json()} for run in found]
        typer.echo(_json(told))
        return
    if not found:
        open_console().print(f"no run began in the last {hours:g} hours", soft_wrap=True)
        return
    console = open_console()
    _show(console, "runs", found, now, dated=True)
    if times:
        console.print(times_sheet(found, spent, "where the time went"))
        for line in client_lines(spent.values()):
            console.print(line, soft_wrap=True)


def add_to(app: typer.Typer) -> None:
    app.command(
        "sync",
        epilog=examples(
            "sluice sync",
            "sluice sync harbour-motors --follow",
            "sluice sync --full --follow --file clients.yaml --json figures.json",
            "sluice sync 'harbour-motors#mixpanel#events' --from 2026-10-01 --to 2026-10-07 --follow",
        ),
    )(sync)
    app.command(
        "runs",
        epilog=examples(
            "sluice runs --client harbour-motors",
            "sluice runs --times",
            "sluice runs --json | jq '.[].times'",
        ),
    )(runs)


def _acceptance(target: Target, file: Path | None) -> Acceptance:
    allowed = Allowed(loopback=target.embedded)
    return read_clients_file(file, allowed).acceptance if file else Acceptance()


def _note(
    target: Target,
    connection: Connection,
    names: Sequence[str],
    keys: Sequence[StreamKey],
    *,
    full: bool,
    days: AskedDays | None,
) -> None:
    """In the words of the status page's buttons."""
    action = Action.FULL_SYNC if full else Action.SYNC
    asked = {"asked": action.value, "streams": len(keys)}
    if days:
        asked |= {"from": days.first.isoformat(), "to": days.last.isoformat()}
    note(target, connection, action.value, names, asked)


def _show_what_would_be_asked(target: Target, keys: Sequence[StreamKey], *, backfill: bool) -> None:
    board, what = board_of(target), "a backfill" if backfill else "a sync"
    for key in keys:
        pause = board.pause_of(key)
        told = "nothing: it is paused" if pause else what
        open_console().print(f"would ask {target.where} for {told} of {key}", soft_wrap=True)


def _ask(
    target: Target,
    keys: Sequence[StreamKey],
    full_since: datetime | None,
    days: AskedDays | None,
) -> Asked:
    """Who was refused and what is paused is told at once, in case watching the others takes its time or
    ends badly."""
    asked = ask(
        target.messages,
        desks_of(target),
        keys,
        board=board_of(target),
        full_since=full_since,
        days=days,
        new_id=lambda: str(uuid.uuid4()),
    )
    console = open_console()
    if asked.keys:
        names = ", ".join(map(str, asked.keys))
        line = f"asked {target.where} for {len(asked.keys)} stream(s): {names}"
        console.print(line, soft_wrap=True)
        if asked.refused:
            console.print(f"refused: {asked.told()}", soft_wrap=True)
    if asked.keys or asked.refused:
        for line in paused_lines(asked.paused):
            console.print(f"not asked: {line}", soft_wrap=True)
    return asked


def _show(
    console: Console, title: str, found: Sequence[RunFigures], now: datetime, *, dated: bool = False
) -> None:
    console.print(closing_sheet(found, now, title, dated=dated))
    console.print(sum_line(found), soft_wrap=True)
    for remark in remarks(found):
        console.print(remark, soft_wrap=True)


def _json(document: Any) -> str:
    return json.dumps(document, default=str, indent=2)
