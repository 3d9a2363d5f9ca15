"""What the simulated Mixpanel has, as its streams should store it: written here once more, without SQL."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from local.vendors.mixpanel.control import MixpanelControl
from local.vendors.mixpanel.kinds import TRACKED

Identity = tuple[str, str, int, str]
"""Name, distinct_id, second since 1970, $insert_id."""

_COUNTERS: Mapping[str, str] = {
    "Tapped Portfolio Card": "card_taps",
    "Tapped Creator Card": "card_taps",
    "Viewed Stripe Modal": "stripe_modal_views",
    "$ae_session": "app_sessions",
    "SubscriptionCreated": "subscriptions",
    "Viewed Creator Profile": "creator_profile_views",
    "Viewed Creator Paywall": "paywall_views",
    "Viewed Portfolio Details": "pdp_views",
    "DubAutoCopyInitiated": "copies_total",
    "AchTransferInitiated": "ach_transfers",
}
ALWAYS, NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_DATES = ("$created", "$last_seen")


@dataclass(frozen=True, slots=True)
class Event:
    """An event, told once. ``processed``: from then on exports have it."""

    identity: Identity
    at: datetime
    processed: datetime
    properties: Mapping[str, Any]

    @property
    def lateness(self) -> timedelta:
        return self.processed - self.at


@dataclass
class Totals:
    """What a subscriber's events add up to; ``first`` and ``last`` in whole seconds."""

    counters: dict[str, int] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)
    events: int = 0
    first: datetime = NEVER
    last: datetime = ALWAYS

    def add(self, event: Event) -> None:
        name, _, second, _ = event.identity
        at = datetime.fromtimestamp(second, UTC)
        self.events += 1
        self.first, self.last = min(self.first, at), max(self.last, at)
        if name == "BankAccountLinked":
            self.flags.add("linked_bank_account")
            return
        counted = [_COUNTERS[name]]
        if name == "DubAutoCopyInitiated":
            premium = "premium" in (event.properties.get("creatorType") or "")
            counted.append("copies_premium" if premium else "copies_regular")
        for counter in counted:
            self.counters[counter] = self.counters.get(counter, 0) + 1


def events_of(
    control: MixpanelControl, project: int, since: datetime | None = None
) -> dict[Identity, Event]:
    """Those that are asked for, by now."""
    lines = control.truth("events", project, from_s=since.timestamp() if since else None)
    told = (_event(line) for line in lines if line["event"] in TRACKED)
    return {each.identity: each for each in told}


def totals_of(events: Iterable[Event]) -> dict[str, Totals]:
    """By distinct_id."""
    totals: dict[str, Totals] = {}
    for each in events:
        totals.setdefault(each.identity[1], Totals()).add(each)
    return totals


def profiles_of(control: MixpanelControl, project: int) -> dict[str, dict[str, Any]]:
    """Properties by distinct_id, as our documents have them."""
    return {
        line["distinct_id"]: {
            name: _kept(name, value)
            for name, value in line["properties"].items()
            if value not in (None, "", [], {})
        }
        for line in control.truth("profiles", project)
    }


def members_of(control: MixpanelControl, project: int, cohort: int) -> set[str]:
    return {
        line["distinct_id"]
        for line in control.truth("cohorts", project)
        if line["cohort"] == cohort
    }


def _event(line: Mapping[str, Any]) -> Event:
    at_s, processed_s = line["at_s"], line["processed_ms"] / 1000
    return Event(
        (line["event"], line["distinct_id"], math.floor(at_s), line["insert_id"]),
        datetime.fromtimestamp(at_s, UTC),
        datetime.fromtimestamp(processed_s, UTC),
        line["record"]["properties"],
    )


def _kept(name: str, value: Any) -> Any:
    """The simulator's texts have no blanks at their ends, and its dates are UTC without saying so."""
    return f"{value}Z" if name in _DATES else value
