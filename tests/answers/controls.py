"""Guards between a faulty answer and the data, taken away by name, in a process of its own: nothing is put back.

Not among them, because another guard stands behind each and nothing would be lost without it: the length of a body
(whoever reads rows finds cut JSON; of exports ``end_of_stream`` takes all that looks at their ends), and the delete
brake, which stands against a vendor that says 404 for what exists, and no round here has that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sluice.sources.cars import numbered, streams
from sluice.sources.cars.client import CarsClient
from sluice.sources.cars.cursor import Repeated
from sluice.sources.doubts import Doubt
from sluice.sources.mixpanel.profiles import ProfilesStream
from sluice.sources.shipbob import collection
from sluice.sources.shipbob.streams import ListingStream
from tests.chaos.controls import CONTROLS as OF_CHAOS
from tests.chaos.controls import instead


@dataclass(frozen=True, slots=True)
class Control:
    """How a guard is taken away, at which vendor its absence should be noticed, and by which faults."""

    take_away: Callable[[], None]
    vendor: str
    focus: Sequence[str] = ()


def _doubts() -> None:
    """Whatever is odd is believed when it is told once."""
    instead(Doubt, "settled", lambda _self, _text: True)


def _point_read() -> None:
    """What a complete listing lacks is gone."""
    for stream in (streams.CarsStream, ListingStream, ProfilesStream):
        instead(stream, "still_exists", lambda _self, _candidate, _budget: False)


def _behind_the_end() -> None:
    """A page that says it is the last one is the last one."""
    instead(numbered.Listing, "_sure_of_end", lambda _self, page: page)


def _last_page() -> None:
    """Changes count as read once their first page is stored."""

    def after(_read: Any, window: Any, now: Any, *, last: bool) -> Repeated:
        return Repeated(through=window.through, finished_at=now)

    instead(numbered, "after_window", after)


def _place_of_a_scroll() -> None:
    """A question whose answer was lost is asked again, also where that moves the place on."""
    real = CarsClient.next_scroll

    def again(self: CarsClient, scroll_id: str, budget: Any, **how: Any) -> Any:
        return real(self, scroll_id, budget, **{**how, "repeatable": True})

    instead(CarsClient, "next_scroll", again)


def _every_window() -> None:
    """Changes count as read once the first of their windows is, which shows only what was created."""
    real = collection.ChangedRows._after

    def after(self: Any, reading: Any, read: Any) -> Any:
        found = real(self, reading, read)
        return None if found is not None and found.part > reading.part else found

    instead(collection.ChangedRows, "_after", after)


CONTROLS: Mapping[str, Control] = {
    "doubts": Control(_doubts, "shipbob", ("missing_rows", "empty_page")),
    "point_read": Control(_point_read, "cars", ("missing_rows",)),
    "behind_the_end": Control(_behind_the_end, "cars", ("early_end",)),
    "last_page": Control(_last_page, "cars", ("server_error",)),
    "place_of_a_scroll": Control(_place_of_a_scroll, "cars", ("cut_body",)),
    "every_window": Control(_every_window, "shipbob"),
    "end_of_stream": Control(
        OF_CHAOS["end_of_stream"].take_away, "mixpanel", ("cut_line", "terminated_early")
    ),
    "counted_once": Control(OF_CHAOS["counted_once"].take_away, "mixpanel"),
    "identity": Control(OF_CHAOS["identity"].take_away, "mixpanel"),
    "lookback": Control(OF_CHAOS["lookback"].take_away, "mixpanel"),
    "profiles_point_read": Control(_point_read, "mixpanel", ("missing_rows",)),
}


def take_away(names: Sequence[str]) -> None:
    for name in names:
        CONTROLS[name].take_away()
