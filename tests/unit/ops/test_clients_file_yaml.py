"""What YAML hides: keys written twice, anchors, tabs, and files that are no YAML at all."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from ops.clients.file import read_clients_file, stream_settings
from tests.unit.ops.clients_files import RIGHT, SHARING, Write, faults_of, replaced


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "clients.yaml:1: the file is empty; copy clients.example.yaml to begin"),
        ("# only a comment\n", "clients.yaml:1: the file is empty"),
        ("---\n", "clients.yaml:1: the file is empty"),
        ("- a\n- b\n", "clients.yaml:1: the file must begin with `clients:`"),
        ("harbour", "clients.yaml:1: the file must begin with `clients:`"),
        ("acceptance: {}\n", "clients.yaml:1: clients: is missing"),
        ("clients: {}\n", "clients.yaml:1: clients: is empty; name at least one"),
        ("clients:\n  a: 1\n", "clients.yaml:2: clients.a: write indented `key: value` lines"),
        (RIGHT.encode("utf-16"), "clients.yaml:1: not UTF-8 text; save the file as UTF-8"),
        (RIGHT.replace("harbour:", "h\xe4fen:").encode("latin-1"), "clients.yaml:2: not UTF-8"),
        (RIGHT.replace("    cars:\n      s", "\tcars:\n      s"), "clients.yaml:3: not YAML: "),
        ("clients: {a: [}\n", "clients.yaml:1: not YAML: "),
        ("clients:\n  a: 1\n---\nclients: 2\n", "clients.yaml:3: not YAML: "),
        ("clients: *nowhere\n", "clients.yaml:1: not YAML: found undefined alias"),
        ("clients:\n  a: !!python/name:os.system\n", "clients.yaml:2: not YAML: could not"),
        ("clients:\n  ? [a]\n  : 1\n", "clients.yaml:2: not YAML: found unhashable key"),
        ("clients:\n  a: 2026-02-31\n", "clients.yaml: not YAML: day is out of range"),
        ("clients:\n  a: \x01\n", "clients.yaml:2: not YAML: a control character"),
        ("[" * 5000, "clients.yaml: nested too deeply"),
    ],
)
def test_what_is_no_clients_file_at_all_is_one_line(
    write: Write, text: str | bytes, told: str
) -> None:
    """Empty, no mapping, no YAML, no text: a line, never a traceback."""
    (complaint,) = faults_of(write(text))
    assert complaint.startswith(told)


def test_a_tab_is_named_because_nobody_sees_it(write: Write) -> None:
    """PyYAML speaks of a character that cannot start a token."""
    (complaint,) = faults_of(write(replaced("    cars:\n      secret", "\tcars:\n      secret")))
    assert complaint.endswith("; indent with spaces, not with tabs")
    (other,) = faults_of(write("clients: {a: [}\t# a tab in a comment's way\n"))
    assert "tab" in other
    (plain,) = faults_of(write("clients: {a: [}\n"))
    assert "tab" not in plain


def test_a_file_that_is_not_there_says_how_to_begin(tmp_path: Path) -> None:
    """Nobody has a clients.yaml at first."""
    assert faults_of(tmp_path / "clients.yaml") == [
        "clients.yaml: no such file; copy clients.example.yaml to begin"
    ]


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """A typing mistake, not a crash."""
    (complaint,) = faults_of(tmp_path / ".." / tmp_path.name)
    assert complaint.endswith(": cannot be read: Is a directory")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("acceptance:\n", "clients: {}\nacceptance:\n",
         "clients.yaml:12: the key 'clients' stands here again, first in line 1; remove one"),
        ("acceptance:\n", "  harbour: {}\nacceptance:\n", "clients.yaml:12: the key 'harbour'"),
        ("page_size: 250", "page_size: 250\n        shape: scroll", "clients.yaml:9: the key 'shape'"),
        ("cadence: 5m", "cadence: 5m\n          cadence: 1h", "clients.yaml:12: the key 'cadence'"),
        ("shape: page", 'shape: page\n        "shape": page', "clients.yaml:7: the key 'shape'"),
    ],
)  # fmt: skip
def test_a_key_written_twice_is_refused(write: Write, old: str, new: str, told: str) -> None:
    """At every depth, also in quotes, with both lines."""
    (complaint,) = faults_of(write(replaced(old, new)))
    assert complaint.startswith(told)


def test_all_doubles_are_named(write: Write) -> None:
    """Three of the same key are two too many."""
    text = "clients: {}\nclients: {}\nclients: {}\n"
    assert [f.split(":")[1] for f in faults_of(write(text))] == ["2", "3"]


def test_doubles_in_a_list_and_in_an_anchor_are_found_once(write: Write) -> None:
    """An anchored mapping is used many times and written once."""
    text = "clients: [&x {a: 1, a: 2}, *x, *x]\n"
    assert len(faults_of(write(text))) == 1


def test_an_alias_to_itself_does_not_hang(write: Write) -> None:
    """A mapping that contains itself."""
    assert faults_of(write("clients: &c\n  a: *c\n"))


def test_anchors_and_merges_are_followed(write: Write) -> None:
    """The second client has the first one's settings and one more of its own."""
    first, second = stream_settings(read_clients_file(write(SHARING.format(200, 4))))
    assert (first.settings["page_size"], second.settings["page_size"]) == (200, 200)
    assert (first.settings["concurrency"], second.settings["concurrency"]) == (16, 4)
    assert second.cadence == timedelta(minutes=5)


def test_a_fault_in_what_is_shared_points_to_where_it_is_written(write: Write) -> None:
    """Both clients have the fault; both lines are the anchor's."""
    assert [f.split(": ")[:2] for f in faults_of(write(SHARING.format(99, 4)))] == [
        ["clients.yaml:8", "clients.first.cars.settings.page_size"],
        ["clients.yaml:8", "clients.second.cars.settings.page_size"],
    ]


def test_a_fault_beside_a_merge_points_to_its_own_line(write: Write) -> None:
    """Only what was merged lies elsewhere."""
    (complaint,) = faults_of(write(SHARING.format(200, 0)))
    assert complaint.startswith("clients.yaml:16: clients.second.cars.settings.concurrency: ")


def test_a_list_of_merges_is_searched_in_order(write: Write) -> None:
    """``<<: [*a, *b]``: the first that has the key wins, in YAML as in the line that is named."""
    text = SHARING.format(200, 4).replace("<<: *pages", "<<: [{page_size: 99}, *pages]")
    (complaint,) = faults_of(write(text))
    assert complaint.startswith("clients.yaml:15: clients.second.cars.settings.page_size: ")
