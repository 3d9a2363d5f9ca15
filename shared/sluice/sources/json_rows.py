"""From the bytes of a page to records: fast where all is plain, careful where it is not.

The fast path lets orjson build the page at once. A page goes the careful way when orjson refuses
it, when it holds an escaped NUL, or when a row has a number of 1e16 or more that is no integer to
orjson (which turns integers beyond 64 bits into floats and says nothing). There each row is parsed
alone, so that one bad row never costs its neighbours. A row's record is the same on either path.

Fractions are kept as the nearest double, which is what JSON numbers mean to most programs; integers
are kept exactly or the row is rejected.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import xxhash

from sluice.core.errors import RowRejected, VendorAnswerBroken
from sluice.core.records import Record, Reject
from sluice.sources.doubts import Doubt
from sluice.sources.json_scan import depth, split

MOST_DEPTH = 254
"""Levels of nesting that orjson writes; what is deeper is rejected."""

MOST_ID_LENGTH = 200
MOST_REJECT_CHARACTERS = 1024 * 1024
_NUL = b"\\u0000"
_LARGE_FLOAT = b"e+"
"""How orjson writes every float from 1e16 on. A text may hold it too, which only costs time."""


@dataclass(frozen=True, slots=True)
class RowShape:
    """How a stream's rows are to be read: where the id is, and what does not count as content."""

    rows_key: str
    id_field: str = "id"
    volatile_fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PageRows:
    """A page read whole: its records, its rejects and the other members of its envelope.

    ``digest`` is 16 hex characters over the ids in order (of rejects without one, over their text):
    pages of one digest are the same page, whatever else changed in their rows meanwhile.
    """

    records: Sequence[Record]
    rejects: Sequence[Reject]
    envelope: Mapping[str, Any]
    digest: str

    @property
    def rows(self) -> int:
        return len(self.records) + len(self.rejects)


def read_rows(body: bytes, shape: RowShape, doubt: Doubt) -> PageRows:
    """Read a page; VendorAnswerBroken when it is not whole or has no rows array."""
    page = None if _may_hold_nul(body) else _loads(body)
    if page is None:
        return _carefully(body, shape, doubt)
    if not isinstance(page, dict):
        raise VendorAnswerBroken("the vendor's answer is not an object")
    rows = page.pop(shape.rows_key, None)
    if not isinstance(rows, list):
        raise VendorAnswerBroken(f"the vendor's answer has no array {shape.rows_key!r}")
    try:
        records = [_record(row, shape) for row in rows]
    except (_NeedsCareError, RowRejected):
        return _carefully(body, shape, doubt)
    return PageRows(records, (), page, _digest(records, ()))


class _NeedsCareError(Exception):
    """A row that orjson may have changed or cannot write."""


def _may_hold_nul(text: bytes) -> bool:
    # A lone byte is found ten times faster than six: most pages have no backslash at all.
    return b"\\" in text and _NUL in text


def _loads(text: bytes) -> Any:
    """What orjson makes of it; None where it refuses."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _digest(records: Sequence[Record], rejects: Sequence[Reject]) -> str:
    ids = [record.id for record in records]
    bad = [reject.record_id or reject.raw for reject in rejects]
    return xxhash.xxh3_64_hexdigest("\0".join((*ids, "", *bad)).encode())


def _canonical(row: Any) -> bytes:
    try:
        # Copied, because orjson's own bytes keep the buffer they were written in: 8 KB for a row of 1.5.
        return bytes(memoryview(orjson.dumps(row, option=orjson.OPT_SORT_KEYS)))
    except orjson.JSONEncodeError as error:
        raise _NeedsCareError from error


def _record(row: Any, shape: RowShape, *, check: bool = True) -> Record:
    """A row as orjson built it; RowRejected when it cannot be kept, _NeedsCareError (unless checked
    already) when orjson's word is not enough."""
    if type(row) is not dict:
        raise RowRejected("a row must be an object")
    identity = row.get(shape.id_field)
    identity = str(identity) if type(identity) is int else record_id(identity, shape.id_field)
    for name in shape.volatile_fields:
        row.pop(name, None)
    raw = _canonical(row)
    if check and b"+" in raw and _LARGE_FLOAT in raw:  # one byte is found faster than two
        raise _NeedsCareError
    return Record(identity, xxhash.xxh3_128_digest(raw), raw)


def record_id(value: Any, name: str) -> str:
    """An id as text, so that 5 and "5" are the same; RowRejected when there is none to use."""
    if type(value) is int:
        return str(value)
    if type(value) is not str:
        raise RowRejected("missing" if value is None else "an id is text or an integer", field=name)
    if not value or len(value) > MOST_ID_LENGTH:
        raise RowRejected(f"an id has 1-{MOST_ID_LENGTH} characters", field=name)
    return value


def _carefully(body: bytes, shape: RowShape, doubt: Doubt) -> PageRows:
    parts = split(body, shape.rows_key.encode())
    if not parts.has_rows:
        raise VendorAnswerBroken(f"the vendor's answer has no array {shape.rows_key!r}")
    envelope: dict[str, Any] = {}
    for key, text in parts.members.items():
        value = _loads(text)
        if value is None and text != b"null":
            raise VendorAnswerBroken("the vendor's envelope is not JSON")
        envelope[key.decode("utf-8", "replace")] = value
    # Each row is looked at before the verdict, so that one more reading settles every doubt.
    found = [_careful_row(text, shape, doubt) for text in parts.rows]
    if None in found:
        raise VendorAnswerBroken("a row in the vendor's answer is not JSON")
    records = [row for row in found if isinstance(row, Record)]
    rejects = [row for row in found if isinstance(row, Reject)]
    return PageRows(records, rejects, envelope, _digest(records, rejects))


