"""Which secrets sign a client's pushes: looked up by name, remembered for a minute, what is not there as well.

Any stranger can ask for any client's name. So nothing is asked twice within the minute, and only so many
names are remembered; the oldest are forgotten first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sluice.core.budget import Clock
from sluice.core.errors import SecretMissing, SettingInvalid, SluiceError

KEPT = timedelta(seconds=60)
"""A secret that is set or replaced counts within that time; a vendor repeats what is refused meanwhile."""

MOST_KEPT = 2000

Answer = Sequence[str] | SecretMissing | SettingInvalid


@dataclass(slots=True)
class ClientWebhookSecrets:
    """Implements ``usecases.receive_webhook.WebhookSecrets``.

    ``name_of`` says the secret's name of a client and source, None for one that receives no pushes; ``text``
    reads it as it is now: one secret, or several with white space between, while one is replaced.
    ``failed`` is told of a secret that could not be read: its name, ``client_id#source``, and the error.
    """

    name_of: Callable[[str, str], str | None]
    text: Callable[[str], str]
    clock: Clock
    failed: Callable[[str, str, SluiceError], None] = lambda *_: None
    _known: dict[tuple[str, str], tuple[datetime, Answer]] = field(default_factory=dict)

    def active(self, client_id: str, source: str) -> Sequence[str]:
        """All that count now; none when there is no such client or source.

        Raises SecretMissing or SettingInvalid, and RetryLater when it cannot be known.
        """
        asked, now = (client_id, source), self.clock()
        at, answer = self._known.get(asked, (None, ()))
        if at is None or not timedelta(0) <= now - at < KEPT:
            answer = self._look_up(client_id, source)
            self._known.pop(asked, None)
            self._known[asked] = (now, answer)
            while len(self._known) > MOST_KEPT:
                del self._known[next(iter(self._known))]
        if isinstance(answer, SecretMissing | SettingInvalid):
            raise type(answer)(str(answer))  # the one remembered would gather a trace at each raise
        return answer

    def _look_up(self, client_id: str, source: str) -> Answer:
        try:
            name = self.name_of(client_id, source)
            return () if name is None else self._read(name, f"{client_id}#{source}")
        except (SecretMissing, SettingInvalid) as error:
            return error

    def _read(self, name: str, scope: str) -> Sequence[str]:
        try:
            return tuple(self.text(name).split())
        except SluiceError as error:
            self.failed(name, scope, error)
            raise
