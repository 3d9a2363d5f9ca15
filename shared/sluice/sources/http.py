"""The one room in which HTTP is spoken and retried.

A request is bounded four ways: each wait on its socket, its whole time, the slice's time, and the
size of its answer. What the vendor says is sorted into errors by ``answers.py``; those that may
pass are tried again here, with full jitter, as long as the wait is short. A longer wait is not
slept: the error carries it to the slice's continuation.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type

from sluice.core.budget import Budget
from sluice.core.errors import (
    BreakerOpen,
    CredentialsRefused,
    NotFound,
    SluiceError,
    VendorAnswerBroken,
    VendorThrottled,
    VendorUnavailable,
    WaitForVendor,
)
from sluice.core.slices import Traffic
from sluice.sources.account import SharedAccount, Turn
from sluice.sources.answers import (
    Answer,
    asked_at,
    error_of,
    retry_after_of,
    said_in,
)
from sluice.sources.connections import Connection
from sluice.sources.counting import TrafficCount, endpoint_of
from sluice.sources.deadline import Limit, limited
from sluice.sources.doubts import Doubt
from sluice.sources.forms import content_type
from sluice.sources.keys_at_hand import KeysAtHand
from sluice.sources.pacing import LONGEST_SLEEP, CutShort, Patience
from sluice.sources.streaming import Take, take_body
from sluice.sources.urls import resolve

T = TypeVar("T")
Auth = Callable[[str], tuple[Mapping[str, str], Mapping[str, str]]]
"""From a credential to the headers and query parameters that carry it."""

MOST_REDIRECTS = 3
LEAST_TIME = timedelta(milliseconds=100)
_PASSING = (VendorThrottled, VendorUnavailable, VendorAnswerBroken)
_NOT_ASKED = (VendorThrottled, BreakerOpen)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REDIRECTS_AS_ASKED = frozenset({307, 308})
"""Those that keep the method: after the others a POST would come back as a GET, without its body."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one request. Seconds; ``total`` spans connecting, asking and the whole answer."""

    connect: float = 5.0
    read: float = 15.0
    write: float = 5.0
    pool: float = 5.0
    total: float = 25.0
    body_bytes: int = 32 * 1024 * 1024
    attempts: int = 5
    first_wait: float = 0.25


@dataclass(frozen=True, slots=True)
class Got(Generic[T]):
    """What was made of an answer, and how many requests it took."""

    value: T
    requests: int


