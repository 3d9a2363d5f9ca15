"""Windows of time: which stretch a stream reads next, so that late rows are read and no row is passed.

A vendor's row may become visible after its time has been read (late), and at the vendor's own "now" not
all rows of that moment are visible yet. So each window begins ``lookback`` before the cursor, and the
cursor never passes the vendor's own clock minus ``settle``. What is read twice counts once: versions
guard rows, the ledger guards facts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class WindowRules:
    """``first`` is how far back a stream without a cursor begins; a window is between ``shortest`` and
    ``longest`` (of new time; its lookback comes on top)."""

    lookback: timedelta
    settle: timedelta
    first: timedelta
    longest: timedelta
    shortest: timedelta = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Window:
    """Read what occurred in [since, until). ``begins`` is the cursor that it goes on from; ``fresh`` says
    that there was none, and that our own clock chose it."""

    since: datetime
    until: datetime
    begins: datetime
    fresh: bool = False

    def reached(self, vendor_now: datetime, rules: WindowRules) -> datetime:
        """The cursor once the window was read whole. ``vendor_now`` is the vendor's clock when it was
        asked: ours may be ahead, and would let the cursor pass rows that do not exist yet. A fresh window
        that our clock let begin too late only finds out where to begin."""
        settled = vendor_now - rules.settle
        if self.fresh and self.begins > settled - rules.first:
            return settled - rules.first
        return max(self.begins, min(self.until, settled))


def next_window(read_until: datetime | None, now: datetime, rules: WindowRules) -> Window | None:
    """The window after the cursor ``read_until``; None while less than ``shortest`` would be new."""
    begins = now - rules.settle - rules.first if read_until is None else read_until
    until = min(now - rules.settle, begins + rules.longest)
    if until - begins < rules.shortest:
        return None
    return Window(begins - rules.lookback, until, begins, fresh=read_until is None)
