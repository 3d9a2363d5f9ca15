"""The rules of attribution once more, charge by charge and without SQL: the reference that tests compare with."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.shipbob_ledger import Reference

Known = Mapping[tuple[str, str], set[str]]
"""Clients by table and id; orders also by table ``numbers`` and their number."""


def known_by(references: Sequence[Reference], merchants: set[str]) -> Known:
    """Of merchants only."""
    found: dict[tuple[str, str], set[str]] = {}
    for kind, client, an_id, number in references:
        if client not in merchants:
            continue
        found.setdefault((kind, an_id), set()).add(client)
        if number is not None:
            found.setdefault(("numbers", number), set()).add(client)
    return found


def expected(
    charge: Mapping[str, Any], known: Known, names: Mapping[str, str], internal: str | None
) -> tuple[str | None, str | None, str | None]:
    """Client, rule and, where nobody is found, the reason."""
    kind, turns = _turns(charge, known, names, internal)
    for rule, clients in turns:
        if len(clients) == 1:
            return next(iter(clients)), rule, None
        if clients:
            return None, None, "ambiguous"
    return None, None, _reason(charge, kind)


def _turns(
    charge: Mapping[str, Any], known: Known, names: Mapping[str, str], internal: str | None
) -> tuple[str, list[tuple[str, set[str]]]]:
    kind, reference = _kind(charge), charge.get("reference_id") or ""
    details = {
        key.lower(): value for key, value in (charge.get("additional_details") or {}).items()
    }
    shelf, comment = str(details.get("inventoryid") or ""), str(details.get("comment") or "")

    def at(table: str, an_id: str) -> set[str]:
        return known.get((table, an_id), set())

    by_kind: Mapping[str, list[tuple[str, set[str]]]] = {
        "shipment": [("shipment", at("shipments", reference))],
        "return": [("return", at("returns", reference)), ("order", _orders(comment, known))],
        "receiving": [("receiving", at("receivings", reference))],
        "credit": [
            ("shipment", at("shipments", reference)),
            ("return", at("returns", reference)),
            ("receiving", at("receivings", reference)),
        ],
        "fc": [
            ("inventory", at("inventory", _middle(reference))),
            ("inventory", at("inventory", shelf)),
        ],
        "ticket": [("name", _named(comment, names))],
        "internal": [("internal", {internal} if internal else set())],
        "rest": [("inventory", at("inventory", shelf))],
    }
    return kind, by_kind[kind]


def _kind(charge: Mapping[str, Any]) -> str:
    kind = (charge.get("reference_type") or "").replace(" ", "").lower()
    fee, what = charge.get("transaction_fee") or "", charge.get("transaction_type")
    if kind in ("", "default"):
        if what == "Payment" or fee.startswith("Credit Card"):
            return "internal"
        return "credit" if what == "Credit" else "rest"
    known = {"wro": "receiving", "uro": "receiving", "ticketnumber": "ticket"}
    return known.get(kind) or (kind if kind in ("shipment", "fc", "return") else "rest")


def _middle(reference: str) -> str:
    parts = reference.split("-", 2)
    return parts[1] if len(parts) == 3 and parts[0] and parts[1].isdigit() and parts[2] else ""


def _orders(comment: str, known: Known) -> set[str]:
    found: set[str] = set()
    for word in re.findall(r"#?\w+", comment.replace("order ", "order#").replace("order#", " #")):
        if word.startswith("#"):
            tries = [("orders", word[1:]), ("numbers", word), ("numbers", word[1:])]
        else:
            tries = [("orders", word)] if word.isdigit() and len(word) >= 8 else []
        for each in tries:
            found |= known.get(each, set())
    return found


def _named(comment: str, names: Mapping[str, str]) -> set[str]:
    """The longest name at each place of the comment, by words."""
    words, found, place = re.findall(r"[^\W_]+", comment.casefold()), set(), 0
    while place < len(words):
        fitting = [
            (len(parts), client)
            for name, client in names.items()
            if (parts := re.findall(r"[^\W_]+", name.casefold()))
            and words[place : place + len(parts)] == parts
        ]
        length, client = max(fitting, default=(1, ""))
        found |= {client} if client else set()
        place += length
    return found


def _reason(charge: Mapping[str, Any], kind: str) -> str:
    details = {
        key.lower(): value for key, value in (charge.get("additional_details") or {}).items()
    }
    reference, shelf = charge.get("reference_id") or "", details.get("inventoryid")
    if kind in ("internal", "ticket"):
        return {"internal": "no_internal_client", "ticket": "nobody_named"}[kind]
    if kind == "rest":
        return "unknown_inventory" if shelf else "no_rule"
    if kind == "fc":
        return "unknown_inventory" if shelf or _middle(reference) else "no_reference"
    return f"unknown_{kind}" if reference else "no_reference"
