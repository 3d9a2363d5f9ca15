"""What Mixpanel's cohort sync means here: pages of members, added, removed or listed anew.

By the vendor's documentation: a POST with ``{action, parameters: {..., page_info, members}}``, optional HTTP Basic and
no signature, up to 1000 members a page, an answer ``{action, status, error}``. A status of 400, 401, 403 or 404 pauses
the sync until somebody resumes it; 5xx and 429 are repeated five times within a minute.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from sluice.core.errors import RowRejected
from sluice.core.keys import StreamKey
from sluice.core.records import Reject
from sluice.core.webhooks import Answer, Portion, Taken, VerifiedDelivery
from sluice.sources.json_rows import MOST_ID_LENGTH
from sluice.webhooks.basic import BasicAuth

SOURCE = "mixpanel"
STREAM = "cohort_members"
"""What is pushed. It is no stream of the registry: nothing polls it."""

MEMBERS, ADD, REMOVE = "members", "add_members", "remove_members"
ACTIONS = (MEMBERS, ADD, REMOVE)

MOST_PART_BYTES = 180_000
"""Of members in one message. The queue takes 256 KB, and what else is in one is below 10."""

MOST_TEXT = 1_000
MOST_REJECT_TEXT = 2_000
MOST_PAGES = 1_000_000

STATUS = {Taken.SAFELY: 200, Taken.NOT_NOW: 503, Taken.NEVER: 400}
"""What cannot be read would be lost page by page; so the sync is paused, and somebody sees it."""

_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_SESSION = re.compile(r"[!-~]{1,200}")
_DIGITS = re.compile(r"[0-9]{1,7}")
_UNKEPT = re.compile("[\0\ufffe\uffff\ud800-\udfff]")
"""What Postgres, the queue or UTF-8 does not take in a text."""


@dataclass(frozen=True, slots=True)
class MixpanelPushes:
    """Implements ``usecases.receive_webhook.PushSource`` and ``Answers``."""

    scheme: BasicAuth = field(default_factory=BasicAuth)

    def news(self, client_id: str, delivery: VerifiedDelivery) -> Sequence[Portion]:
        """The page in as many parts as messages need, at least one. RowRejected when it is no page of a cohort.

        A member that cannot be stored goes along as a reject; its page is a page all the same.
        """
        page = _page(delivery.payload)
        parts = list(_parts(_members(delivery.payload)))
        key = StreamKey(client_id, SOURCE, STREAM)
        return [
            Portion(
                f"{delivery.event_id}/{number}-{len(parts)}",
                key,
                {
                    **page,
                    "digest": delivery.event_id,
                    "part": number,
                    "parts": len(parts),
                    "members": [each for each in part if not isinstance(each, Reject)],
                },
                topic=page["action"],
                rejects=tuple(each for each in part if isinstance(each, Reject)),
            )
            for number, part in enumerate(parts, 1)
        ]

    def answer(self, delivery: VerifiedDelivery, taken: Taken, detail: str | None) -> Answer:
        """The vendor's form. What a detail says is our own words about fields, never what stood in them."""
        action = delivery.payload.get("action")
        said: dict[str, Any] = {"action": action if action in ACTIONS else None}
        status = STATUS[taken]
        if taken is Taken.SAFELY:
            return Answer(status, {**said, "status": "success"})
        message = "not now; please send it again" if taken is Taken.NOT_NOW else detail
        return Answer(
            status, {**said, "status": "failure", "error": {"message": message, "code": status}}
        )


