"""What an answer of ShipBob must look like before it is believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

import orjson

from sluice.core.errors import RowRejected, VendorAnswerBroken
from sluice.core.records import Record, Reject
from sluice.sources.answers import Answer
from sluice.sources.doubts import Doubt
from sluice.sources.json_rows import PageRows, RowShape, ascii_json, read_rows, record_of
from sluice.sources.urls import Base, resolve

ROWS = "rows"
CURSOR = "Cursor"
LONGEST_CURSOR = 8192


@dataclass(frozen=True, slots=True)
class Listed:
    """One believed page of a listing.

    ``following`` is what the vendor told of the next page: the query of its address, or its bare token,
    in both cases with the cursor under ``Cursor``; None where it told of none. ``last`` says that nothing
    comes behind this page.
    """

    rows: PageRows
    following: Mapping[str, str] | None
    last: bool
    asked_at: datetime


def array_page(answer: Answer, shape: RowShape, size: int, doubt: Doubt) -> Listed:
    """A page that is a bare array: the last one is shorter than the ``size`` asked for, and no header
    says so. A short page is believed once it has come twice."""
    body = answer.body.strip(b" \t\r\n")
    if not (body.startswith(b"[") and body.endswith(b"]")):
        raise VendorAnswerBroken("the vendor's answer is not an array")
    rows = read_rows(b'{"%b":%b}' % (ROWS.encode(), body), shape, doubt)
    if rows.envelope:
        raise VendorAnswerBroken("the vendor's answer is not one array")
    last = rows.rows < size
    _check(rows, size, last, doubt)
    return Listed(rows, None, last, answer.asked_at)


def linked_page(answer: Answer, shape: RowShape, size: int, doubt: Doubt, base: Base) -> Listed:
    """A page in an envelope that tells of the next one. It is the last where ``next`` is null; one
    shorter than ``size`` is believed once it has come twice, and one without rows only as the last."""
    rows = read_rows(answer.body, shape, doubt)
    following = _following(rows.envelope, base)
    if following is not None and not rows.rows:
        raise VendorAnswerBroken("the vendor sent an empty page and an address behind it")
    _check(rows, size, following is None, doubt)
    return Listed(rows, following, following is None, answer.asked_at)


def one_row(answer: Answer, shape: RowShape, record_id: str) -> Record:
    """The very object asked for; VendorAnswerBroken for any other, RowRejected for one that cannot be read."""
    try:
        found = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        found = None  # orjson is stricter than JSON: a sound object may hold what Postgres cannot
    identity = found.get(shape.id_field) if isinstance(found, dict) else None
    if found is not None and str(identity) != record_id:
        raise VendorAnswerBroken("asked for one object, the vendor sent something else")
    record = record_of(answer.body.decode("utf-8", "replace"), shape)
    if record.id != record_id:
        raise VendorAnswerBroken("asked for one object, the vendor sent something else")
    return record


def wrapped_array(answer: Answer, shape: RowShape, record_id: str) -> Record | Reject:
    """A bare array about one object, as a row that names the object: ``{id: ..., rows: [...]}``."""
    body = answer.body.strip(b" \t\r\n")
    if not (body.startswith(b"[") and body.endswith(b"]")):
        raise VendorAnswerBroken("the vendor's answer is not an array")
    names = (orjson.dumps(shape.id_field), orjson.dumps(record_id), orjson.dumps(shape.rows_key))
    text = b"{%b:%b,%b:%b}" % (*names, body)
    try:
        return record_of(text.decode("utf-8", "replace"), shape)
    except RowRejected as error:
        if error.field is None and error.reason.startswith("not JSON"):
            raise VendorAnswerBroken("the vendor's answer is not JSON") from error
        return Reject(record_id, error.reason, error.field, ascii_json(text))


def _check(rows: PageRows, size: int, last: bool, doubt: Doubt) -> None:  # noqa: FBT001  # private
    if rows.rows > size:
        raise VendorAnswerBroken(f"asked for {size} rows, the vendor sent {rows.rows}")
    if rows.rejects and not rows.records and not any(_is_object(each) for each in rows.rejects):
        raise VendorAnswerBroken("no row of the vendor's page is an object")
    said = b"%b %d" % (rows.digest.encode(), last)
    settled = rows.rows == size or doubt.settled(said, empty=not rows.rows)
    if not settled:
        raise VendorAnswerBroken(
            f"a page has only {rows.rows} rows; asking again whether that is all"
        )


def _is_object(reject: Reject) -> bool:
    return reject.raw.lstrip().startswith("{")


def _following(envelope: Mapping[str, Any], base: Base) -> Mapping[str, str] | None:
    """What ``next`` says, which is an address at some endpoints and a token at others."""
    told = envelope.get("next")
    if "next" not in envelope or not (told is None or isinstance(told, str)):
        raise VendorAnswerBroken("the vendor's page says nothing about the next one")
    if not told:
        return None
    if len(told) > LONGEST_CURSOR:
        raise VendorAnswerBroken("the vendor's cursor is longer than any cursor")
    is_address = "://" in told or (
        told.startswith("/") and "?" in told
    )  # base64 begins with "/", too
    if not is_address:
        return {CURSOR: told}
    told_of = parse_qsl(resolve(base, told).query.decode())
    query = {CURSOR if name.lower() == "cursor" else name: text for name, text in told_of}
    if CURSOR not in query:
        raise VendorAnswerBroken("the vendor's address of the next page has no cursor")
    return query
