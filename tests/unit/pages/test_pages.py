"""Pages as text: nothing in the data can break them, they stay small, and they are what CloudWatch shows."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.errors import SettingInvalid
from sluice.core.overview.picture import Overview, State
from sluice.core.overview.run_details import RunDetails
from sluice.pages.answers import draw_done, draw_refused, draw_trouble
from sluice.pages.markup import el, json_text, text
from sluice.pages.overview import draw_overview, sentence
from sluice.pages.request import PageRequest, View, Viewer, read_request
from sluice.pages.run import draw_run
from sluice.pages.selection import CELLS_PER_PAGE, CLIENTS_PER_PAGE, select
from sluice.pages.stream import draw_stream
from tests.unit.pages import pictures

VIEWER = Viewer(
    "arn:aws:lambda:eu-central-1:1:function:s-status",
    "arn:aws:lambda:eu-central-1:1:function:s-steer",
)
MOST_BYTES = 1_000_000
MOST_SECONDS = 3.0
VOID = {"br", "hr", "input", "path", "rect", "circle", "line"}


class Reader(HTMLParser):
    """Elements with their attributes, and whether each that was opened was closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.faults: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.faults == []
    assert reader.open == []
    return reader


def pages_of(overview: Overview, details: RunDetails) -> Iterator[str]:
    """Every page there is, of this picture."""
    found = overview.streams[0] if overview.streams else None
    yield draw_overview(overview, PageRequest(viewer=VIEWER))
    yield draw_stream(details.key, found, [details.run], overview.at, VIEWER)
    yield draw_run(details, overview.at, VIEWER)
    yield draw_done(pictures.HOSTILE, [pictures.HOSTILE], VIEWER)
    yield draw_refused(pictures.HOSTILE, [pictures.HOSTILE], VIEWER)
    yield draw_trouble(pictures.HOSTILE, pictures.HOSTILE, VIEWER)


def hostile_details() -> RunDetails:
    made = pictures.details()
    bad = replace(made.slices[0], kind=pictures.HOSTILE, note=pictures.HOSTILE)
    asked = replace(made.endpoints[0], endpoint=pictures.HOSTILE)
    run = pictures.run(
        outcome=pictures.HOSTILE,
        error=pictures.HOSTILE,
        note=pictures.HOSTILE,
        reason=pictures.HOSTILE,
    )
    return replace(made, run=run, slices=[bad], endpoints=[asked])


def test_what_stands_in_the_data_is_text_everywhere() -> None:
    """No element and no attribute comes out of it, on any page."""
    for page in pages_of(pictures.hostile(), hostile_details()):
        reader = read(page)
        names = {name for name, _ in reader.elements}
        assert not names & {"img", "script", "iframe", "use", "object"}
        assert not [
            a for _, attributes in reader.elements for a in attributes if a.startswith("on")
        ]
        assert "\x00" not in page
        assert "\x1b" not in page


@given(st.text())
def test_any_text_comes_back_as_it_was(given_text: str) -> None:
    """Escaped once, and only what no page may hold is replaced."""
    reader = read(el("p", {"title": given_text}, given_text))
    shown = str(text(given_text))
    assert not re.search('[<>"\x00]', shown)
    if given_text and "\N{REPLACEMENT CHARACTER}" not in shown and "\r" not in given_text:
        assert "".join(reader.text) == given_text
        assert reader.elements[0][1]["title"] == given_text


@given(st.dictionaries(st.text(), st.text(), max_size=3))
def test_parameters_are_read_as_json_whether_or_not_entities_are(
    parameters: dict[str, str],
) -> None:
    """CloudWatch may take the content as text or as HTML; both must come to the same."""
    written = str(json_text(parameters))
    assert json.loads(written) == parameters
    assert not set(written) & set("<>&")


def test_names_of_elements_are_code() -> None:
    with pytest.raises(ValueError, match="no element"):
        el("p onclick=x")
    with pytest.raises(ValueError, match="no attribute"):
        el("p", {"onClick x": "1"})


