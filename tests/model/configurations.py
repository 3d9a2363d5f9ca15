"""Which models are walked through completely.

Every configuration has deaths at any step, leases that lapse at any moment and messages that come again
without end, unless it says otherwise. A zombie is a worker that another one overtook: it takes two.
"""

from __future__ import annotations

from dataclasses import replace

from tests.model.explore import Model
from tests.model.protocol import Protocol
from tests.model.removal import Removal
from tests.model.states import Config
from tests.model.versions import Versions

SLICE = Config(facts=1, most_seq=1, cleanup=False)
TWO = Config(facts=2, most_seq=1, cleanup=False)
ALONE = Config(facts=3, most_seq=1, workers=1, one_slice_size=True)
FALLS_BACK = replace(SLICE, failovers=1)
BOTH_FALL_BACK = replace(FALLS_BACK, restores=1)
LOST_ANSWERS = replace(TWO, lost_answers=True)
CALM = replace(TWO, deaths=False, lapses=False, repeats=False)
CLEANED = replace(SLICE, cleanup=True)

SETTINGS = {
    "two workers, two facts": TWO,
    "nothing goes wrong": CALM,
    "one after another, three facts, cleanup": ALONE,
    "two workers, one fact, cleanup": CLEANED,
    "clocks wrong beyond cleanup's grace": replace(CLEANED, grace=False),
    "answers of COMMIT lost, fetches fail": replace(LOST_ANSWERS, failing_fetches=True),
    "late facts, lookback": replace(TWO, late=(0,), lookback=1, one_slice_size=True),
    "dead letters": replace(ALONE, dead_letters=True),
    "a failover": FALLS_BACK,
    "a restore, no deaths": replace(SLICE, restores=1, repeats=False, deaths=False),
    "a failover and a restore, one after another": replace(BOTH_FALL_BACK, workers=1),
}
CONFIGURATIONS: dict[str, Model] = {
    **{name: Protocol(config) for name, config in SETTINGS.items()},
    "pushes and polls": Versions(),
    "listings that lie": Removal(),
}
LARGE: dict[str, Model] = {
    "two workers, three facts": Protocol(replace(TWO, facts=3, one_slice_size=True)),
    "two workers, two facts, cleanup": Protocol(replace(TWO, cleanup=True)),
    "a restore": Protocol(replace(SLICE, restores=1)),
    "a failover, cleanup": Protocol(replace(FALLS_BACK, cleanup=True)),
    "a failover, two facts": Protocol(replace(TWO, failovers=1, one_slice_size=True)),
    "a failover and a restore, two facts, one after another": Protocol(
        replace(TWO, workers=1, failovers=1, restores=1, one_slice_size=True)
    ),
    "a failover and a restore, two workers, no deaths": Protocol(
        replace(BOTH_FALL_BACK, deaths=False, repeats=False)
    ),
}
"""Minutes of work and some GB: not part of the tests."""
