"""Which vendor account a stream asks, and what that account may be asked: for whoever only looks.

Without credentials and without opening anything. ``opening`` modules of vendors give accounts the same names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from sluice.core.keys import StreamKey
from sluice.core.limits.pages import subject_of
from sluice.core.limits.rates import RateLimit
from sluice.sources.cars.settings import CarsSettings
from sluice.sources.mixpanel import profiles as mixpanel_profiles
from sluice.sources.mixpanel.settings import SOURCE as MIXPANEL
from sluice.sources.mixpanel.settings import MixpanelSettings
from sluice.sources.shipbob.opening import SOURCE as SHIPBOB
from sluice.sources.shipbob.settings import ShipBobSettings

_LOOPBACK = {"allow_loopback": True}
"""Whether an address is allowed is for whoever asks there."""


class Account(NamedTuple):
    """``subject`` is its page in the book; ``name`` is ``source#secret``, as people know it."""

    subject: str
    name: str
    limits: Sequence[RateLimit]


def account_of(key: StreamKey, settings: Mapping[str, Any], secret: str) -> Account:
    """The account of a stream whose credentials are this secret. Settings that cannot be read declare no limits."""
    part = ""
    if key.source == MIXPANEL:
        part = ":query" if key.stream == mixpanel_profiles.NAME else ":export"
    name = f"{secret}{part}"
    try:
        limits = _limits(key, settings)
    except ValidationError:
        limits = ()
    return Account(subject_of(key.source, name), f"{key.source}#{name}", limits)


def _limits(key: StreamKey, settings: Mapping[str, Any]) -> Sequence[RateLimit]:
    given = dict(settings)
    if key.source == "cars":
        return CarsSettings.model_validate(given, context=_LOOPBACK).limits
    if key.source == SHIPBOB:
        return ShipBobSettings.model_validate(given, context=_LOOPBACK).limits
    if key.source == MIXPANEL:
        project = MixpanelSettings.model_validate(given, context=_LOOPBACK)
        is_profiles = key.stream == mixpanel_profiles.NAME
        return (project.profiles.rules if is_profiles else project.rules).limits
    return ()
