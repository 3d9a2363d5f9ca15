"""The queue's event source as AWS plays it: receives, hands to a free worker, deletes what succeeded.

On request also as AWS may: some messages twice, out of order, or again after they were acknowledged.
It gives the schedule's ticks and cleanup's turns too, as tasks for the same workers.
"""

from __future__ import annotations

import contextlib
import heapq
import random
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sluice.messages import SliceMessage
from tests.chaos.fates import SPARED, Fates
from tests.chaos.free_workers import FreeWorkers
from tests.chaos.tally import Tally
from tests.chaos.timing import TIMES
from tests.chaos.workers import Ended, Nursery, Worker

IDLE_S = 0.1
BATCH = 10
MOST_RECEIVES = 5
"""A message that fails so often lies among the dead letters."""

VISIBLE_AFTER_MOST = 3
"""A message that comes again after it was acknowledged does so within this many visibility timeouts."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message handed over; a copy need not be acknowledged. ``sent_at``: seconds since 1970, by the queue.
    ``is_last``: should it come back, it lies among the dead letters."""

    body: str
    message_id: str
    receipt: str
    key: str
    kind: str = "slice"
    is_copy: bool = False
    sent_at: float | None = None
    is_last: bool = False


CLEAN_UP = Delivery("", "", "", "cleanup", "clean_up", is_copy=True)
PLAN = Delivery("", "", "", "plan", "plan", is_copy=True)


@dataclass
class Conditions:
    """What is wrong with deliveries and clocks at present. ``skew_s`` is each worker's own, by slot."""

    duplicate_share: float = 0.0
    late_share: float = 0.0
    reorder: bool = False
    skew_s: Sequence[float] = ()
    cut_share: float = 0.0
    poisoned: frozenset[str] = frozenset()
    calm: bool = False