def test_actions_are_of_the_function_that_acts_and_ask_first() -> None:
    """Whoever may only look calls another function; nothing is done without a question."""
    overview = pictures.troubled()
    found = replace(overview.streams[1], open_rejects=3)
    page = draw_stream(found.key, found, [], overview.at, VIEWER) + draw_run(
        pictures.details(), overview.at, VIEWER
    )
    actions = [a for name, a in read(page).elements if name == "cwdb-action"]
    acting = [each for each in actions if each["endpoint"] == VIEWER.steer]
    assert len(acting) == 5
    assert all(each.get("confirmation") and each["display"] == "popup" for each in acting)
    assert all(not each.get("confirmation") for each in actions if each not in acting)


def test_without_a_function_that_acts_there_are_no_such_buttons() -> None:
    overview = pictures.troubled()
    looking = replace(VIEWER, steer=None)
    page = draw_stream(overview.streams[0].key, overview.streams[0], [], overview.at, looking)
    page = page + draw_run(pictures.details(), overview.at, looking)
    assert {a["endpoint"] for n, a in read(page).elements if n == "cwdb-action"} == {
        VIEWER.endpoint
    }


@pytest.mark.parametrize(
    ("changes", "offered"), [({"deleted": 0}, False), ({"ended_at": None}, False), ({}, True)]
)
def test_undoing_is_offered_for_an_ended_run_that_removed(
    changes: dict[str, None], offered: bool
) -> None:
    made = pictures.details()
    page = draw_run(replace(made, run=pictures.run(**changes)), pictures.NOW, VIEWER)
    assert ("Undo its removals" in page) is offered


def test_pages_hold_nothing_that_cloudwatch_takes_out() -> None:
    """No script, no frame, no <use>, no handler; nothing is loaded from anywhere."""
    for page in pages_of(pictures.troubled(), pictures.details()):
        names = {name for name, _ in read(page).elements}
        assert not names & {"script", "iframe", "use", "link", "img", "meta"}
        assert "http" not in page
        assert "url(" not in page


def test_a_thousand_clients_are_drawn_quickly_and_small() -> None:
    """8,000 streams: below a second on an idle machine, and far below what Lambda may answer."""
    picture = pictures.large()
    began = time.perf_counter()
    page = draw_overview(picture, PageRequest(viewer=VIEWER))
    assert time.perf_counter() - began < MOST_SECONDS
    assert len(page.encode()) < MOST_BYTES
    wide = Overview(
        pictures.NOW, [pictures.stream(f"c-{n}#cars#s{m}") for n in range(30) for m in range(60)]
    )
    crowded = draw_overview(wide, PageRequest(viewer=VIEWER))
    assert len(crowded.encode()) < MOST_BYTES
    assert "1,000 streams had no room here" in crowded
    assert len(draw_run(pictures.details(100), pictures.NOW, VIEWER).encode()) < MOST_BYTES


def test_pages_of_clients_have_each_client_once() -> None:
    picture = pictures.large(60)
    seen: list[str] = []
    for page in (1, 2, 3):
        chosen = select(picture, PageRequest(page=page))
        assert chosen.pages == 3
        assert len(chosen.shown) <= CLIENTS_PER_PAGE
        seen += chosen.shown
    assert sorted(seen) == sorted({stream.key.client_id for stream in picture.streams})
    assert select(picture, PageRequest(page=99)).page == 3


def test_trouble_comes_first() -> None:
    """Stalled before failed before late; a client counts as its worst stream."""
    chosen = select(pictures.troubled(), PageRequest())
    assert list(chosen.shown)[:3] == ["acme", "lantern-books", "harbour-motors"]


def test_no_page_has_more_streams_than_it_may() -> None:
    picture = Overview(
        pictures.NOW, [pictures.stream(f"c{n}#cars#s{m}") for n in range(9) for m in range(99)]
    )
    chosen = select(picture, PageRequest())
    assert sum(len(streams) for streams in chosen.shown.values()) == CELLS_PER_PAGE
    assert chosen.left_out == 9 * 99 - CELLS_PER_PAGE


