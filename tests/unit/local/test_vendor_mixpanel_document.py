"""The simulated Mixpanel keeps to the vendor's published documents, where they are at hand.

They are read by ``mixpanel_document``, which says where from.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import httpx
import orjson
import pytest

from local.vendors.mixpanel import engage_api, export_api
from local.vendors.mixpanel.models import MOST_EVENTS, Limits, NewEvent
from tests.unit.local.mixpanel_account import (
    PROJECT,
    Vendor,
    lines_of,
    standing_vendor,
)
from tests.unit.local.mixpanel_document import (
    EXPORT_DOCUMENT,
    QUERY_DOCUMENT,
    closed,
    faults,
    form,
    form_faults,
    operation,
    parameters,
    query_faults,
)

pytestmark = pytest.mark.skipif(
    not (EXPORT_DOCUMENT.is_file() and QUERY_DOCUMENT.is_file()),
    reason=f"Mixpanel's documents are not at {EXPORT_DOCUMENT.parent}; set SLUICE_SPECS_DIR",
)
WINDOW = 'properties["$time"]>=datetime(1799971200) and properties["$time"]<datetime(1799974800)'


@pytest.fixture(scope="module")
def vendor() -> Iterator[Vendor]:
    with standing_vendor({"profiles": 25, "page_size": 10}) as vendor:
        vendor.set_cohort(PROJECT, 7, add=5)
        yield vendor


def exports(vendor: Vendor) -> list[httpx.Response]:
    """Every parameter at least once."""
    return [
        vendor.ask("2027-01-13", "2027-01-15"),
        vendor.ask("2027-01-14", limit=5, event='["Search","$ae_session"]', time_in_ms="true"),
        vendor.ask("2027-01-15", where=WINDOW),
    ]


def pages(vendor: Vendor) -> list[httpx.Response]:
    """Every field of the form that is simulated at least once."""
    first = vendor.engage()
    some = first.json()["results"][0]["$distinct_id"]
    session = first.json()["session_id"]
    return [
        first,
        vendor.engage(page=1, session_id=session),
        vendor.engage(distinct_id=some),
        vendor.engage(distinct_ids=[some, "nobody"], output_properties=["$email", "plan"]),
        vendor.engage(filter_by_cohort={"id": 7}, include_all_users="true"),
        vendor.engage(where='properties["plan"] == "plus"'),
    ]


def results_schema(**changed: Any) -> Any:
    """The answer's schema, closed; ``changed`` are kinds of a profile's fields."""
    content = operation("engage")["responses"]["200"]["content"]["application/json"]
    schema = orjson.loads(orjson.dumps(closed(content["schema"])))
    fields = schema["properties"]["results"]["items"]["properties"]
    for name, kind in changed.items():
        fields[f"${name}"] = kind
    return schema


def asked(answer: httpx.Response) -> dict[str, str]:
    return dict(parse_qsl(answer.request.url.query.decode()))


def test_exports_are_asked_for_and_answered_as_published(vendor):
    """Parameters, status, kind of content; each line an object, as the document says in words."""
    for answer in exports(vendor):
        assert query_faults("export", asked(answer)) == []
        told = operation("export")["responses"][str(answer.status_code)]["content"]
        kind = answer.headers["content-type"].partition(";")[0]
        assert faults(told[kind]["schema"], answer.text) == []
        rows = [orjson.loads(line) for line in lines_of(answer)]
        assert rows
        assert all(set(row) == {"event", "properties"} for row in rows)


def test_a_line_has_the_fields_of_the_published_example(vendor):
    """And of the same kinds."""
    content = operation("export")["responses"]["200"]["content"]["text/plain"]
    for text in content["schema"]["example"].strip().splitlines():
        example = orjson.loads(text)
        [row] = vendor.rows("2027-01-14", limit=1)
        for name, value in example["properties"].items():
            assert type(row["properties"][name]) is type(value)
        assert type(row["event"]) is type(example["event"])


def test_the_published_examples_can_be_put_in_and_come_out(vendor):
    """The documents' own events, field by field."""
    content = operation("export")["responses"]["200"]["content"]["text/plain"]
    examples = [orjson.loads(line) for line in content["schema"]["example"].strip().splitlines()]
    with standing_vendor({"feed": {"per_day": 0}}) as other:
        for each in examples:
            said = each["properties"]
            told = {"at_s": said["time"], "insert_id": said["$insert_id"], "distinct_id": None}
            processed = {"processed_s": said["mp_processing_time_ms"] / 1000}
            wanted = NewEvent.model_validate({"event": each["event"], **told, **processed})
            other.add_events(PROJECT, [wanted])
        assert other.rows("2020-10-13", "2020-10-15") == examples


