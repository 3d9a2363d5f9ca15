"""Whose each charge is: what the attribution must be told, and the step that does it.

One parent account is charged for all merchants. Which client a charge belongs to follows from what it refers
to (``attribution_sql.py``), never from its invoice. The rules are those of an existing deployment: the vendor
documents none.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sluice.core.errors import SettingInvalid
from sluice.core.records import Cursor, Derivation, Derive
from sluice.sources.shipbob.attribution_sql import DATED, NEWEST_UNKNOWN, statement
from sluice.sources.shipbob.settings import Billing

ATTRIBUTE = "attribute"
LEAST_NAME = 2
"""Letters and digits of a name: a single one stands in too many comments."""

MOST = 100_000
"""Charges of one pass, some seconds."""

UNKNOWN = Derivation(ATTRIBUTE, statement(NEWEST_UNKNOWN))
"""Charges nobody is known for. The partial index on them is all that it reads of the table."""

AGAIN = Derivation("attribute again", statement(DATED))
"""All charges of some days, when a person asks for a full read: a charge that the rules now lead to another client
is corrected. One that they lead to nobody keeps its client, and one attributed by ``hand`` is not looked at."""


def words_of(text: str) -> str:
    """A text as words, each between spaces of its own: ``Acme-Pets`` is ``" acme  pets "``.

    A name stands in a text at word boundaries if and only if its words are a part of the text's. Made here and
    not in SQL, where what is a letter depends on the database's locale.
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    runs = ("".join(run) for is_word, run in groupby(plain, str.isalnum) if is_word)
    return "".join(f" {run} " for run in runs)


@dataclass(frozen=True, slots=True)
class Merchants:
    """The clients among whom charges are divided. ``names`` leads from a name as words to its client."""

    clients: tuple[str, ...]
    names: Mapping[str, str]
    internal: str | None

    @classmethod
    def of(cls, billing: Billing) -> Merchants:
        """Of a parent's settings; SettingInvalid for a name that tells no client from another."""
        names: dict[str, str] = {}
        for client, merchant in billing.merchants.items():
            for name in merchant.names:
                words = words_of(name)
                _check_name(client, name, words, names)
                names[words] = client
        return cls(tuple(sorted(billing.merchants)), names, billing.internal)

    def parameters(self) -> Mapping[str, Any]:
        """For the statement. Of names that stand at one place of a comment the longest counts, which is what one
        regular expression of all of them finds; words have nothing in them that it could misread."""
        names = sorted(self.names)
        return {
            "merchants": list(self.clients),
            "names": names,
            "named": [self.names[name] for name in names],
            "any_name": f"({'|'.join(names)})" if names else None,
            "internal": self.internal,
        }


def attribute(merchants: Merchants, cursor: Cursor) -> Derive:
    """The step that attributes what nobody is known for; ``cursor`` is where the stream stands after it."""
    return Derive(ATTRIBUTE, UNKNOWN, cursor, {**merchants.parameters(), "most": MOST})


def attribute_again(
    merchants: Merchants, cursor: Cursor, since: datetime, until: datetime
) -> Derive:
    """The step that attributes all charges dated in [since, until) anew."""
    parameters = {**merchants.parameters(), "since": since, "until": until}
    return Derive(ATTRIBUTE, AGAIN, cursor, parameters)


def _check_name(client: str, name: str, words: str, taken: Mapping[str, str]) -> None:
    where = f"billing.merchants.{client}.names: {name!r}"
    if len(words.replace(" ", "")) < LEAST_NAME:
        raise SettingInvalid(f"{where} has less than {LEAST_NAME} letters or digits; write it out")
    if taken.get(words, client) != client:
        raise SettingInvalid(
            f"{where} is also a name of {taken[words]!r}; a name must tell one client from the others"
        )
