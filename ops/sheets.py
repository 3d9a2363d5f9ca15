"""Tables of which no cell is ever cut.

Where a terminal is too narrow for the whole, columns go into further tables below, each repeating
what names its rows; where even those do not fit, every row becomes a block of ``name value`` pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

from ops.terminal import printable

GAPS = (2, 1)
"""Spaces between columns; the second only where the first does not fit."""


@dataclass(frozen=True, slots=True)
class Column:
    """A heading and its cells. Part 0 names the rows; columns of one part stay together."""

    name: str
    cells: Sequence[str]
    part: int = 1
    left: bool = False

    @property
    def width(self) -> int:
        return max(map(cell_len, (self.name, *self.cells)))

    def padded(self, text: str) -> str:
        space = " " * (self.width - cell_len(text))
        return text + space if self.left else space + text


def column(name: str, cells: Sequence[str], part: int = 1, *, left: bool = False) -> Column:
    """A column whose cells are made fit for a terminal."""
    return Column(name, [printable(cell) for cell in cells], part, left)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A title and its columns, drawn to whatever width there is when it is printed."""

    title: str
    columns: Sequence[Column]

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        yield Text(self.title, style="bold", overflow="fold")
        rule = "-" if options.ascii_only else "─"
        for gap in GAPS:
            tables = self._tables(options.max_width, gap)
            if tables is not None:
                for number, table in enumerate(tables):
                    yield from ([Text("")] if number else [])
                    yield from _drawn(table, gap, rule)
                return
        yield from self._blocks(options.max_width)

    def _tables(self, width: int, gap: int) -> list[list[Column]] | None:
        """As few tables as fit; None when a part alone is too wide."""
        names = [c for c in self.columns if c.part == 0]
        tables: list[list[Column]] = []
        for part in sorted({c.part for c in self.columns} - {0}):
            more = [c for c in self.columns if c.part == part]
            if tables and _width([*tables[-1], *more], gap) <= width:
                tables[-1] += more
            else:
                tables.append([*names, *more])
        return tables if all(_width(table, gap) <= width for table in tables) else None

    def _blocks(self, width: int) -> Iterator[Text]:
        parts = sorted({c.part for c in self.columns} - {0})
        for row in range(len(self.columns[0].cells)):
            names = [c.cells[row] for c in self.columns if c.part == 0]
            yield Text("  ".join(names), style="bold", overflow="fold")
            for part in parts:
                pairs = [f"{c.name} {c.cells[row]}" for c in self.columns if c.part == part]
                yield from (Text(line, overflow="fold") for line in _lines(pairs, width))


def _width(table: Sequence[Column], gap: int) -> int:
    return sum(c.width for c in table) + gap * (len(table) - 1)


def _drawn(table: Sequence[Column], gap: int, rule: str) -> Iterator[Text]:
    yield _line(table, [c.name for c in table], gap, style="bold")
    yield _line(table, [rule * c.width for c in table], gap, style="dim")
    for cells in zip(*(c.cells for c in table), strict=True):
        yield _line(table, cells, gap)


def _line(table: Sequence[Column], cells: Sequence[str], gap: int, style: str = "") -> Text:
    padded = (c.padded(cell) for c, cell in zip(table, cells, strict=True))
    return Text((" " * gap).join(padded).rstrip(), style=style, no_wrap=True)


def _lines(pairs: Sequence[str], width: int) -> Iterator[str]:
    """Pairs side by side, indented, with a new line before the pair that would not fit."""
    line = ""
    for pair in pairs:
        longer = f"{line}  {pair}"
        if line and cell_len(longer) > width:
            yield line
            longer = f"  {pair}"
        line = longer
    if line:
        yield line