def test_profiles_are_asked_for_as_published(vendor):
    """Query and form."""
    for answer in pages(vendor):
        assert query_faults("engage", asked(answer)) == []
        assert form_faults(dict(parse_qsl(answer.request.content.decode()))) == []


def test_pages_of_profiles_are_answered_as_published(vendor):
    """All fields and no others, but for the one departure below."""
    schema = results_schema(distinct_id={"type": "string"})
    for answer in pages(vendor):
        assert answer.status_code == 200
        assert faults(schema, answer.json()) == []


def test_only_the_kind_of_distinct_id_leaves_the_published_document(vendor):
    """It says integer, and its own parameter of that name is a text, as ids are in practice."""
    assert form()["distinct_id"]["type"] == "string"
    page = vendor.page()
    amiss = faults(results_schema(), page)
    assert len(amiss) == len(page["results"])
    assert all("$distinct_id" in told and "'integer'" in told for told in amiss)


def test_the_published_example_of_profiles_fits(vendor):
    """And so the schema as it is read here is not stricter than the vendor."""
    content = operation("engage")["responses"]["200"]["content"]["application/json"]
    example = content["examples"]["example"]["value"]
    assert faults(results_schema(), example) == []


def test_what_is_read_out_of_the_documents_can_be_broken(vendor):
    """A field too many, one too few, one of another kind; a parameter that is none."""
    schema, page = results_schema(distinct_id={"type": "string"}), vendor.page()
    assert faults(schema, page) == []
    for wrong in ({"more": 1}, {"page": "0"}, {"total": None}, {"results": {}}):
        assert faults(schema, {**page, **wrong}), wrong
    assert faults(schema, {name: each for name, each in page.items() if name != "session_id"})
    sound = {"project_id": "1", "from_date": "2027-01-15", "to_date": "2027-01-15"}
    assert query_faults("export", sound) == []
    assert query_faults("export", {**sound, "sort": "time"}) == ["sort is not documented"]
    assert query_faults("export", {**sound, "limit": "many"})
    assert query_faults("export", {**sound, "time_in_ms": "5"})
    assert query_faults("export", {"from_date": "2027-01-15"}) == ["to_date is missing"]
    assert query_faults("engage", {}) == ["project_id is missing"]
    assert form_faults({"page": "one"})
    assert form_faults({"output_properties": "[1]"})
    assert form_faults({"limit": "1"}) == ["limit is not documented"]


def test_what_may_be_asked_is_in_the_documents():
    """Neither more nor less: what is not simulated is known by name."""
    assert set(parameters("export")) == export_api.PARAMETERS
    assert set(parameters("engage")) == engage_api.QUERY
    assert set(form()) == engage_api.FORM


def test_limits_are_those_of_the_document():
    """Told in its words: of queries an hour, a second and at once, and of events at most."""
    words = operation("export")["description"]
    limits = Limits()
    assert f"{limits.export_per_hour} queries per hour" in words
    assert f"{limits.export_per_second} queries per second" in words
    assert f"maximum of {limits.export_at_once} concurrent" in words
    assert f"over {MOST_EVENTS}" in parameters("export")["limit"]["description"]
