"""`sluice pause`, `resume`, `cadence`, `switches`: steer what runs, without a deploy."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from ops.callers import caller
from ops.commands.teaching import examples
from ops.completion import scope_names
from ops.durations import HOW_TO_WRITE, read_duration
from ops.show_switches import (
    cadence_lines,
    pause_lines,
    resume_lines,
    steered_json,
    switch_sheet,
    switches_json,
)
from ops.target import Target, find_target
from ops.terminal import open_console
from sluice.core.errors import SettingInvalid
from sluice.core.keys import StreamKey
from sluice.core.steering.scopes import Scope, known_scope
from sluice.core.steering.switches import SUBJECT, SwitchBoard
from sluice.dynamo.book import DynamoBook
from sluice.dynamo.steering import DynamoSteering
from sluice.postgres.audit import PostgresAudit
from sluice.usecases import steer
from sluice.usecases.steer import Kit, Steered

Where = Annotated[
    str,
    typer.Argument(
        metavar="SCOPE",
        autocompletion=scope_names,
        help="'*' (everything), CLIENT, CLIENT#SOURCE, CLIENT#SOURCE#STREAM, source:SOURCE,"
        " source:SOURCE#STREAM or platform:PLATFORM.",
    ),
]
Why = Annotated[str | None, typer.Option(help="The reason, one line, for whoever looks later.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]


def pause(
    context: typer.Context,
    scope: Where,
    why: Why = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Resume by itself after this long: 30m, 2h, 1d."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Stop a client, a source, a stream, a platform or everything, within a minute.

    Nothing is lost: what was due meanwhile is due at once when it is resumed. Running slices end by
    themselves. `sluice clients apply` does not lift a pause.
    """
    lasting = None if until is None else _duration("--until", until)
    _steer(
        context,
        scope,
        lambda kit, at: steer.pause(kit, at, lasting=lasting, why=why),
        pause_lines,
        as_json,
    )


def resume(context: typer.Context, scope: Where, why: Why = None, as_json: AsJson = False) -> None:
    """Lift a pause; streams that nothing else pauses are due at once."""
    _steer(context, scope, lambda kit, at: steer.resume(kit, at, why=why), resume_lines, as_json)


def cadence(
    context: typer.Context,
    scope: Where,
    every: Annotated[
        str | None, typer.Argument(metavar="[DURATION]", help="How often, 1m to 7d: 90s, 5m, 24h.")
    ] = None,
    default: Annotated[
        bool, typer.Option("--default", help="Go back to what a wider scope or the file says.")
    ] = False,
    why: Why = None,
    as_json: AsJson = False,
) -> None:
    """Set how often streams are due, whatever the clients file says. The narrowest scope counts.

    A shorter cadence acts at once, a longer one after the next time.
    """
    if (every is None) != default:
        raise SettingInvalid("say how often, such as 5m, or --default; one of them")
    wanted = None if every is None else _duration("cadence", every)
    _steer(
        context,
        scope,
        lambda kit, at: steer.set_cadence(kit, at, wanted, why=why),
        cadence_lines,
        as_json,
    )


def switches(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Pauses and cadences in force: what, since when, by whom and why."""
    board = _board(_book(find_target(context.obj)))
    if as_json:
        typer.echo(json.dumps(switches_json(board), indent=2))
    elif board.pauses or board.cadences:
        open_console().print(switch_sheet(board))
    else:
        open_console().print("no switch is set: all runs as the clients file says", soft_wrap=True)


def add_to(app: typer.Typer) -> None:
    app.command(
        "pause",
        epilog=examples(
            "sluice pause harbour-motors --why 'asked us to stop'",
            "sluice pause source:cars --until 2h --why 'vendor is down'",
            "sluice pause '*'",
        ),
    )(pause)
    app.command(
        "resume", epilog=examples("sluice resume harbour-motors", "sluice resume source:cars")
    )(resume)
    app.command(
        "cadence",
        epilog=examples(
            "sluice cadence harbour-motors#cars#cars 1m",
            "sluice cadence source:cars 30m --why 'vendor asked for less'",
            "sluice cadence source:cars --default",
        ),
    )(cadence)
    app.command("switches", epilog=examples("sluice switches", "sluice switches --json | jq ."))(
        switches
    )


def _steer(
    context: typer.Context,
    text: str,
    act: Callable[[Kit, Scope], Steered],
    lines: Callable[[Steered], Iterator[str]],
    as_json: bool,
) -> None:
    target = find_target(context.obj)
    book, streams = _book(target), target.registry.show()
    scope = _scope(text, book, [each.key for each in streams])
    registry = DynamoSteering(target.aws("dynamodb"), target.name("SLUICE_REGISTRY_TABLE"))
    with target.database() as connection:
        audit = PostgresAudit(connection)
        done = act(Kit(book, audit, registry, streams, _now, caller(target.aws)), scope)
    if as_json:
        typer.echo(json.dumps(steered_json(done), indent=2))
        return
    console = open_console()
    for line in lines(done):
        console.print(line, soft_wrap=True)


def _scope(text: str, book: DynamoBook, keys: Sequence[StreamKey]) -> Scope:
    """One that is known, or was when somebody switched it: that must be possible to take back."""
    scope, board = Scope.parse(text), _board(book)
    return scope if scope in {*board.pauses, *board.cadences} else known_scope(text, keys)


def _book(target: Target) -> DynamoBook:
    table = target.name("SLUICE_LIMITS_TABLE")
    return DynamoBook(target.aws("dynamodb"), table, chance=random.SystemRandom().random)


def _board(book: DynamoBook) -> SwitchBoard:
    return SwitchBoard.of_page(book.read(SUBJECT)).at(_now())


def _duration(name: str, text: str) -> timedelta:
    try:
        return read_duration(text)
    except ValueError:
        raise SettingInvalid(f"{name} {text!r}: {HOW_TO_WRITE}") from None


def _now() -> datetime:
    return datetime.now(UTC)
