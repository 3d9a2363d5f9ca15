"""Bringing the registry in line with the clients file, and saying what that does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ops.clients.file import read_clients_file, stream_settings
from ops.clients.registry import change_lines, changes, entries_of, entry_json, entry_lines
from ops.known import check_client, stream_keys
from sluice.core.errors import StreamUnknown
from sluice.core.keys import StreamKey
from sluice.dynamo.registry import RegistryEntry
from tests.memory.registry import MemoryRegistry
from tests.unit.ops.clients_files import RIGHT, SHARING, Write
from tests.unit.ops.figures import T0


def entry(client_id: str, **changed: Any) -> RegistryEntry:
    wanted = {"cadence": timedelta(minutes=5), "settings": {"page_size": 250}, "secret": "s"}
    return RegistryEntry(key=StreamKey(client_id, "cars", "cars"), **{**wanted, **changed})


def registry_of(*entries: RegistryEntry) -> MemoryRegistry:
    registry = MemoryRegistry()
    registry.apply(entries, T0)
    return registry


def actions(registry: MemoryRegistry, *wanted: RegistryEntry) -> Mapping[str, str]:
    return {change.stream_key: change.action for change in changes(registry, wanted)}


def test_each_stream_is_added_changed_disabled_or_left_alone() -> None:
    """What is in the file, what is in the registry, and what is in both."""
    registry = registry_of(entry("same"), entry("other"), entry("gone"))
    wanted = [entry("same"), entry("other", cadence=timedelta(hours=1)), entry("new")]
    assert actions(registry, *wanted) == {
        "same#cars#cars": "same",
        "other#cars#cars": "change",
        "new#cars#cars": "add",
        "gone#cars#cars": "disable",
    }


def test_comparing_changes_nothing() -> None:
    """`clients diff` may be run at any time."""
    registry = registry_of(entry("gone"))
    before = dict(registry.entries)
    changes(registry, [entry("new")])
    assert registry.entries == before


def test_after_applying_there_is_no_difference() -> None:
    """Also a second time, and also for what was disabled: it is not disabled again and again."""
    registry = registry_of(entry("gone"), entry("other"))
    wanted = [entry("new"), entry("other", paused=True)]
    for _ in range(2):
        registry.apply(wanted, T0)
        assert set(actions(registry, *wanted).values()) == {"same"}
    assert not registry.entries[StreamKey("gone", "cars", "cars")].enabled


def test_a_whole_file_applied_is_the_same_when_read_again(write: Write) -> None:
    """Whatever form the file writes a value in: no difference that nobody can make go away."""
    odd = RIGHT.replace("page_size: 250", "page_size: '250'\n        requests_per_second: 5")
    for text in (RIGHT, SHARING.format(200, 4), odd, RIGHT.replace("cadence: 5m", "cadence: 1.5h")):
        wanted = entries_of(stream_settings(read_clients_file(write(text))))
        assert set(actions(registry_of(*wanted), *wanted).values()) == {"same"}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"cadence": timedelta(hours=24)}, "cadence: 5m -> 1d"),
        ({"secret": "other"}, "secret: s -> other"),
        ({"paused": True}, "paused: false -> true"),
        ({"settings": {"page_size": 100}}, "settings.page_size: 250 -> 100"),
        ({"settings": {}}, "settings.page_size: 250 -> unset"),
        (
            {"settings": {"page_size": 250, "crawl_every": "PT36H"}},
            "settings.crawl_every: unset -> 36h",
        ),
        ({"settings": {"page_size": 250, "volatile": ["a", "b"]}}, "volatile: unset -> [a, b]"),
    ],
)
def test_a_change_names_each_field_as_a_clients_file_writes_it(
    changed: dict[str, Any], told: str
) -> None:
    """Durations in their short form, not as the registry keeps them."""
    (change,) = changes(registry_of(entry("a")), [entry("a", **changed)])
    assert change.action == "change"
    assert len(change.fields) == 1
    assert told in change.fields[0]


def test_a_client_that_comes_back_is_enabled_again() -> None:
    """It left the file once, and its entry stayed."""
    registry = registry_of(entry("a"))
    registry.apply([], T0)
    (change,) = changes(registry, [entry("a")])
    assert change.fields == ("enabled: false -> true",)


def test_the_difference_as_text() -> None:
    """What changes first, field by field, and totals at the end; what stays is only counted."""
    registry = registry_of(entry("same"), entry("other"), entry("gone"))
    wanted = [entry("same"), entry("other", secret="new\x1b[2J"), entry("new")]
    assert list(change_lines(changes(registry, wanted))) == [
        "change   other#cars#cars",
        "           secret: s -> new\\x1b[2J",
        "add      new#cars#cars",
        "disable  gone#cars#cars",
        "1 to add, 1 to change, 1 to disable, 1 as they are",
    ]


def test_the_registry_as_text() -> None:
    """State, cadence, when it is due, the secret's name, settings that are set, and when it is worth a look."""
    wanted = entry("a", settings={"page_size": 250, "crawl_every": "P1D", "n": None, "v": []})
    due, late = (
        replace(wanted, due_at=T0 + timedelta(seconds=90)),
        replace(entry("b", paused=True), due_at=T0 - timedelta(seconds=5)),
    )
    assert list(entry_lines([due, late, replace(entry("c"), enabled=False)], T0)) == [
        "a#cars#cars: active, every 5m, due in 90 s",
        "  secret s",
        "  page_size 250, crawl_every 1d",
        "  watch fresh_within 25m, advance_within 6h, sync_within 10m, most_rows 50000, pushed_within 3h",
        "  delete_brake rows 20, share 0.02",
        "b#cars#cars: paused, every 5m, due since 5 s",
        "  secret s",
        "  page_size 250",
        "  watch fresh_within 25m, advance_within 6h, sync_within 10m, most_rows 50000, pushed_within 3h",
        "  delete_brake rows 20, share 0.02",
        "c#cars#cars: disabled, every 5m",
        "  secret s",
        "  page_size 250",
        "  watch fresh_within 25m, advance_within 6h, sync_within 10m, most_rows 50000, pushed_within 3h",
        "  delete_brake rows 20, share 0.02",
    ]


