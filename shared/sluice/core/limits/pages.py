"""An account's page as the book keeps it: compact JSON. What a page lacks is as if it had never been."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sluice.core.limits.accounts import AccountPage, Stopped
from sluice.core.limits.breaker import Breaker
from sluice.core.limits.rates import Taken
from sluice.core.ports import Book, Revised


def subject_of(source: str, account: str) -> str:
    """The name of an account's page."""
    return f"account#{source}#{account}"


def clear(book: Book, subject: str) -> None:
    """A person's word that the account may be asked again: neither stopped, open nor held."""

    def cleared(page: Mapping[str, Any]) -> Revised[None]:
        left = {key: page[key] for key in page if key not in ("stopped", "breaker", "hold")}
        return Revised(None, left if left != page else None)

    book.revise(subject, cleared)


def read_page(page: Mapping[str, Any]) -> AccountPage:
    """The account that a page of the book describes."""
    throttled_at, throttles, factor = page.get("throttled", (0, 0, 1.0))
    told_rate, told_at = page.get("told", (0.0, 0))
    stopped = page.get("stopped")
    return AccountPage(
        at_ms=page.get("at", 0),
        taken=tuple(_taken(page.get("taken", ()))),
        split_until_ms=page.get("split", 0),
        holders=page.get("holders", {}),
        waiting=page.get("waiting", {}),
        seats={name: (count, until) for name, (count, until) in page.get("seats", {}).items()},
        hold_until_ms=page.get("hold", 0),
        throttled_at_ms=throttled_at,
        throttles=throttles,
        factor=factor,
        told_rate=told_rate,
        told_at_ms=told_at,
        breaker=_breaker(page.get("breaker", (0, (), 0))),
        stopped=Stopped(**stopped) if stopped else None,
    )


def page_of(account: AccountPage) -> Mapping[str, Any]:
    """The page, without what is as if it had never been."""
    breaker = account.breaker
    page: dict[str, Any] = {
        "at": account.at_ms,
        "taken": list(_written(account.taken)),
        "holders": dict(account.holders),
        "waiting": dict(account.waiting),
        "seats": {name: list(seat) for name, seat in account.seats.items()},
    }
    if account.split_until_ms > account.at_ms:
        page["split"] = account.split_until_ms
    if account.hold_until_ms > account.at_ms:
        page["hold"] = account.hold_until_ms
    if account.throttles:
        page["throttled"] = [
            account.throttled_at_ms,
            account.throttles,
            round(account.factor, 4),
        ]
    if account.told_at_ms:
        page["told"] = [round(account.told_rate, 6), account.told_at_ms]
    if breaker != Breaker():
        page["breaker"] = [breaker.failures, list(breaker.tries), breaker.open_until_ms]
    if account.stopped:
        page["stopped"] = {"why": account.stopped.why, "digest": account.stopped.digest}
    return {key: value for key, value in page.items() if value not in ([], {}, 0)}


def _breaker(kept: Sequence[Any]) -> Breaker:
    failures, tries, open_until = kept
    return Breaker(failures, tuple(tries), open_until)


def _written(taken: Sequence[Taken]) -> Iterator[int | list[int]]:
    """Each start as its distance from the one before: a single slot is one short number."""
    before = 0
    for each in taken:
        step, before = each.start_ms - before, each.start_ms
        is_single = not each.length_ms and each.count == 1
        yield step if is_single else [step, each.length_ms, each.count]


def _taken(kept: Sequence[int | list[int]]) -> Iterator[Taken]:
    start = 0
    for entry in kept:
        step, length, count = (entry, 0, 1) if isinstance(entry, int) else entry
        start += step
        yield Taken(start, length, count)
