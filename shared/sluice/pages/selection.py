"""Which clients a page shows: those that are asked for, trouble first, a bounded number at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sluice.core.overview.picture import Overview, State, StreamView
from sluice.pages.request import PageRequest

CLIENTS_PER_PAGE = 25
CELLS_PER_PAGE = 500
"""Of a page, whatever its clients have: CloudWatch draws what we send, and 6 MB is the most that Lambda answers."""

WORST_FIRST = (
    State.UNKNOWN,
    State.STALLED,
    State.FAILED,
    State.LATE,
    State.RUNNING,
    State.NEVER,
    State.PAUSED,
    State.FRESH,
)
_RANK = {state: rank for rank, state in enumerate(WORST_FIRST)}


@dataclass(frozen=True, slots=True)
class Selection:
    """Streams by client, in the order to show them. ``page`` of ``pages`` counts from 1; ``clients`` were found,
    ``left_out`` streams of this page had no room on it."""

    shown: Mapping[str, Sequence[StreamView]]
    clients: int
    page: int
    pages: int
    left_out: int = 0


def counted(overview: Overview) -> Mapping[State, int]:
    """How many streams stand how."""
    return Counter(stream.state for stream in overview.streams)


def select(overview: Overview, request: PageRequest) -> Selection:
    """Filter, sort and cut. A page that is not there is the last one: the list may have grown shorter."""
    by_client = _matching(overview.streams, request)
    order = sorted(by_client, key=lambda client: (_worst(by_client[client]), client))
    pages = max(-(-len(order) // CLIENTS_PER_PAGE), 1)
    page = min(request.page, pages)
    here = order[(page - 1) * CLIENTS_PER_PAGE : page * CLIENTS_PER_PAGE]
    shown: dict[str, Sequence[StreamView]] = {}
    room = CELLS_PER_PAGE
    for client in here:
        streams = sorted(by_client[client], key=lambda s: str(s.key))
        if room:
            shown[client] = streams[:room]
        room -= min(room, len(streams))
    left_out = sum(len(by_client[client]) for client in here) - (CELLS_PER_PAGE - room)
    return Selection(shown, len(order), page, pages, left_out)


def _matching(
    streams: Sequence[StreamView], request: PageRequest
) -> Mapping[str, Sequence[StreamView]]:
    wanted = request.client.casefold()
    found: dict[str, list[StreamView]] = {}
    for stream in streams:
        fits = request.state is None or stream.state is request.state
        if fits and wanted in stream.key.client_id.casefold():
            found.setdefault(stream.key.client_id, []).append(stream)
    return found


def _worst(streams: Sequence[StreamView]) -> int:
    return min(_RANK[stream.state] for stream in streams)