def test_the_registry_as_json() -> None:
    """Names of secrets, never their values: the registry has none."""
    assert entry_json(entry("a", due_at=T0)) == {
        "stream_key": "a#cars#cars",
        "cadence_s": 300.0,
        "enabled": True,
        "paused": False,
        "due_at": T0,
        "secret": "s",
        "webhook_secret": None,
        "settings": {"page_size": 250},
        "watch": {
            "fresh_within_s": 1500.0,
            "advance_within_s": 21_600.0,
            "sync_within_s": 600.0,
            "most_rows": 50_000,
            "pushed_within_s": 10_800.0,
        },
        "delete_brake": {"rows": 20, "share": 0.02},
    }


ENTRIES = [entry("harbour"), entry("ridge"), replace(entry("gone"), enabled=False)]


@pytest.mark.parametrize(
    ("named", "found"),
    [
        ([], ["harbour", "ridge"]),
        (["ridge"], ["ridge"]),
        (["harbour#cars#cars"], ["harbour"]),
        (["ridge", "ridge#cars#cars", "harbour"], ["harbour", "ridge"]),
    ],
)
def test_names_mean_clients_or_streams(named: list[str], found: list[str]) -> None:
    """All enabled ones without a name; none twice."""
    assert [key.client_id for key in stream_keys(ENTRIES, named)] == found


@pytest.mark.parametrize(
    ("named", "told"),
    [
        (
            "harbor",
            "there is no client 'harbor'; did you mean 'harbour'? there are: harbour, ridge",
        ),
        ("x", "there is no client 'x'; there are: harbour, ridge"),
        ("gone", "there is no client 'gone'; there are: harbour, ridge"),
        (
            "ridge#cars#bids",
            "there is no stream 'ridge#cars#bids'; did you mean 'ridge#cars#cars'?"
            " there are: harbour#cars#cars, ridge#cars#cars",
        ),
        ("ridge#", "there is no stream 'ridge#';"),
    ],
)
def test_an_unknown_name_is_answered_with_those_there_are(named: str, told: str) -> None:
    """A wrong letter is the usual cause. Nothing is asked for, not even of the right names."""
    with pytest.raises(StreamUnknown) as caught:
        stream_keys(ENTRIES, ["ridge", named])
    assert str(caught.value).startswith(told)


def test_an_empty_registry_says_what_comes_first() -> None:
    """Right after a deploy."""
    with pytest.raises(StreamUnknown, match=r"^there is no client yet; run `sluice clients apply`"):
        stream_keys([], [])


def test_a_disabled_client_still_has_its_past() -> None:
    """`sluice runs --client` may look at it; a client that never was is a typing mistake."""
    registry = registry_of(entry("harbour"))
    registry.apply([], T0)
    check_client(registry, "harbour")
    check_client(registry, None)
    with pytest.raises(StreamUnknown, match="did you mean 'harbour'"):
        check_client(registry, "harbor")
    with pytest.raises(StreamUnknown, match="there are: none; run `sluice clients apply` first"):
        check_client(MemoryRegistry(), "harbour")