@dataclass
class EventSource:
    """``nurseries``: workers of slot n come from the n-th, counted round. ``ahead_s``: everybody's clock.
    ``free`` hears which of the workers have nothing to do.
    ``newcomers``: streams that only the first nursery's code knows. They are registered when a deploy is over."""

    sqs: Any
    queue_url: str
    nurseries: Sequence[Nursery]
    slots: int
    random: random.Random
    fates: Fates
    tally: Tally
    conditions: Conditions = field(default_factory=Conditions)
    ahead_s: float = 0.0
    newcomers: frozenset[str] = frozenset()
    free: FreeWorkers | None = None
    _ready: list[Delivery] = field(default_factory=list)
    _late: list[tuple[float, int, Delivery]] = field(default_factory=list)
    _busy: int = 0
    _clean_up_at: float = 0.0
    _plan_at: float = 0.0
    _returning: dict[str, float] = field(default_factory=dict)
    _threads: list[threading.Thread] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _change: threading.Condition = field(default_factory=threading.Condition)
    broken_by: list[BaseException] = field(default_factory=list)

    def start(self) -> None:
        for slot in range(self.slots):
            self._run(self._slot, slot)
        self._run(self._receive)

    def stop(self) -> None:
        self._ended.set()
        with self._change:
            self._change.notify_all()
        for thread in self._threads:
            thread.join(30)

    def check(self) -> None:
        """Raise what ended one of the threads: a suite that stands still must not look healthy."""
        if self.broken_by:
            raise self.broken_by[0]

    def at_rest(self) -> bool:
        """Nothing is in the queue, on its way, or at work."""
        with self._change:
            if self._ready or self._late or self._busy:
                return False
        names = ("", "NotVisible", "Delayed")
        wanted = [f"ApproximateNumberOfMessages{name}" for name in names]
        answer = self.sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=wanted)
        return all(answer["Attributes"][name] == "0" for name in wanted)

    def unrest(self) -> str:
        """What is not at rest, for people."""
        answer = self.sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=["All"])
        numbers = {k: v for k, v in answer["Attributes"].items() if k.startswith("Approximate")}
        with self._change:
            return f"{len(self._ready)} ready, {self._busy} at work, queue {numbers}"

    def bring_back(self) -> None:
        """What dead workers had in hand comes back now, not after its visibility timeout."""
        recent = time.monotonic() - TIMES.visibility_s
        with self._change:
            receipts, self._returning = self._returning, {}
        for receipt in (receipt for receipt, at in receipts.items() if at > recent):
            self._let_see(receipt)

    def _let_see(self, receipt: str) -> None:
        with contextlib.suppress(self.sqs.exceptions.ReceiptHandleIsInvalid):
            self.sqs.change_message_visibility(
                QueueUrl=self.queue_url, ReceiptHandle=receipt, VisibilityTimeout=0
            )

    def _run(self, work: Any, *args: Any) -> None:
        def guarded() -> None:
            try:
                work(*args)
            except BaseException as error:  # noqa: BLE001  # kept for check()
                self.broken_by.append(error)

        thread = threading.Thread(target=guarded, daemon=True)
        self._threads.append(thread)
        thread.start()

    # --- receiving ---------------------------------------------------------------------------------

    def _receive(self) -> None:
        while not self._ended.is_set():
            with self._change:
                room = self.slots - len(self._ready)
            if room <= 0:
                time.sleep(0.02)
                continue
            answer = self.sqs.receive_message(
                QueueUrl=self.queue_url,
                MaxNumberOfMessages=min(room, BATCH),
                WaitTimeSeconds=1,
                VisibilityTimeout=TIMES.visibility_s,
                AttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
            )
            got = [self._read(message) for message in answer.get("Messages", ())]
            if got:
                self._add(got)

    def _read(self, message: Mapping[str, Any]) -> Delivery:
        body = message["Body"]
        key = str(SliceMessage.model_validate_json(body).key)
        told = message["Attributes"]
        return Delivery(
            body,
            message["MessageId"],
            message["ReceiptHandle"],
            key,
            sent_at=int(told["SentTimestamp"]) / 1000,
            is_last=int(told["ApproximateReceiveCount"]) >= MOST_RECEIVES,
        )

    def _add(self, got: list[Delivery]) -> None:
        now = self.conditions
        with self._change:
            for delivery in got:
                self._ready.append(delivery)
                if self.random.random() < now.duplicate_share:
                    self._ready.append(replace(delivery, is_copy=True))
                    self.tally.add("messages.duplicated")
            if now.reorder:
                self.random.shuffle(self._ready)
            self._change.notify(len(got) + 1)

    def _take(self, slot: int) -> Delivery | None:
        """The next delivery; cleanup's turn and what is late come first when they are due."""
        with self._change:
            now = time.monotonic()
            turn = self._turn(now)
            if turn is not None:
                self._busy += 1
                return turn
            while self._late and self._late[0][0] <= now:
                self._ready.insert(0, heapq.heappop(self._late)[2])
            place = self._place_for(slot)
            if place is not None:
                self._busy += 1
                return self._ready.pop(place)
            self._change.wait(IDLE_S)
            return None

    def _place_for(self, slot: int) -> int | None:
        """Where the first delivery lies that this slot's code knows."""
        if not self._is_older(slot):
            return 0 if self._ready else None
        known = (n for n, each in enumerate(self._ready) if each.key not in self.newcomers)
        return next(known, None)

    def _is_older(self, slot: int) -> bool:
        """Whether a deploy is under way that this slot is not part of yet."""
        return self.nurseries[slot % len(self.nurseries)] is not self.nurseries[0]

    def _turn(self, now: float) -> Delivery | None:
        """What is called by the clock. When all is calm nothing is due, and nobody asks."""
        if now >= self._clean_up_at:
            self._clean_up_at = now + TIMES.clean_up_every_s
            return CLEAN_UP
        if now >= self._plan_at and not self.conditions.calm:
            self._plan_at = now + TIMES.tick_every_s
            return PLAN
        return None

    # --- working -----------------------------------------------------------------------------------

    def _slot(self, slot: int) -> None:
        worker: Worker | None = None
        nursery: Nursery | None = None
        while not self._ended.is_set():
            wanted = self.nurseries[slot % len(self.nurseries)]
            if worker is None or not worker.alive or nursery is not wanted:
                self._note_free(slot, free=False)
                if worker is not None and worker.alive:
                    worker.kill()
                nursery, worker = wanted, wanted.fork()
            self._note_free(slot, free=not self._is_older(slot))  # which does not know every stream
            delivery = self._take(slot)
            if delivery is None:
                continue
            self._note_free(slot, free=False)
            try:
                self._handle(slot, worker, delivery)
            finally:
                with self._change:
                    self._busy -= 1
        if worker is not None:
            worker.kill()

    def _note_free(self, slot: int, *, free: bool) -> None:
        if self.free is not None:
            (self.free.waits if free else self.free.works)(slot)

    def _handle(self, slot: int, worker: Worker, delivery: Delivery) -> None:
        waited_s = time.time() - delivery.sent_at if delivery.sent_at is not None else None
        self.tally.holders.tell(delivery.key, f"a worker took {_of(delivery)}")
        ended = self._invoke(slot, worker, delivery, named=delivery.key)
        if waited_s is not None and ended.answer.get("outcome") != "in_line":
            self.tally.note_wait(delivery.key, waited_s)
        self._answer(delivery, ended)

    def _invoke(self, slot: int, worker: Worker, delivery: Delivery, *, named: str) -> Ended:
        """A worker does it, and whatever its fate is; the tally hears of it under ``named``."""
        now = self.conditions
        fate = SPARED
        if not now.calm:
            fate = self.fates.of(delivery.kind)
        attempt, before = str(uuid.uuid4()), self.tally.commits_of(delivery.key)
        ended = worker.invoke(
            {**self._task(slot, delivery, now), "attempt": attempt},
            fate,
            went_on=lambda: self.tally.commits_of(delivery.key) > before,
        )
        is_message = delivery.kind == "slice"
        is_spent = delivery.is_last and not delivery.is_copy
        self.tally.add("deliveries", is_message)
        self.tally.note(named, ended, fate, attempt if is_message else None, spent=is_spent)
        if self._is_older(slot) and ended.answer.get("outcome") == "committed":
            self.tally.add("older.slices")
        if (ended.death and fate.die_at) or (ended.woken and fate.stop_at):
            self.fates.note(str(fate.die_at or fate.stop_at))
        return ended

    def _task(self, slot: int, delivery: Delivery, now: Conditions) -> dict[str, Any]:
        skew = now.skew_s[slot % len(now.skew_s)] if now.skew_s else 0.0
        return {
            "kind": delivery.kind,
            "body": delivery.body,
            "message_id": delivery.message_id,
            "receipt": delivery.receipt,
            "ahead_s": self.ahead_s + skew,
            "vendor_ahead_s": self.ahead_s,
            "cut_share": now.cut_share,
            "calm": now.calm,
            "poisoned": sorted(now.poisoned),
        }

    def _answer(self, delivery: Delivery, ended: Ended) -> None:
        if delivery.is_copy:
            return
        if ended.failed:
            if delivery.key in self.conditions.poisoned:
                self._let_see(delivery.receipt)  # not to wait for it five times
            with self._change:
                self._returning[delivery.receipt] = time.monotonic()
            return
        with contextlib.suppress(self.sqs.exceptions.ReceiptHandleIsInvalid):  # it came again since
            self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=delivery.receipt)
        if self.random.random() < self.conditions.late_share:
            self._come_again(delivery)

    def _come_again(self, delivery: Delivery) -> None:
        latest = TIMES.visibility_s * VISIBLE_AFTER_MOST
        due = time.monotonic() + self.random.uniform(0.1, latest)
        with self._change:
            copy = replace(delivery, is_copy=True)
            heapq.heappush(self._late, (due, id(copy), copy))
        self.tally.add("messages.late")

    def forget_late(self) -> None:
        """What is late comes now."""
        with self._change:
            self._ready += [copy for _, _, copy in self._late]
            self._late.clear()


def _of(delivery: Delivery) -> str:
    """A message, for people."""
    if delivery.kind != "slice":
        return delivery.kind
    message = SliceMessage.model_validate_json(delivery.body)
    expected = "" if message.expect_seq is None else f" for seq {message.expect_seq}"
    return f"{delivery.message_id[:4]} ({message.reason}{expected}, attempt {message.attempt}, held {message.held})"
