"""The clients file: every fault is found before anything is written, with its file, line and field."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from local.places import PROJECT
from ops.clients.file import Allowed, read_clients_file, stream_settings
from ops.demo.course import demo_clients
from tests.unit.ops.clients_files import RIGHT, Write, faults_of, replaced


def test_a_right_file_is_read(write: Write) -> None:
    """One stream, its settings complete, its durations read."""
    parsed = read_clients_file(write(RIGHT))
    (setting,) = stream_settings(parsed)
    assert str(setting.key) == "harbour#cars#cars"
    assert (setting.cadence, setting.paused) == (timedelta(minutes=5), False)
    assert setting.secret == "sluice/harbour/cars"
    assert setting.settings["page_size"] == 250
    assert setting.settings["crawl_every"] == "P1D"
    assert parsed.acceptance.finish_within == timedelta(minutes=30)


PASTED = "this looks like the secret's value, not its name"
AT = "clients.harbour.cars"
FAULTS = {
    "unknown key of a system": (
        "      secret:",
        "      secrte: x\n      secret:",
        4,
        f"{AT}.secrte: no such key; did you mean 'secret'? there are: delete_brake, secret, settings, streams",
    ),
    "unknown key of a stream": (
        "cadence: 5m",
        "cadence: 5m\n          pause: true",
        12,
        f"{AT}.streams.cars.pause: no such key; did you mean 'paused'?",
    ),
    "unknown key of the file": (
        "acceptance:",
        "aceptance:",
        12,
        "aceptance: no such key; did you mean 'acceptance'?",
    ),
    "unknown target": (
        "finish_within: 30m",
        "finish_in: 30m",
        13,
        "acceptance.finish_in: no such key; did you mean 'finish_within'?",
    ),
    "unknown setting": (
        "page_size: 250",
        "page_sise: 250",
        8,
        f"{AT}.settings.page_sise: no such key; did you mean 'page_size'? there are: archived_every",
    ),
    "wrong type of a setting": (
        "page_size: 250",
        "page_size: many",
        8,
        f"{AT}.settings.page_size: Input should be a valid integer",
    ),
    "wrong choice": (
        "shape: page",
        "shape: pages",
        6,
        f"{AT}.settings.shape: Input should be 'page' or 'scroll'",
    ),
    "text for a mapping": (
        "        cars:\n          cadence: 5m",
        "        cars",
        9,
        f"{AT}.streams: write indented `key: value` lines below it",
    ),
    "yes for true": (
        "cadence: 5m",
        'cadence: 5m\n          paused: "yes"',
        12,
        f"{AT}.streams.cars.paused: Input should be a valid boolean",
    ),
    "no unit": (
        "cadence: 5m",
        "cadence: 300",
        11,
        f"{AT}.streams.cars.cadence: write a number and its unit",
    ),
    "unknown unit": (
        "cadence: 5m",
        "cadence: 5 min",
        11,
        f"{AT}.streams.cars.cadence: write a number and its unit",
    ),
    "a time that YAML takes for a number": (
        "cadence: 5m",
        "cadence: 1:30",
        11,
        "cadence: write a number and its unit",
    ),
    "too often": (
        "cadence: 5m",
        "cadence: 59s",
        11,
        "cars.cadence: Input should be greater than or equal to 1 minute",
    ),
    "too seldom": (
        "cadence: 5m",
        "cadence: 8d",
        11,
        "cars.cadence: Input should be less than or equal to 7 days",
    ),
    "no unit in a setting": (
        "page_size: 250",
        "crawl_every: 24",
        8,
        f"{AT}.settings.crawl_every: write a number and its unit, such as 90s, 5m, 24h or 7d",
    ),
    "another form of duration": (
        "page_size: 250",
        "delta_every: '0:15'",
        8,
        "settings.delta_every: write a number and its unit",
    ),
    "no unit in a target": (
        "finish_within: 30m",
        "finish_within: 30",
        13,
        "acceptance.finish_within: write a number and its unit",
    ),
    "no secret": (
        "      secret: sluice/harbour/cars\n",
        "",
        3,
        f"{AT}.secret: is missing: the name of the secret in Secrets Manager that",
    ),
    "empty secret": ("sluice/harbour/cars", "", 4, f"{AT}.secret: Input should be a valid string"),
    "secret with a space": (
        "sluice/harbour/cars",
        "my secret",
        4,
        f"{AT}.secret: write the name of a secret",
    ),
    "pasted key": ("sluice/harbour/cars", "4eC39HqLyjWDarjtT1zdp7dc", 4, f"{AT}.secret: {PASTED}"),
    "no cadence": (
        "          cadence: 5m",
        "          paused: true",
        10,
        f"{AT}.streams.cars.cadence: is missing",
    ),
    "no streams": (
        "        cars:\n          cadence: 5m",
        "        {}",
        9,
        f"{AT}.streams: is empty; name at least one",
    ),
    "unknown source": (
        "    cars:\n      secret",
        "    carz:\n      secret",
        3,
        "clients.harbour.carz: no source 'carz'; there are: cars",
    ),
    "unknown stream": (
        "        cars:\n          cad",
        "        bids:\n          cad",
        10,
        f"{AT}.streams.bids: no such stream; cars has: cars",
    ),
    "bad client id": (
        "  harbour:",
        "  harbour motors:",
        2,
        "clients.harbour motors: client_id is 'harbour motors': use 1-64 letters",
    ),
    "separator in a client id": (
        "  harbour:",
        "  har#bour:",
        2,
        "clients.har#bour: client_id is 'har#bour'",
    ),
    "client id that is no text": (
        "  harbour:",
        "  0123:",
        2,
        "clients.0123: is no text to YAML; put the name in quotes",
    ),
    "client id that YAML takes for false": (
        "  harbour:",
        "  no:",
        2,
        "clients.no: is no text to YAML; put the name in quotes",
    ),
    "client without a source": (
        "  harbour:",
        "  other: {}\n  harbour:",
        2,
        "clients.other: name at least one source",
    ),
    "page too small": (
        "page_size: 250",
        "page_size: 99",
        8,
        f"{AT}.settings.page_size: page_size is 99: the page shape takes 100 to 250",
    ),
    "page too large": (
        "page_size: 250",
        "page_size: 251",
        8,
        f"{AT}.settings.page_size: page_size is 251",
    ),
    "settings that exclude each other": (
        "shape: page",
        "shape: scroll\n        archived_every: 1h",
        7,
        f"{AT}.settings.archived_every: delta_every and archived_every: the scroll shape offers neither",
    ),
    "address on this machine": (
        "https://cars.example.com",
        "http://127.0.0.1:8000",
        7,
        f"{AT}.settings.base_url: refused: a loopback address is for the local stage only",
    ),
    "target out of range": (
        "finish_within: 30m",
        "error_rate: 5",
        13,
        "acceptance.error_rate: Input should be less than or equal to 1",
    ),
}


@pytest.mark.parametrize(("old", "new", "line", "told"), FAULTS.values(), ids=list(FAULTS))
def test_each_fault_is_one_line_that_names_place_and_remedy(
    write: Write, old: str, new: str, line: int, told: str
) -> None:
    """One fault, one line: what an editor can jump to, and what to write instead."""
    (complaint,) = faults_of(write(replaced(old, new)))
    assert complaint.startswith(f"clients.yaml:{line}: ")
    assert told in complaint


def test_several_faults_come_together_in_the_order_of_the_file(write: Write) -> None:
    """Mending one after the other, with a look between each, is tedious."""
    text = RIGHT.replace("cadence: 5m", "cadence: 5").replace("page_size: 250", "page_size: 99")
    assert [f.split(":")[1] for f in faults_of(write(text))] == ["11"]
    text = RIGHT.replace("page_size: 250", "page_sise: 1").replace("harbour:\n", "-bad:\n")
    assert [f.split(":")[1] for f in faults_of(write(text))] == ["2", "8"]
    text = text.replace("cadence: 5m", "cadense: 5m").replace("finish_within", "finish")
    assert [f.split(":")[1] for f in faults_of(write(text))] == ["10", "11", "13"]


def test_loopback_addresses_are_for_the_embedded_stack(write: Write) -> None:
    """The simulated vendor lives there; on AWS such an address would be the Lambda itself."""
    path = write(replaced("https://cars.example.com", "http://127.0.0.1:8000"))
    assert read_clients_file(path, Allowed(loopback=True))
    assert len(faults_of(path)) == 1


WATCHED = """\
clients:
  folio:
    mixpanel:
      secret: sluice/folio/mixpanel
      settings:
        project_id: 77
        lookback: 3h
        profiles: {every: 6h}
        count:
          Waited: [{add: waits, when: {property: length, equals: 5m}}]
      streams:
        events: {cadence: 5m}
