"""`sluice run`: one run, and where its time went."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from ops.commands.groups import Shows
from ops.commands.teaching import examples
from ops.runs.figures import Connection, RunFigures, read_runs, server_now
from ops.runs.sheets import plain_line, remarks
from ops.runs.times import RunTimes, read_slices, read_times, run_ids_like
from ops.runs.times_sheet import derived_lines, endpoints_sheet, run_lines, slices_sheet
from ops.target import find_target
from ops.terminal import open_console
from sluice.core.errors import SettingInvalid

LEAST_OF_AN_ID = 4

app = typer.Typer(
    cls=Shows,
    help="One run: `sluice run RUN` shows it, as `sluice run show RUN` does.",
    epilog=examples("sluice run 3f2a", "sluice run show 3f2a --json | jq .times"),
    no_args_is_help=True,
)


@app.command(
    "show", epilog=examples("sluice run show 3f2a", "sluice run show 3f2a --json | jq .times")
)
def run(
    context: typer.Context,
    run_id: Annotated[
        str, typer.Argument(metavar="RUN", help="Its id, or as much of it as tells it from others.")
    ],
    limit: Annotated[
        int, typer.Option(min=1, max=1000, help="How many slices to show, the newest first.")
    ] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of tables.")] = False,
) -> None:
    """One run: what it did, what it asked of each of the vendor's endpoints, and where its time went."""
    with find_target(context.obj).database() as connection:
        figures, times, now = _one(connection, run_id)
        slices = read_slices(connection, figures.run_id, limit)
    if as_json:
        document = {**figures.as_json(now), "times": times.as_json(), "newest_slices": slices}
        typer.echo(json.dumps(document, default=str, indent=2))
        return
    console = open_console()
    console.print(f"run {figures.run_id}", soft_wrap=True)
    console.print(plain_line(figures, now), soft_wrap=True)
    for line in [*remarks([figures]), *run_lines(times)]:
        console.print(line, soft_wrap=True)
    if times.endpoints:
        console.print(endpoints_sheet(times.endpoints))
    if slices:
        console.print(slices_sheet(slices))
    for line in derived_lines(slices):
        console.print(line, soft_wrap=True)
    if times.slices > len(slices):
        console.print(f"there are {times.slices:,} slices; see more with --limit", soft_wrap=True)


def _one(connection: Connection, begin: str) -> tuple[RunFigures, RunTimes, datetime]:
    found = run_ids_like(connection, begin.lower()) if len(begin) >= LEAST_OF_AN_ID else ()
    if len(found) != 1:
        fault = f"more than one run's id begins with {begin!r}" if found else f"no run {begin!r}"
        raise SettingInvalid(
            f"{fault}; `sluice runs --times` shows the ids, at least 4 letters tell"
        )
    never = datetime.max.replace(tzinfo=UTC)
    (figures,) = read_runs(connection, never, also=found, limit=1)
    return figures, read_times(connection, found)[found[0]], server_now(connection)
