"""What stands in the queue: one JSON message asks for one slice of one client's stream."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from sluice.core.keys import StreamKey

Reason = Literal["schedule", "continuation", "deferred", "manual", "cleanup", "redrive"]


class SliceMessage(BaseModel):
    """Asks for one slice.

    ``expect_seq`` is the stream's seq that this message continues from (None: whatever it is);
    ``attempt`` counts slices in a row that made no progress; ``full_since`` asks for a full read
    that began at or after that moment. Unknown fields are kept out of the way: an older worker may
    meet a newer dispatcher's message during a deploy.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    client_id: str
    source: str
    stream: str
    partition: str | None = None
    reason: Reason
    expect_seq: int | None = Field(default=None, ge=0)
    attempt: int = Field(default=0, ge=0)
    full_since: AwareDatetime | None = None

    @property
    def key(self) -> StreamKey:
        return StreamKey(self.client_id, self.source, self.stream, self.partition)

    @classmethod
    def asking_for(
        cls,
        key: StreamKey,
        *,
        reason: str,
        expect_seq: int | None = None,
        attempt: int = 0,
        full_since: datetime | None = None,
    ) -> SliceMessage:
        return cls.model_validate(
            {
                "client_id": key.client_id,
                "source": key.source,
                "stream": key.stream,
                "partition": key.partition,
                "reason": reason,
                "expect_seq": expect_seq,
                "attempt": attempt,
                "full_since": full_since,
            }
        )
