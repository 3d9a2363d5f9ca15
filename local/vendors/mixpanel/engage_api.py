"""``POST /api/query/engage``: what was asked, and one page of profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson

from local.vendors.mixpanel.expressions import Expression, ExpressionError, parsed
from local.vendors.mixpanel.faults import Fault, FaultKind, Hits
from local.vendors.mixpanel.profiles import Properties
from local.vendors.mixpanel.refusals import BadRequestError
from local.vendors.mixpanel.world import Project, World

Document = dict[str, Any]

QUERY = frozenset({"project_id", "workspace_id"})
NOT_SIMULATED = frozenset({"data_group_id", "behaviors", "as_of_timestamp"})
FORM = NOT_SIMULATED | {
    "distinct_id",
    "distinct_ids",
    "where",
    "output_properties",
    "session_id",
    "page",
    "filter_by_cohort",
    "include_all_users",
}
_FORM_TYPE = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Asked:
    """One question. ``text`` is what it shares with the other pages of its session."""

    text: str
    page: int = 0
    session_id: str | None = None
    ids: frozenset[str] | None = None
    where: Expression | None = None
    output: tuple[str, ...] | None = None
    cohort: int | None = None
    all_users: bool = True


def form_of(content_type: str, query: Mapping[str, str], body: bytes) -> dict[str, str]:
    """The fields of the form; raises BadRequestError."""
    wrong = sorted(set(query) - QUERY)
    if wrong:
        raise BadRequestError(f"unknown parameter {wrong[0]!r} in the query")
    if body and content_type != _FORM_TYPE:
        raise BadRequestError(f"the body must be {_FORM_TYPE}, got {content_type!r}")
    try:
        form = dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body)))
    except ValueError as error:
        raise BadRequestError("the body is not a form") from error
    unknown = sorted(set(form) - FORM)
    if unknown:
        raise BadRequestError(f"unknown parameter {unknown[0]!r}")
    refused = sorted(set(form) & NOT_SIMULATED)
    if refused:
        raise BadRequestError(f"{refused[0]} is not simulated")
    return form


def asked(form: Mapping[str, str]) -> Asked:
    """The question; raises BadRequestError."""
    page = form.get("page", "0")
    if not (page.isascii() and page.isdecimal()):
        raise BadRequestError(f"page must be an integer from 0, got {page!r}")
    shared = {name: said for name, said in form.items() if name not in {"page", "session_id"}}
    return Asked(
        text=orjson.dumps(shared, option=orjson.OPT_SORT_KEYS).decode(),
        page=int(page),
        session_id=form.get("session_id") or None,
        ids=_ids(form),
        where=_where(form.get("where")),
        output=_names("output_properties", form.get("output_properties")),
        cohort=_cohort(form.get("filter_by_cohort")),
        all_users=form.get("include_all_users", "true").lower() not in {"false", "0"},
    )


def page_of(world: World, project: Project, question: Asked, hits: Hits) -> Document:
    """One page; raises BadRequestError where its session is none."""
    now_s = world.clock.now()
    if question.session_id and hits.other(FaultKind.SESSION_EXPIRED):
        project.sessions.forget(question.session_id)
    session_id, kept = _session(world, project, question, now_s)
    found = _found(project, question) if kept is None else kept
    size = project.spec.page_size
    start = question.page * size
    here = _rows(project, question, found[start : start + size])
    before = _rows(project, question, found[max(0, start - size) : start])
    wrong = hits.other(FaultKind.WRONG_TOTAL)
    return {
        "page": question.page,
        "page_size": size,
        "session_id": session_id,
        "status": "ok",
        "total": len(found) + (wrong.rows if wrong else 0),
        "results": _bent(hits, here, before),
    }


def _session(
    world: World, project: Project, question: Asked, now_s: float
) -> tuple[str, list[str] | None]:
    """Its id, and the listing as it was at first where listings are snapshots."""
    if question.session_id is not None:
        session = project.sessions.of(question.session_id, question.text, now_s)
        if session is None:
            raise BadRequestError("request for page in uncached query for params")
        return question.session_id, session.kept
    if question.page > 0:
        raise BadRequestError("session_id is required when page is above 0")
    kept = _found(project, question) if world.options.listing == "snapshot" else None
    return project.sessions.begin(question.text, now_s, kept), kept


def _found(project: Project, question: Asked) -> list[str]:
    """The distinct_ids that fit, as they are listed now; members without a profile come last."""
    profiles = project.profiles.by_id
    listed = project.profiles.listing()
    if question.ids is not None:
        listed = [each for each in listed if each in question.ids]
    if question.cohort is not None:
        members = _members(project, question.cohort)
        bare = sorted(members - set(profiles)) if question.all_users else []
        listed = [each for each in listed if each in members] + bare
    if question.where is None:
        return listed
    return [each for each in listed if question.where.holds(profiles.get(each, {}))]


def _members(project: Project, number: int) -> set[str]:
    cohort = project.cohorts.get(number)
    if cohort is None:
        raise BadRequestError(f"cohort {number} does not exist")
    return cohort.members


def _rows(project: Project, question: Asked, ids: Sequence[str]) -> list[Document]:
    """A profile that vanished since its session began is left out: the page is short."""
    rows = []
    for each in ids:
        properties = project.profiles.by_id.get(each)
        if properties is None and question.cohort is None:
            continue
        said = _chosen(properties or {}, question.output)
        rows.append({"$distinct_id": each, "$properties": said})
    return rows


def _chosen(properties: Properties, output: tuple[str, ...] | None) -> Properties:
    if output is None:
        return properties
    return {name: properties[name] for name in output if name in properties}


def _bent(hits: Hits, rows: list[Document], before: list[Document]) -> list[Document]:
    for fault in hits.others:
        if fault.kind in _BENDS and (rows or before):
            rows = _bend(fault, rows, before)
            hits.served.append(fault.label)
    return rows


_BENDS = frozenset(
    {
        FaultKind.EMPTY_PAGE,
        FaultKind.MISSING_ROWS,
        FaultKind.DUPLICATE_ROWS,
        FaultKind.REPEATED_PAGE,
    }
)


def _bend(fault: Fault, rows: list[Document], before: list[Document]) -> list[Document]:
    match fault.kind:
        case FaultKind.EMPTY_PAGE:
            return []
        case FaultKind.MISSING_ROWS:
            return rows[fault.rows :]
        case FaultKind.DUPLICATE_ROWS:
            return [*before[-fault.rows :], *rows, *rows[: fault.rows]]
        case _:
            return before or rows


def _ids(form: Mapping[str, str]) -> frozenset[str] | None:
    several = _names("distinct_ids", form.get("distinct_ids"))
    one = form.get("distinct_id")
    if several is None and one is None:
        return None
    return frozenset(several or ()) | ({one} if one is not None else set())


def _names(name: str, text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRequestError(f"{name} must be a JSON array of texts") from error
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise BadRequestError(f"{name} must be a JSON array of texts")
    return tuple(found)


def _where(text: str | None) -> Expression | None:
    if text is None or not text.strip():
        return None
    try:
        return parsed(text)
    except ExpressionError as error:
        raise BadRequestError(f"Unable to parse expression where={text!r}: {error}") from error


def _cohort(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRequestError("filter_by_cohort must be a JSON object with an id") from error
    number = found.get("id") if isinstance(found, dict) and set(found) == {"id"} else None
    if not isinstance(number, int) or isinstance(number, bool):
        raise BadRequestError("filter_by_cohort must be a JSON object with an id")
    return number
