"""What a shell offers while a command is typed: clients and streams of the deployment that is meant.

Asking costs one read of the registry. Whatever goes wrong offers nothing: a shell that is completing a word is no
place for an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import typer
from botocore.exceptions import BotoCoreError, ClientError

from ops.target import find_target
from sluice.core.errors import SluiceError
from sluice.core.keys import StreamKey


def client_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Clients whose names begin so."""
    return _beginning(incomplete, (key.client_id for key in _keys(ctx)))


def stream_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Stream keys that begin so."""
    return _beginning(incomplete, map(str, _keys(ctx)))


def client_or_stream_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Clients, and the streams of a client once its name and a # stand there."""
    if "#" in incomplete:
        return stream_names(ctx, incomplete)
    return client_names(ctx, incomplete)


def scope_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """What can be paused: clients, sources and streams."""
    keys = _keys(ctx)
    scopes = [
        text
        for key in keys
        for text in (
            key.client_id,
            f"{key.client_id}#{key.source}",
            str(key),
            f"source:{key.source}",
            f"source:{key.source}#{key.stream}",
        )
    ]
    return _beginning(incomplete, scopes)


def _keys(ctx: typer.Context) -> Sequence[StreamKey]:
    try:
        target = find_target(ctx.find_root().params.get("stack_name"))
        return [entry.key for entry in target.registry.show() if entry.enabled]
    except (SluiceError, ClientError, BotoCoreError, OSError):
        return []


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted({name for name in names if name.startswith(incomplete)})
