"""What outlives a slice at a vendor account: its open connections, and what this process knows of it."""

from __future__ import annotations

import hashlib
import logging
import random
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import httpx

from sluice.core.budget import Clock
from sluice.core.limits.accounts import AccountRules
from sluice.core.limits.breaker import BreakerRules
from sluice.core.limits.pages import subject_of
from sluice.core.ports import Book
from sluice.sources.account import SharedAccount
from sluice.sources.account_view import Account, AccountMemory
from sluice.sources.deadline import transport
from sluice.sources.doubts import Doubts
from sluice.sources.own_book import OwnBook
from sluice.sources.urls import Base, check_base_url

MOST_ACCOUNTS = 16
"""Accounts whose connections are kept in one environment; the one unused longest is closed."""


@dataclass(frozen=True, slots=True)
class Connection:
    """An account's HTTP client and open doubts, shared by all slices of this environment."""

    base: Base
    client: httpx.Client
    doubts: Doubts


class VendorConnections:
    """Connections by vendor account, where an account is a base URL and its credentials.

    ``book`` is where accounts are shared with other processes; without one they are this process's own.
    ``breaker`` holds where a source has no rules of its own.
    ``allow_loopback`` is true in the local stage only. ``make_transport`` is for tests.
    """

    def __init__(
        self,
        *,
        book: Book | None = None,
        breaker: BreakerRules | None = None,
        allow_loopback: bool = False,
        clock: Clock = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        make_transport: Callable[[int], httpx.BaseTransport] | None = None,
    ) -> None:
        self.allow_loopback = allow_loopback
        self.sleep = sleep
        self.monotonic = monotonic
        self._clock = clock
        self._book = book or OwnBook()
        self._breaker = breaker or BreakerRules()
        self._memories: dict[str, AccountMemory] = {}
        self._make_transport = make_transport
        self._open: OrderedDict[tuple[str, bytes], Connection] = OrderedDict()
        self._lock = threading.Lock()
        _keep_keys_out_of_logs()

    def at(self, base_url: str, credentials: str, *, side_by_side: int) -> Connection:
        """The account's connection, opened on first use; SettingInvalid for a refused address."""
        base = check_base_url(base_url, allow_loopback=self.allow_loopback)
        key = (base.url, hashlib.sha256(credentials.encode()).digest())
        with self._lock:
            found = self._open.pop(key, None) or self._connect(base, side_by_side)
            self._open[key] = found
            if len(self._open) > MOST_ACCOUNTS:
                self._open.popitem(last=False)[1].client.close()
            return found

    def account(
        self,
        source: str,
        name: str,
        rules: AccountRules,
        *,
        holder: str,
        side_by_side: int,
        chance: Callable[[], float] = random.random,
    ) -> SharedAccount:
        """Our part in an account for one slice. ``holder`` names who asks: the same in its every slice.

        Where the source has no rules of its own for the breaker, the deployment's hold.
        """
        if rules.breaker == BreakerRules():
            rules = replace(rules, breaker=self._breaker)
        subject = subject_of(source, name)
        with self._lock:
            memory = self._memories.setdefault(subject, AccountMemory())
        account = Account(self._book, subject, rules, holder, self._clock, chance, memory)
        return SharedAccount(account, side_by_side=side_by_side)

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            while self._open:
                self._open.popitem()[1].client.close()

    def _connect(self, base: Base, side_by_side: int) -> Connection:
        client = httpx.Client(
            transport=self._transport(base, side_by_side),
            trust_env=False,
            follow_redirects=False,
            headers={
                "accept": "application/json",
                "accept-encoding": "gzip",
                "user-agent": "sluice",
            },
        )
        return Connection(base, client, Doubts())

    def _transport(self, base: Base, side_by_side: int) -> httpx.BaseTransport:
        if self._make_transport is not None:
            return self._make_transport(side_by_side)
        return transport(
            allow_loopback=self.allow_loopback,
            connections=side_by_side,
            secure=base.scheme == "https",
        )


def _keep_keys_out_of_logs() -> None:
    """httpx logs whole URLs at INFO and httpcore headers at DEBUG; both may hold a vendor's key."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
