"""Vendor accounts as people and programs read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ops.accounts import Holder, VendorAccount
from ops.sheets import Sheet, column
from ops.terminal import printable
from sluice.sources.account_view import LOOK_AGAIN_MS

WELL = "well"
LOOKS = f"workers see that within {LOOK_AGAIN_MS // 1000} s"

Names = Mapping[str, str]
"""Stream keys by what a stream is called on an account's page."""


def account_sheet(accounts: Sequence[VendorAccount], names: Names) -> Sheet:
    """How each fares, and who uses it now."""
    columns = [
        column("account", [each.name for each in accounts], 0, left=True),
        column("state", [state_text(each) for each in accounts], 1, left=True),
        column("requests booked", [_booked_text(each) for each in accounts], 2),
        column("vendor told", [_told_text(each) for each in accounts], 2),
        column("in use by", [_holders_text(each, names) for each in accounts], 3, left=True),
    ]
    return Sheet("vendor accounts (UTC)", columns)


def accounts_json(accounts: Sequence[VendorAccount], names: Names) -> list[dict[str, Any]]:
    """One object per account. ``state`` is one word, the worst; what is not so is null."""
    return [_account_json(each, names) for each in accounts]


def state_text(account: VendorAccount) -> str:
    """All that keeps requests of the account back, the worst first; ``well`` when nothing does."""
    return "; ".join(text for _, text in _states(account)) or WELL


def cleared_lines(account: VendorAccount) -> Iterator[str]:
    """What was lifted, and what becomes of the streams; ``account`` is as it was before."""
    lifted = [text for state, text in _states(account) if state != "slowed"]
    yield printable(f"cleared {account.name} ({'; '.join(lifted)}); {LOOKS}")
    if account.part < 1:
        yield f"{_slowed(account)}; that grows back by itself within minutes"
    yield "runs that ended begin anew at the next tick; `sluice sync` asks for them now"


def nothing_lines(account: VendorAccount) -> Iterator[str]:
    yield printable(f"nothing was cleared: {account.name} is {state_text(account)}")


def _states(account: VendorAccount) -> Iterator[tuple[str, str]]:
    """A word and a text for each."""
    if account.stopped is not None:
        yield "stopped", f"stopped: {account.stopped}"
    if account.breaker_until is not None:
        yield "breaker open", _breaker_text(account, account.breaker_until)
    elif account.failures:
        yield "failing", f"failing: {account.failures:,} in a row"
    if account.held_until is not None:
        yield "held", f"held until {_moment(account.held_until)} as the vendor asked"
    if account.part < 1:
        yield "slowed", _slowed(account)


def _breaker_text(account: VendorAccount, until: datetime) -> str:
    row = f"after {account.failures:,} failures in a row"
    if until > account.now:
        return f"breaker open until {_moment(until)} {row}"
    return f"breaker open {row}, to be tried by the next request"


def _slowed(account: VendorAccount) -> str:
    return f"slowed to {int(account.part * 100)} % of its limits after 429"


def _booked_text(account: VendorAccount) -> str:
    """How far the calendar reaches back is told with it: of short limits it soon forgets."""
    booked = account.booked
    if booked is None:
        return "-"
    return f"{booked.requests:,} in {booked.over.total_seconds():.0f}s"


def _told_text(account: VendorAccount) -> str:
    return "-" if account.told_rate is None else f"{account.told_rate:g}/s"


def _holders_text(account: VendorAccount, names: Names) -> str:
    return ", ".join(_holder_text(each, names) for each in account.holders) or "-"


def _holder_text(holder: Holder, names: Names) -> str:
    said = [f"{holder.seats} under way at most"] if holder.seats else []
    said += ["comes back"] if holder.waits else []
    name = names.get(holder.name, holder.name)
    return f"{name} ({', '.join(said)})" if said else name


def _account_json(account: VendorAccount, names: Names) -> dict[str, Any]:
    source, _, name = account.name.partition("#")
    booked = account.booked
    return {
        "account": account.name,
        "source": source,
        "name": name,
        "state": next((word for word, _ in _states(account)), WELL),
        "stopped": account.stopped,
        "failures": account.failures,
        "breaker_open_until": _iso(account.breaker_until),
        "held_until": _iso(account.held_until),
        "part_of_limits": round(account.part, 2),
        "told_requests_per_s": account.told_rate,
        "booked": None
        if booked is None
        else {"requests": booked.requests, "over_s": booked.over / timedelta(seconds=1)},
        "in_use_by": [
            {
                "name": names.get(each.name, each.name),
                "seats": each.seats,
                "comes_back": each.waits,
            }
            for each in account.holders
        ],
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
