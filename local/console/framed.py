"""The place of the custom widget in a page: where it is drawn, what is said of it, and its two dialogs.

``static/widget.js`` fills it with what the deployed function draws. It is in a page once at most.
"""

from __future__ import annotations

from html import escape

from local.console.widgets import Widget
from local.deploy import STACK

DRAWS = f"{STACK}-status"
"""The function that draws."""

ACTS = f"{STACK}-steer"
"""The function that its buttons call."""

_FRAME = """
<div id="framed">
<div id="widget" data-function="{function}" aria-busy="true"></div>
<p id="widget-said" role="status" aria-live="polite"></p>
<dialog id="question" aria-labelledby="question-asked"><p id="question-asked"></p>
<div><button type="button" value="no">Cancel</button>
<button type="button" value="yes">Yes, do it</button></div></dialog>
<dialog id="answer" aria-label="What it came to">
<div id="answer-shown"></div>
<div><button type="button" value="close">Close</button></div></dialog>
<script src="/static/widget.js" defer></script>
</div>
"""


def frame(function: str = DRAWS) -> str:
    """``function``: its name, or its ARN as a dashboard has it."""
    return _FRAME.format(function=escape(function))


def is_drawn(widget: Widget) -> bool:
    """Whether it is of this deployment's function; another one is not asked from here."""
    return widget.kind == "custom" and endpoint_of(widget).rsplit(":", 1)[-1] == DRAWS


def endpoint_of(widget: Widget) -> str:
    return str(widget.properties.get("endpoint", ""))
