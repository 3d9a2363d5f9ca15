"""Putting the stream ``profiles`` together from its project, its secret and the shared connections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sluice.core.errors import SettingInvalid
from sluice.sources.connections import VendorConnections
from sluice.sources.http import VendorHttp
from sluice.sources.mixpanel.engage import EngageClient, basic
from sluice.sources.mixpanel.profiles import ProfilesStream
from sluice.sources.mixpanel.profiles_settings import QUERIES_AT_ONCE
from sluice.sources.mixpanel.settings import SOURCE, read_settings


def open_profiles(
    settings: Mapping[str, Any],
    *,
    credentials: str,
    refresh: Callable[[], str],
    connections: VendorConnections,
    account: str,
    holder: str,
    chance: Callable[[], float],
) -> ProfilesStream:
    """The profiles of one project. SettingInvalid names what is wrong with its settings or its secret.

    The Query API has a budget of its own, beside that of exports: its account is named ``<secret>:query``.
    """
    project = read_settings(settings, allow_loopback=connections.allow_loopback)
    secret = credentials.strip()
    if not secret or not secret.isascii() or not secret.isprintable() or " " in secret:
        raise SettingInvalid(
            "the secret of this Mixpanel project is neither name:secret of a service account nor a"
            " project secret: one word of ASCII"
        )
    shared = connections.account(
        SOURCE,
        f"{account}:query",
        project.profiles.rules,
        holder=holder,
        side_by_side=1,
        chance=chance,
    )
    connection = connections.at(project.query_url, secret, side_by_side=QUERIES_AT_ONCE)
    http = VendorHttp(
        connection,
        shared,
        auth=basic,
        credentials=secret,
        refresh=lambda: refresh().strip(),
        sleep=connections.sleep,
        monotonic=connections.monotonic,
        chance=chance,
    )
    client = EngageClient(http, project.project_id, project.profiles.properties)
    return ProfilesStream(client, project.profiles, set_based=project.set_based)
