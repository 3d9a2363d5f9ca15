"""Every kind of round there is, by name; what cannot run here is said and left out."""

from __future__ import annotations

from collections.abc import Callable

from tests.chaos import load_breakers, push_breakers, worker_breakers
from tests.chaos.breakers import BREAKERS, Breaker, cannot_run

OURS: tuple[Callable[[], Breaker], ...] = (
    worker_breakers.Kills,
    worker_breakers.Zombies,
    worker_breakers.Skew,
    worker_breakers.TwoVersions,
    load_breakers.Duplicates,
    load_breakers.Vendor,
    load_breakers.Poison,
    load_breakers.Flood,
    push_breakers.Pushes,
)


def kinds(say: Callable[[str], None], *, pushes: bool = False) -> dict[str, Callable[[], Breaker]]:
    """Makers of breakers by name. ``pushes``: there is a vendor that pushes."""
    found: dict[str, Callable[[], Breaker]] = {make().name: make for make in (*OURS, *BREAKERS)}
    for name, why in cannot_run().items():
        del found[name]
        say(f"{name} is left out: {why}")
    if not pushes:
        del found["pushes"]
    if worker_breakers.older_commit() is None:
        del found["two_versions"]
        say("two_versions is left out: no older commit to run was found")
    return found
