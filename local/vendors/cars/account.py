"""One account of the vendor: its catalogue, how it answers, what goes wrong, what was counted."""

from __future__ import annotations

from collections.abc import Iterator

from local.vendors.cars.catalogue import Catalogue
from local.vendors.cars.digests import VOLATILE_FIELD
from local.vendors.cars.faults import Faults
from local.vendors.cars.models import AccountSummary, NewAccount, RateLimit
from local.vendors.cars.records import CLOSE
from local.vendors.cars.scrolls import Scrolls
from local.vendors.cars.stats import Tally
from local.vendors.loopback.clock import VendorClock, iso
from local.vendors.loopback.limits import SlidingWindow


class Account:
    """Everything behind one API key."""

    def __init__(self, wanted: NewAccount, clock: VendorClock) -> None:
        self.seed = wanted.seed
        self.options = wanted.options
        self.clock = clock
        self.catalogue = Catalogue(wanted.seed, order=wanted.options.order)
        self.faults = Faults()
        self.tally = Tally()
        limit = wanted.options.rate_limit
        self.window = _window(limit) if limit else None
        self.scrolls = Scrolls(
            wanted.seed,
            repeatable=wanted.options.scroll_position == "repeatable",
            renews=wanted.options.scroll_renews,
        )
        self._answers = 0

    def fill(self, cars: int) -> Iterator[None]:
        """Make the catalogue in steps."""
        return self.catalogue.fill(cars, self.clock.now())

    def closing(self) -> bytes:
        """What ends every record of one answer; differs from answer to answer where volatile."""
        if not self.options.volatile:
            return CLOSE
        self._answers += 1
        moment = iso(self.clock.now() + self._answers / 1e6)
        return b',"%b":"%b"}' % (VOLATILE_FIELD.encode(), moment.encode())

    def summary(self, api_key: str) -> AccountSummary:
        """Its line in the list of accounts."""
        fates = list(self.catalogue.gone.values())
        return AccountSummary(
            api_key=api_key,
            seed=self.seed,
            live=len(self.catalogue.listing.ids),
            archived=fates.count("archived"),
            removed=fates.count("removed"),
            faults=self.faults.names(),
            options=self.options,
        )


def _window(limit: RateLimit) -> SlidingWindow:
    return SlidingWindow(limit.requests, limit.per_s, count_refused=limit.count_refused)


class UnknownAccountError(LookupError):
    """No account under that API key."""


class Accounts:
    """The accounts of this vendor by API key."""

    def __init__(self) -> None:
        self._by_key: dict[str, Account] = {}

    def add(self, api_key: str, account: Account) -> None:
        """Put the account under the key, in place of what was there."""
        self._by_key[api_key] = account

    def get(self, api_key: str | None) -> Account | None:
        """The account of that key, None when the key is absent or wrong."""
        return self._by_key.get(api_key) if api_key else None

    def named(self, api_key: str) -> Account:
        """The account of that key; raises UnknownAccountError."""
        if api_key not in self._by_key:
            raise UnknownAccountError(f"no account with the key {api_key!r}; create it first")
        return self._by_key[api_key]

    def remove(self, api_key: str) -> None:
        """Drop the account; raises UnknownAccountError."""
        self.named(api_key)
        del self._by_key[api_key]

    def rekey(self, api_key: str, new_key: str) -> None:
        """The old key stops working at once, the new one works from now on."""
        self._by_key[new_key] = self.named(api_key)
        if new_key != api_key:
            del self._by_key[api_key]

    def clear(self) -> None:
        """Drop every account."""
        self._by_key.clear()

    def items(self) -> list[tuple[str, Account]]:
        """All accounts by key."""
        return list(self._by_key.items())
