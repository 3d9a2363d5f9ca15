"""Which sources and streams there are, and how each is opened. A new connector is entered here."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import BaseModel

from sluice.core.asked_days import AskedDays, DaySpan
from sluice.core.errors import SettingInvalid, StreamUnknown
from sluice.core.keys import StreamKey
from sluice.core.ports import Stream
from sluice.sources.cars.opening import open_cars
from sluice.sources.cars.settings import CarsSettings
from sluice.sources.cars.streams import NAME as CARS
from sluice.sources.connections import VendorConnections
from sluice.sources.mixpanel import events as mixpanel_events
from sluice.sources.mixpanel import events_asked
from sluice.sources.mixpanel import profiles as mixpanel_profiles
from sluice.sources.mixpanel.opening import open_events
from sluice.sources.mixpanel.profiles_opening import open_profiles
from sluice.sources.mixpanel.settings import SOURCE as MIXPANEL
from sluice.sources.mixpanel.settings import MixpanelSettings
from sluice.sources.shipbob import (
    invoices,
    orders,
    products,
    receiving,
    returns,
    timelines,
    transactions,
)
from sluice.sources.shipbob.opening import SOURCE as SHIPBOB
from sluice.sources.shipbob.opening import Opening
from sluice.sources.shipbob.settings import ShipBobSettings

__all__ = ["VendorConnections", "check_settings", "open_stream", "streams_of"]


class _Open(Protocol):
    def __call__(
        self,
        settings: Mapping[str, Any],
        *,
        credentials: str,
        refresh: Callable[[], str],
        connections: VendorConnections,
        account: str,
        holder: str,
        chance: Callable[[], float],
    ) -> Stream: ...


@dataclass(frozen=True, slots=True)
class _Source:
    """A source's settings model, how to open each of its streams, and of those that can read certain days again
    which those are, by the settings."""

    settings: type[BaseModel]
    streams: Mapping[str, _Open]
    days: Mapping[str, Callable[[Mapping[str, Any], AskedDays], DaySpan]] = field(
        default_factory=dict
    )


_SOURCES: Mapping[str, _Source] = {
    "cars": _Source(CarsSettings, {CARS: open_cars}),
    SHIPBOB: _Source(
        ShipBobSettings,
        {
            orders.NAME: Opening(orders.OrdersStream),
            timelines.NAME: Opening(timelines.TimelinesStream),
            products.NAME: Opening(products.ProductsStream),
            returns.NAME: Opening(returns.ReturnsStream),
            receiving.NAME: Opening(receiving.ReceivingStream),
            transactions.NAME: Opening(transactions.TransactionsStream),
            invoices.NAME: Opening(invoices.InvoicesStream),
        },
    ),
    MIXPANEL: _Source(
        MixpanelSettings,
        {mixpanel_events.NAME: open_events, mixpanel_profiles.NAME: open_profiles},
        {mixpanel_events.NAME: events_asked.span_of},
    ),
}


def streams_of(source: str) -> Sequence[str]:
    """Names of a source's streams; StreamUnknown names the sources there are."""
    return tuple(_source(source).streams)


def setting_names(source: str) -> Sequence[str]:
    """What a client's settings at this source may hold."""
    return tuple(_source(source).settings.model_fields)


def check_settings(
    source: str, settings: Mapping[str, Any], *, allow_loopback: bool = False
) -> dict[str, Any]:
    """Settings in their complete JSON form; pydantic's ValidationError says what is wrong where."""
    model = _source(source).settings
    checked = model.model_validate(dict(settings), context={"allow_loopback": allow_loopback})
    return checked.model_dump(mode="json")


def span_of_days(key: StreamKey, settings: Mapping[str, Any], asked: AskedDays) -> DaySpan:
    """What the stream would read for these days. SettingInvalid names the field for days that it cannot read,
    and for a stream that can read none, which can."""
    span_of = _source(key.source).days.get(key.stream)
    if span_of is not None:
        return span_of(settings, asked)
    able = ", ".join(f"{name}#{stream}" for name, each in _SOURCES.items() for stream in each.days)
    raise SettingInvalid(
        f"from: {key} cannot read certain days; these can: {able}. `sluice sync --full {key}` reads it all anew"
    )


def open_stream(
    key: StreamKey,
    *,
    settings: Mapping[str, Any],
    credentials: str,
    refresh: Callable[[], str],
    connections: VendorConnections,
    account: str | None = None,
    chance: Callable[[], float] = random.random,
) -> Stream:
    """Open a client's stream. ``refresh`` reads the credentials anew when they are refused.

    ``account`` names the vendor account, which all streams with this name share: the name of its secret. Without
    one, the account is that of these credentials.

    StreamUnknown for a source or stream that is not here; SettingInvalid for settings at fault.
    """
    streams = _source(key.source).streams
    if key.stream not in streams or key.partition is not None:
        raise StreamUnknown(f"{key}: the source {key.source} has: {', '.join(streams)}")
    return streams[key.stream](
        settings,
        credentials=credentials,
        refresh=refresh,
        connections=connections,
        account=account or f"credential-{_digest(credentials)}",
        holder=_digest(str(key))[:8],
        chance=chance,
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _source(name: str) -> _Source:
    if name not in _SOURCES:
        raise StreamUnknown(f"no source {name!r}; there are: {', '.join(_SOURCES)}")
    return _SOURCES[name]
