"""Asking for slices on a person's behalf: of what is not paused, and of a client at most ten at a time."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ops.failures import CommandFailed
from ops.show_switches import paused_lines
from ops.target import Target
from sluice.core.asked_days import AskedDays
from sluice.core.errors import SluiceError
from sluice.core.keys import StreamKey
from sluice.core.ports import Messages
from sluice.core.priorities import Priority
from sluice.core.steering.switches import SUBJECT, Pause, SwitchBoard
from sluice.dynamo.book import DynamoBook
from sluice.usecases.admission import ClientDesks


class QueueFull(CommandFailed):
    """As many of a client's requests wait as may."""


class AllPaused(CommandFailed):
    """Nothing could be asked for: workers would throw the messages away."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The streams asked for, the clients of which ``most`` requests wait already, and by pause, the
    widest first, the streams that it stops; one that several pauses stop is named by each."""

    keys: Sequence[StreamKey]
    refused: Sequence[str]
    most: int = 0
    paused: Sequence[tuple[Pause, Sequence[StreamKey]]] = ()

    def check(self) -> None:
        """Raises QueueFull when a client was refused, AllPaused when nothing was asked for."""
        if self.refused:
            raise QueueFull(f"429: queue full: {self.told()}; ask again once some have begun")
        if not self.keys:
            raise AllPaused(f"nothing was asked for: {'; '.join(paused_lines(self.paused))}")

    def told(self) -> str:
        return f"{self.most} requests wait already of {', '.join(self.refused)}"


def ask(
    messages: Messages,
    desks: ClientDesks | None,
    keys: Sequence[StreamKey],
    *,
    board: SwitchBoard,
    full_since: datetime | None,
    days: AskedDays | None = None,
    new_id: Callable[[], str],
) -> Asked:
    """One message for each stream; a client's together are one request, and wait until the first is let in.

    A full read is a backfill, from its first slice on, and so is one of certain ``days``. Without ``desks``
    nothing is refused. What ``board`` pauses is left out.
    """
    paused = [key for key in keys if board.pause_of(key)]
    keys = [key for key in keys if not board.pause_of(key)]
    asked: list[StreamKey] = []
    refused: list[str] = []
    for client_id in dict.fromkeys(key.client_id for key in keys):
        ticket = new_id()
        if desks is not None and not desks.take_ticket(client_id, ticket):
            refused.append(client_id)
            continue
        sent = len(asked)
        try:
            for key in (key for key in keys if key.client_id == client_id):
                messages.ask_for_slice(
                    key,
                    reason="manual",
                    full_since=full_since,
                    days=days,
                    priority=Priority.BACKFILL if full_since or days else Priority.MANUAL,
                    ticket=ticket,
                )
                asked.append(key)
        except SluiceError:
            if desks is not None and len(asked) == sent:
                desks.give_ticket_back(client_id, ticket)  # else the first that was sent does
            raise
    most = desks.rules.most_tickets if desks else 0
    return Asked(asked, refused, most, _by_pause(board, paused))


def desks_of(target: Target) -> ClientDesks | None:
    """None for a deployment that is older than desks: its workers give no ticket back."""
    book = _book_of(target)
    return None if book is None else ClientDesks(book, lambda: datetime.now(UTC))


def board_of(target: Target) -> SwitchBoard:
    """The switches in force; none in a deployment that is older than they are."""
    book = _book_of(target)
    if book is None:
        return SwitchBoard()
    return SwitchBoard.of_page(book.read(SUBJECT)).at(datetime.now(UTC))


def _book_of(target: Target) -> DynamoBook | None:
    table = target.names.get("SLUICE_LIMITS_TABLE")
    if not table:
        return None
    return DynamoBook(target.aws("dynamodb"), table, chance=random.SystemRandom().random)


def _by_pause(
    board: SwitchBoard, keys: Sequence[StreamKey]
) -> Sequence[tuple[Pause, Sequence[StreamKey]]]:
    """Whoever wants to resume a stream must lift every pause that stops it."""
    pauses = sorted(board.pauses.values(), key=lambda pause: (pause.scope.depth, str(pause.scope)))
    found = ((pause, [key for key in keys if pause.scope.covers(key)]) for pause in pauses)
    return [(pause, stopped) for pause, stopped in found if stopped]
