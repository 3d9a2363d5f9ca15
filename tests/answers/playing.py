"""Rounds in processes of their own: each has a database, a simulated vendor and every so many rounds of a seed."""

from __future__ import annotations

import multiprocessing
import queue
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from multiprocessing.process import BaseProcess
from typing import Any

from local.postgres import Database
from tests.answers.controls import take_away
from tests.answers.ground import standing
from tests.answers.rounds import Played, Tally, play

PATIENCE_S = 300.0
"""For one round of any process, however busy the machine."""


A_ROUND_S = 60.0
"""For the round that is being played when all is over."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be played: rounds of a vendor from ``first`` on, until so many ``answers`` were faulty; with
    ``stop_at_once``, until anything is wrong. ``focus``: kinds of faults that each has, where it can. ``apart``: the
    vendors have processes of their own, too."""

    vendor: str
    seed: int
    day: date
    answers: int
    first: int = 1
    without: Sequence[str] = ()
    focus: Sequence[str] = ()
    stop_at_once: bool = False
    apart: bool = True


class WorkerDiedError(RuntimeError):
    """A process ended without saying why, or has said nothing for minutes."""


def played(wanted: Wanted, databases: Sequence[Database], say: Callable[[Tally], None]) -> Tally:
    """Play in as many processes as there are databases. ``say`` is called after each round."""
    tally = Tally()
    for each in _rounds(wanted, databases, lambda: _is_enough(wanted, tally)):
        tally.add(each)
        say(tally)
    return tally


def _is_enough(wanted: Wanted, tally: Tally) -> bool:
    found = wanted.stop_at_once and bool(tally.violations)
    return found or tally.faulty >= wanted.answers


def _rounds(
    wanted: Wanted, databases: Sequence[Database], is_enough: Callable[[], bool]
) -> Iterator[Played]:
    context = multiprocessing.get_context("spawn")
    told, stop = context.Queue(), context.Event()
    with ExitStack() as stack:
        for at, database in enumerate(databases):
            words = (wanted, database, at, len(databases), told, stop)
            process = context.Process(target=_work, args=words)
            process.start()
            stack.callback(_end, process)
        stack.callback(stop.set)
        working = len(databases)
        while working:
            try:
                found = told.get(timeout=PATIENCE_S)
            except queue.Empty:
                raise WorkerDiedError("nothing was heard of any round for minutes") from None
            if isinstance(found, str):
                raise WorkerDiedError(found)
            working -= found is None
            if found is not None:
                yield found
                if is_enough():
                    stop.set()


def _end(process: BaseProcess) -> None:
    process.join(timeout=A_ROUND_S)
    if process.is_alive():
        process.kill()


def _work(wanted: Wanted, database: Database, at: int, step: int, told: Any, stop: Any) -> None:
    """Every ``step``-th round from ``first + at`` on. What was being played when it is told to stop counts."""
    try:
        take_away(wanted.without)
        with standing(wanted.vendor, database, wanted.day, apart=wanted.apart) as ground:
            number = wanted.first + at
            while not stop.is_set():
                told.put(play(ground, wanted.seed, number, wanted.focus))
                number += step
    except Exception as error:  # noqa: BLE001  # told to whoever started us
        told.put(f"{wanted.vendor}: {type(error).__name__}: {error}")
    told.put(None)
