"""Instants as ShipBob writes and reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sluice.core.errors import RowRejected

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def read_moment(text: object) -> datetime:
    """An ISO 8601 instant in UTC; one without a zone is UTC. ValueError for anything else."""
    if not isinstance(text, str):
        raise ValueError("an instant is written as text")  # noqa: TRY004  # what pydantic catches
    try:
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("an instant outside of the calendar") from error


def written(at: datetime) -> str:
    """As the vendor's filters take it: UTC with milliseconds, cut off below."""
    text = at.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def milliseconds(at: datetime) -> int:
    """Since the epoch: a row's version."""
    return (at - EPOCH) // MILLISECOND


def moment_in(document: Mapping[str, Any], name: str, path: str = "") -> datetime | None:
    """The instant under that name; None where it is null or not there, RowRejected where it is none."""
    text = document.get(name)
    if text is None:
        return None
    try:
        return read_moment(text)
    except ValueError as error:
        raise RowRejected(f"no instant: {error}", field=f"{path}{name}") from error


def required_moment(document: Mapping[str, Any], name: str) -> datetime:
    """The same, of which there must be one."""
    found = moment_in(document, name)
    if found is None:
        raise RowRejected("missing", field=name)
    return found


def moments_in(document: Mapping[str, Any], *names: str, path: str = "") -> Iterator[datetime]:
    """Those of these instants that are there."""
    for name in names:
        found = moment_in(document, name, path)
        if found is not None:
            yield found


def objects_in(document: Mapping[str, Any], name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects of an array with each one's path; RowRejected when it is no array of objects."""
    listed = document.get(name)
    if listed is None:
        return
    if not isinstance(listed, list):
        raise RowRejected("not an array", field=name)
    for number, each in enumerate(listed):
        if not isinstance(each, dict):
            raise RowRejected("not an object", field=f"{name}.{number}")
        yield f"{name}.{number}.", each