def _page(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Which page of which session of which cohort, by the names that statements have for it."""
    action = payload.get("action")
    if action not in ACTIONS:
        raise RowRejected(f"is none of {', '.join(ACTIONS)}", field="action")
    told = _object(payload, "parameters")
    info = _object(told, "page_info", within="parameters.")
    page, total = (
        _whole(info, name, within="parameters.page_info.") for name in ("page_count", "total_pages")
    )
    if page > total:
        raise RowRejected("is beyond total_pages", field="parameters.page_info.page_count")
    return {
        "project_id": _name(told, "mixpanel_project_id", _ID),
        "cohort_id": _name(told, "mixpanel_cohort_id", _ID),
        "session_id": _name(told, "mixpanel_session_id", _SESSION),
        "name": _label(told.get("mixpanel_cohort_name")),
        "description": _label(told.get("mixpanel_cohort_description")),
        "action": action,
        "removes": action == REMOVE,
        "page": page,
        "total_pages": total,
    }


def _members(payload: Mapping[str, Any]) -> Iterator[dict[str, Any] | Reject]:
    """Each member, or the reject that it is; one with an odd name stays a member, and is a reject as well."""
    told = payload["parameters"].get("members")
    if not isinstance(told, list):
        raise RowRejected("is not there or no array", field="parameters.members")
    for each in told:
        try:
            found = _member_id(each)
        except RowRejected as error:
            yield _reject(each, None, error)
            continue
        member: dict[str, Any] = {"id": found}
        for name in ("email", "first_name", "last_name"):
            try:
                member[name] = _optional_text(each, name)
            except RowRejected as error:
                member[name] = None
                yield _reject(each, found, error)
        yield member


def _member_id(member: Any) -> str:
    name = "mixpanel_distinct_id"
    if not isinstance(member, dict):
        raise RowRejected("a member must be an object")
    value = member.get(name)
    if type(value) is int:
        return str(value)
    if not isinstance(value, str) or not 0 < len(value) <= MOST_ID_LENGTH:
        raise RowRejected(f"is not there or no id of 1-{MOST_ID_LENGTH} characters", field=name)
    return _kept(value, name)


def _optional_text(member: Mapping[str, Any], name: str) -> str | None:
    value = member.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > MOST_TEXT:
        raise RowRejected(f"is no text of at most {MOST_TEXT} characters", field=name)
    return _kept(value, name).strip() or None


def _kept(value: str, name: str) -> str:
    if _UNKEPT.search(value):
        raise RowRejected("holds a character that cannot be stored", field=name)
    return value


def _parts(items: Iterator[dict[str, Any] | Reject]) -> Iterator[Sequence[dict[str, Any] | Reject]]:
    """In order, each part as large as a message may be; one that is empty for a page without members."""
    part: list[dict[str, Any] | Reject] = []
    size, came = 0, False
    for item in items:
        more = len(orjson.dumps(item)) + 1
        if part and size + more > MOST_PART_BYTES:
            yield part
            part, size = [], 0
        part.append(item)
        size, came = size + more, True
    if part or not came:
        yield part


def _reject(member: Any, record_id: str | None, error: RowRejected) -> Reject:
    """With its text in ASCII, so that whatever stands in it survives the queue."""
    return Reject(record_id, error.reason, error.field, json.dumps(member)[:MOST_REJECT_TEXT])


def _object(told: Mapping[str, Any], name: str, *, within: str = "") -> Mapping[str, Any]:
    found = told.get(name)
    if not isinstance(found, dict):
        raise RowRejected("is not there or no object", field=f"{within}{name}")
    return found


def _whole(told: Mapping[str, Any], name: str, *, within: str) -> int:
    """A whole number from 1, as a number or as digits."""
    value = told.get(name)
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if type(value) is not int or not 1 <= value <= MOST_PAGES:
        raise RowRejected("is not there or no whole number from 1", field=f"{within}{name}")
    return value


def _name(told: Mapping[str, Any], name: str, shape: re.Pattern[str]) -> str:
    value = told.get(name)
    text = str(value) if type(value) is int else value
    if not isinstance(text, str) or not shape.fullmatch(text):
        raise RowRejected("is not there or no id", field=f"parameters.{name}")
    return text


def _label(value: Any) -> str | None:
    """What people call a cohort: no reason to refuse a page."""
    return _UNKEPT.sub("\ufffd", value)[:MOST_TEXT] or None if isinstance(value, str) else None