"""


def test_durations_are_read_wherever_settings_lie_but_in_lists(write: Write) -> None:
    """What a list of conditions compares with is a text, and stays one."""
    (setting,) = stream_settings(read_clients_file(write(WATCHED)))
    assert (setting.settings["lookback"], setting.settings["profiles"]["every"]) == ("PT3H", "PT6H")
    (effect,) = setting.settings["count"]["Waited"]
    assert effect["when"]["equals"] == "5m"


def test_the_example_is_a_right_file() -> None:
    """What everybody copies first."""
    parsed = read_clients_file(PROJECT / "clients.example.yaml")
    settings = {str(each.key): each.settings for each in stream_settings(parsed)}
    assert settings["harbour-motors#cars#cars"]["base_url"] == "https://auctionsapi.com"
    assert settings["folio#mixpanel#events"]["time_zone"] == "America/New_York"
    assert settings["folio#mixpanel#profiles"]["profiles"]["at"] == "23:30:00"
    assert len(settings) == 3
    assert parsed.acceptance.error_rate == 0.05


@pytest.mark.parametrize(("cars", "slice_rows"), [(100, 250), (20_000, 5_000), (200_000, 10_000)])
def test_the_demos_file_is_right_at_every_size(tmp_path: Path, cars: int, slice_rows: int) -> None:
    """Three clients, both shapes, slices small enough that even a small demo has several; ShipBob's four;
    and an app with both of Mixpanel's streams, whose cohorts are pushed."""
    addresses = {
        "VENDOR_CARS_URL": "http://127.0.0.1:4711",
        "VENDOR_SHIPBOB_URL": "http://127.0.0.1:4712",
        "VENDOR_MIXPANEL_URL": "http://127.0.0.1:4713",
    }
    parsed = demo_clients(addresses, cars, tmp_path)
    everything = stream_settings(parsed)
    settings = [s for s in everything if s.key.source == "cars"]
    others = {s.key.client_id for s in everything if s.key.source == "shipbob"}
    assert len(others) == 4
    app = [s for s in everything if s.key.source == "mixpanel"]
    assert [s.key.stream for s in app] == ["events", "profiles"]
    assert {s.webhook_secret for s in app} == {"sluice/webhooks/folio-mixpanel"}
    assert {s.settings["profiles"]["every"] for s in app} == {"P1D"}
    assert [s.settings["shape"] for s in settings] == ["page", "page", "scroll"]
    assert [s.settings["page_size"] for s in settings] == [250, 100, 1000]
    assert {s.settings["slice_rows"] for s in settings} == {slice_rows}
    assert {s.settings["base_url"] for s in settings} == {"http://127.0.0.1:4711"}
