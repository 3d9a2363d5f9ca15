"""Queues, vendor accounts and the database, a tile each; red or amber only where somebody should look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sluice.core.overview.picture import AccountView, Overview, QueueView
from sluice.pages.markup import Html, el
from sluice.pages.parts import badge
from sluice.pages.words import count, percent

MOST_ACCOUNTS = 12


def tiles(overview: Overview) -> Html:
    """All tiles of a deployment; nothing where nothing was asked."""
    drawn = list(_tiles(overview))
    return el("div", {"class": "tiles"}, drawn) if drawn else Html("")


def _tiles(overview: Overview) -> Iterator[Html]:
    for queue in overview.queues:
        yield _queue(queue)
    if overview.connections is not None:
        yield _connections(overview.connections, overview.pool_size)
    if overview.stale_leases:
        told = count(overview.stale_leases, "stale lease")
        yield _tile("bad", "leases", told, "cleanup frees them within 5 minutes")
    yield from _accounts(overview.accounts)


def _queue(queue: QueueView) -> Html:
    if queue.dead:
        tone = "bad" if queue.waiting else ""
        word = count(queue.waiting, "dead letter") if queue.waiting else "empty"
        return _tile(
            tone, queue.name, word, "sluice dlq list" if queue.waiting else "no dead letter"
        )
    more = f"{queue.in_flight:,} being worked on, {queue.delayed:,} delayed"
    return _tile("", queue.name, f"{queue.waiting:,} waiting", more)


def _connections(found: int, pool: int | None) -> Html:
    high = pool is not None and found > pool / 2
    of = (
        f"of a pool of {pool:,}; half is ours"
        if pool is not None
        else "the pool's size is not known"
    )
    return _tile("bad" if high else "", "database", count(found, "connection"), of)


def _accounts(accounts: Sequence[AccountView]) -> Iterator[Html]:
    """Those in trouble first; the others only while there is room."""
    order = sorted(
        accounts, key=lambda a: (a.stopped_because is None, a.breaker == "closed", a.name)
    )
    for account in order[:MOST_ACCOUNTS]:
        used = (
            f"{percent(account.budget_used)} of its limit in use"
            if account.budget_used is not None
            else "no limit declared"
        )
        if account.stopped_because is not None:
            yield _tile("bad", account.name, "stopped", account.stopped_because)
        elif account.breaker != "closed":
            failed = f"{count(account.failures, 'failure')} in a row"
            yield _tile("warn", account.name, f"breaker {account.breaker}", failed)
        else:
            yield _tile("", account.name, "answers", used)
    if len(accounts) > MOST_ACCOUNTS:
        yield _tile(
            "", "accounts", f"{len(accounts) - MOST_ACCOUNTS:,} more", "sluice accounts shows all"
        )


def _tile(tone: str, name: str, figure: str, more: str) -> Html:
    mark = badge(tone, "look here") if tone else None
    return el(
        "div",
        {"class": f"tile {tone}".strip()},
        el("span", {"class": "small break"}, name),
        el("b", {"class": "num break"}, figure),
        el("span", {"class": "small break"}, more),
        mark,
    )
