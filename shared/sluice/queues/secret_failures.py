"""Signing secrets that could not be read, told to whoever has a database: the function that strangers reach has none.

The applier writes the row of the audit. A secret that stays unreadable is told a few times an hour by each environment,
and noted once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sluice.core.budget import Clock
from sluice.core.errors import SluiceError
from sluice.messages import SecretMessage
from sluice.observability.logs import logger
from sluice.queues.pushes import SqsPushQueue

TOLD_EVERY = timedelta(minutes=10)
"""Oftener than it is noted: what the applier could not write is told again before the hour is over."""

MOST_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class ToldSecretFailures:
    """Tells failures as ``actor``, the function that met them."""

    queue: SqsPushQueue
    actor: str
    clock: Clock
    told: dict[str, datetime] = field(default_factory=dict)

    def note(self, secret: str, scope: str, error: SluiceError) -> None:
        """Queue that ``secret`` could not be read for ``scope``, unless this environment did so lately.

        Never raises for a queue that fails: the request has an answer of its own, and this goes to the log.
        """
        now = self.clock()
        at = self.told.get(secret)
        if at is not None and timedelta(0) <= now - at < TOLD_EVERY:
            return
        message = SecretMessage(
            secret_unreadable=secret, scope=scope, why=type(error).__name__, actor=self.actor
        )
        try:
            self.queue.tell_of_secret(message)
        except SluiceError as failed:
            logger.warning(
                "secret_failure_not_noted",
                extra={"secret_name": secret, "scope": scope, "why": str(failed)},
            )
            return
        if len(self.told) >= MOST_REMEMBERED:
            self.told.clear()
        self.told[secret] = now
