"""A TCP proxy on loopback between workers and the pooler, with weather: what a network does on bad days.

Weather is a probability per kind, changeable while connections live. What a seed fixes is which draws
follow each other; which connection meets which draw is up to timing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random

from tests.chaos.loop_thread import READ_AT_ONCE, LoopThread, finish, reset

COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"
"""A simple query message that says COMMIT and nothing else, as psycopg sends it."""

FIRST_DRAW_AFTER = 2
"""Chunks in each direction that pass undisturbed, so that most connections get as far as to authenticate."""

MOST_BYTES_BEFORE_A_CUT = 20_000


@dataclass(frozen=True, slots=True)
class Weather:
    """Probabilities: of the first six per chunk, of the last three per COMMIT.

    ``latency``: the chunk is late. ``reset``: both ends read a connection reset. ``half_close``: the
    reader of this direction sees an end, the other direction lives on. ``black_hole``: nothing is said
    or heard any more, until a reset after ``black_hole_s``. ``sliced``: the chunk arrives in pieces of a
    few bytes. ``cut``: a part of this or a later chunk arrives, then the connection ends.
    ``commit_unanswered``: the server hears COMMIT, its answer is lost. ``commit_unheard``: the server
    never hears it. ``commit_late``: the client is cut off before the server hears it.
    """

    latency: float = 0.0
    reset: float = 0.0
    half_close: float = 0.0
    black_hole: float = 0.0
    sliced: float = 0.0
    cut: float = 0.0
    commit_unanswered: float = 0.0
    commit_unheard: float = 0.0
    commit_late: float = 0.0
    longest_latency_s: float = 0.1
    black_hole_s: float = 8.0
    late_by_s: float = 0.05


PER_CHUNK = ("latency", "reset", "half_close", "black_hole", "sliced", "cut")
PER_COMMIT = ("commit_unanswered", "commit_unheard", "commit_late")


class TcpProxy:
    """Forwards to ``target``, which may change: connections that live stay where they are."""

    def __init__(self, target: tuple[str, int], *, seed: int = 0) -> None:
        self._target = target
        self._random = Random(seed)  # noqa: S311  # chance, not a secret
        self._weather = Weather()
        self._counts: Counter[str] = Counter()
        self._live: set[_Conversation] = set()
        self._thread = LoopThread("tcp proxy", self._serve)

    @property
    def port(self) -> int:
        return self._thread.port

    def weather(self, **probabilities: float) -> None:
        """Set the weather; kinds that are not named do not happen. Without arguments: calm."""
        self._weather = Weather(**probabilities)

    def change_weather(self, **probabilities: float) -> None:
        """Set the kinds that are named and leave the others as they are."""
        self._weather = replace(self._weather, **probabilities)

    def point_at(self, target: tuple[str, int]) -> None:
        """Where connections made from now on go."""
        self._target = target

    def reset_all(self) -> None:
        """Reset every connection, as a network that went away and came back."""
        self._thread.soon(self._reset_live)

    def counts(self) -> dict[str, int]:
        """What was done so far, per kind; also ``connections``, ``refused`` and ``commits``."""
        return dict(self._counts)

    def close(self) -> None:
        self._thread.close()

    def draw(self, kinds: tuple[str, ...]) -> str | None:
        """The kind that happens to this chunk, at most one."""
        chance = self._random.random()
        for kind in kinds:
            chance -= getattr(self._weather, kind)
            if chance < 0:
                return kind
        return None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._counts["connections"] += 1
        try:
            upstream = await asyncio.open_connection(*self._target, limit=READ_AT_ONCE)
        except OSError:
            self._counts["refused"] += 1
            raise
        conversation = _Conversation(self, (reader, writer), upstream)
        self._live.add(conversation)
        try:
            await conversation.run()
        finally:
            self._live.discard(conversation)

    def _reset_live(self) -> None:
        for conversation in self._live:
            conversation.break_off("reset")

    def count(self, kind: str) -> None:
        self._counts[kind] += 1

    @property
    def now(self) -> Weather:
        return self._weather

    @property
    def random(self) -> Random:
        return self._random


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _BrokenOff(Exception):
    """The weather ended this conversation."""


@dataclass(eq=False, slots=True)
class _Conversation:
    """One client's connection and its connection to the target."""

    proxy: TcpProxy
    client: Ends
    server: Ends
    muted: bool = False
    silent: bool = False
    left_before_cut: int | None = None
    chunks: Counter[bool] = field(default_factory=Counter)

    async def run(self) -> None:
        pumps = [
            asyncio.ensure_future(self._pump(self.client[0], self.server[1], up=True)),
            asyncio.ensure_future(self._pump(self.server[0], self.client[1], up=False)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended = await self._end(pumps)
        for defect in ended:
            if isinstance(defect, Exception):
                raise defect

    async def _end(self, pumps: Sequence[asyncio.Future[None]]) -> list[BaseException | None]:
        """What became of the pumps. The server's end is closed also when the proxy ends meanwhile."""
        for pump in pumps:
            pump.cancel()
        try:
            return await asyncio.gather(*pumps, return_exceptions=True)
        finally:
            await finish(self.server[1])

    def break_off(self, kind: str) -> None:
        """Both ends read a reset."""
        self.proxy.count(kind)
        self._reset()

    def _reset(self) -> None:
        reset(self.client[1])
        reset(self.server[1])

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool
    ) -> None:
        """One direction, until it ends; its end ends the conversation."""
        with contextlib.suppress(OSError, _BrokenOff):
            while data := await reader.read(READ_AT_ONCE):
                if self.muted and not up:
                    return  # the answer to a COMMIT that nobody may hear
                if self.silent:
                    continue
                self.chunks[up] += 1
                await self._forward(data, writer, up=up)

    async def _forward(self, data: bytes, writer: asyncio.StreamWriter, *, up: bool) -> None:
        if up and data.endswith(COMMIT):
            self.proxy.count("commits")
            kind = self.proxy.draw(PER_COMMIT)
            if kind is not None:
                await self._meet_commit(kind, data, writer)
                return
        if self.left_before_cut is not None:
            await self._towards_the_cut(data, writer)
        kind = self.proxy.draw(PER_CHUNK) if self.chunks[up] > FIRST_DRAW_AFTER else None
        if kind is None:
            await _write(writer, data)
        else:
            await self._meet(kind, data, writer)

    async def _meet_commit(self, kind: str, data: bytes, writer: asyncio.StreamWriter) -> None:
        self.proxy.count(kind)
        if kind == "commit_unanswered":
            self.muted = True
            await _write(writer, data)
            return
        reset(self.client[1])
        if kind == "commit_late":
            await asyncio.sleep(self.proxy.random.random() * self.proxy.now.late_by_s)
            self.muted = True
            await _write(writer, data)
            await asyncio.Event().wait()  # its answer ends the conversation
        raise _BrokenOff

    async def _meet(self, kind: str, data: bytes, writer: asyncio.StreamWriter) -> None:
        match kind:
            case "latency":
                self.proxy.count(kind)
                await asyncio.sleep(self.proxy.random.random() * self.proxy.now.longest_latency_s)
                await _write(writer, data)
            case "sliced":
                self.proxy.count(kind)
                await self._write_sliced(data, writer)
            case "cut":
                if self.left_before_cut is None:
                    self.left_before_cut = self.proxy.random.randrange(MOST_BYTES_BEFORE_A_CUT)
                    await self._towards_the_cut(data, writer)
                await _write(writer, data)
            case "half_close":
                self.proxy.count(kind)
                await _write(writer, data)
                writer.write_eof()
                await self._drop_the_rest(writer)
            case "black_hole":
                self.proxy.count(kind)
                self.silent = True
                await asyncio.sleep(self.proxy.now.black_hole_s)
                self._reset()
                raise _BrokenOff
            case _:
                self.break_off(kind)
                raise _BrokenOff

    async def _towards_the_cut(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        """Nothing while the chunk fits; otherwise what fits of it, and the end."""
        if self.left_before_cut is None:
            return
        if len(data) <= self.left_before_cut:
            self.left_before_cut -= len(data)
            return
        self.proxy.count("cut")
        await _write(writer, data[: self.left_before_cut])
        raise _BrokenOff

    async def _write_sliced(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        """The first hundred pieces are tiny; a whole large chunk in such pieces would take for ever."""
        at = 0
        for _ in range(100):
            piece = self.proxy.random.randint(1, 16)
            await _write(writer, data[at : at + piece])
            await asyncio.sleep(0)
            at += piece
            if at >= len(data):
                return
        await _write(writer, data[at:])

    async def _drop_the_rest(self, writer: asyncio.StreamWriter) -> None:
        reader = self.client[0] if writer is self.server[1] else self.server[0]
        while await reader.read(READ_AT_ONCE):
            pass
        raise _BrokenOff


async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()
