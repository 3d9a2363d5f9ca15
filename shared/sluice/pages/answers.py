"""Short answers: what an action came to, what went wrong, and what the widget says of itself."""

from __future__ import annotations

from collections.abc import Sequence

from sluice.pages.markup import Html, el
from sluice.pages.parts import framed, note
from sluice.pages.request import Viewer
from sluice.pages.stream import back

DESCRIPTION = """\
### Sluice: status

Clients and streams: fresh or late, running with what is left to do, rejects, dead letters, and what somebody should
look at. A click on a state shows the stream and its runs; a click on a run shows its slices and where their time went.

Parameters, all optional:

| name | what it does |
|---|---|
| `client` | only clients whose id has this in it |
| `state` | `paused`, `running`, `stalled`, `late`, `failed`, `never` or `fresh` |
| `view`, `key`, `run` | begin with a stream (`stream` and its key) or a run (`run` and its id) |

Buttons that act call another function; without the right to invoke it they are refused.

```yaml
client: acme
state: late
```
"""


def draw_done(title: str, lines: Sequence[str], viewer: Viewer) -> Html:
    """An action that was done."""
    return framed(viewer, el("div", {"role": "status"}, note("good", title, *lines)))


def draw_refused(title: str, lines: Sequence[str], viewer: Viewer) -> Html:
    """An action that was not done, and why."""
    return framed(viewer, el("div", {"role": "alert"}, note("bad", title, *lines)))


def draw_trouble(title: str, line: str, viewer: Viewer) -> Html:
    """A page that could not be drawn, and the way back."""
    said = el("div", {"role": "alert", "style": "margin-top:8px"}, note("bad", title, line))
    return framed(viewer, back(viewer), said)
