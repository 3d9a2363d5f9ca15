"""Asking for one timeline after the other, several side by side, each answer a page of its own.

A shipment that the vendor has no answer for must not keep the others waiting for ever, as the first of
every list. So its failure is held back until the vendor answers for another one: then it was the
shipment's own, and it is rejected until it is due again. Too many in a row are the vendor's, or ours.
A request that the vendor calls wrong was answered, so a few of them need no other answer.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from sluice.core.budget import Budget
from sluice.core.errors import (
    BreakerOpen,
    RequestRefused,
    RowRejected,
    SluiceError,
    VendorAnswerBroken,
    VendorUnavailable,
    WaitForVendor,
)
from sluice.core.records import Cursor, Page, Record, Reject
from sluice.sources.pacing import CutShort
from sluice.sources.read_ahead import ReadAhead
from sluice.sources.shipbob.client import ShipBobClient
from sluice.sources.shipbob.timelines_payloads import no_timeline, odd_timeline, timeline_record

MOST_HELD = 20
"""Failures in a row from which on they are no shipment's own. Of requests that the vendor calls wrong: whole
kinds of shipments may be. Of those that are tried again in vain the account's breaker is the judge: it
opens after ten failed requests in a row."""


@dataclass(frozen=True, slots=True)
class _Answered:
    record: Record
    requests: int


@dataclass(frozen=True, slots=True)
class _Failed:
    shipment_id: str
    error: SluiceError

    def rejected(self) -> Record:
        """The shipment's record, once the failure is taken for its own."""
        told = f"{type(self.error).__name__}: {self.error}"
        return odd_timeline(self.shipment_id, f"no answer for this shipment alone: {told}")


@dataclass(frozen=True, slots=True)
class TimelineReading:
    """The timelines of some shipments. ``cursor`` says where the stream stands after a page, and once all
    are read."""

    client: ShipBobClient
    shipment_ids: Sequence[str]
    concurrency: int
    cursor: Callable[[bool], Cursor]

    def pages(self, budget: Budget) -> Iterator[Page]:
        """A page for each answer, in the order of the shipments. Ends quietly when our own time is up after a page;
        raises what stopped us else, and a failure that no answer followed."""
        came = False
        try:
            with closing(self._answers(budget)) as answers:
                for page in self._pages(answers, budget):
                    came = True
                    yield page
                    if budget.spent:
                        return
        except WaitForVendor:
            if came and not budget.time_left():
                return
            raise

    def _pages(self, answers: Iterator[_Answered | _Failed], budget: Budget) -> Iterator[Page]:
        held: list[_Failed] = []
        number = 0
        for number, found in enumerate(answers, start=1):
            if isinstance(found, _Failed):
                held.append(found)
                if len(held) == MOST_HELD:
                    raise held[0].error
                if budget.spent:
                    break
                continue
            own = [failed.rejected() for failed in held]
            held = []
            self.client.http.page()
            yield self._page([*own, found.record], last=number == len(self.shipment_ids))
        yield from self._left(held, last=number == len(self.shipment_ids))

    def _left(self, held: Sequence[_Failed], *, last: bool) -> Iterator[Page]:
        """Failures that no answer followed. A refusal is an answer itself; the others stay due."""
        refused = [failed for failed in held if isinstance(failed.error, RequestRefused)]
        if refused:
            rejected = [failed.rejected() for failed in refused]
            yield self._page(rejected, last=last and len(refused) == len(held))
        for failed in held:
            if failed not in refused:
                raise failed.error

    def _page(self, records: Sequence[Record], *, last: bool) -> Page:
        return Page(records=records, cursor=self.cursor(last))

    def _answers(self, budget: Budget) -> Generator[_Answered | _Failed]:
        most = self.client.http.side_by_side(self.concurrency)
        upcoming = iter(range(len(self.shipment_ids)))
        ahead = ReadAhead(
            lambda number: self._ask(self.shipment_ids[number], budget),
            next_number=lambda: next(upcoming, None),
            window=lambda: budget.pages_ahead(1, most),
            most=most,
            stop=self.client.http.stop,
        )
        try:
            for found in ahead:
                budget.spend(requests=found.requests if isinstance(found, _Answered) else 1)
                yield found
        finally:
            ahead.close()
            self.client.http.resume()

    def _ask(self, shipment_id: str, budget: Budget) -> _Answered | _Failed:
        try:
            got = self.client.timeline(shipment_id, budget)
        except (CutShort, BreakerOpen):
            raise  # of our own time or of the whole vendor: no shipment's
        except RowRejected as error:
            return _Answered(odd_timeline(shipment_id, str(error)), 0)
        except (VendorAnswerBroken, VendorUnavailable, RequestRefused) as error:
            return _Failed(shipment_id, error)
        if got.value is None:
            return _Answered(no_timeline(shipment_id), got.requests)
        if isinstance(got.value, Reject):
            return _Answered(odd_timeline(shipment_id, got.value.reason, got.value), got.requests)
        return _Answered(timeline_record(got.value), got.requests)
