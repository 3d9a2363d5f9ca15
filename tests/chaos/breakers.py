"""The breakers of what workers stand on: database, pooler, network, DynamoDB, backups of both stores.

A round begins some, disturbs with each about every 0.2 s, and ends them: then everything is well again.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Protocol

from local import pgbouncer
from local.processes import StackFailed
from tests.chaos.aws_proxy import AwsProxy
from tests.chaos.database import ChaosDatabase
from tests.chaos.state_backup import StateBackup
from tests.chaos.tcp_proxy import PER_CHUNK, PER_COMMIT, TcpProxy

if TYPE_CHECKING:
    from tests.chaos.stand import Stand


class Breaker(Protocol):
    """One kind of fault. ``counts`` tells what it did since ``begin``; a breaker may begin again."""

    @property
    def name(self) -> str: ...

    @property
    def matrix_rows(self) -> Sequence[int]: ...

    def begin(self, stand: Stand, random: Random, /) -> None: ...

    def disturb(self) -> None: ...

    def end(self) -> None: ...

    def counts(self) -> dict[str, int]: ...


class Breakable(Protocol):
    """What these breakers need of a stand."""

    database: ChaosDatabase
    proxy: TcpProxy
    aws_proxy: AwsProxy
    state: StateBackup


class _NowAndThen:
    """Does ``act`` at random moments, ``every`` so many seconds (from, to); the first may come sooner."""

    name: str
    matrix_rows: Sequence[int]
    every: tuple[float, float]

    def begin(self, stand: Breakable, random: Random) -> None:
        self.stand, self.random = stand, random
        self.did: Counter[str] = Counter()
        self._next_at = time.monotonic() + random.uniform(0, self.every[1])
        self.prepare()

    def disturb(self) -> None:
        if time.monotonic() >= self._next_at:
            self.act()
            self._next_at = time.monotonic() + self.random.uniform(*self.every)

    def end(self) -> None:
        """Each act leaves everything well."""

    def counts(self) -> dict[str, int]:
        return {f"{self.name}.{kind}": count for kind, count in sorted(self.did.items())}

    def prepare(self) -> None:
        """Before the round's first disturbance."""

    def act(self) -> None:
        raise NotImplementedError


class Backends(_NowAndThen):
    """Row 3: backends of the application are ended, those within a transaction first."""

    name, matrix_rows, every = "backends", (3,), (0.0, 0.15)

    def act(self) -> None:
        self.did["ended"] += self.stand.database.terminate_backends(self.random.randint(1, 3))


class Crash(_NowAndThen):
    """Row 4: an immediate stop, and recovery at the start."""

    name, matrix_rows, every = "crash", (4,), (0.7, 3.0)

    def act(self) -> None:
        self.stand.database.crash(away_s=self.random.choice((0.0, 0.3, 1.5)))
        self.did["crashes"] += 1


class Failover(_NowAndThen):
    """Row 5: an asynchronous replica is promoted that lacks the last commits."""

    name, matrix_rows, every = "failover", (5,), (1.5, 5.0)

    def prepare(self) -> None:
        self.stand.database.prepare_replica()

    def act(self) -> None:
        database = self.stand.database
        cost = database.fail_over_losing_commits(at_least=self.random.randint(1, 10))
        self.stand.proxy.point_at(database.address)
        self.did["failovers"] += 1
        self.did["failovers that lost commits"] += cost.lost_commits > 0
        self.did["lost commits"] += cost.lost_commits


class PoolerTroubles(_NowAndThen):
    """Row 6: the pooler is killed, restarted, or told to pause and reconnect."""

    name, matrix_rows, every = "pooler", (6,), (0.2, 1.5)

    def act(self) -> None:
        database, away_s = self.stand.database, self.random.choice((0.0, 0.2, 1.0))
        match self.random.choice(("kill", "restart", "pause")):
            case "kill":
                database.kill_pooler(away_s)
                self.did["kills"] += 1
            case "restart":
                database.restart_pooler(away_s)
                self.did["restarts"] += 1
            case _:
                paused = database.pause_resume_pooler()
                self.did["pauses" if paused else "pauses taken back"] += 1


class _Weather(_NowAndThen):
    """Another weather every few seconds; calm at the end."""

    every = (1.0, 3.0)

    def begin(self, stand: Breakable, random: Random) -> None:
        super().begin(stand, random)
        self._before = Counter(self.done())
        self.act()

    def counts(self) -> dict[str, int]:
        since = Counter(self.done())
        since.subtract(self._before)
        return {f"{self.name}.{kind}": n for kind, n in sorted(since.items()) if n}

    def done(self) -> Mapping[str, int]:
        """What the proxy has done so far, of this breaker's kinds."""
        raise NotImplementedError


