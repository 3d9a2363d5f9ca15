"""The stuff records are made of: 256 ready JSON fragments per group, so a byte chooses one.

The proportions are chosen to hold what real catalogues hold: most values plain, some null, some in
another script, some escaped where others are not.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from local.vendors.loopback.draws import number, pick

YEAR_ABSENT_BELOW = 4  # of 256: about 1.5 % of the cars have no year field
YEAR_NULL_BELOW = 8  # and as many have a null

_MODELS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Toyota", "4T1", ("Camry", "Corolla", "RAV4", "Land Cruiser Prado")),
    ("Ford", "1FA", ("F-150", "Mustang", "Escape", 'Transit 350 "High Roof"')),
    ("BMW", "WBA", ("320d", "X5", "M4", "i3")),
    ("Mercedes-Benz", "WDD", ("C 220 d", "E-Klasse", "Sprinter", "GLE Coupé")),
    ("Škoda", "TMB", ("Octavia", "Kodiaq", "Fabia", "Yeti")),
    ("Citroën", "VF7", ("C4 Picasso", "Berlingo", "DS3 Cabriolé", "Jumpy")),
    ("Лада", "XTA", ("Нива", "Веста", "Гранта", "2107")),
    ("日産", "JN1", ("スカイライン", "リーフ", "Patrol", "Juke")),
    ("Hyundai", "KMH", ("Sonata", "Tucson", "아이오닉", "Elantra")),
    ("Kia", "KNA", ("Sorento", "Rio", "Ceed", "EV6 🔋")),
    ("Tesla", "5YJ", ("Model S", "Model 3", "Model X", "Model Y")),
    ("Volkswagen", "WVW", ("Golf", "Passat", "Käfer", "Tiguan")),
    ("Honda", "1HG", ("Civic", "Accord", "CR-V", "Jazz")),
    ("Chevrolet", "1G1", ("Malibu", "Silverado", "Bolt", "Corvette / Z06")),
    ("Audi", "WAU", ("A4", "Q7", "e-tron", "RS 6")),
    ("Peugeot", "VF3", ("208", "3008", "Partner", "Boxer")),
)
_COLORS = ("white", "black", "silver", "red", "blue", "grey", "Grün", "бежевый", None)
_FUELS = ("gasoline", "diesel", "hybrid", "electric", "flex", None)
_GEARS = ("automatic", "manual", "CVT", None)
_BODIES = ("sedan", "SUV", "hatchback", "pickup", "coupé", "van", None)
_ENGINES = ("2.0L I4", "3.5L V6", "5.0L V8", "1.6L I4 TURBO", "electric", "6.7L I6 DIESEL", None)
_DRIVES = ("fwd", "rwd", "awd", "4x4", None)
_DAMAGE = ("front end", "rear end", "hail", "water/flood", "vandalism", "minor dents", None)
_SELLERS = ("Progressive Casualty", "GEICO", "Müller & Söhne GmbH", "Автодом «Восток»", None)
_PLACES = ("TX - Houston", "CA - Los Angeles", "NJ - Trenton", "Tbilisi", "Köln", "Kraków", None)
_REMARKS = (
    "Runs and drives; engine starts with a jump. ",
    "Airbags deployed, left curtain missing.\nKeys in the office.\t",
    "Fahrzeug läuft, Türen verzogen; bitte ansehen. ",
    "Отсутствует катализатор; документы в порядке. ",
    'Buyer pays the yard\'s \\ gate fee "as is". ',
)


class Make(NamedTuple):
    """A make and model: VIN prefix, title text and the ready JSON fields."""

    wmi: bytes
    title: bytes
    fields: bytes


def _json(value: Any, *, escaped: bool = False) -> bytes:
    return json.dumps(value, ensure_ascii=escaped, separators=(",", ":")).encode()


def _fields(values: dict[str, Any], *, escaped: bool = False) -> bytes:
    """``"a":1,"b":2,`` - a run of members with the comma that joins them to what follows."""
    return _json(values, escaped=escaped)[1:-1] + b","


def _make(index: int) -> Make:
    """A sixteenth of the entries escapes non-ASCII text, and one in 32 has no manufacturer."""
    brand = index % len(_MODELS)
    name, wmi, models = _MODELS[brand]
    model = models[index // len(_MODELS) % len(models)]
    escaped = index % 16 == index // 16
    described = {
        "manufacturer": None if index % 32 == 31 else {"id": brand + 1, "name": name},
        "model": model,
        "generation": None if index % 3 == 0 else f"{model} {index % 5 + 1} (20{index % 9 + 10}-)",
    }
    title = _json(f"{name} {model}", escaped=escaped)[1:-1]
    return Make(wmi.encode(), title, _fields(described, escaped=escaped))


def _paint(index: int) -> bytes:
    return _fields(
        {
            "color": pick(_COLORS, "color", index),
            "fuel": pick(_FUELS, "fuel", index),
            "transmission": pick(_GEARS, "gears", index),
        }
    )


def _build(index: int) -> bytes:
    return _fields(
        {
            "body_type": pick(_BODIES, "body", index),
            "engine": pick(_ENGINES, "engine", index),
            "drive_wheel": pick(_DRIVES, "drive", index),
            "vehicle_type": "automobile" if index % 16 else "truck",
            "cylinders": pick((4, 4, 6, 8, 3, None), "cylinders", index),
        }
    )


def _status(index: int) -> bytes:
    """The vendor writes a status as a number or as an object; 2 is pending, 3 is sold."""
    if index < 8:
        return b"null"
    status = (1, 2)[index % 2]
    return (
        b"%d" % status
        if index % 5
        else _json({"id": status, "name": ("open", "pending")[index % 2]})
    )


MAKES = tuple(map(_make, range(256)))
PAINT = tuple(map(_paint, range(256)))
BUILD = tuple(map(_build, range(256)))
STATUSES = tuple(map(_status, range(256)))


def sale(state: int, day: int, hour: int) -> bytes:
    """When the lot is sold; one in eight has no date yet."""
    if state < 32:
        return b'"sale_status":null,"sale_date":null'
    name = (b"on_approval", b"pure_sale", b"minimum_bid")[state % 3]
    return b'"sale_status":"%b","sale_date":"2026-12-%02dT%02d:00:00.000000Z"' % (
        name,
        day % 28 + 1,
        hour % 24,
    )


def odometer(state: int, distance: bytes) -> bytes:
    """The fields of the odometer with the comma that joins them on; sometimes null."""
    if state < 10:
        return b'"odometer":null,'
    km = int.from_bytes(distance, "big") * 5
    return b'"odometer":{"km":%d,"mi":%d},' % (km, km * 1000 // 1609)


def rest_of_lots(index: int) -> bytes:
    """What hardly ever moves of a lot, and the end of the list; one car in 16 has a second lot."""
    older = {"id": 500 + index, "lot": f"E{index}", "buy_now": None, "bid": 0, "status": 1}
    second = b"," + _json(older) if index % 16 == 5 else b""
    return _steady(index) + second + b"]"


def _steady(index: int) -> bytes:
    seller = pick(_SELLERS, "seller", index)
    values = {
        "images": None if index % 40 == 0 else _pictures(index),
        "damage": None
        if index % 25 == 0
        else {"main": pick(_DAMAGE, "main", index), "second": pick(_DAMAGE, "second", index)},
        "keys_available": pick((True, True, False, None), "keys", index),
        "airbags": pick(("intact", "deployed", "2 deployed", None), "airbags", index),
        "grade_iaai": pick(("4.2", "3.0", "1.5", None), "grade", index),
        "seller": seller,
        "seller_type": None if seller is None else pick(("insurance", "dealer"), "type", index),
        "location": pick(_PLACES, "place", index),
        "insurance": pick((True, False, None), "insurance", index),
        "inspect": pick((True, False, None), "inspect", index),
        "details": pick(_REMARKS, "details", index) * (1 + number("length", index) % 6),
    }
    return _json(values, escaped=index % 16 == 0)[1:]


def _pictures(index: int) -> dict[str, list[str]]:
    addresses = [f"https://cdn.cars.invalid/{number('image', index):016x}/{n}" for n in range(7)]
    count = 4 + index % 4
    return {
        "normal": [address + ".jpg" for address in addresses[:count]],
        "big": [address + "_big.jpg" for address in addresses[:count]],
    }