def _careful_row(text: bytes, shape: RowShape, doubt: Doubt) -> Record | Reject | None:
    """A row parsed alone; None when it is no JSON and was not seen like that before."""
    try:
        return _careful_record(text, shape)
    except RowRejected as error:
        return _reject(text, shape, error)
    except ValueError as error:
        if not doubt.settled(text):
            return None
        return _reject(text, shape, RowRejected(f"not JSON: {error}"))


def record_of(text: str, shape: RowShape) -> Record:
    """A record from a reject's text; RowRejected when it still cannot be one."""
    try:
        return _careful_record(text.encode(), shape)
    except ValueError as error:
        raise RowRejected(f"not JSON: {error}") from error


def read_object(text: bytes) -> tuple[dict[str, Any], bytes]:
    """One JSON object by itself, and its canonical bytes.

    ValueError when the text is no JSON; RowRejected when it is no object, or holds what cannot be kept.
    """
    row = None if _may_hold_nul(text) else _loads(text)
    if row is not None:
        try:
            return _object(row)
        except _NeedsCareError:
            row = None
    _check_values(_exact(text))
    return _object(orjson.loads(text), check=False)


def _object(row: Any, *, check: bool = True) -> tuple[dict[str, Any], bytes]:
    if type(row) is not dict:
        raise RowRejected("a row must be an object")
    raw = _canonical(row)
    if check and b"+" in raw and _LARGE_FLOAT in raw:
        raise _NeedsCareError
    return row, raw


def _careful_record(text: bytes, shape: RowShape) -> Record:
    """A record from a row's own text; ValueError when that is no JSON."""
    row = None if _may_hold_nul(text) else _loads(text)
    if row is not None:
        try:
            return _record(row, shape)
        except _NeedsCareError:
            row = None
    _check_values(_exact(text))
    return _record(orjson.loads(text), shape, check=False)


def _exact(text: bytes) -> Any:
    """The row with exact integers; ValueError when it is no JSON, RowRejected when too deep."""
    if depth(text) > MOST_DEPTH:
        raise RowRejected(f"nested deeper than {MOST_DEPTH} levels")
    return json.loads(text.decode("utf-8"), parse_int=_integer)


def _integer(text: str) -> int:
    if len(text) > 20:
        raise RowRejected("an integer beyond 64 bits cannot be kept exactly")
    return int(text)


def _check_values(row: Any) -> None:
    """RowRejected, naming the field, for what neither orjson nor Postgres keeps."""
    pending: list[tuple[str, Any]] = [("", row)]
    while pending:
        path, value = pending.pop()
        if isinstance(value, dict):
            for key, inner in value.items():
                _check_text(key, path or key)
                pending.append((f"{path}.{key}" if path else key, inner))
        elif isinstance(value, list):
            pending.extend((f"{path}[{at}]", inner) for at, inner in enumerate(value))
        elif isinstance(value, str):
            _check_text(value, path)
        elif isinstance(value, float) and not math.isfinite(value):
            raise RowRejected("not a finite number", field=_shown(path))
        elif type(value) is int and not -(2**63) <= value < 2**64:
            raise RowRejected(
                "an integer beyond 64 bits cannot be kept exactly", field=_shown(path)
            )


def _check_text(text: str, path: str) -> None:
    if "\0" in text:
        raise RowRejected("text with NUL, which Postgres cannot keep", field=_shown(path))
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RowRejected("text with half of a surrogate pair", field=_shown(path)) from None


def _shown(path: str) -> str:
    return path.encode("ascii", "backslashreplace").decode().replace("\0", "\\0")[:200]


def _reject(text: bytes, shape: RowShape, error: RowRejected) -> Reject:
    return Reject(_id_in(text, shape), error.reason, error.field, ascii_json(text))


def _id_in(text: bytes, shape: RowShape) -> str | None:
    """The id of a row that was rejected, if it has a sound one. The row's other members are not
    built: they may be what is wrong with it, and a good version must find the reject by its id."""
    try:
        written = split(text, b"").members.get(shape.id_field.encode(), b"null")
        identity = record_id(orjson.loads(written), shape.id_field)
        _check_text(identity, shape.id_field)
    except (RowRejected, VendorAnswerBroken, ValueError):
        return None
    return identity


def ascii_json(text: bytes) -> str:
    """JSON text in ASCII without parsing it, at most 1 MB: characters beyond ASCII become escapes.

    In JSON they can stand inside strings only, where an escape means the same. Bytes that are no
    UTF-8 become U+FFFD, and a raw NUL (never JSON) its escape.
    """
    decoded = text[:MOST_REJECT_CHARACTERS].decode("utf-8", "replace").replace("\0", "\\u0000")
    if decoded.isascii():
        return decoded[:MOST_REJECT_CHARACTERS]
    units = decoded.encode("utf-16-be")
    pairs = (int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2))
    escaped = "".join(chr(unit) if unit < 0x80 else f"\\u{unit:04x}" for unit in pairs)
    return escaped[:MOST_REJECT_CHARACTERS]
