"""Putting a ShipBob stream together from its settings, its token and the shared connections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from pydantic import ValidationError

from sluice.core.errors import SettingInvalid
from sluice.core.limits.accounts import AccountRules
from sluice.core.ports import Stream
from sluice.sources.connections import VendorConnections
from sluice.sources.http import VendorHttp
from sluice.sources.shipbob.client import ShipBobClient, bearer
from sluice.sources.shipbob.settings import ShipBobSettings

SOURCE = "shipbob"


class MakeStream(Protocol):
    """A stream's class: what it reads with, and its account's settings."""

    def __call__(self, client: ShipBobClient, settings: ShipBobSettings) -> Stream: ...


class Opening:
    """Opens one stream of an account, as the registry asks for it."""

    def __init__(self, make: MakeStream) -> None:
        self._make = make

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
    ) -> Stream:
        """SettingInvalid names what is wrong with the settings, or says that the secret is no token."""
        checked = read_settings(settings, allow_loopback=connections.allow_loopback)
        token = credentials.strip()
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise SettingInvalid(
                "the secret of this ShipBob account is not an access token: one word of ASCII"
            )
        shared = connections.account(
            SOURCE,
            account,
            AccountRules(limits=checked.limits),
            holder=holder,
            side_by_side=checked.concurrency,
            chance=chance,
        )
        connection = connections.at(checked.base_url, token, side_by_side=checked.concurrency)
        http = VendorHttp(
            connection,
            shared,
            auth=bearer,
            credentials=token,
            refresh=lambda: refresh().strip(),
            sleep=connections.sleep,
            monotonic=connections.monotonic,
            chance=chance,
        )
        return self._make(ShipBobClient(http, connection.base, checked.version), checked)


def read_settings(settings: Mapping[str, Any], *, allow_loopback: bool) -> ShipBobSettings:
    """Checked settings; SettingInvalid names every field at fault."""
    try:
        return ShipBobSettings.model_validate(
            dict(settings), context={"allow_loopback": allow_loopback}
        )
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or SOURCE}: {fault['msg']}"
            for fault in error.errors()
        )
        raise SettingInvalid(f"settings of the shipbob source: {faults}") from error
