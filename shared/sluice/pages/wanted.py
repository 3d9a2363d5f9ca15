"""What a button's call asks for, and who presses it, as far as a dashboard tells."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sluice.core.errors import SettingInvalid
from sluice.core.keys import StreamKey
from sluice.core.steering.acting import Action, Wanted
from sluice.pages.request import context_of, forms_of

LASTING: Mapping[str, timedelta | None] = {
    "": None,
    "30m": timedelta(minutes=30),
    "2h": timedelta(hours=2),
    "1d": timedelta(days=1),
}
MOST_WHY = 200
MOST_NAME = 100
_OF_A_STREAM = (Action.SYNC, Action.FULL_SYNC, Action.REDRIVE)
_OF_A_SCOPE = (Action.PAUSE, Action.RESUME)


def read_wanted(event: Mapping[str, Any]) -> Wanted:
    """Of a widget's event: the button's own parameters, and from the forms only why and for how long.

    What is acted on never comes from a form: that would be another thing than the question named.
    SettingInvalid names what is missing or wrong, before anything is done.
    """
    action = _action(event.get("do"))
    forms = forms_of(event)
    return Wanted(
        action,
        key=StreamKey.parse(_needed(event, "key")) if action in _OF_A_STREAM else None,
        scope=_needed(event, "scope") if action in _OF_A_SCOPE else "",
        run_id=_needed(event, "run") if action is Action.UNDO_RECONCILE else "",
        lasting=_lasting(event, forms) if action is Action.PAUSE else None,
        why=_why(event.get("why", forms.get("why"))),
    )


def actor_of(event: Mapping[str, Any], request_id: str) -> str:
    """Who pressed, for the audit. A dashboard does not say who looks at it: its name, its account, and the request's
    id, by which CloudTrail knows the caller."""
    context = context_of(event)
    dashboard = _shown(context.get("dashboardName")) or "no dashboard"
    account = _shown(context.get("accountId"))
    of = f" of account {account}" if account else ""
    return f"console: {dashboard}{of}, request {_shown(request_id) or 'unknown'}"


def _action(given: object) -> Action:
    try:
        return Action(str(given))
    except ValueError:
        raise SettingInvalid(f"do {given!r}: give one of {', '.join(Action)}") from None


def _needed(event: Mapping[str, Any], name: str) -> str:
    given = event.get(name)
    if not isinstance(given, str) or not given.strip() or len(given) > 300:
        raise SettingInvalid(f"{name}: say what to act on")
    return given.strip()


def _lasting(event: Mapping[str, Any], forms: Mapping[str, Any]) -> timedelta | None:
    given = event.get("lasting", forms.get("lasting")) or ""
    if not isinstance(given, str) or given not in LASTING:
        raise SettingInvalid(
            f"lasting {given!r}: give one of {', '.join(filter(None, LASTING))}, or nothing"
        )
    return LASTING[given]


def _why(given: object) -> str | None:
    if given is None or given == "":
        return None
    if not isinstance(given, str) or len(given) > MOST_WHY or not given.isprintable():
        raise SettingInvalid(f"why: write one line of at most {MOST_WHY} characters")
    return given.strip() or None


def _shown(given: object) -> str:
    """A name as the audit can keep it."""
    text = given if isinstance(given, str) else ""
    return "".join(c if c.isprintable() else "?" for c in text)[:MOST_NAME]
