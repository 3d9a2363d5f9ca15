"""A worker's part in a vendor account that all workers share.

Before each request its worker is admitted: the account is not stopped, its breaker is closed, and a slot of its
calendar has come. A vendor that is well and has no limits costs no write at all. What the vendor tells, and what
fails, is written where all workers see it.

Nothing here knows of slices: pushes and publishing use an account the same way, with a name of their own.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from sluice.core.errors import (
    AccessDenied,
    AccountBusy,
    BreakerOpen,
    CredentialsRefused,
    RetryLater,
    SluiceError,
    VendorAnswerBroken,
    VendorThrottled,
    VendorUnavailable,
)
from sluice.core.limits.accounts import MILLISECOND, AccountPage, Stopped, VendorSays
from sluice.core.limits.breaker import Breaker, May
from sluice.observability.logs import logger
from sluice.sources.account_view import Account, AccountView
from sluice.sources.blocks import Blocks
from sluice.sources.pacing import LONGEST_SLEEP, CutShort, Line, Patience

T = TypeVar("T")

SEAT_NAP_S = 0.02


@dataclass(frozen=True, slots=True)
class Turn:
    """An admitted request: when, and whether it is a try that the breaker counts."""

    at_ms: int
    counted: bool


def digest_of(credential: str) -> str:
    """Enough of a credential to tell whether it is the one that was refused."""
    return hashlib.sha256(credential.encode()).hexdigest()[:12]


class SharedAccount:
    """Admits one worker's requests. Safe to use from threads. ``side_by_side`` is how many it may have
    under way."""

    def __init__(self, account: Account, *, side_by_side: int) -> None:
        self._subject = account.subject
        self._rules = account.rules
        self._view = AccountView(account)
        self._blocks = Blocks(account, self._view, side_by_side=side_by_side)
        self._line = Line()
        self._under_way = 0
        self._lock = threading.Lock()

    def admit(self, credential: str, patience: Patience) -> Turn:
        """Wait until one request may start. Ends with ``answered``, ``failed`` or ``abandoned``.

        Raises CredentialsRefused when the account is stopped for this credential, BreakerOpen, VendorThrottled
        while the vendor asked for peace, AccountBusy when no slot comes soon; each says how long to wait.
        StateUnavailable when the book cannot answer: nothing is asked unlimited.
        """
        with self._line.joined(patience):
            self._refuse_stopped(credential)
            self._wait_for_seat(patience)
            counted = self._counted()
            try:
                self._obey_hold(patience)
                at = self._blocks.wait(patience)
            except BaseException:
                self._return(counted=counted)
                raise
            with self._lock:
                self._under_way += 1
        return Turn(at, counted)

    def another(self, credential: str, patience: Patience) -> None:
        """Wait for one more slot within an admitted request (a redirect, a second credential)."""
        with self._line.joined(patience):
            self._refuse_stopped(credential)
            self._blocks.wait(patience)

    def answered(self, turn: Turn) -> None:
        """The vendor answered, whatever it said."""
        self._ended()
        if turn.counted or not self._view.known.breaker.calm or self._view.known.stopped:
            self._view.revise(
                lambda page, _: replace(page, breaker=page.breaker.answered(), stopped=None)
            )

    def failed(self, turn: Turn, error: SluiceError, credential: str) -> None:
        """A request ended in ``error``, which says what that means for the account."""
        match error:
            case CutShort() | AccountBusy() | BreakerOpen() | RetryLater():
                self.abandoned(turn)  # the vendor was not asked, or not heard out
            case VendorThrottled():
                self._throttled(turn, error)
            case VendorUnavailable() | VendorAnswerBroken():
                self._count_failure(turn, error)
            case CredentialsRefused() if not isinstance(error, AccessDenied):
                self._stop(error, credential)
            case _:
                self.answered(turn)

    def abandoned(self, turn: Turn) -> None:
        """A request was ended by ourselves: that tells nothing of the vendor."""
        self._ended()
        self._return(counted=turn.counted)

    def learn(self, says: VendorSays) -> None:
        """Heed what an answer told: a wait binds all at once, the rest goes along with the next block."""
        if says.wait:
            wait = says.wait
            self._view.revise(lambda page, now: page.held(now, wait))
        if self._rules.limits:
            self._blocks.learn(says)

    def side_by_side(self, most: int) -> int:
        """How many requests may be under way without one waiting longer than may be slept."""
        if not self._rules.limits:
            return most
        gap_ms = max(limit.per_ms / limit.requests for limit in self._rules.limits)
        return max(1, min(most, int(LONGEST_SLEEP / MILLISECOND * 0.75 / gap_ms)))

    def close(self) -> None:
        """End of a slice: give back what was reserved and not used. Never fails: it lapses anyway."""
        self._blocks.close()

    def _refuse_stopped(self, credential: str) -> None:
        page = self._view.look()
        if page.stopped and page.stopped.digest == digest_of(credential):
            raise CredentialsRefused(
                f"{self._subject} is stopped until its credentials are others: {page.stopped.why}"
            )

    def _counted(self) -> bool:
        """While failures are known, a request is made only as a counted try."""
        if self._view.known.breaker.calm:
            return False
        may = self._revise_breaker(self._may_ask, "a request's worker died")
        if may.wait_ms:
            raise BreakerOpen(
                "the vendor failed too often; nobody asks it until it was tried again",
                retry_after=may.wait_ms * MILLISECOND,
            )
        return may.counted

    def _may_ask(self, page: AccountPage, now: int) -> tuple[May, AccountPage]:
        may, breaker = page.breaker.may_ask(now, self._rules.breaker)
        return may, replace(page, breaker=breaker)

    def _obey_hold(self, patience: Patience) -> None:
        wait = (self._view.known.hold_until_ms - self._view.now_ms()) * MILLISECOND
        if wait <= timedelta(0):
            return
        if wait > LONGEST_SLEEP or wait >= patience.left():
            raise VendorThrottled("the vendor asked to be left alone", retry_after=wait)
        patience.nap(wait.total_seconds())

    def _wait_for_seat(self, patience: Patience) -> None:
        self._blocks.have_seats(patience)
        while self._rules.concurrent and self._under_way >= self._blocks.seats:
            patience.check()
            if not patience.left():
                raise CutShort("no time is left in this slice to wait for the requests under way")
            patience.nap(SEAT_NAP_S)

    def _throttled(self, turn: Turn, error: VendorThrottled) -> None:
        self._ended()
        wait = error.retry_after or None

        def heard(page: AccountPage, now: int) -> AccountPage:
            told = page.throttled(self._rules, now, sent_ms=turn.at_ms, wait=wait)
            return replace(told, breaker=told.breaker.returned()) if turn.counted else told

        self._view.revise(heard)

    def _count_failure(self, turn: Turn, error: VendorUnavailable | VendorAnswerBroken) -> None:
        """Written at once, so that an outage costs all workers together few requests."""
        self._ended()
        wait = error.retry_after

        def counted(page: AccountPage, now: int) -> tuple[None, AccountPage]:
            breaker = page.breaker.failed(now, self._rules.breaker, counted=turn.counted)
            return None, replace(page.held(now, wait) if wait else page, breaker=breaker)

        self._revise_breaker(counted, str(error))

    def _revise_breaker(
        self, change: Callable[[AccountPage, int], tuple[T, AccountPage]], why: str
    ) -> T:
        """Revise the page, and say so when this opened the breaker: one line, of whoever's write it was."""

        def watched(page: AccountPage, now: int) -> tuple[tuple[T, Breaker | None], AccountPage]:
            answer, changed = change(page, now)
            opened = changed.breaker.open_until_ms > page.breaker.open_until_ms
            return (answer, changed.breaker if opened else None), changed

        answer, opened = self._view.revise_for(watched)
        if opened is not None:
            _say_opened(self._subject, opened, why)
        return answer

    def _stop(self, error: CredentialsRefused, credential: str) -> None:
        """Nobody asks with this credential again until a person acted. Who finds it stopped leaves it so."""
        self._ended()
        stopped = Stopped(str(error), digest_of(credential))

        def refused(page: AccountPage, _: int) -> tuple[bool, AccountPage]:
            is_news = page.stopped is None or page.stopped.digest != stopped.digest
            kept = stopped if is_news else page.stopped
            return is_news, replace(page, stopped=kept, breaker=page.breaker.answered())

        if self._view.revise_for(refused):
            logger.error(
                "account_stopped", extra={"account": _name(self._subject), "why": stopped.why}
            )

    def _return(self, *, counted: bool) -> None:
        if counted:
            self._view.revise(lambda page, _: replace(page, breaker=page.breaker.returned()))

    def _ended(self) -> None:
        with self._lock:
            self._under_way -= 1


def _say_opened(subject: str, breaker: Breaker, why: str) -> None:
    until = datetime.fromtimestamp(breaker.open_until_ms / 1000, UTC)
    line = {
        "account": _name(subject),
        "failures": breaker.failures,
        "until": until.isoformat(timespec="seconds"),
        "why": why,
    }
    logger.error("breaker_opened", extra=line)


def _name(subject: str) -> str:
    """The account as `sluice accounts` names it."""
    return subject.partition("#")[2]
