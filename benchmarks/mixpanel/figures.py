"""What a benchmark found: figures beside their goals, as a table for people and a page to keep."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from tests.provenance import RESULTS, commit, machine, moment

Say = Callable[[str], None]


class Impossible(Exception):
    """A benchmark was asked for what cannot be; says what can."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line; ``goal`` is empty where there is none, and then it is reached."""

    name: str
    value: str
    goal: str = ""
    reached: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """A benchmark's outcome. ``name`` is its file's; ``how`` says what was done, ``notes`` what follows from it."""

    name: str
    title: str
    how: str
    figures: Sequence[Figure]
    notes: str

    @property
    def reached(self) -> bool:
        return all(figure.reached for figure in self.figures)


def at_most(name: str, value: float, most: float, unit: str = "") -> Figure:
    """A number that is to be no more than ``most``."""
    return Figure(name, f"{value:,.4g}{unit}", f"<= {most:,.4g}{unit}", value <= most)


def at_least(name: str, value: float, least: float, unit: str = "") -> Figure:
    """A number that is to be no less than ``least``."""
    return Figure(name, f"{value:,.4g}{unit}", f">= {least:,.4g}{unit}", value >= least)


def exactly(name: str, value: int, wanted: int) -> Figure:
    """A count that is to be this one."""
    return Figure(name, f"{value:,}", f"{wanted:,}", value == wanted)


def one_part_of(name: str, part: float, whole: float, least: int) -> Figure:
    """``part`` as 1/n of ``whole``, where n is to be ``least`` or more. Nothing of something is no part of it."""
    times = whole / part if part > 0 else 0.0
    told = f"1/{times:.0f}" if times else "none"
    return Figure(name, told, f"<= 1/{least}", times >= least)


def table(found: Found) -> Table:
    """For a terminal."""
    shown = Table("what", "measured", "goal", "", title=found.title)
    for figure in found.figures:
        mark = "" if not figure.goal else "[green]ok" if figure.reached else "[red]MISSED"
        shown.add_row(figure.name, figure.value, figure.goal, mark)
    return shown


def page(found: Found, command: str) -> str:
    """For docs/results; a goal that was missed says so."""
    rows = "\n".join(f"| {f.name} | {f.value} | {_goal(f)} |" for f in found.figures)
    return f"""# {found.title}

{moment()}, commit {commit()}, `{command}`, {machine()}; vendor, Postgres, AWS and worker on one machine.

{found.how.strip()}

| what | measured | goal |
|---|---|---|
{rows}

{found.notes.strip()}
"""


def record(found: Found, folder: Path = RESULTS) -> Path:
    """Write the page; where it is."""
    command = " ".join(["python -m benchmarks.mixpanel", *sys.argv[1:]])
    kept = folder / f"{found.name}.md"
    kept.write_text(page(found, command), encoding="utf-8")
    return kept


def _goal(figure: Figure) -> str:
    return figure.goal if figure.reached else f"{figure.goal} (missed)"
