"""All promises that the template keeps, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.template.promises import (
    alarms,
    concurrency,
    environment,
    functions,
    grants,
    outputs,
    permissions,
    queues,
    schedules,
    tables,
    webhooks,
)
from tests.template.reading import Template

Promise = Callable[[Template], list[str]]
"""Says what breaks it; nothing when it is kept."""

_ROOMS = (
    queues,
    concurrency,
    schedules,
    functions,
    tables,
    permissions,
    grants,
    environment,
    alarms,
    outputs,
    webhooks,
)

PROMISES: Mapping[str, Promise] = {
    promise.__name__: promise for room in _ROOMS for promise in room.PROMISES
}
