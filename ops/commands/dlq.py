"""`sluice dlq`: messages that nobody could work on; look at them, send them back, or throw them away."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from ops.accounts import checked_why
from ops.callers import caller
from ops.commands.groups import Lists
from ops.commands.teaching import examples
from ops.completion import client_names, stream_names
from ops.dead_letters.letters import (
    DeadLetter,
    DeadLetters,
    DeadQueue,
    Wanted,
    checked_id,
    one_letter,
    send_all_back,
)
from ops.dead_letters.sheet import kept_of, letter_json, letters_sheet, meant_lines
from ops.dead_letters.why import errors_of_runs, logged_failure
from ops.target import Target, find_target
from ops.terminal import open_console, printable
from sluice.core.errors import SettingInvalid, SluiceError
from sluice.core.steering.ports import Change
from sluice.postgres.audit import PostgresAudit

DISCARD, REDRIVE = "discard dead letter", "redrive dead letters"
MOST = 10_000

app = typer.Typer(
    cls=Lists,
    help="""Dead letters: messages that failed five times and lie in a queue where nobody works.

    There are two such queues: that of slices, and that of pushes. Without a command: the list.
    """,
    epilog=examples(
        "sluice dlq",
        "sluice dlq show 6aedf40f",
        "sluice dlq redrive --client harbour-motors --yes",
        "sluice dlq discard 6aedf40f --why 'no message at all' --yes",
    ),
)
Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ID]...", help="Only these: ids, or the first letters of them."),
]
Queue = Annotated[DeadQueue | None, typer.Option(help="Only of this queue; without it, of both.")]
Client = Annotated[
    str | None, typer.Option(help="Only this client's.", autocompletion=client_names)
]
Stream = Annotated[
    str | None,
    typer.Option(
        "--stream", metavar="KEY", help="Only this stream key's.", autocompletion=stream_names
    ),
]
Limit = Annotated[int, typer.Option(min=1, max=MOST, help="How many at most.")]
Yes = Annotated[
    bool, typer.Option("--yes", help="Do it; without this, only say what would be done.")
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]


@app.command("list", epilog=examples("sluice dlq list --queue slices", "sluice dlq list --json"))
def list_(
    context: typer.Context,
    queue: Queue = None,
    client: Client = None,
    stream: Stream = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Dead letters: how old, of which stream, what they asked for, and its runs' last error.

    Looking hides a letter from others for a moment only. `received` counts looks, too.
    """
    target, now = find_target(context.obj), datetime.now(UTC)
    wanted = Wanted(client_id=client, stream_key=stream)
    found = _oldest_first(DeadLetters.of(target, queue).listed(wanted, most=limit + 1))
    errors, untold = _errors(target, found)
    if as_json:
        told = [letter_json(each, now, errors.get(each.stream)) for each in found[:limit]]
        typer.echo(json.dumps(told, indent=2))
        return
    console = open_console()
    console.print(letters_sheet(found[:limit], errors, now) if found else "no dead letter")
    if untold:
        console.print(f"no errors of runs: {printable(untold)}", soft_wrap=True)
    if len(found) > limit:
        console.print(f"there are more than these {limit}; see more with --limit", soft_wrap=True)


@app.command(epilog=examples("sluice dlq show 6aedf40f", "sluice dlq show 6aedf40f | jq -r .body"))
def show(
    context: typer.Context,
    letter_id: Annotated[
        str, typer.Argument(metavar="ID", help="Its id in `sluice dlq list`, or how it begins.")
    ],
) -> None:
    """One dead letter as JSON: its body, and what the function said when it failed at it.

    `why` is null where no line tells any more. What looks like a secret is masked.
    """
    target = find_target(context.obj)
    letter = one_letter(DeadLetters.of(target), letter_id)
    why = logged_failure(target.aws("logs"), target.stack, letter)
    typer.echo(json.dumps(letter_json(letter, datetime.now(UTC), why), indent=2))


