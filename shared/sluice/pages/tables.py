"""Tables that stay tables for whoever hears them, and become cards where the page is narrow.

The roles say what each element is anyway: browsers forget it when a narrow page lays a table out as blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sluice.pages.markup import Child, Html, el

ABSENT = "\N{EN DASH}"


@dataclass(frozen=True, slots=True)
class Column:
    """``number`` is set to the right. ``label`` stands beside the value in a card, where the name is too long."""

    name: str
    number: bool = False
    label: str | None = None


def table(
    caption: str,
    more: str,
    columns: Sequence[Column],
    rows: Sequence[Sequence[Child]],
    *,
    region: str,
) -> Html:
    """A table whose first column names its rows. A cell that is None is left out of a card.

    It scrolls by itself when it is wider than the page; ``region`` names it for those who do so by keyboard.
    """
    heads = [
        el("th", {"scope": "col", "role": "columnheader", "class": _side(each)}, each.name)
        for each in columns
    ]
    drawn = el(
        "table",
        {"class": "cards", "role": "table"},
        el("caption", None, caption, el("small", None, more)),
        el("thead", {"role": "rowgroup"}, el("tr", {"role": "row"}, heads)),
        el("tbody", {"role": "rowgroup"}, [_row(columns, row) for row in rows]),
    )
    around = {"class": "scroll", "tabindex": "0", "role": "region", "aria-label": region}
    return el("div", around, drawn)


def _row(columns: Sequence[Column], row: Sequence[Child]) -> Html:
    cells = [_cell(column, value) for column, value in zip(columns[1:], row[1:], strict=True)]
    name = el("th", {"scope": "row", "role": "rowheader", "class": "num"}, row[0])
    return el("tr", {"role": "row"}, name, cells)


def _cell(column: Column, value: Child) -> Html:
    if value is None:
        return el("td", {"role": "cell", "class": "empty"}, el("span", {"class": "soft"}, ABSENT))
    shown = {"role": "cell", "class": _side(column), "data-label": column.label or column.name}
    return el("td", shown, value)


def _side(column: Column) -> str | None:
    return "n" if column.number else None
