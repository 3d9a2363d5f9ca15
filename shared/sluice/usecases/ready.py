"""Is what a deployment rests on there: its database with the schema that this code needs, its tables, queues, secrets.

One word for each part. What went wrong is told to the log, never to who asks: errors name hosts and ARNs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sluice.core.budget import Clock
from sluice.core.errors import SchemaTooOld, SluiceError

TIME = timedelta(seconds=10)
"""No part is asked later than this after the first: the slowest takes 10 s itself."""


class Word(StrEnum):
    """How a part is."""

    OK = "ok"
    UNREACHABLE = "unreachable"
    TOO_OLD = "too old"
    UNKNOWN = "unknown"
    """It was not asked: what it needs is not there, or there was no time left."""


@dataclass(frozen=True, slots=True)
class Part:
    """``ask`` raises a SluiceError when the part is not well. What ``needs`` another part is not asked without it."""

    name: str
    ask: Callable[[], object]
    needs: str | None = None


Tell = Callable[[str, SluiceError], None]
"""Where an error goes: the part's name and what it raised."""


def look(parts: Sequence[Part], clock: Clock, tell: Tell) -> Mapping[str, Word]:
    """Ask each part once, in this order."""
    stop_at = clock() + TIME
    words: dict[str, Word] = {}
    for part in parts:
        words[part.name] = _word(part, words, clock() < stop_at, tell)
    return words


def body_of(words: Mapping[str, Word]) -> str:
    """The answer as it is kept: JSON."""
    return json.dumps(
        {"ready": is_ready(words), "parts": {name: str(words[name]) for name in words}}
    )


def without_a_table(names: Sequence[str], table: str) -> Mapping[str, Word]:
    """What is known when the table that keeps the answer does not answer itself: nothing else was asked."""
    return {name: Word.UNREACHABLE if name == table else Word.UNKNOWN for name in names}


def is_ready(words: Mapping[str, Word]) -> bool:
    return all(word is Word.OK for word in words.values())


def aged(body: str, at: datetime, now: datetime) -> tuple[bool, str]:
    """Whether a kept answer says ready, and the answer with its age in whole seconds."""
    said = json.loads(body)
    age_s = max(int((now - at).total_seconds()), 0)
    return bool(said["ready"]), json.dumps({**said, "age_s": age_s})


def _word(part: Part, known: Mapping[str, Word], has_time: bool, tell: Tell) -> Word:  # noqa: FBT001  # positional inside
    if not has_time or (part.needs is not None and known[part.needs] is not Word.OK):
        return Word.UNKNOWN
    try:
        part.ask()
    except SchemaTooOld as error:
        tell(part.name, error)
        return Word.TOO_OLD
    except SluiceError as error:
        tell(part.name, error)
        return Word.UNREACHABLE
    return Word.OK