@app.command(
    epilog=examples(
        "sluice dlq redrive",
        "sluice dlq redrive 6aedf40f --yes",
        "sluice dlq redrive --client acme --yes",
    )
)
def redrive(
    context: typer.Context,
    ids: Ids = None,
    queue: Queue = None,
    client: Client = None,
    stream: Stream = None,
    limit: Limit = MOST,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Send dead letters back to the queues they came from. Mend first what they died of.

    Safe to repeat, and to interrupt: each is sent before it is deleted, and what was done meanwhile is dropped as a
    duplicate. Audited, as `sluice audit` shows.
    """
    target, wanted = find_target(context.obj), _wanted(ids, client, stream)
    letters = DeadLetters.of(target, queue)
    if not yes:
        _say_meant("would send back (say --yes to do it)", letters, wanted, limit, as_json)
        return
    if not letters.listed(wanted, most=1):
        _tell({"sent": {}}, ["no dead letter is meant"], as_json)
        return
    with target.database() as connection:
        change = Change(
            caller(target.aws), REDRIVE, _scope(wanted), _said(wanted, queue), None, None
        )
        PostgresAudit(connection).record(change)
    progress = open_console(errors=True)
    sent = send_all_back(
        letters, wanted, most=limit, told=lambda n: progress.print(f"{n:,} sent back so far")
    )
    lines = [f"sent back: {n:,} to {name}" for name, n in sorted(sent.items())]
    _tell({"sent": dict(sent)}, lines or ["no dead letter is meant"], as_json)


@app.command(
    epilog=examples(
        "sluice dlq discard 6aedf40f --why 'no message at all'",
        "sluice dlq discard --stream acme#cars#cars --why 'its next run did the same' --yes",
    )
)
def discard(
    context: typer.Context,
    why: Annotated[str, typer.Option(help="The reason, one line, for whoever looks later.")],
    ids: Ids = None,
    queue: Queue = None,
    client: Client = None,
    stream: Stream = None,
    limit: Limit = 100,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Throw dead letters away; ids, a client or a stream must be named.

    A slice's work is asked for again by the next tick; a push's comes with the next poll, or not at all where nothing
    polls. Audited with each letter's body, before it is deleted.
    """
    target, wanted = find_target(context.obj), _wanted(ids, client, stream)
    reason = checked_why(why)
    if reason is None:
        raise SettingInvalid("--why: give a reason, one line")
    if not (wanted.ids or client or stream):
        raise SettingInvalid("name which: ids, --client or --stream")
    letters = DeadLetters.of(target, queue)
    if not yes:
        _say_meant("would throw away (say --yes to do it)", letters, wanted, limit, as_json)
        return
    with target.database() as connection, letters.held(wanted, most=limit) as found:
        audit, actor = PostgresAudit(connection), caller(target.aws)
        for letter in found:
            _discard(
                letters,
                letter,
                audit,
                Change(actor, DISCARD, letter.stream, kept_of(letter), None, reason),
            )
    _say("thrown away", found, as_json)


def _discard(
    letters: DeadLetters, letter: DeadLetter, audit: PostgresAudit, change: Change
) -> None:
    """Audited first: killed in between, the letter still lies there, and the row tells what was meant."""
    audit.record(change)
    try:
        letters.delete(letter)
    except SluiceError as error:
        said = json.dumps({"id": letter.id})
        audit.record(
            Change(change.actor, f"{DISCARD} failed", change.scope, said, said, str(error))
        )
        raise


def _wanted(ids: Sequence[str] | None, client: str | None, stream: str | None) -> Wanted:
    return Wanted([checked_id(each) for each in ids or []], client, stream_key=stream)


def _scope(wanted: Wanted) -> str:
    return wanted.stream_key or wanted.client_id or "*"


def _said(wanted: Wanted, queue: DeadQueue | None) -> str:
    said = {"queue": str(queue) if queue else "both", "ids": ", ".join(wanted.ids) or "all"}
    return json.dumps(said, sort_keys=True)


def _say_meant(verb: str, letters: DeadLetters, wanted: Wanted, limit: int, as_json: bool) -> None:
    _say(verb, letters.listed(wanted, most=limit), as_json)


def _say(verb: str, found: Sequence[DeadLetter], as_json: bool) -> None:
    now = datetime.now(UTC)
    told = {"did": verb, "letters": [letter_json(each, now) for each in found]}
    _tell(told, list(meant_lines(verb, found, now)), as_json)


def _tell(document: dict[str, Any], lines: Sequence[str], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(document, indent=2))
        return
    console = open_console()
    for line in lines:
        console.print(printable(line), soft_wrap=True)


def _oldest_first(found: Sequence[DeadLetter]) -> list[DeadLetter]:
    return sorted(found, key=lambda letter: letter.sent_at)


def _errors(target: Target, found: Sequence[DeadLetter]) -> tuple[dict[str, str], str | None]:
    """Without a database the letters are worth seeing all the same; why their errors are not told is said."""
    if not found:
        return {}, None
    try:
        with target.database() as connection:
            return dict(errors_of_runs(connection, found)), None
    except SluiceError as error:
        return {}, str(error)
