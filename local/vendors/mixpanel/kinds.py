"""The kinds of events there are and what each says. The first eleven are those that are tracked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Properties = dict[str, Any]

TRACKED = (
    "BankAccountLinked",
    "Tapped Portfolio Card",
    "Tapped Creator Card",
    "Viewed Stripe Modal",
    "$ae_session",
    "SubscriptionCreated",
    "Viewed Creator Profile",
    "Viewed Creator Paywall",
    "Viewed Portfolio Details",
    "DubAutoCopyInitiated",
    "AchTransferInitiated",
)
OTHERS = ("App Opened", "$mp_web_page_view", "Search", "Notification Received")
CREATOR_TYPES = ("regular", "premium", "superpremium", "premium-founding", "Premium", "", None)
_TICKERS = ("$AAPL", "$NVDA", "$PELOSI", "$BRK.B", "$ZÜRN")
_PLACES = (("US", "Austin"), ("DE", "Köln"), ("BR", "São Paulo"), ("JP", "東京"), ("US", ""))
_SYSTEMS = ("iOS", "Android", "Web")

# One byte of luck chooses the kind: sessions are frequent, links and subscriptions are rare.
_SHARES = (4, 26, 16, 10, 48, 5, 24, 14, 30, 12, 7, 20, 20, 12, 8)
_BY_BYTE = tuple(
    kind for kind, share in zip((*TRACKED, *OTHERS), _SHARES, strict=True) for _ in range(share)
)


def kind_of(luck: int) -> str:
    """One of the kinds, by a byte."""
    return _BY_BYTE[luck % len(_BY_BYTE)]


def properties_of(kind: str, luck: bytes) -> Properties:
    """What an event of that kind says; ten bytes of luck. Every call makes a new dict."""
    country, city = _PLACES[luck[0] % len(_PLACES)]
    said: Properties = {
        "$os": _SYSTEMS[luck[1] % len(_SYSTEMS)],
        "$app_version_string": f"4.{luck[2] % 12}.{luck[3] % 4}",
        "mp_country_code": country,
        "$city": city,
    }
    said.update(_OWN.get(kind, _nothing)(luck))
    return said


def _nothing(_luck: bytes) -> Properties:
    return {}


def _creator(luck: bytes) -> Properties:
    """None: the property is not there at all; an empty text is another thing."""
    kind = CREATOR_TYPES[luck[4] % len(CREATOR_TYPES)]
    said: Properties = {"creatorUsername": f"@creator{luck[5] % 40}"}
    return said if kind is None else {**said, "creatorType": kind}


def _portfolio(luck: bytes) -> Properties:
    return {**_creator(luck), "portfolioTicker": _TICKERS[luck[6] % len(_TICKERS)]}


def _copying(luck: bytes) -> Properties:
    return {**_portfolio(luck), "amount": round((luck[7] * 256 + luck[8]) / 13, 2)}


def _linking(luck: bytes) -> Properties:
    return {"linked": luck[4] % 4 != 0, "institution": f"Bank {luck[5] % 6}"}


def _transfer(luck: bytes) -> Properties:
    return {"amount": (luck[7] + 1) * 25, "direction": ("deposit", "withdrawal")[luck[8] % 2]}


def _session(luck: bytes) -> Properties:
    return {"$ae_session_length": round((luck[7] * 256 + luck[8]) / 10, 1)}


def _subscription(luck: bytes) -> Properties:
    return {**_creator(luck), "price": (4.99, 9.99, 99)[luck[6] % 3], "trial": luck[7] % 5 == 0}


def _search(luck: bytes) -> Properties:
    tickers = [_TICKERS[luck[at] % len(_TICKERS)] for at in range(6, 6 + luck[5] % 3)]
    return {"query": f'föö "{luck[4]}"\\ 🦊\u2028', "filters": {"tickers": tickers, "new": None}}


_OWN: dict[str, Callable[[bytes], Properties]] = {
    "BankAccountLinked": _linking,
    "Tapped Portfolio Card": _portfolio,
    "Tapped Creator Card": _creator,
    "Viewed Stripe Modal": _creator,
    "$ae_session": _session,
    "SubscriptionCreated": _subscription,
    "Viewed Creator Profile": _creator,
    "Viewed Creator Paywall": _creator,
    "Viewed Portfolio Details": _portfolio,
    "DubAutoCopyInitiated": _copying,
    "AchTransferInitiated": _transfer,
    "Search": _search,
}
