"""What the database and the vendor say of a merchant's timelines, and time that passes for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from local.vendors.shipbob.control import ShipBobControl
from tests.integration.sources.shipbob_orders_stand import Stand

LABELLED = 604
COLUMNS = {
    601: "event_created_at",
    118: "event_pick_in_progress_at",
    602: "event_picked_at",
    603: "event_packed_at",
    LABELLED: "event_labelled_at",
    605: "event_label_validated_at",
    607: "event_in_transit_at",
    608: "event_out_for_delivery_at",
    611: "event_delivery_attempt_failed_at",
    609: "event_delivered_at",
}
Moments = Mapping[str, Mapping[int, datetime]]
"""When each event first happened (a label: last), by shipment and event id."""


def make_world(control: ShipBobControl, **options: Any) -> None:
    """Some orders of two weeks at a vendor whose time stands and which answers as often as it is asked."""
    control.create_world(
        orders=150,
        products=6,
        returns=0,
        receivings=0,
        transactions=0,
        history_days=14,
        options={"rate_limit": None, **options},
    )
    control.hold_clock()


def is_open(stand: Stand) -> set[str]:
    """The tracked shipments that nobody closed so far."""
    query = "SELECT shipment_id FROM shipbob_tracking WHERE client_id = %s AND is_open"
    return {row[0] for row in stand.ask(query)}


def never_checked(stand: Stand) -> set[str]:
    """Those among them that the vendor was not asked for yet."""
    query = "SELECT shipment_id FROM shipbob_tracking WHERE client_id = %s AND is_open AND checked_at IS NULL"
    return {row[0] for row in stand.ask(query)}


def everything_is_due(stand: Stand) -> None:
    """As if the interval of every open shipment had passed."""
    stand.ask(
        "UPDATE shipbob_tracking SET due_at = now() - interval '1 second'"
        " WHERE client_id = %s AND due_at IS NOT NULL RETURNING 1"
    )


def asked(stand: Stand) -> int:
    """How often the vendor was asked for a timeline since its counts were cleared."""
    return stand.control.stats().by_endpoint.get("timeline", 0)


def stored(stand: Stand) -> Moments:
    """As the columns have it, of every shipment with an event."""
    names = ", ".join(COLUMNS.values())
    query = f"SELECT shipment_id, {names} FROM shipbob_shipment_timeline WHERE client_id = %s AND events > 0"
    return {
        row[0]: {log_id: at for log_id, at in zip(COLUMNS, row[1:], strict=True) if at is not None}
        for row in stand.ask(query)
    }


def truth(stand: Stand, shipment_ids: Iterable[str]) -> Moments:
    """As the vendor would tell it now."""
    told = stand.truth("timelines")
    return {each: _moments(told[each]) for each in shipment_ids}


def rejects(stand: Stand) -> list[tuple[Any, ...]]:
    """Timelines that could not be loaded and were not since."""
    query = "SELECT record_id, field, reason FROM sluice.rejects WHERE client_id = %s AND resolved_at IS NULL"
    return stand.ask(query)


def _moments(events: Sequence[dict[str, Any]]) -> dict[int, datetime]:
    moments: dict[int, datetime] = {}
    for event in sorted(events, key=lambda event: str(event["timestamp"])):
        log_id, at = event["log_type_id"], datetime.fromisoformat(event["timestamp"])
        if log_id in COLUMNS and (log_id not in moments or log_id == LABELLED):
            moments[log_id] = at
    return moments
