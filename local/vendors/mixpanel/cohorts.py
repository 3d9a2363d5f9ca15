"""Cohorts of one project: who is in them, and what each receiver was told last."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from local.vendors.mixpanel.profiles import Properties


@dataclass
class Told:
    """What one address knows of a cohort, as the vendor believes."""

    members: frozenset[str] | None = None  # None: never told, or not to the end
    at_s: float = 0.0
    paused: bool = False


@dataclass
class Cohort:
    """A cohort. Its members are distinct_ids, with or without a profile."""

    id: int
    name: str
    description: str = ""
    members: set[str] = field(default_factory=set)
    told: dict[str, Told] = field(default_factory=dict)  # by address

    def known_at(self, url: str) -> Told:
        """What that address was told."""
        return self.told.setdefault(url, Told())


def member(distinct_id: str, profile: Properties | None) -> dict[str, Any]:
    """As a push tells it; a member without a profile has nothing but its id."""
    said: dict[str, Any] = {"mixpanel_distinct_id": distinct_id}
    for name, source in _FROM_PROFILE.items():
        said[name] = (profile or {}).get(source, "")
    return said


_FROM_PROFILE = {"email": "$email", "first_name": "$first_name", "last_name": "$last_name"}
