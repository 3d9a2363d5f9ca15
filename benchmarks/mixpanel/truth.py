"""What every subscriber's row should be by the vendor's word. The default mapping is written here once more by hand."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

COUNTERS = {
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
BY = ("creatorType",)
"""The property that the vendor's counts must be split by."""

STORED = """
SELECT distinct_id, counters, flags, events_processed, extract(epoch FROM first_event_time)::bigint,
       extract(epoch FROM last_event_time)::bigint
  FROM public.mixpanel_subscribers WHERE client_id = %s
"""


@dataclass(slots=True)
class Subscriber:
    """Counters by name, flags that are set, how many events, and the first and the last second of them."""

    counters: dict[str, int] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)
    events: int = 0
    first: float = math.inf
    last: float = -math.inf

    def add(self, event: str, creator: Any, count: int) -> None:
        """So many events of a kind."""
        self.events += count
        if event == "BankAccountLinked":
            self.flags.add("linked_bank_account")
        names = [COUNTERS[event]] if event in COUNTERS else []
        if event == "DubAutoCopyInitiated":
            premium = isinstance(creator, str) and "premium" in creator
            names.append("copies_premium" if premium else "copies_regular")
        for name in names:
            self.counters[name] = self.counters.get(name, 0) + count


Totals = Mapping[str, Subscriber]


def true_totals(lines: Iterable[Mapping[str, Any]]) -> Totals:
    """From the lines of ``truth("counts", by=BY)``. Times are exported in whole seconds."""
    totals: dict[str, Subscriber] = {}
    for line in lines:
        whose = totals.setdefault(line["distinct_id"], Subscriber())
        whose.add(line["event"], line["by"]["creatorType"], line["count"])
        whose.first = min(whose.first, math.floor(line["first_s"]))
        whose.last = max(whose.last, math.floor(line["last_s"]))
    return totals


def stored_totals(rows: Iterable[Sequence[Any]]) -> Totals:
    """From what ``STORED`` answers."""
    return {
        who: Subscriber(counters, {name for name in flags if flags[name]}, events, first, last)
        for who, counters, flags, events, first, last in rows
    }


def events_in(totals: Totals) -> int:
    """How many events these subscribers have together."""
    return sum(each.events for each in totals.values())


def wrong(stored: Totals, true: Totals) -> int:
    """How many subscribers' rows differ in anything, missing and needless ones included."""
    return sum(stored.get(who) != true.get(who) for who in {*stored, *true})
