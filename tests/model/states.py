"""What the protocol's model remembers: two stores, a queue, the workers, cleanup, and what may befall them.

A state is one nested tuple. To change it, it is thawed into a ``World`` and frozen again; freezing names
equal situations equally: workers have no names, and of fencing tokens only the order counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

State = tuple[Any, ...]

IDLE, CLAIM, READ_FENCE, RAISE, CLAIM_AGAIN, REPAIR, SEND_MISSING, OPEN_RUN = range(8)
COMMIT, LOOK_UP, GHOST, WATERMARK, CONTINUE, RELEASE, DROP, DEFER = range(8, 16)
"""Where a worker stands: the call it makes next. A GHOST is a COMMIT that its worker no longer waits for."""

PLACES = (
    "idle", "claim", "read fence", "raise token", "claim again", "repair", "send missing continuation",
    "open run", "commit", "look up", "commit under way", "watermark", "continue", "release",
    "release, superseded", "release, defer",
)  # fmt: skip

HOLDS, HOLDS_IN_BACKUP, SEEN_BY_CLEANUP, STORED, STORED_IN_REPLICA, WARNED = 1, 2, 4, 8, 16, 32
"""Marks of a worker: the item's owner is it (now, in the backup, as cleanup saw it); its slice is in the
log; it claimed after a failover and no store fell back since, so it must not read with a leading watermark."""

LEAN = (0,) * 9

NOTHING_SEEN, FREED = -1, -2
"""What cleanup knows instead of the token that it saw: between two passes; freed, and yet to ask."""

NOTHING_SENT = 0
"""A continued_seq of no slice: what who took over a lapsed lease works with."""


@dataclass(frozen=True, slots=True)
class Guards:
    """What protects the stream. Tests take them away."""

    claim: bool = True  # the fence is raised before anything is read (else: by the commit)
    claim_only_upwards: bool = True  # and only by a higher token
    fence: bool = True  # a commit needs its own token at the fence
    seq: bool = True  # a commit needs seq as claimed
    ledger: bool = True  # a fact read twice counts once
    lookback: bool = True  # reading begins before the cursor
    look_up: bool = True  # a lost answer to COMMIT is looked up (else: the commit is sent again)
    conditional_release: bool = True  # only by the owner
    conditional_watermark: bool = True  # only with the item's token
    watermark_by_owner: bool = True  # and not while somebody else holds it
    cursor_from_postgres: bool = True  # else: from the watermark
    repair: bool = True  # a watermark that differs is rewritten before reading
    raise_token: bool = True  # a token below the fence is lifted (else: superseded)
    lifted_lease: bool = True  # refused even so, it releases by that
    resend: bool = True  # a duplicate sends the continuation that is missing
    took_over: bool = True  # and does not believe it sent when it took over a lapsed lease
    took_over_resent: bool = True  # nor when its own acquire was sent twice
    continued_exactly: bool = True  # nor when what was sent is of a later seq: before a failover
    fenced_run: bool = True  # who was overtaken opens no run
    claim_lost: bool = True  # who is superseded, its lease still its own, sends its message anew
    wait_for_release: bool = True  # ADR 5: a continuation that meets its sender's lease comes back
    base_seq_of_message: bool = True  # the held item shows what its holder's message continues
    conditional_free: bool = True  # cleanup frees only the lease it saw
    ask_before_freeing: bool = True  # cleanup asks for a slice before it frees a lease


@dataclass(frozen=True, slots=True)
class Config:
    """How large the model is, and what may go wrong besides deaths, lapses, and messages coming twice."""

    workers: int = 2
    facts: int = 3
    lookback: int = 0
    late: tuple[int, ...] = ()  # facts that the vendor shows late, within the lookback
    most_seq: int = 4  # who bears a token given twice opens no needless run beyond this
    cleanup: bool = True
    one_slice_size: bool = False  # else a slice reads one fact or two
    grace: bool = (
        True  # clocks differ by less than cleanup's grace: what it sees stale has lapsed for all
    )
    lost_answers: bool = False
    resent_writes: bool = True  # an acquire whose answer was lost is sent again
    failing_fetches: bool = False
    dead_letters: bool = False
    deaths: bool = True
    lapses: bool = True
    repeats: bool = True  # a message acknowledged may still come again
    failovers: int = 0
    restores: int = 0


class Worker:
    """``seq``, ``cursor``: as claimed; before that the watermark's. ``then``: continued_seq of the item
    (until claimed), the place after REPAIR, or the cursor that COMMIT writes. ``facts``: the fence read
    (RAISE) or the facts read (COMMIT). ``keep``: the message was sent anew since it was received."""

    __slots__ = ("cursor", "facts", "keep", "marks", "message", "place", "seq", "then", "token")

    def __init__(self, lean: tuple[int, ...]) -> None:
        (self.place, self.message, self.keep, self.marks, self.token,
         self.seq, self.cursor, self.then, self.facts) = lean  # fmt: skip

    def lean(self) -> tuple[int, ...]:
        return (self.place, self.message, self.keep, self.marks, self.token,
                self.seq, self.cursor, self.then, self.facts)  # fmt: skip

    def go(self, place: int, seq: int = 0, cursor: int = 0, then: int = 0, facts: int = 0) -> None:
        self.place, self.seq, self.cursor, self.then, self.facts = place, seq, cursor, then, facts

    def vanish(self) -> None:
        self.__init__(LEAN)  # type: ignore[misc]


class Item:
    """The state item in DynamoDB. ``held`` without a worker that HOLDS it: its owner is dead."""

    __slots__ = ("base_seq", "continued_seq", "cursor", "held", "seq", "token")

    def __init__(self, lean: tuple[int, ...]) -> None:
        (self.token, self.held, self.base_seq,
         self.seq, self.cursor, self.continued_seq) = lean  # fmt: skip

    def lean(self) -> tuple[int, ...]:
        return (self.token, self.held, self.base_seq, self.seq, self.cursor, self.continued_seq)


class Postgres:
    """``sync_commit``, the open run, the last token in ``commit_log``, and the facts counted (bits)."""

    __slots__ = ("counted", "cursor", "fence", "logged_token", "run_open", "seq")

    def __init__(self, lean: tuple[int, ...]) -> None:
        (self.fence, self.seq, self.cursor,
         self.run_open, self.logged_token, self.counted) = lean  # fmt: skip

    def lean(self) -> tuple[int, ...]:
        return (self.fence, self.seq, self.cursor, self.run_open, self.logged_token, self.counted)


class World:
    """A thawed state. ``queue``: bit 0 a message without expect_seq, bit k the continuation of seq k; a
    set bit is one copy or more. ``cleanup``: the token it saw, or NOTHING_SEEN, or FREED."""

    __slots__ = ("backup", "broken", "cleanup", "failed_over", "failovers", "item", "postgres", "queue",
                 "replica", "restores", "visible", "workers")  # fmt: skip

    def __init__(self, state: State) -> None:
        (item, postgres, workers, self.queue, self.cleanup, self.visible, replica, backup,
         self.failovers, self.restores, self.failed_over) = state  # fmt: skip
        self.item, self.postgres = Item(item), Postgres(postgres)
        self.workers = [Worker(lean) for lean in workers]
        self.replica = Postgres(replica) if replica else None
        self.backup = Item(backup) if backup else None
        self.broken: str | None = None

    def freeze(self) -> State:
        self._rename_tokens()
        return (
            self.item.lean(), self.postgres.lean(), tuple(sorted(w.lean() for w in self.workers)),
            self.queue, self.cleanup, self.visible, self.replica and self.replica.lean(),
            self.backup and self.backup.lean(), self.failovers, self.restores, self.failed_over,
        )  # fmt: skip

    def _rename_tokens(self) -> None:
        """Keep the order of tokens. Distances count only above a token that may rise by one and meet
        another, which takes a restored item; there 1 stays 1, and 2 stands for two or more."""
        tokens = sorted(self._tokens())
        low = min(self.item.token, self.backup.token) if self.backup else self.item.token
        names, name, before = {}, -1, -1
        for token in tokens:
            name += 1 if before < low else min(token - before, 2)
            names[token], before = name, token
        if any(token != name for token, name in names.items()):
            self._put_tokens(names)

    def _tokens(self) -> set[int]:
        tokens = {self.item.token, self.postgres.fence, self.postgres.logged_token}
        for worker in self.workers:
            if worker.place:
                tokens.add(worker.token)
                if worker.place == RAISE:
                    tokens.add(worker.facts)
        if self.cleanup >= 0:
            tokens.add(self.cleanup)
        if self.replica:
            tokens |= {self.replica.fence, self.replica.logged_token}
        if self.backup:
            tokens.add(self.backup.token)
        return tokens

    def _put_tokens(self, names: dict[int, int]) -> None:
        for store in filter(None, (self.item, self.backup)):
            store.token = names[store.token]
        for base in filter(None, (self.postgres, self.replica)):
            base.fence, base.logged_token = names[base.fence], names[base.logged_token]
        for worker in self.workers:
            if worker.place:
                worker.token = names[worker.token]
                if worker.place == RAISE:
                    worker.facts = names[worker.facts]
        if self.cleanup >= 0:
            self.cleanup = names[self.cleanup]

    def token_after(self, token: int) -> list[World]:
        """The worlds in which ``token + 1`` is about to be given: where the next known token is two *or
        more* away, it may be exactly two or further."""
        tokens = self._tokens()
        if token + 1 in tokens or token + 2 not in tokens:
            return [self]
        further = World(self.freeze_as_is())
        further._put_tokens({t: t + (t > token) for t in tokens})
        return [self, further]

    def freeze_as_is(self) -> State:
        return (
            self.item.lean(), self.postgres.lean(), tuple(w.lean() for w in self.workers),
            self.queue, self.cleanup, self.visible, self.replica and self.replica.lean(),
            self.backup and self.backup.lean(), self.failovers, self.restores, self.failed_over,
        )  # fmt: skip

    def send(self, message: int) -> None:
        self.queue |= 1 << message
        for worker in self.workers:
            if worker.place and worker.message == message and worker.place != GHOST:
                worker.keep = 1

    def acknowledge(self, worker: Worker) -> None:
        if not worker.keep:
            self.queue &= ~(1 << worker.message)

    def take(self, worker: Worker, base_seq: int) -> None:
        """The item gets a new owner and the next token."""
        item = self.item
        for other in self.workers:
            other.marks &= ~HOLDS
        item.token, item.held, item.base_seq = item.token + 1, 1, base_seq
        worker.token, worker.marks = item.token, HOLDS

    def give_back(self) -> None:
        self.item.held = self.item.base_seq = 0
        for worker in self.workers:
            worker.marks &= ~HOLDS

    def forget_what_cleanup_saw(self) -> None:
        for worker in self.workers:
            worker.marks &= ~SEEN_BY_CLEANUP


def describe(state: State) -> str:
    """A state on one line."""
    world = World(state)
    item, postgres = world.item, world.postgres
    workers = ", ".join(f"{w.token}@{PLACES[w.place]}" for w in world.workers if w.place)
    messages = [k for k in range(world.queue.bit_length()) if world.queue >> k & 1]
    return (
        f"| item token={item.token}{' held' if item.held else ''} wm={item.seq}:{item.cursor}"
        f" continued={item.continued_seq} | pg fence={postgres.fence} at={postgres.seq}:{postgres.cursor}"
        f"{' run' if postgres.run_open else ''} | queue={messages} | {workers or 'nobody'}"
    )
