"""Tables fit whatever width there is, and never cut a cell."""

from __future__ import annotations

import re
from io import BytesIO, TextIOWrapper

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from ops.sheets import Sheet, column
from tests.unit.ops.figures import Pipe, Terminal

ANSI = re.compile(r"\x1b\[[0-9;]*m")


def drawn(sheet: Sheet, width: int) -> list[str]:
    terminal = Terminal(width)
    terminal.console.print(sheet)
    return [ANSI.sub("", line) for line in terminal.text.splitlines()]


def sheet_of(*cells: str, name: str = "acme", parts: int = 2) -> Sheet:
    """A row named ``name`` whose cells lie in turn in as many parts."""
    columns = [
        column(f"c{number}", [cell], 1 + number % parts) for number, cell in enumerate(cells)
    ]
    return Sheet("title", [column("client", [name], 0, left=True), *columns])


def test_one_table_where_it_fits() -> None:
    """Columns side by side, numbers to the right, names to the left."""
    sheet = Sheet(
        "t", [column("client", ["a", "bcd"], 0, left=True), column("read", ["1", "12,345"])]
    )
    assert drawn(sheet, 80) == [
        "t", "client    read", "──────  ──────", "a            1", "bcd     12,345",
    ]  # fmt: skip


def test_a_narrow_terminal_gets_the_next_part_below() -> None:
    """The columns that name a row are repeated, so that each table can be read alone."""
    lines = drawn(sheet_of("1234567890", "abcdefghij"), 22)
    assert [line.split() for line in lines if "─" not in line] == [
        ["title"], ["client", "c0"], ["acme", "1234567890"],
        [], ["client", "c1"], ["acme", "abcdefghij"],
    ]  # fmt: skip


def test_columns_move_closer_before_the_table_becomes_blocks() -> None:
    """One space less is easier to read than another layout."""
    sheet = sheet_of("12345", "67890", parts=1)
    assert drawn(sheet, len("client  12345  67890"))[3] == "acme    12345  67890"
    assert drawn(sheet, len("client 12345 67890"))[3] == "acme   12345 67890"


def test_too_narrow_for_any_table_makes_blocks() -> None:
    """A row becomes its name and pairs of heading and cell."""
    lines = drawn(sheet_of("1234567890", "abcdefghij", name="a" * 15, parts=1), 20)
    assert lines == ["title", "a" * 15, "  c0 1234567890", "  c1 abcdefghij"]


@given(
    st.lists(st.text("0123456789,", min_size=1, max_size=12), min_size=1, max_size=12),
    st.integers(30, 220),
    st.integers(1, 3),
)
def test_no_cell_is_cut_and_no_line_is_too_long(cells: list[str], width: int, parts: int) -> None:
    """Whatever the cells and the width: every cell stands whole, on one line, within the width."""
    lines = drawn(sheet_of(*cells, parts=parts), width)
    words = [word for line in lines for word in line.split()]
    assert all(words.count(cell) >= cells.count(cell) for cell in cells)
    assert all(cell_len(line) <= width for line in lines)


def test_a_pipe_gets_every_column_on_one_line() -> None:
    """A log of 80 columns would cut or wrap what a program wants to read."""
    pipe = Pipe()
    pipe.console.print(sheet_of(*[f"{10**9 + n:,}" for n in range(40)], parts=3))
    assert len(pipe.lines) == 4
    assert len(pipe.lines[3]) > 400
    assert not any(line != line.rstrip() for line in pipe.lines)


def test_wide_characters_keep_columns_straight() -> None:
    """A client's record may be named in Japanese: two columns per character."""
    sheet = Sheet("t", [column("id", ["車", "a"], 0, left=True), column("n", ["1", "2"])])
    assert drawn(sheet, 80)[3:] == ["車  1", "a   2"]


@pytest.mark.parametrize("text", ["[red]", "[/]", ":smile:", "\x1b[31mred", "a\nb", "\r\x07"])
def test_a_cell_cannot_steer_the_terminal(text: str) -> None:
    """Ids and reasons are of the vendor's making: brackets are no markup, control codes are shown."""
    shown = text.encode("unicode_escape").decode() if not text.isprintable() else text
    assert (
        shown in drawn(Sheet("t", [column("id", [text], 0, left=True), column("n", ["1"])]), 80)[3]
    )


def test_a_terminal_without_unicode_gets_a_plain_rule() -> None:
    """A line of question marks under the headings would look broken."""
    raw = BytesIO()
    file = TextIOWrapper(raw, encoding="ascii", write_through=True)
    Console(file=file, width=80).print(sheet_of("1"))
    assert raw.getvalue().splitlines()[2] == b"------  --"
