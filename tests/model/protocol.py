"""The slice protocol as a transition system: what a worker, cleanup and misfortune can do next.

One move is one call to one store, as ``run_slice`` and ``clean_up`` make them. Receiving is one move with
acquire, and acknowledging one with release: a death between them is a message that comes twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.model import states as at
from tests.model.cleanup import clean_up, is_as_seen, tick
from tests.model.explore import LAPSE, MISFORTUNE, STEP, Move
from tests.model.misfortune import misfortunes
from tests.model.states import Config, Guards, Postgres, State, Worker, World, describe

Call = Callable[["Protocol", State, int], None]


@dataclass
class Protocol:
    """Implements ``explore.Model``. Queue: bit 0 is a message without expect_seq, bit k continuation k."""

    config: Config = field(default_factory=Config)
    guards: Guards = field(default_factory=Guards)

    def __post_init__(self) -> None:
        self.found: list[Move] = []

    def initial(self) -> State:
        late = sum(1 << fact for fact in self.config.late)
        visible = (1 << self.config.facts) - 1 & ~late
        nothing, idle = (0,) * 6, (at.LEAN,) * self.config.workers
        ahead = self.config.failovers, self.config.restores
        return (nothing, nothing, idle, 1, at.NOTHING_SEEN, visible, None, None, *ahead, 0)

    def is_good(self, state: State) -> bool:
        """Caught up, watermark equal to the cursor, nothing held, run ended, queue empty."""
        item, postgres, workers, queue, cleanup = state[:5]
        return bool(
            queue == 0
            and cleanup == at.NOTHING_SEEN
            and not item[1]
            and postgres[2] == self.config.facts
            and not postgres[3]
            and item[3:5] == postgres[1:3]
            and not any(worker[0] for worker in workers)
        )

    def moves(self, state: State) -> Sequence[Move]:
        self.found = []
        workers = state[2]
        idle = True
        for i, worker in enumerate(workers):
            if i and worker == workers[i - 1]:
                continue  # a twin: the same moves lead to the same states
            if worker[0]:
                CALLS[worker[0]](self, state, i)
            elif idle:
                self._receive(state, i)
                idle = False
        for kind, label, world in self._from_outside(state):
            self.emit(kind, label, world)
        for label, world in misfortunes(self.config, state):
            self.emit(MISFORTUNE, label, world)
        return self.found

    def _from_outside(self, state: State) -> Iterator[tuple[int, str, World]]:
        yield from tick(state, cleanup=self.config.cleanup)
        if self.config.cleanup:
            yield from clean_up(state, self.guards)

    def emit(self, kind: int, label: str, world: World, who: Worker | None = None) -> None:
        broken = world.broken or self._fault(world)
        name = f"token {who.token}: {label}" if who and who.place else label
        self.found.append(Move(kind, name, world.freeze(), broken))

    def _fault(self, world: World) -> str | None:
        """What must hold in every state."""
        postgres, item = world.postgres, world.item
        due = (1 << max(postgres.cursor - self.config.lookback, 0)) - 1 & world.visible
        if due & ~postgres.counted:
            return "I2: a visible fact before cursor - lookback is missing"
        if not world.failed_over and (item.seq > postgres.seq or item.cursor > postgres.cursor):
            return "I3: the watermark leads the data, and no commit was ever lost"
        return None

    def describe(self, state: State) -> str:
        return describe(state)

    # --- receive and acquire -----------------------------------------------------------------------------

    def _receive(self, state: State, i: int) -> None:
        queue, item = state[3], state[0]
        held, base_seq = item[1], item[2]
        for message in range(queue.bit_length()):
            if not queue >> message & 1:
                continue
            if held:
                in_time = self.config.grace and is_as_seen(World(state))
                waits = self.guards.wait_for_release and message > base_seq
                if not waits and not in_time:
                    # A message that waits is sent anew and acknowledged: nothing changes.
                    world = World(state)
                    world.queue &= ~(1 << message)
                    self.emit(STEP, f"{_name(message)} finds the lease held and leaves", world)
                if not self.config.lapses:
                    continue
            for world in World(state).token_after(item[0]):
                self._acquire(world, i, message, LAPSE if held else STEP)

    def _acquire(self, world: World, i: int, message: int, kind: int) -> None:
        """Who sends the write twice learns only the second answer: that the owner before was itself."""
        how = f"{_name(message)} takes the {'lapsed ' if kind == LAPSE else ''}lease"
        guards, lapsed = self.guards, world.item.held
        self._take(world, world.workers[i], message, bool(lapsed and guards.took_over))
        again = world.token_after(world.item.token) if self.config.resent_writes else []
        resent = [World(w.freeze_as_is()) for w in again]
        self.emit(kind, f"{how}, token {world.item.token}", world)
        for twice in resent:
            self._take(twice, twice.workers[i], message, guards.took_over_resent)
            self.emit(MISFORTUNE, f"{how} by a write sent twice, token {twice.item.token}", twice)

    def _take(self, world: World, me: Worker, message: int, took_over: bool) -> None:
        item, me.message = world.item, message
        world.take(me, message if message and self.guards.base_seq_of_message else item.seq)
        # What was sent matters to a duplicate only, of a message that comes before it.
        sent = message and item.continued_seq > message and not took_over
        me.go(at.CLAIM, item.seq, item.cursor, item.continued_seq if sent else at.NOTHING_SENT)

    # --- claim and repair --------------------------------------------------------------------------------

    def _claim(self, state: State, i: int) -> None:
        world = World(state)
        me, postgres, guards = world.workers[i], world.postgres, self.guards
        if guards.claim and guards.claim_only_upwards and postgres.fence >= me.token:
            if me.place == at.CLAIM and guards.raise_token:
                me.go(at.READ_FENCE, me.seq, me.cursor, me.then)
            else:
                me.go(at.DROP, then=me.place == at.CLAIM_AGAIN and not guards.lifted_lease)
            self.emit(STEP, "claim refused", world, me)
            return
        if guards.claim:
            if postgres.fence > me.token:
                world.broken = "I6: the fence fell"
            postgres.fence = me.token
        if world.failed_over:
            me.marks |= at.WARNED
        self._decide(world, me)
        self.emit(STEP, "claims", world, me)

    def _decide(self, world: World, me: Worker) -> None:
        """Repair the watermark or not, and then: a duplicate, nothing due, or a slice."""
        postgres = world.postgres
        differs = (me.seq, me.cursor) != (postgres.seq, postgres.cursor)
        cursor = postgres.cursor if self.guards.cursor_from_postgres else me.cursor
        has_more = postgres.seq > 0 and postgres.cursor < self.config.facts
        if 0 < me.message < postgres.seq:
            was_sent = me.then == postgres.seq or (
                me.then > postgres.seq and not self.guards.continued_exactly
            )
            lacks = has_more and not was_sent and self.guards.resend
            then = at.SEND_MISSING if lacks else at.RELEASE
        elif cursor == self.config.facts and not postgres.run_open and not has_more:
            then = at.RELEASE
        else:
            then = at.OPEN_RUN
        me.go(at.REPAIR, postgres.seq, cursor, then)
        if not (differs and self.guards.repair):
            self._after_repair(me)

    def _after_repair(self, me: Worker) -> None:
        if me.then == at.RELEASE:
            me.go(at.RELEASE)
        elif me.then == at.SEND_MISSING:
            me.go(at.SEND_MISSING, me.seq)
        else:
            me.go(at.OPEN_RUN, me.seq, me.cursor)

    def _read_fence(self, state: State, i: int) -> None:
        world = World(state)
        me = world.workers[i]
        me.go(at.RAISE, me.seq, me.cursor, me.then, world.postgres.fence)
        self.emit(STEP, "reads the fence", world, me)

    def _raise(self, state: State, i: int) -> None:
        for world in World(state).token_after(state[2][i][8]):
            me, item = world.workers[i], world.item
            if me.marks & at.HOLDS and item.token == me.token and me.facts + 1 > me.token:
                item.token = me.token = me.facts + 1
                me.go(at.CLAIM_AGAIN, me.seq, me.cursor, me.then)
                self.emit(STEP, "its token is lifted over the fence", world, me)
            else:
                me.go(at.DROP)
                self.emit(STEP, "the item is no longer its own", world, me)

    def _repair(self, state: State, i: int) -> None:
        world = World(state)
        me = world.workers[i]
        self._save(world, me, me.seq, me.cursor)
        self._after_repair(me)
        self.emit(STEP, "repairs the watermark", world, me)

    def _save(self, world: World, me: Worker, seq: int, cursor: int) -> None:
        """On the item's token, unless somebody else holds the item: after a restore two may bear a token."""
        item, guards = world.item, self.guards
        anothers = item.held and not me.marks & at.HOLDS and guards.watermark_by_owner
        if (item.token == me.token and not anothers) or not guards.conditional_watermark:
            item.seq, item.cursor = seq, cursor

    # --- read and commit ---------------------------------------------------------------------------------

    def _open_run(self, state: State, i: int) -> None:
        """The run is opened, if the fence is still its own, and the vendor read."""
        config, me, postgres = self.config, Worker(state[2][i]), Postgres(state[1])
        if self.guards.fenced_run and not self._is_fenced(postgres, me):
            world = World(state)
            world.workers[i].go(at.DROP)
            self.emit(STEP, "may not open a run", world, world.workers[i])
            return
        stale = postgres.fence != me.token or postgres.seq != me.seq
        if stale and postgres.cursor == config.facts and postgres.seq >= config.most_seq:
            world = World(state)
            world.workers[i].vanish()
            self.emit(STEP, "dies: the model's bound for needless runs", world)
            return
        sizes = (1,) if config.one_slice_size else (1, 2)
        for end in sorted({min(me.cursor + size, config.facts) for size in sizes}):
            self._read(state, i, end, stale)
        if config.failing_fetches:
            world = World(state)
            world.postgres.run_open = 1
            world.workers[i].marks &= ~at.WARNED
            world.workers[i].go(at.DEFER)
            self.emit(MISFORTUNE, "the vendor fails", world, world.workers[i])

    def _read(self, state: State, i: int, end: int, stale: bool) -> None:
        world = World(state)
        me, postgres, item = world.workers[i], world.postgres, world.item
        # Who lost the lease could not repair; it reads from Postgres all the same.
        holds = me.marks & at.HOLDS and item.token == me.token
        if me.marks & at.WARNED and holds and not stale and item.seq > postgres.seq:
            world.broken = "I3: the vendor is read while the watermark leads the data"
        postgres.run_open, me.marks = 1, me.marks & ~at.WARNED
        begin = max(me.cursor - (self.config.lookback if self.guards.lookback else 0), 0)
        facts = (1 << end) - (1 << begin) & world.visible
        me.go(at.COMMIT, me.seq, me.cursor, end, facts)
        self.emit(STEP, f"opens the run and reads from {begin} up to {end}", world, me)

    def _commit(self, state: State, i: int) -> None:
        world = World(state)
        me = world.workers[i]
        if not self.may_commit(world, me):
            me.go(at.DROP)
            self.emit(STEP, "commit refused", world, me)
            return
        self.store(world, me)
        me.go(at.WATERMARK, me.seq + 1, me.then)
        self.emit(STEP, "commits", world, me)
        if self.config.lost_answers:
            self._commit_unanswered(state, i)

    def _commit_unanswered(self, state: State, i: int) -> None:
        for stored in (True, False):
            world = World(state)
            me = world.workers[i]
            me.place = at.LOOK_UP
            if stored:
                self.store(world, me)
                me.marks |= at.STORED
            label = "COMMIT's answer is lost, it is stored" if stored else "COMMIT fails unanswered"
            self.emit(MISFORTUNE, label, world, me)

    def may_commit(self, world: World, me: Worker) -> bool:
        fenced = self._is_fenced(world.postgres, me) or not self.guards.fence
        return fenced and (world.postgres.seq == me.seq or not self.guards.seq)

    def _is_fenced(self, postgres: Postgres, me: Worker) -> bool:
        """Nobody claimed since. Where nobody claims: nobody of a later token committed."""
        return postgres.fence == me.token if self.guards.claim else postgres.fence <= me.token

    def store(self, world: World, me: Worker) -> None:
        """One transaction; what it breaks of I1, I5 is noted."""
        postgres = world.postgres
        if me.facts & postgres.counted and not self.guards.ledger:
            world.broken = "I1: a fact counts twice"
        elif me.seq != postgres.seq:
            world.broken = f"I5: seq {me.seq + 1} after seq {postgres.seq}"
        elif me.cursor != postgres.cursor:
            world.broken = f"I5: begins at {me.cursor}, the slice before ended at {postgres.cursor}"
        elif me.token <= postgres.logged_token:
            world.broken = f"I5: token {me.token} after {postgres.logged_token} in the log"
        elif postgres.fence > me.token and not self.guards.claim:
            world.broken = "I6: the fence fell"
        if not self.guards.claim:
            postgres.fence = me.token
        postgres.logged_token, postgres.counted = me.token, postgres.counted | me.facts
        postgres.seq, postgres.cursor = me.seq + 1, me.then
        postgres.run_open = int(me.then < self.config.facts)

    def _look_up(self, state: State, i: int) -> None:
        world = World(state)
        me = world.workers[i]
        stored = me.marks & at.STORED
        me.marks &= ~(at.STORED | at.STORED_IN_REPLICA)
        if not self.guards.look_up:
            me.place = at.COMMIT
            self.emit(STEP, "sends the commit again", world, me)
        elif stored:
            me.go(at.WATERMARK, me.seq + 1, me.then)
            self.emit(STEP, "finds its slice in the log", world, me)
        else:
            self._leave_a_ghost(state, i)
            me.go(at.DEFER)
            self.emit(STEP, "does not find its slice in the log", world, me)

    def _leave_a_ghost(self, state: State, i: int) -> None:
        """The server may still be at the COMMIT whose client went away: it lands after the look-up."""
        world = World(state)
        me = world.workers[i]
        ghost = next((w for w in world.workers if not w.place), None)
        if ghost is not None:
            ghost.token = me.token
            ghost.go(at.GHOST, me.seq, me.cursor, me.then, me.facts)
            me.go(at.DEFER)
            me.marks &= ~(at.STORED | at.STORED_IN_REPLICA)
            self.emit(MISFORTUNE, "does not find its slice, which is on its way", world, me)

    def _land(self, state: State, i: int) -> None:
        world = World(state)
        ghost = world.workers[i]
        lands = self.may_commit(world, ghost)
        if lands:
            self.store(world, ghost)
        ghost.vanish()
        self.emit(STEP, "the late COMMIT lands" if lands else "the late COMMIT is refused", world)

    # --- watermark, continuation, release ----------------------------------------------------------------

    def _watermark(self, state: State, i: int) -> None:
        world = World(state)
        me = world.workers[i]
        self._save(world, me, me.seq, me.cursor)
        me.go(at.CONTINUE if me.cursor < self.config.facts else at.RELEASE, me.seq)
        if me.place == at.RELEASE:
            me.seq = 0
        self.emit(STEP, "saves the watermark", world, me)

    def _continue(self, state: State, i: int) -> None:
        world = World(state)
        me = world.workers[i]
        missing = ", which is missing" if me.place == at.SEND_MISSING else ""
        world.send(me.seq)
        me.go(at.RELEASE, me.seq)
        self.emit(STEP, f"sends {_name(me.seq)}{missing}", world, me)

    def _release(self, state: State, i: int) -> None:
        """RELEASE, DROP (superseded) or DEFER, and acknowledge; a deferred message is sent anew before.

        Who is superseded and could let go was not overtaken: a failover lost its claim. It defers.
        """
        world = World(state)
        me, token, place = world.workers[i], state[2][i][4], state[2][i][0]
        holds = me.marks & at.HOLDS and world.item.token == token and not me.then
        if holds or not self.guards.conditional_release:
            world.give_back()
            if me.seq:
                world.item.continued_seq = me.seq
            if place == at.DROP and self.guards.claim_lost:
                place = at.DEFER
        if place == at.DEFER:
            world.send(me.message)
        repeats = not me.keep and self.config.repeats and world.queue >> me.message & 1
        again = World(world.freeze_as_is()) if repeats else None
        world.acknowledge(me)
        me.vanish()
        self.emit(STEP, f"token {token}: {RELEASES[place]}", world)
        if again is not None:
            again.workers[i].vanish()
            self.emit(MISFORTUNE, f"token {token}: {RELEASES[place]}; its message stays", again)


def _name(message: int) -> str:
    return f"continuation {message}" if message else "a message"


RELEASES = {
    at.RELEASE: "releases",
    at.DROP: "superseded, goes",
    at.DEFER: "releases and sends its message anew",
}
CALLS: dict[int, Call] = {
    at.CLAIM: Protocol._claim, at.READ_FENCE: Protocol._read_fence, at.RAISE: Protocol._raise,
    at.CLAIM_AGAIN: Protocol._claim, at.REPAIR: Protocol._repair, at.SEND_MISSING: Protocol._continue,
    at.OPEN_RUN: Protocol._open_run, at.COMMIT: Protocol._commit, at.LOOK_UP: Protocol._look_up,
    at.GHOST: Protocol._land, at.WATERMARK: Protocol._watermark, at.CONTINUE: Protocol._continue,
    at.RELEASE: Protocol._release, at.DROP: Protocol._release, at.DEFER: Protocol._release,
}  # fmt: skip
