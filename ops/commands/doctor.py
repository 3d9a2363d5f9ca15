"""`sluice doctor`: is the deployment as it should be, and what to do where it is not."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from ops.commands.teaching import examples
from ops.doctor.checks import CHECKS
from ops.doctor.diagnosis import Verdict, diagnoses_json, examine, worst_first
from ops.doctor.patient import Patient
from ops.doctor.sheet import closing_line, diagnosis_sheet, remedy_lines
from ops.failures import FAILED
from ops.target import find_target
from ops.terminal import open_console
from sluice.core.errors import SettingInvalid


def doctor(
    context: typer.Context,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="CHECK",
            help="Make this check only; may be given several times.",
            autocompletion=lambda: [check.name for check in CHECKS],
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Show what is well, too; else only counted.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Look a deployment over: what is wrong, and what to do about it. Changes nothing.

    Stack, code, functions, schedules, queues, tables, database, secrets, clients, alarms, logs and clocks. What you
    may not ask for is a warning that says so. Exits with 1 when anything is wrong; warnings alone exit with 0.
    """
    known = {check.name: check for check in CHECKS}
    for name in only or []:
        if name not in known:
            raise SettingInvalid(f"there is no check {name!r}; there are: {', '.join(known)}")
    chosen = [known[name] for name in only or known]
    found = worst_first(examine(Patient(find_target(context.obj)), chosen))
    if as_json:
        typer.echo(json.dumps(diagnoses_json(found), default=str, indent=2))
    else:
        console = open_console()
        shown = [each for each in found if everything or each.verdict is not Verdict.OK]
        if shown:
            console.print(diagnosis_sheet(shown))
        for line in (*remedy_lines(shown), closing_line(found)):
            console.print(line, soft_wrap=True)
    if any(each.verdict is Verdict.WRONG for each in found):
        raise typer.Exit(FAILED)


def add_to(app: typer.Typer) -> None:
    app.command(
        "doctor",
        epilog=examples(
            "sluice doctor",
            "sluice --stack prod doctor --all",
            "sluice doctor --only schema --only pooler",
            "sluice doctor --json | jq '.diagnoses[] | select(.verdict != \"ok\")'",
        ),
    )(doctor)