def test_filters_go_together() -> None:
    chosen = select(pictures.troubled(), PageRequest(client="ACM", state=State.LATE))
    assert [str(s.key) for s in chosen.shown["acme"]] == ["acme#shipbob#returns"]
    assert select(pictures.troubled(), PageRequest(client="niva", state=State.LATE)).shown == {}


def test_what_could_not_be_asked_is_said() -> None:
    picture = replace(pictures.healthy(), unknown=["database: it does not answer"])
    page = draw_overview(picture, PageRequest(viewer=VIEWER))
    assert "This picture is not whole" in page
    assert "database: it does not answer" in page


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (pictures.troubled(), "1 stalled, 1 failed, 1 late of 33 streams"),
        (pictures.healthy(), "All is well"),
        (replace(pictures.healthy(), findings=pictures.troubled().findings), "4 things to look at"),
        (replace(pictures.healthy(), unknown=["queues: x"]), "What could be asked is well"),
        (Overview(pictures.NOW, []), "No stream is configured yet"),
    ],
)
def test_how_all_stands_is_one_sentence(picture: Overview, said: str) -> None:
    """Never that all is well while something could not be asked."""
    assert sentence(picture) == said


def test_a_button_goes_before_the_forms() -> None:
    """What was clicked is what is meant; what stands in a form otherwise stays in force when all is drawn anew."""
    forms = {"all": {"client": "ac", "state": "late", "view": "overview"}}
    event = {"state": "", "page": 2, "widgetContext": {"forms": forms, "theme": "dark"}}
    request = read_request(event, endpoint="e", steer=None)
    assert (request.client, request.state, request.page) == ("ac", None, 2)
    assert request.viewer.dark
    redrawn = {"widgetContext": {"forms": {"all": {"view": "stream", "key": "a#cars#cars"}}}}
    again = read_request(redrawn, endpoint="e", steer=None)
    assert (again.view, str(again.key)) == (View.STREAM, "a#cars#cars")


@pytest.mark.parametrize(
    ("event", "named"),
    [
        ({"state": "sideways"}, "state 'sideways'"),
        ({"view": "other"}, "view 'other'"),
        ({"view": "stream"}, "key: name the stream"),
        ({"view": "run"}, "run: name the run"),
        ({"view": "stream", "key": "half"}, "stream key 'half'"),
        ({"page": "0"}, "page"),
        ({"page": "9" * 9}, "page"),
        ({"page": True}, "page"),
        ({"client": "x" * 201}, "client"),
        ({"client": ["x"]}, "client"),
    ],
)
def test_what_cannot_be_read_is_named(event: dict[str, object], named: str) -> None:
    with pytest.raises(SettingInvalid, match=named):
        read_request(event, endpoint="e", steer=None)


@pytest.mark.parametrize(
    ("zone", "minutes"),
    [
        ({"offsetISO": "+02:00"}, 120),
        ({"offsetISO": "-05:30"}, -330),
        ({"offsetISO": "x"}, 0),
        (None, 0),
        ({}, 0),
    ],
)
def test_times_are_the_viewers(zone: object, minutes: int) -> None:
    """By the offset whose sign is certain; a context that is odd is no reason to fail."""
    request = read_request({"widgetContext": {"timezone": zone}}, endpoint="e", steer=None)
    assert request.viewer.offset == timedelta(minutes=minutes)


@pytest.mark.parametrize("state", State)
def test_every_state_can_be_drawn(state: State) -> None:
    """Above all that of a database which cannot be asked: then somebody looks."""
    picture = pictures.troubled()
    one = replace(picture.streams[0], state=state)
    page = draw_overview(replace(picture, streams=[one]), PageRequest(viewer=VIEWER))
    assert state.value in str(page)
