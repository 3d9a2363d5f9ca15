"""Models that refuse what they do not know."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """Refuses unknown fields: a misspelt one must not become a test in which nothing went wrong."""

    model_config = ConfigDict(extra="forbid", frozen=True)
