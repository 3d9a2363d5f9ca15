"""Which clients and streams there are, for a person who named one."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence

from ops.clients.registry import Registry
from sluice.core.errors import StreamUnknown
from sluice.core.keys import StreamKey
from sluice.dynamo.registry import RegistryEntry


def stream_keys(entries: Sequence[RegistryEntry], named: Collection[str]) -> list[StreamKey]:
    """The enabled streams that the names mean, each a client or a stream key; all without names."""
    keys = [entry.key for entry in entries if entry.enabled]
    if not keys:
        raise StreamUnknown("there is no client yet; run `sluice clients apply` first")
    clients = {key.client_id for key in keys}
    for name in named:
        known = {str(key) for key in keys} if "#" in name else clients
        if name not in known:
            raise _unknown(name, known)
    return [key for key in keys if not named or key.client_id in named or str(key) in named]


def check_client(registry: Registry, client_id: str | None) -> None:
    """StreamUnknown when no such client was ever applied; a disabled one still has its past."""
    if client_id is None:
        return
    clients = {entry.key.client_id for entry in registry.show()}
    if client_id not in clients:
        raise _unknown(client_id, clients)


def _unknown(name: str, known: Collection[str]) -> StreamUnknown:
    what = "stream" if "#" in name else "client"
    close = difflib.get_close_matches(name, known, 1)
    meant = f" did you mean {close[0]!r}?" if close else ""
    there_are = ", ".join(sorted(known)) or "none; run `sluice clients apply` first"
    return StreamUnknown(f"there is no {what} {name!r};{meant} there are: {there_are}")
