"""Putting the stream ``events`` together from a project's settings, its secret and the shared connections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sluice.core.errors import SettingInvalid
from sluice.core.ports import Stream
from sluice.sources.connections import VendorConnections
from sluice.sources.http import VendorHttp
from sluice.sources.mixpanel.events import EventsStream
from sluice.sources.mixpanel.export import EXPORT_LIMITS, ExportClient, basic
from sluice.sources.mixpanel.project_time import ProjectClock
from sluice.sources.mixpanel.settings import SOURCE, read_settings


def open_events(
    settings: Mapping[str, Any],
    *,
    credentials: str,
    refresh: Callable[[], str],
    connections: VendorConnections,
    account: str,
    holder: str,
    chance: Callable[[], float],
) -> Stream:
    """The events of one project. SettingInvalid names what is wrong with settings or secret.

    The raw export has a budget of its own at the vendor: its account is named ``<secret>:export``.
    """
    checked = read_settings(settings, allow_loopback=connections.allow_loopback)
    secret = credentials.strip()
    if not secret or not secret.isascii() or not secret.isprintable() or " " in secret:
        raise SettingInvalid(
            "the secret of this Mixpanel project is neither name:secret of a service account nor a"
            " project secret: one word of ASCII"
        )
    shared = connections.account(
        SOURCE,
        f"{account}:export",
        checked.rules,
        holder=holder,
        side_by_side=1,
        chance=chance,
    )
    http = VendorHttp(
        connections.at(checked.data_url, secret, side_by_side=1),
        shared,
        auth=basic,
        credentials=secret,
        refresh=lambda: refresh().strip(),
        sleep=connections.sleep,
        monotonic=connections.monotonic,
        chance=chance,
        limits=EXPORT_LIMITS,
    )
    client = ExportClient(
        http,
        ProjectClock.of(checked.time_zone),
        checked.project_id,
        checked.asked_events,
        checked.answer_rows,
        connections.monotonic,
    )
    return EventsStream(client, checked)
