"""What a deployed function is told by its environment, checked on its first line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sluice.core.errors import SettingInvalid


class Settings(BaseModel):
    """Environment of a Sluice function. Secrets are named here, never held here."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="ignore")

    stage: Literal["local", "prod"] = Field(alias="SLUICE_STAGE")
    state_table: str = Field(alias="SLUICE_STATE_TABLE", min_length=1)
    registry_table: str = Field(alias="SLUICE_REGISTRY_TABLE", min_length=1)
    limits_table: str = Field(alias="SLUICE_LIMITS_TABLE", min_length=1)
    queue_url: str = Field(alias="SLUICE_QUEUE_URL", min_length=1)
    backfill_queue_url: str = Field(alias="SLUICE_BACKFILL_QUEUE_URL", min_length=1)
    push_queue_url: str = Field(alias="SLUICE_PUSH_QUEUE_URL", default="")
    slices_per_client: int = Field(alias="SLUICE_SLICES_PER_CLIENT", default=2, ge=1)
    breaker_failures: int = Field(alias="SLUICE_BREAKER_FAILURES", default=10, ge=1)
    breaker_pause_s: int = Field(alias="SLUICE_BREAKER_PAUSE_S", default=60, ge=1, le=900)
    database_secret: str = Field(alias="SLUICE_DATABASE_SECRET", default="")
    metrics_token_secret: str = Field(alias="SLUICE_METRICS_TOKEN_SECRET", default="")
    history_days: int = Field(alias="SLUICE_HISTORY_DAYS", default=90, ge=7)

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Check the environment; SettingInvalid names every variable that is missing or wrong."""
        try:
            return cls.model_validate(dict(environment))
        except ValidationError as error:
            wrong = "; ".join(f"{e['loc'][0]}: {e['msg'].lower()}" for e in error.errors())
            raise SettingInvalid(
                f"environment: {wrong}. These are set by template.yaml; deploy it again"
            ) from error