class VendorHttp:
    """A stream's conversation with its vendor account during one slice. Safe to use from threads.

    ``account`` says when it may ask, and hears how that went. ``refresh`` fetches the credentials
    anew; it is called at most once, when the vendor refuses those at hand. ``chance`` returns a
    number in [0, 1).
    """

    def __init__(
        self,
        connection: Connection,
        account: SharedAccount,
        *,
        auth: Auth,
        credentials: str,
        refresh: Callable[[], str],
        sleep: Callable[[float], None],
        monotonic: Callable[[], float],
        chance: Callable[[], float],
        limits: Limits = Limits(),
    ) -> None:
        self._connection = connection
        self._account = account
        self._auth = auth
        self._keys = KeysAtHand(credentials, refresh)
        self._sleep = sleep
        self._monotonic = monotonic
        self._chance = chance
        self._limits = limits
        self._count = TrafficCount(monotonic)
        self._stop = threading.Event()

    def ask_until_believed(
        self,
        question: str,
        path: str,
        params: Mapping[str, str | int],
        read: Callable[[Answer, Doubt], T],
        *,
        budget: Budget,
        repeatable: bool = True,
        endpoint: str | None = None,
        posted: bytes | None = None,
        lines: Callable[[], Take] | None = None,
    ) -> Got[T]:
        """``get``, for a ``read`` that may doubt an answer until it comes again.

        ``question`` names what is asked, the same in every slice.
        """
        doubt = self._connection.doubts.about(question)
        with doubt.watched(self.contradicted):
            got = self.get(
                path,
                params,
                lambda answer: read(answer, doubt),
                budget=budget,
                repeatable=repeatable,
                doubt=doubt,
                endpoint=endpoint,
                posted=posted,
                lines=lines,
            )
        self._connection.doubts.dispel(question)
        return got

    def get(
        self,
        path: str,
        params: Mapping[str, str | int],
        read: Callable[[Answer], T],
        *,
        budget: Budget,
        repeatable: bool = True,
        doubt: Doubt | None = None,
        endpoint: str | None = None,
        posted: bytes | None = None,
        lines: Callable[[], Take] | None = None,
    ) -> Got[T]:
        """Ask for ``path`` under the base URL and return what ``read`` makes of the answer.

        ``read`` raises VendorAnswerBroken for an answer it does not believe: it is asked for
        again, and if that was only a ``doubt`` the vendor has answered all the same. What is not
        ``repeatable`` is asked again only when the vendor refused to hear it, or was not asked.
        ``endpoint`` is what the run record calls it: the path with names for its ids, which nobody
        needs to give for a path without any. With ``posted`` the question is a POST of that JSON (or
        ``Form``): one that only reads, as a query with a body does, or else it is not ``repeatable``.
        With ``lines`` the body is given line by line to what it makes, anew for each attempt; ``read`` is
        then called with an empty one, once it was whole or enough of it was read (``streaming.py``).
        Raises the errors of the status table; VendorThrottled and VendorUnavailable carry
        ``retry_after`` when a wait was asked for that is too long to sleep.
        """
        call = _Call(path, params, budget, endpoint or endpoint_of(path), doubt, posted, lines)
        retrying = Retrying(
            retry=retry_if_exception_type(_PASSING if repeatable else _NOT_ASKED),
            wait=self._wait,
            stop=lambda state: self._must_stop(state, budget),
            sleep=self._patience(budget).nap,
            reraise=True,
        )
        value = retrying(self._attempt, call, read)
        return Got(value, call.requests)

    def side_by_side(self, most: int) -> int:
        """How many requests may be under way at once at the account's limits."""
        return self._account.side_by_side(most)

    def page(self) -> None:
        """Count a page that was believed."""
        self._count.page()

    def contradicted(self) -> None:
        """Count a question to which the vendor said that there is nothing, and then that there is."""
        self._count.contradicted()

    def traffic(self) -> Traffic:
        return self._count.so_far()

    def stop(self) -> None:
        """End requests under way in other threads; they raise VendorUnavailable."""
        self._stop.set()

    def resume(self) -> None:
        """Allow requests again after ``stop``."""
        self._stop.clear()

    def close(self) -> None:
        """End of the slice: give back what was reserved at the account and not used."""
        self._account.close()

    def _attempt(self, call: _Call, read: Callable[[Answer], T]) -> T:
        turn = self._admitted(call)
        doubts = call.doubts()
        try:
            value = read(self._ask(call))
        except SluiceError as error:
            doubted = call.doubts() > doubts
            # NotFound is an answer like any other: of an object that is asked for to learn whether it is gone.
            # So is one that is asked for again only to be sure of it.
            if not (doubted or isinstance(error, NotFound)):
                self._count.failed(call.endpoint)
            if doubted:
                self._account.answered(turn)
            else:
                self._account.failed(turn, error, self._keys.current)
            raise
        except BaseException:
            self._account.abandoned(turn)
            raise
        self._account.answered(turn)
        return value

    def _admitted(self, call: _Call) -> Turn:
        """Wait for our turn. An account stopped for our credentials may have got others meanwhile."""
        key, patience = self._keys.current, self._patience(call.budget)
        with self._count.waiting():
            try:
                return self._account.admit(key, patience)
            except CredentialsRefused as refused:
                return self._account.admit(self._keys.after_refusal_of(key, refused), patience)

    def _once_more(self, call: _Call, key: str) -> None:
        """Wait for a slot of one more request within an admitted one."""
        with self._count.waiting():
            self._account.another(key, self._patience(call.budget))

    def _patience(self, budget: Budget) -> Patience:
        return Patience(
            left=budget.time_left,
            requests=lambda: budget.requests - budget.requests_used,
            sleep=self._sleep,
            stopped=self._stop.is_set,
        )

    def _ask(self, call: _Call) -> Answer:
        key = self._keys.current
        try:
            return self._follow(call, key)
        except CredentialsRefused as refused:
            fresh = self._keys.after_refusal_of(key, refused)
            self._once_more(call, fresh)
            return self._follow(call, fresh)

    def _follow(self, call: _Call, key: str) -> Answer:
        """One question, led on by redirects within the vendor's host."""
        headers, secret = self._auth(key)
        url = httpx.URL(self._connection.base.url + call.path)
        url = url.copy_merge_params(dict(call.params)) if call.params else url
        for hop in range(1 + MOST_REDIRECTS):
            if hop:
                self._once_more(call, key)
            answer = self._send(call, url.copy_merge_params(secret) if secret else url, headers)
            if isinstance(answer, Answer):
                return answer
            url = resolve(self._connection.base, answer)
        raise VendorAnswerBroken(f"{call.path}: the vendor redirects in circles")

    def _send(self, call: _Call, url: httpx.URL, headers: Mapping[str, str]) -> Answer | str:
        """Ask once; the answer, or where it redirects to. Foreign errors end here."""
        total = min(self._limits.total, call.budget.time_left().total_seconds())
        if self._stop.is_set() or total < LEAST_TIME.total_seconds():
            raise CutShort(f"{call.path}: no time is left in this slice to ask")
        posted = call.posted
        typed = {} if posted is None else {"content-type": content_type(posted)}
        request = self._connection.client.build_request(
            "GET" if posted is None else "POST",
            url,
            headers={**headers, **typed},
            content=posted,
            timeout=self._timeout(total),
        )
        again = call.requests > 0
        call.requests += 1
        began = self._monotonic()
        try:
            with (
                self._count.request(call.endpoint, again=again),
                limited(Limit(began + total, self._stop)),
            ):
                return self._receive(call, request, began, began + total)
        except httpx.TimeoutException as error:
            raise self._unanswered(call, total, "the vendor did not answer in time") from error
        except httpx.RemoteProtocolError as error:
            raise VendorAnswerBroken(f"{call.path}: the answer is cut or not HTTP") from error
        except (httpx.TransportError, OSError) as error:
            if self._stop.is_set():
                raise CutShort(f"{call.path}: the reader stopped") from error
            raise VendorUnavailable(
                f"{call.path}: the vendor cannot be reached: {error}"
            ) from error

    def _unanswered(self, call: _Call, total: float, what: str) -> VendorUnavailable:
        """Who had less time than a vendor may take for a byte was not kept waiting by the vendor."""
        cut = self._stop.is_set() or total < self._limits.read
        return (CutShort if cut else VendorUnavailable)(f"{call.path}: {what}")

    def _receive(
        self, call: _Call, request: httpx.Request, began: float, until: float
    ) -> Answer | str:
        def check() -> None:
            if self._stop.is_set() or self._monotonic() > until:
                raise self._unanswered(call, until - began, "the answer took too long")

        response = self._connection.client.send(request, stream=True)
        try:
            kept = _REDIRECTS if call.posted is None else _REDIRECTS_AS_ASKED
            if response.status_code in kept and "location" in response.headers:
                return str(response.headers["location"])
            self._judge(call, response)
            body, size = take_body(response, call.lines, self._limits.body_bytes, check)
        finally:
            response.close()
        took = self._monotonic() - began
        self._count.answered(took, size)
        now = call.budget.clock()
        return Answer(body, asked_at(response.headers, now, timedelta(seconds=took)))

    def _judge(self, call: _Call, response: httpx.Response) -> None:
        says = said_in(response.headers)
        if says is not None:
            self._account.learn(says)
        wait = retry_after_of(response.headers, call.budget.clock())
        error = error_of(response.status_code, call.path, retry_after=wait)
        if error is None:
            return
        raise error

    def _timeout(self, total: float) -> httpx.Timeout:
        most = self._limits
        return httpx.Timeout(
            connect=min(most.connect, total),
            read=min(most.read, total),
            write=min(most.write, total),
            pool=min(most.pool, total),
        )

    def _wait(self, state: RetryCallState) -> float:
        """What the vendor asked for, or full jitter: from nothing to a doubling bound."""
        asked = _wait_asked(state)
        if asked is not None:
            return asked.total_seconds()
        bound: float = self._limits.first_wait * 2.0 ** (state.attempt_number - 1)
        return self._chance() * min(bound, LONGEST_SLEEP.total_seconds())

    def _must_stop(self, state: RetryCallState, budget: Budget) -> bool:
        wait = timedelta(seconds=state.upcoming_sleep)
        return (
            state.attempt_number >= self._limits.attempts
            or wait > LONGEST_SLEEP
            or wait + LEAST_TIME >= budget.time_left()
            or self._stop.is_set()
        )


@dataclass(slots=True)
class _Call:
    """One question and how often it was asked."""

    path: str
    params: Mapping[str, str | int]
    budget: Budget
    endpoint: str
    doubt: Doubt | None = None
    posted: bytes | None = None
    lines: Callable[[], Take] | None = None
    requests: int = 0

    def doubts(self) -> int:
        """How much was doubted so far about the answers to this question."""
        return len(self.doubt.seen) if self.doubt else 0


def _wait_asked(state: RetryCallState) -> timedelta | None:
    error = state.outcome.exception() if state.outcome else None
    return error.retry_after if isinstance(error, WaitForVendor) else None
