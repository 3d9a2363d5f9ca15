"""The destination of the stream ``profiles``, and what of a profile goes into typed columns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from sluice.core.errors import RowRejected
from sluice.core.records import Column, Record, Table
from sluice.sources.mixpanel.profiles_normalising import moment

PROFILES = Table(
    schema="public",
    name="mixpanel_profiles",
    key="distinct_id",
    columns=(
        Column("email", "text"),
        Column("name", "text"),
        Column("country", "text"),
        Column("created_at", "timestamptz"),
        Column("last_seen_at", "timestamptz"),
    ),
)


def _moment(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    found = moment(value.strip())
    if found is None and value.strip():
        raise ValueError("is no date and time")
    return found


Moment = Annotated[datetime | None, BeforeValidator(_moment)]


class Properties(BaseModel):
    """The vendor's own properties that have a column."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    email: str | None = Field(default=None, alias="$email")
    name: str | None = Field(default=None, alias="$name")
    first_name: str | None = Field(default=None, alias="$first_name")
    last_name: str | None = Field(default=None, alias="$last_name")
    country: str | None = Field(default=None, alias="$country_code")
    created: Moment = Field(default=None, alias="$created")
    last_seen: Moment = Field(default=None, alias="$last_seen")


class Profile(BaseModel):
    """A row of the vendor's, as far as columns are made of it."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    properties: Properties = Field(alias="$properties")


def values_of(record: Record) -> Sequence[Any]:
    """A profile's values in the order of the table's columns; RowRejected names the property at fault.

    All else that a profile has (a project's own properties) stays in the document.
    """
    try:
        found = Profile.model_validate_json(record.raw).properties
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        path = [str(part) for part in first["loc"]]
        raise RowRejected(first["msg"].lower(), field=".".join(path) or None) from error
    return (
        _text(found.email),
        _text(found.name) or _full_name(found),
        _text(found.country),
        found.created,
        found.last_seen,
    )


def _full_name(found: Properties) -> str | None:
    parts = [_text(found.first_name), _text(found.last_name)]
    return " ".join(part for part in parts if part) or None


def _text(value: str | None) -> str | None:
    """A column without a value is NULL, whether or not the document keeps an empty text."""
    return (value or "").strip() or None
