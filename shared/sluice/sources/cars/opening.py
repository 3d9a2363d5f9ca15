"""Putting a cars stream together from its settings, its credentials and the shared connections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from sluice.core.errors import SettingInvalid
from sluice.core.limits.accounts import AccountRules
from sluice.sources.cars.client import CarsClient, key_in_header, key_in_query
from sluice.sources.cars.settings import CarsSettings
from sluice.sources.cars.streams import CarsStream
from sluice.sources.connections import Connection, VendorConnections
from sluice.sources.http import Auth, VendorHttp


def open_cars(
    settings: Mapping[str, Any],
    *,
    credentials: str,
    refresh: Callable[[], str],
    connections: VendorConnections,
    account: str,
    holder: str,
    chance: Callable[[], float],
) -> CarsStream:
    """The cars stream of one account. SettingInvalid names what is wrong with its settings."""
    checked = read_settings(settings, allow_loopback=connections.allow_loopback)
    key = credentials.strip()
    if not key or not key.isascii() or not key.isprintable():
        raise SettingInvalid("the secret of this cars account is not an API key: one line of ASCII")

    shared = connections.account(
        "cars",
        account,
        AccountRules(limits=checked.limits),
        holder=holder,
        side_by_side=checked.concurrency,
        chance=chance,
    )

    def http(base_url: str, auth: Auth) -> tuple[VendorHttp, Connection]:
        connection = connections.at(base_url, key, side_by_side=checked.concurrency)
        spoken = VendorHttp(
            connection,
            shared,
            auth=auth,
            credentials=key,
            refresh=lambda: refresh().strip(),
            sleep=connections.sleep,
            monotonic=connections.monotonic,
            chance=chance,
        )
        return spoken, connection

    auth = key_in_header if checked.shape == "page" else key_in_query
    listing, connection = http(checked.base_url, auth)
    points: VendorHttp | None = listing
    if checked.shape == "scroll":
        url = checked.point_read_base_url
        points = http(url, key_in_header)[0] if url else None
    return CarsStream(CarsClient(listing, checked, connection.base, points), checked)


def read_settings(settings: Mapping[str, Any], *, allow_loopback: bool) -> CarsSettings:
    """Checked settings; SettingInvalid names every field at fault."""
    try:
        return CarsSettings.model_validate(
            dict(settings), context={"allow_loopback": allow_loopback}
        )
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'cars'}: {fault['msg']}"
            for fault in error.errors()
        )
        raise SettingInvalid(f"settings of the cars source: {faults}") from error
