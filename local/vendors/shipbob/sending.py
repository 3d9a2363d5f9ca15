"""Pushes on their way: signed, retried on the documented schedule, sometimes lost or doubled.

Nothing leaves the machine: names resolve to loopback, and other addresses are never tried.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from local.vendors.loopback.draws import token
from local.vendors.loopback.serving import HOST
from local.vendors.loopback.wire import Sleep
from local.vendors.shipbob.faults import FaultKind, Question
from local.vendors.shipbob.models import Pushed
from local.vendors.shipbob.push_bodies import body_of
from local.vendors.shipbob.scene import Scene
from local.vendors.shipbob.signing import secret_from, signature
from local.vendors.shipbob.subscriptions import Subscription, is_loopback
from local.vendors.shipbob.world import Event

RETRIES_S = (0.0, 5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 36000.0)
_DISABLED_AFTER_S = 5 * 24 * 3600.0
_AT_ONCE = 64
_PUMP_S = 0.2
_REMEMBERED = 50_000  # messages told of; older ones are forgotten
_HOUR_S = 3600
_STRANGER = secret_from(b"nobody was given this secret")

Spoil = Literal["signature", "no_signature", "body", "old", "future"]
State = Literal["waiting", "delivered", "given_up", "lost", "unreachable"]


@dataclass
class Message:
    """One push to one subscription; its id stays the same over retries and copies."""

    id: str
    subscription: Subscription
    event: Event
    body: bytes
    made_at_s: float
    spoil: Spoil | None = None
    statuses: list[int] = field(default_factory=list)
    state: State = "waiting"

    def report(self) -> Pushed:
        """As control tells it."""
        return Pushed(
            webhook_id=self.id,
            subscription_id=self.subscription.id,
            topic=self.event.topic,
            merchant=self.event.merchant,
            subject_id=self.event.subject_id,
            made_at_s=self.made_at_s,
            statuses=tuple(self.statuses),
            state=self.state,
        )


class _Loopback(AbstractResolver):
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host=HOST, port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing is held."""


class Sender:
    """Sends what became due. ``sleep`` takes seconds."""

    def __init__(self, scene: Scene, sleep: Sleep = asyncio.sleep) -> None:
        self.log: deque[Message] = deque(maxlen=_REMEMBERED)
        self._scene = scene
        self._sleep = sleep
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self._failing_since_s: dict[str, float] = {}
        self._made = 0

    async def run(self) -> None:
        """Pump until cancelled, then let nothing go on."""
        connector = aiohttp.TCPConnector(resolver=_Loopback(), ssl=False, limit=_AT_ONCE)
        async with aiohttp.ClientSession(connector=connector) as self._session:
            try:
                while True:
                    self.pump()
                    await asyncio.sleep(_PUMP_S)
            finally:
                self.stop()

    def stop(self) -> None:
        """Forget what is under way."""
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()

    def forget(self) -> None:
        """Start with an empty log, nothing under way."""
        self.stop()
        self.log.clear()
        self._failing_since_s.clear()

    def pump(self) -> None:
        """Send what became due."""
        world = self._scene.world
        self.launch(self.messages(world.due(world.now_ms())))

    def messages(self, events: Iterable[Event], spoil: Spoil | None = None) -> list[Message]:
        """A message for each event and each subscription that hears of it."""
        made = []
        for event in events:
            for subscription in self._scene.world.subscriptions.hearing(
                event.merchant, event.topic
            ):
                self._made += 1
                number = token(self._scene.world.wanted.seed, "push", self._made)[:27]
                body = body_of(self._scene.world, event)
                now_s = self._scene.clock.machine()
                made.append(Message(f"msg_{number}", subscription, event, body, now_s, spoil))
        self.log.extend(made)
        return made

    def launch(self, messages: Sequence[Message]) -> None:
        """Send these, beginning in that order; one that is named again is a copy."""
        for message in messages:
            task = asyncio.get_running_loop().create_task(self._deliver(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, message: Message) -> None:
        if not is_loopback(message.subscription.url):
            message.state = "unreachable"
            return
        hits = self._scene.faults.meet(Question("push", message.event.merchant, message.id))
        lost = hits.other(FaultKind.LOST_PUSH)
        late, doubled = hits.other(FaultKind.LATE_PUSH), hits.other(FaultKind.DOUBLED_PUSH)
        self._scene.count(hits)
        if lost is not None:
            message.state = "lost"
            return
        if late is not None:
            await self._sleep(late.delay_ms / 1000)
        for _ in range(doubled.copies - 1 if doubled else 0):
            await self._attempt(message)
        await self._try_until_taken(message)

    async def _try_until_taken(self, message: Message) -> None:
        """Any 2xx ends it; 410 ends the subscription, as Standard Webhooks advises."""
        scale = self._scene.world.options.retry_scale
        for wait_s in RETRIES_S if message.spoil is None else RETRIES_S[:1]:
            await self._sleep(wait_s * scale)
            status = await self._attempt(message)
            if 200 <= status < 300:
                message.state = "delivered"
                return
            if status == 410:
                message.subscription.enabled = False
                break
        message.state = "given_up" if message.state == "waiting" else message.state

    async def _attempt(self, message: Message) -> int:
        """Its status; 0 where no answer came in time."""
        url, timeout_s = message.subscription.url, self._scene.world.options.push_timeout_s
        if self._session is None:
            raise RuntimeError("the sender is not running; await run() first")
        headers, body = self._signed(message)
        async with self._slots:
            try:
                async with self._session.post(
                    url,
                    data=body,
                    headers=headers,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=timeout_s),
                ) as response:
                    status = response.status
            except (aiohttp.ClientError, TimeoutError, OSError):
                status = 0
        message.statuses.append(status)
        self._remember(message.subscription, taken=200 <= status < 300)
        return status

    def _remember(self, subscription: Subscription, *, taken: bool) -> None:
        """After five days of nothing but failures the vendor gives a subscription up."""
        if taken:
            self._failing_since_s.pop(subscription.id, None)
            return
        now_s = self._scene.clock.machine()
        since_s = self._failing_since_s.setdefault(subscription.id, now_s)
        if now_s - since_s > _DISABLED_AFTER_S * self._scene.world.options.retry_scale:
            subscription.enabled = False

    def _signed(self, message: Message) -> tuple[dict[str, str], bytes]:
        """Headers and body. The time is the machine's, as receivers compare it with their own."""
        stamp, spoil = int(self._scene.clock.machine()), message.spoil
        stamp += {"old": -_HOUR_S, "future": _HOUR_S}.get(spoil or "", 0)
        secrets = [_STRANGER] if spoil == "signature" else message.subscription.secrets
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message.id,
            "webhook-timestamp": str(stamp),
            "webhook-signature": signature(secrets, message.id, stamp, message.body),
            "x-webhook-topic": message.event.topic,
        }
        if spoil == "no_signature":
            del headers["webhook-signature"]
        return headers, message.body + b" " if spoil == "body" else message.body
