"""The story of a shipment: what happens to it and when, drawn from its seed.

A shipment's state is a fold over its marks up to the vendor's now. So a world lives by its clock
alone, nothing is written when time passes, and the truth of any moment can be told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal, NamedTuple

from local.vendors.shipbob.models import Options
from local.vendors.shipbob.moments import HOUR_MS

Deed = Literal["update", "cancel", "hold", "exception", "scan", "deliver", "deliver_quietly"]

IN_TRANSIT, OUT_FOR_DELIVERY, DELIVERED = 201, 202, 203
LABELLED, SHIPPED, ARRIVED = 604, 607, 609
ODD_IDS = (13, 19, 20, 21, 35, 70, 78, 98, 106, 107, 132, 135, 612, 613, 742)
_ENDS = frozenset({"cancel", "hold", "exception", "deliver", "deliver_quietly"})
_KEPT = frozenset({LABELLED, SHIPPED, ARRIVED})
_PREFIX = "order.shipment."


class Mark(NamedTuple):
    """Something that happens to a shipment: a timeline event, a status, a detail, or several."""

    at_ms: int
    log_id: int | None = None
    status: str | None = None
    detail: int | None = None
    moves: bool = False  # last_update_at becomes at_ms
    tracks: bool = False  # last_tracking_update_at becomes at_ms
    edits: bool = False
    topic: str | None = None


class Told(NamedTuple):
    """What the control interface made happen."""

    at_ms: int
    deed: Deed


@dataclass(slots=True)
class Standing:
    """A shipment as it stands at one moment: made by taking its marks one after the other."""

    status: str = "Processing"
    detail: int | None = None
    last_update_ms: int | None = None
    last_tracking_ms: int | None = None
    labelled_ms: int | None = None
    shipped_ms: int | None = None
    delivered_ms: int | None = None
    edition: int = 0

    def take(self, mark: Mark) -> None:
        """The mark happens. It changes in place: copies would be a third of an answer's time."""
        if mark.status is not None:
            self.status, self.detail = mark.status, None
        if mark.detail is not None:
            self.detail = mark.detail
        if mark.moves:
            self.last_update_ms = mark.at_ms
        if mark.tracks:
            self.last_tracking_ms = mark.at_ms
        if mark.log_id in _KEPT:
            self._keep(mark)
        self.edition += mark.edits

    def _keep(self, mark: Mark) -> None:
        if mark.log_id == LABELLED:
            self.labelled_ms = mark.at_ms
        elif mark.log_id == SHIPPED:
            self.shipped_ms = self.shipped_ms or mark.at_ms
        else:
            self.delivered_ms = mark.at_ms


def story(
    seed: int, shipment_id: int, created_ms: int, told: Sequence[Told], options: Options
) -> list[Mark]:
    """All marks in the order of time, future ones too. What was told ends what was planned."""
    luck = blake2b(b"%d:shipment:%d" % (seed, shipment_id), digest_size=24).digest()
    marks = list(_plan(luck, created_ms, options))
    ends_ms = next((deed.at_ms for deed in told if deed.deed in _ENDS), None)
    if ends_ms is not None:
        marks = [mark for mark in marks if mark.at_ms < ends_ms]
    marks += [_mark(deed, options) for deed in told]
    marks.sort(key=lambda mark: mark.at_ms)
    return marks


def standing(marks: Sequence[Mark], now_ms: int) -> Standing:
    """The state at that moment."""
    state = Standing()
    for mark in marks:
        if mark.at_ms > now_ms:
            break
        state.take(mark)
    return state


def _plan(luck: bytes, created_ms: int, options: Options) -> Iterator[Mark]:
    """Of a hundred: 4 run into an exception, 3 are held, 3 cancelled, 4 lost on their way."""
    fate = luck[0] / 256
    packed_ms = created_ms + HOUR_MS + luck[1] * HOUR_MS // 24
    yield Mark(created_ms, 601, "Processing")
    if fate < 0.04:
        yield Mark(packed_ms, 107, "Exception", 104, moves=True, topic=_PREFIX + "exception")
    elif fate < 0.07:
        yield Mark(packed_ms, 106, "OnHold", 110, moves=True, topic=_PREFIX + "on_hold")
    elif fate < 0.10:
        yield Mark(packed_ms, None, "Cancelled", moves=True, topic=_PREFIX + "cancelled")
    else:
        yield from _packed(packed_ms, luck)
        if options.odd_timeline_ids and luck[2] < 80:
            yield Mark(packed_ms + luck[3] * 60_000, ODD_IDS[luck[4] % len(ODD_IDS)])
        yield from _shipped(packed_ms + 2 * HOUR_MS + luck[5] * 600_000, luck, options)


def _packed(at_ms: int, luck: bytes) -> Iterator[Mark]:
    step_ms = 300_000 + luck[6] * 4000
    yield Mark(at_ms, 118)
    yield Mark(at_ms + step_ms, 602)
    yield Mark(at_ms + 2 * step_ms, 603)
    labelled_ms = at_ms + 3 * step_ms
    yield Mark(
        labelled_ms, LABELLED, "LabeledCreated", moves=True, tracks=True, topic="order.shipped"
    )
    yield Mark(labelled_ms + 60_000, 605)


def _shipped(at_ms: int, luck: bytes, options: Options) -> Iterator[Mark]:
    moves, topic = options.tracking_moves_last_update, _PREFIX + "tracking.updated"
    fate = luck[0] / 256
    yield Mark(at_ms, SHIPPED, "Completed", IN_TRANSIT, moves=True, tracks=True, topic=topic)
    if fate < 0.14:
        return
    out_ms = at_ms + 12 * HOUR_MS + int.from_bytes(luck[7:9], "big") * 6_000
    yield Mark(out_ms, 608, None, OUT_FOR_DELIVERY, moves, tracks=True, topic=topic)
    arrived_ms = out_ms + HOUR_MS + luck[9] * 120_000
    if fate < 0.20:
        yield Mark(arrived_ms, 611, moves=moves, tracks=True, topic=topic)
        arrived_ms += 24 * HOUR_MS
    quiet = int.from_bytes(luck[10:13], "big") / (1 << 24) < options.quiet_delivery_share
    yield _arrival(arrived_ms, quiet=quiet, moves=moves)


def _arrival(at_ms: int, *, quiet: bool, moves: bool) -> Mark:
    """A delivery; a quiet one shows as a status detail only."""
    log_id = None if quiet else ARRIVED
    topic = None if quiet else _PREFIX + "delivered"
    return Mark(at_ms, log_id, "Completed", DELIVERED, moves, tracks=True, topic=topic)


def _mark(told: Told, options: Options) -> Mark:
    at_ms, moves = told.at_ms, options.tracking_moves_last_update
    match told.deed:
        case "update":
            topic = _PREFIX + "tracking.updated"
            return Mark(at_ms, moves=True, edits=True, topic=topic)
        case "cancel":
            return Mark(at_ms, None, "Cancelled", moves=True, topic=_PREFIX + "cancelled")
        case "hold":
            return Mark(at_ms, 106, "OnHold", 110, moves=True, topic=_PREFIX + "on_hold")
        case "exception":
            return Mark(at_ms, 107, "Exception", 104, moves=True, topic=_PREFIX + "exception")
        case "scan":
            topic = _PREFIX + "tracking.updated"
            return Mark(at_ms, SHIPPED, moves=moves, tracks=True, topic=topic)
        case "deliver" | "deliver_quietly":
            return _arrival(at_ms, quiet=told.deed == "deliver_quietly", moves=moves)
