"""What events add up to: a mapping of event names to effects. It is data, of a clients file, checked here."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sluice.core.errors import RowRejected

MOST_AMOUNT = 10**15
"""Below it a double has the cents exactly as they were written."""

Name = Annotated[str, Field(min_length=1, max_length=255)]
Counter = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,62}$")]
Scalar = bool | int | float | str
NO_EFFECTS = "{}"


class Condition(BaseModel):
    """Something about one property: exactly one of the four is given. ``contains`` is about texts, and minds
    capitals; ``exists`` takes null for missing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    property: Name
    contains: str | None = Field(default=None, min_length=1)
    equals: Scalar | None = None
    one_of: tuple[Scalar, ...] | None = Field(default=None, min_length=1)
    exists: bool | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        given = [self.contains, self.equals, self.one_of, self.exists]
        if sum(each is not None for each in given) != 1:
            raise ValueError("give exactly one of contains, equals, one_of, exists")
        return self

    def holds(self, properties: Mapping[str, Any]) -> bool:
        """Is it so of an event with these properties?"""
        value = properties.get(self.property)
        if self.exists is not None:
            return (value is not None) == self.exists
        if self.contains is not None:
            return isinstance(value, str) and self.contains in value
        wanted = (self.equals,) if self.one_of is None else self.one_of
        return any(_same(value, each) for each in wanted)


class Effect(BaseModel):
    """Adds to a counter, or sets a flag, if ``when`` holds and ``unless`` does not.

    ``by`` is added, or the number in ``by_property``: where it is missing, nothing is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    add: Counter | None = None
    by: int = Field(default=1, ge=-MOST_AMOUNT, le=MOST_AMOUNT)
    by_property: Name | None = None
    flag: Counter | None = None
    when: Condition | None = None
    unless: Condition | None = None

    @model_validator(mode="after")
    def _does_one_thing(self) -> Self:
        if (self.add is None) == (self.flag is None):
            raise ValueError("give exactly one of add, flag")
        if self.by_property is not None and (self.flag is not None or self.by != 1):
            raise ValueError("by_property goes with add alone, and without by")
        return self

    def happens(self, properties: Mapping[str, Any]) -> bool:
        when = self.when is None or self.when.holds(properties)
        return when and not (self.unless and self.unless.holds(properties))

    def amount(self, properties: Mapping[str, Any]) -> Decimal:
        """How much is added; RowRejected names a property that is no number."""
        if self.by_property is None:
            return Decimal(self.by)
        value = properties.get(self.by_property)
        if value is None:
            return Decimal(0)
        where = f"properties.{self.by_property}"
        if type(value) not in (int, float) or not math.isfinite(value):
            raise RowRejected("a counter adds it up, and it is no number", field=where)
        if abs(value) >= MOST_AMOUNT:
            raise RowRejected("a counter adds it up, and it is 1e15 or more", field=where)
        return Decimal(repr(value))


Mapped = Mapping[Name, tuple[Effect, ...]]


def effects_of(mapping: Mapped, event: str, properties: Mapping[str, Any]) -> str:
    """What an event adds, as JSON: ``{"add": {counter: number}, "set": [flag]}``, empty parts left out.

    RowRejected when a counter cannot be told. Of an event that is not mapped: nothing.
    """
    happening = [each for each in mapping.get(event, ()) if each.happens(properties)]
    sums: dict[str, Decimal] = {}
    for each in happening:
        if each.add is not None:
            sums[each.add] = sums.get(each.add, Decimal(0)) + each.amount(properties)
    flags = sorted({each.flag for each in happening if each.flag is not None})
    parts = [_added(sums)] if sums else []
    return f"{{{', '.join([*parts, *_set(flags)])}}}"


def _added(sums: Mapping[str, Decimal]) -> str:
    numbers = (f"{json.dumps(name)}: {number:f}" for name, number in sorted(sums.items()))
    return f'"add": {{{", ".join(numbers)}}}'


def _set(flags: Sequence[str]) -> list[str]:
    return [f'"set": {json.dumps(flags)}'] if flags else []


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON has it: true is not 1."""
    return (type(one) is bool) == (type(other) is bool) and bool(one == other)


PREMIUM = Condition(property="creatorType", contains="premium")


def _adds(*counters: str) -> tuple[Effect, ...]:
    return tuple(Effect(add=counter) for counter in counters)


DEFAULT: Mapping[str, tuple[Effect, ...]] = {
    "BankAccountLinked": (Effect(flag="linked_bank_account"),),
    "Tapped Portfolio Card": _adds("card_taps"),
    "Tapped Creator Card": _adds("card_taps"),
    "Viewed Stripe Modal": _adds("stripe_modal_views"),
    "$ae_session": _adds("app_sessions"),
    "SubscriptionCreated": _adds("subscriptions"),
    "Viewed Creator Profile": _adds("creator_profile_views"),
    "Viewed Creator Paywall": _adds("paywall_views"),
    "Viewed Portfolio Details": _adds("pdp_views"),
    "DubAutoCopyInitiated": (
        Effect(add="copies_total"),
        Effect(add="copies_premium", when=PREMIUM),
        Effect(add="copies_regular", unless=PREMIUM),
    ),
    "AchTransferInitiated": _adds("ach_transfers"),
}
"""The eleven kinds of events and the counters of an existing deployment; premium is a creatorType that
contains "premium" there."""
