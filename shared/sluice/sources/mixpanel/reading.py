"""An export as it arrives: every line an event, a reject, or a reason not to believe the whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sluice.core.errors import RowRejected, VendorAnswerBroken
from sluice.core.records import Record, Reject
from sluice.sources.doubts import Doubt
from sluice.sources.mixpanel.payloads import Event, read_event, reject_of
from sluice.sources.mixpanel.project_time import Ask, ProjectClock, shown

TERMINATED = b"terminated early"
"""Stands in the place of a line where the vendor gave up, under a status of 200. Seen by others [2ND]."""

MOST_DOUBTFUL = 100
MOST_BYTES = 64 * 1024 * 1024
LOOK_EVERY = 256


@dataclass(slots=True)
class ExportReading:
    """One answer to one ``ask``. ``take`` is given its lines; ``finish`` tells whether all of it is believed.

    Reading ends early when it is ``too_much``: more than ``most_rows``, or more bytes, or more time than one
    slice may hold (``in_time`` says no). ``seen`` are the records of this slice by id, so that of an event
    that comes twice the first reading stands.
    """

    ask: Ask
    clock: ProjectClock
    most_rows: int
    in_time: Callable[[], bool]
    seen: dict[str, Record]
    records: list[Record] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    too_much: bool = False
    _bytes: int = 0
    _lines: int = 0
    _ended: bool = True
    _open: bytes | None = None
    _doubtful: list[bytes] = field(default_factory=list)

    def take(self, line: bytes) -> bool:
        """Read a line; False when it is too much. VendorAnswerBroken when nothing of it is to be believed."""
        self._ended = line.endswith(b"\n")
        line = line.rstrip(b"\r\n")
        if not line:
            return True
        self._lines += 1
        self._bytes += len(line)
        self.too_much = (
            len(self.records) + len(self.rejects) >= self.most_rows
            or self._bytes > MOST_BYTES
            or (self._lines % LOOK_EVERY == 0 and not self.in_time())
        )
        if self.too_much:
            return False
        if not self._read(line):
            self._join(line)
        return True

    def finish(self, doubt: Doubt) -> None:
        """VendorAnswerBroken when the last line is cut, however often; or when another was no JSON and was not
        seen like that before."""
        if self._open is not None and not self._ended:
            raise VendorAnswerBroken("the export ends in the middle of a line")
        if self._open is not None:
            self._doubtful.append(self._open)
        # Each is looked at before the verdict, so that one more reading settles every doubt.
        settled = [doubt.settled(line) for line in self._doubtful]
        if not all(settled):
            raise VendorAnswerBroken("a line of the export is not JSON")
        for line in self._doubtful:
            self.rejects.append(reject_of(line, RowRejected("not JSON"), self.clock))

    def _read(self, line: bytes) -> bool:
        """False when the line by itself is no JSON."""
        try:
            event = read_event(line, self.clock)
        except RowRejected as error:
            self._settle_open()
            self.rejects.append(reject_of(line, error, self.clock))
            return True
        except ValueError:
            return False
        self._settle_open()
        self._keep(event)
        return True

    def _join(self, line: bytes) -> None:
        """One object may come on two lines; other lines that are no JSON are doubted."""
        if TERMINATED in line:
            raise VendorAnswerBroken("the vendor terminated the export early")
        before, self._open = self._open, None
        if before is not None and self._read(before + line):
            return
        if before is not None:
            self._doubtful.append(before)
        self._open = line
        if len(self._doubtful) > MOST_DOUBTFUL:
            raise VendorAnswerBroken("the export is not lines of JSON")

    def _settle_open(self) -> None:
        """What was left open was no beginning of the next line."""
        if self._open is not None:
            self._doubtful.append(self._open)
            self._open = None

    def _keep(self, event: Event) -> None:
        if not self.ask.has(event.time):
            raise VendorAnswerBroken(
                f"asked for events from {shown(self.ask.low)} to {shown(self.ask.high)}, the vendor sent one of"
                f" {shown(event.time)}; if it goes on so, set where_on_time to false"
            )
        self.records.append(self.seen.setdefault(event.record.id, event.record))