class Tcp(_Weather):
    """Row 7: latency, resets, half-closed and silent connections, slices, cuts."""

    name, matrix_rows = "tcp", (7,)

    def act(self) -> None:
        draw = self.random.uniform
        self.stand.proxy.change_weather(
            latency=draw(0, 0.1),
            sliced=draw(0, 0.05),
            reset=draw(0, 0.02),
            half_close=draw(0, 0.01),
            black_hole=draw(0, 0.004),
            cut=draw(0, 0.02),
            black_hole_s=3.0,
        )

    def end(self) -> None:
        self.stand.proxy.change_weather(**dict.fromkeys(PER_CHUNK, 0.0))

    def done(self) -> Mapping[str, int]:
        counts = self.stand.proxy.counts()
        return {kind: counts.get(kind, 0) for kind in PER_CHUNK}


class CommitCut(_Weather):
    """Row 7: the answer to COMMIT is lost, or COMMIT itself, or it arrives after the client was cut off."""

    name, matrix_rows = "commit_cut", (7,)

    def act(self) -> None:
        share = self.random.uniform(0.1, 0.3)
        self.stand.proxy.change_weather(
            commit_unanswered=share / 2, commit_unheard=share / 4, commit_late=share / 4
        )

    def end(self) -> None:
        self.stand.proxy.change_weather(**dict.fromkeys(PER_COMMIT, 0.0))

    def done(self) -> Mapping[str, int]:
        counts = self.stand.proxy.counts()
        return {kind: counts.get(kind, 0) for kind in PER_COMMIT}


class Dynamo(_Weather):
    """Row 8: throttles, 5xx, late and lost answers of DynamoDB and SQS: 5 to 50 % of all requests."""

    name, matrix_rows = "dynamo", (8,)

    def act(self) -> None:
        bad = self.random.choice((0.05, 0.1, 0.2, 0.5))
        self.stand.aws_proxy.weather(
            throttle=bad * 0.4,
            server_error=bad * 0.15,
            unheard=bad * 0.1,
            lost_reply=bad * 0.2,
            latency=bad * 0.15,
        )

    def end(self) -> None:
        self.stand.aws_proxy.weather()

    def done(self) -> Mapping[str, int]:
        counts = self.stand.aws_proxy.counts()
        kinds = {kind: count for kind, count in counts.items() if " " not in kind}
        return {**kinds, "requests": sum(self.stand.aws_proxy.operations().values())}


class RestorePostgres(_NowAndThen):
    """Row 19: Postgres goes back to a backup, data and positions together; DynamoDB does not."""

    name, matrix_rows, every = "restore_postgres", (19,), (3.0, 8.0)

    def prepare(self) -> None:
        self.stand.database.snapshot()

    def act(self) -> None:
        database = self.stand.database
        self.did["commits undone"] += database.restore_snapshot()
        self.did["restores"] += 1
        self.stand.proxy.point_at(database.address)
        database.snapshot()


class RestoreDynamo(_NowAndThen):
    """Row 19: the state table goes back to a backup, tokens too; Postgres does not."""

    name, matrix_rows, every = "restore_dynamo", (19,), (3.0, 8.0)

    def prepare(self) -> None:
        self.stand.state.snapshot()

    def act(self) -> None:
        self.stand.aws_proxy.audit.suspend()
        self.did["items put back"] += self.stand.state.restore()
        self.did["restores"] += 1
        self.stand.state.snapshot()

    def end(self) -> None:
        self.stand.aws_proxy.audit.forget()


BREAKERS: Sequence[Callable[[], Breaker]] = (
    Backends,
    Crash,
    Failover,
    PoolerTroubles,
    Tcp,
    CommitCut,
    Dynamo,
    RestorePostgres,
    RestoreDynamo,
)
"""A new breaker for each round."""


def cannot_run() -> dict[str, str]:
    """Names of kinds that lack what they break here, and why; an error where it is required."""
    if pgbouncer.installed() is not None:
        return {}
    if os.environ.get("SLUICE_REQUIRE_PGBOUNCER") == "1":
        raise StackFailed("PgBouncer is required here and not installed")
    return {PoolerTroubles.name: "PgBouncer is not installed"}
