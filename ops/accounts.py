"""Vendor accounts as all workers share them: which there are, how each fares, and lifting what holds one up."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ops.terminal import printable
from sluice.core.errors import SettingInvalid, SluiceError, StreamUnknown
from sluice.core.keys import StreamKey
from sluice.core.limits.accounts import MILLISECOND, TOLD_FOR_MS, AccountPage
from sluice.core.limits.pages import clear, read_page
from sluice.core.limits.rates import RateLimit, used_in_window
from sluice.core.ports import Book
from sluice.core.steering.ports import Audit, Change
from sluice.usecases.steer import MOST_WHY

PREFIX = "account#"
"""What the subjects of accounts' pages begin with; the rest is how people name the account."""

CLEAR = "clear account"
MINUTE = RateLimit(1, timedelta(minutes=1))
"""Only its length counts here."""

MOST_NAMED = 12


@dataclass(frozen=True, slots=True)
class Booked:
    """Requests that the calendar has in the last minute, or in the part of it that it still remembers."""

    requests: int
    over: timedelta


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has slots or seats now; ``waits`` when it was sent away and comes back."""

    name: str
    seats: int = 0
    waits: bool = False


@dataclass(frozen=True, slots=True)
class VendorAccount:
    """An account's page as it stands at ``now_ms``, in the common time of all who use it."""

    subject: str
    page: AccountPage
    now_ms: int

    @classmethod
    def of_page(cls, subject: str, page: Mapping[str, Any], now: datetime) -> VendorAccount:
        read = read_page(page)
        return cls(subject, read, read.now_ms(int(now.timestamp() * 1000)))

    @property
    def name(self) -> str:
        """``source#name``: the name is that of the account's secret."""
        return self.subject.removeprefix(PREFIX)

    @property
    def stopped(self) -> str | None:
        """Why nobody asks any more; None when the account is not stopped."""
        return self.page.stopped.why if self.page.stopped else None

    @property
    def failures(self) -> int:
        """Failures in a row."""
        return self.page.breaker.failures

    @property
    def breaker_until(self) -> datetime | None:
        """Until when the breaker is open. In the past, one request may try whether it closes."""
        until_ms = self.page.breaker.open_until_ms
        return instant(until_ms) if until_ms else None

    @property
    def held_until(self) -> datetime | None:
        """Until when the vendor wants to be left alone; None when it does not."""
        until_ms = self.page.hold_until_ms
        return instant(until_ms) if until_ms > self.now_ms else None

    @property
    def now(self) -> datetime:
        return instant(self.now_ms)

    @property
    def part(self) -> float:
        """The part of its limits that is used: less than 1 for a while after a 429."""
        return self.page.factor_at(self.now_ms)

    @property
    def told_rate(self) -> float | None:
        """Requests a second, as the vendor told of late."""
        counts = self.page.told_rate and self.now_ms < self.page.told_at_ms + TOLD_FOR_MS
        return self.page.told_rate if counts else None

    @property
    def booked(self) -> Booked | None:
        """None when there is no calendar: without limits nothing is counted."""
        begins = min((each.start_ms for each in self.page.taken), default=None)
        if begins is None:
            return None
        over = max(0, min(self.now_ms - begins, MINUTE.per_ms)) * MILLISECOND
        return Booked(used_in_window(self.page.taken, MINUTE, self.now_ms), over)

    @property
    def holders(self) -> Sequence[Holder]:
        found = {
            name: Holder(name, waits=name in self.page.waiting)
            for name, until_ms in self.page.holders.items()
            if until_ms > self.now_ms
        }
        for name, (seats, until_ms) in self.page.seats.items():
            if until_ms > self.now_ms:
                found[name] = replace(found.get(name, Holder(name)), seats=seats)
        return tuple(sorted(found.values(), key=lambda holder: holder.name))

    @property
    def lifted(self) -> Mapping[str, Any]:
        """What clearing it would lift, as the audit keeps it; nothing when it may be asked anyway."""
        said = {
            "stopped": self.stopped,
            "failures": self.failures or None,
            "breaker_open_until": _text(self.breaker_until),
            "held_until": _text(self.held_until),
        }
        return {key: value for key, value in said.items() if value is not None}


def accounts_in(pages: Mapping[str, Mapping[str, Any]], now: datetime) -> Sequence[VendorAccount]:
    """The accounts of these pages, by name."""
    found = (VendorAccount.of_page(subject, page, now) for subject, page in pages.items())
    return sorted(found, key=lambda account: account.name)


def find_account(text: str, accounts: Sequence[VendorAccount]) -> VendorAccount:
    """The account meant; StreamUnknown names the nearest. As errors have it (``account#...``) will do."""
    named = {account.name: account for account in accounts}
    name = text.removeprefix(PREFIX)
    if name in named:
        return named[name]
    raise _unknown(name, named)


def holder_names(keys: Collection[StreamKey]) -> Mapping[str, str]:
    """By what a stream is called on an account's page (``sources/registry.py`` makes it), its key."""
    return {hashlib.sha256(str(key).encode()).hexdigest()[:8]: str(key) for key in keys}


def clear_account(
    book: Book, audit: Audit, account: VendorAccount, *, actor: str, why: str | None
) -> None:
    """Lift a stop, an open breaker and a hold: audited first, as switches are, then done.

    Killed in between, nothing changed and the row tells what was meant. What came to hold the account up
    since it was looked at is lifted as well.
    """
    before = json.dumps(account.lifted, sort_keys=True)
    change = Change(actor, CLEAR, account.name, before, None, checked_why(why))
    audit.record(change)
    try:
        clear(book, account.subject)
    except SluiceError as error:
        audit.record(replace(change, action=f"{CLEAR} failed", after=before, why=str(error)))
        raise


def checked_why(why: str | None) -> str | None:
    """A reason as the audit keeps it; SettingInvalid for more than one short line."""
    if why is None or not why.strip():
        return None
    if len(why) > MOST_WHY or not why.isprintable():
        raise SettingInvalid(f"why: write one line of at most {MOST_WHY} characters")
    return why.strip()


def instant(common_ms: int) -> datetime:
    return datetime.fromtimestamp(common_ms / 1000, UTC)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")


def _unknown(name: str, known: Collection[str]) -> StreamUnknown:
    if not known:
        return StreamUnknown(
            "no vendor account has a page yet: none has limits, failed or was stopped"
        )
    close = difflib.get_close_matches(name, known, 1) or list(_ending_so(name, known))[:1]
    meant = f" did you mean {close[0]!r}?" if close else ""
    named = sorted(known)
    more = f" and {len(named) - MOST_NAMED:,} more" if len(named) > MOST_NAMED else ""
    there_are = ", ".join(named[:MOST_NAMED]) + more
    return StreamUnknown(
        printable(f"there is no vendor account {name!r};{meant} there are: {there_are}")
    )


def _ending_so(name: str, known: Collection[str]) -> Iterator[str]:
    """The source left out, or written with another sign."""
    return (each for each in sorted(known) if each.endswith((f"#{name}", f"/{name}")))
