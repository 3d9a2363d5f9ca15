"""The simulated cars vendor's catalogue: what it is made of and how it changes."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from local.vendors.cars.catalogue import Catalogue, NotEnoughCarsError, Order
from local.vendors.cars.digests import VOLATILE_FIELD, business_digest
from local.vendors.cars.models import Mutation
from local.vendors.cars.records import FIRST_ID

NOON = 1_800_000_000.0


def made(cars: int, seed: int = 1, order: Order = "id") -> Catalogue:
    catalogue = Catalogue(seed, order=order)
    for _ in catalogue.fill(cars, NOON):
        pass
    return catalogue


def records(catalogue: Catalogue) -> dict[int, dict[str, object]]:
    return {n: json.loads(text) for batch in catalogue.truth() for n, text in batch}


def test_the_same_seed_makes_the_same_cars():
    """Two catalogues of one seed hold the same documents, another seed holds others."""
    assert records(made(300)) == records(made(300))
    assert records(made(300)) != records(made(300, seed=2))


def test_a_larger_catalogue_begins_with_the_smaller_one():
    """Size does not change a car, so a small run's figures speak for a large one's cars."""
    small, large = records(made(100)), records(made(200))
    assert all(large[n] == record for n, record in small.items())


def test_records_have_the_documented_fields_in_about_1600_bytes():
    """Forty fields, of which the lots, manufacturer, odometer, images and damage are nested."""
    catalogue = made(1000)
    texts = [text for batch in catalogue.truth() for _, text in batch]
    fullest = max(records(catalogue).values(), key=lambda record: len(json.dumps(record)))
    assert 1400 < sum(map(len, texts)) / len(texts) < 1800
    assert set(fullest) == {
        *("id", "year", "title", "vin", "manufacturer", "model", "generation", "color", "fuel"),
        *("transmission", "body_type", "engine", "drive_wheel", "vehicle_type", "cylinders"),
        "lots",
    }
    assert set(fullest["lots"][0]) == {
        *("id", "lot", "buy_now", "bid", "final_price", "status", "sale_status", "sale_date"),
        *("odometer", "images", "damage", "keys_available", "airbags", "grade_iaai", "seller"),
        *("seller_type", "location", "insurance", "inspect", "details"),
    }


def test_records_vary_as_real_ones_do():
    """Missing and null years, statuses in both forms, null objects, other scripts, no lots."""
    cars = list(records(made(3000)).values())
    years = Counter("absent" if "year" not in car else type(car["year"]).__name__ for car in cars)
    lots = [lot for car in cars for lot in car["lots"][:1]]
    assert min(years["absent"], years["NoneType"]) > 10
    assert years["int"] > 2800
    assert Counter(len(car["lots"]) for car in cars).keys() == {0, 1, 2}
    assert {type(lot["status"]) for lot in lots} == {int, dict, type(None)}
    assert {type(lot["odometer"]) for lot in lots} == {dict, type(None)}
    assert {type(car["manufacturer"]) for car in cars} == {dict, type(None)}
    assert any(not car["title"].isascii() for car in cars)
    assert len({car["vin"] for car in cars}) == len(cars)
    assert all(len(car["vin"]) == 17 for car in cars)


def test_some_records_escape_what_others_write_out():
    """The same letter comes as UTF-8 and as an escape, so a hash of raw text is not of content."""
    texts = b"".join(text for batch in made(2000).truth() for _, text in batch)
    assert "ë".encode() in texts
    assert b"\\u00eb" in texts


def test_every_change_changes_the_document():
    """A car that changed has another digest each time, also where it had no lots before."""
    catalogue = made(400)
    seen = {n: {business_digest(record)} for n, record in records(catalogue).items()}
    for turn in range(1, 6):
        catalogue.mutate(Mutation(change=400, seed=turn), NOON + turn)
        for n, record in records(catalogue).items():
            digest = business_digest(record)
            assert digest not in seen[n]
            seen[n].add(digest)


def test_a_mutation_says_whom_it_met_and_leaves_the_others_alone():
    """One fate a car; exactly the cars named differ afterwards."""
    catalogue = made(500)
    before = records(catalogue)
    done = catalogue.mutate(Mutation(change=40, sell=5, add=7, remove=3, archive=4, seed=9), NOON)
    after = records(catalogue)
    fates = [*done.changed, *done.sold, *done.removed, *done.archived]
    assert len(set(fates)) == len(fates) == 52
    assert before.keys() - after.keys() == {*done.removed, *done.archived}
    assert after.keys() - before.keys() == {*done.added} == {*range(FIRST_ID + 500, FIRST_ID + 507)}
    assert {n for n in before.keys() & after.keys() if before[n] != after[n]} == {
        *done.changed,
        *done.sold,
    }


def test_a_sold_car_stays_sold():
    """Status 3 in either form and a final price, also after later changes."""
    catalogue = made(30)
    catalogue.mutate(Mutation(sell=30), NOON)
    catalogue.mutate(Mutation(change=30), NOON)
    for car in records(catalogue).values():
        lot = car["lots"][0]
        assert lot["status"] in (3, {"id": 3, "name": "sold"})
        assert lot["final_price"] == lot["bid"]


def test_the_same_mutation_of_the_same_catalogue_meets_the_same_cars():
    """A failed run can be repeated from its seeds."""
    wanted = Mutation(change=5, remove=5, seed=3)
    assert made(100).mutate(wanted, NOON) == made(100).mutate(wanted, NOON)


def test_a_mutation_beyond_the_listed_cars_is_refused_whole():
    """Too few cars: an error that says how many there are, and nothing changed."""
    catalogue = made(3)
    before = records(catalogue)
    with pytest.raises(NotEnoughCarsError, match="are 3; ask for fewer"):
        catalogue.mutate(Mutation(change=2, remove=2, add=5), NOON)
    assert records(catalogue) == before


def test_changed_since_knows_each_car_once_and_only_listed_ones():
    """A car changed twice is one car; a car gone since is none."""
    catalogue = made(200)
    first = catalogue.mutate(Mutation(change=20, seed=1), NOON + 60)
    catalogue.mutate(Mutation(change=200, seed=2), NOON + 120)
    gone = catalogue.mutate(Mutation(archive=10, add=2, seed=3), NOON + 180)
    changed = catalogue.changed_since(NOON + 60)
    assert changed == sorted({*records(catalogue)})
    assert set(first.changed) - set(gone.archived) <= set(changed)
    assert catalogue.changed_since(NOON + 150) == sorted(gone.added)
    assert catalogue.changed_since(NOON + 181) == []


def test_a_new_catalogue_changed_over_the_thirty_days_before():
    """A first delta read is small but not empty."""
    catalogue = made(3000)
    assert len(catalogue.changed_since(NOON - 31 * 86400)) == 3000
    assert 50 < len(catalogue.changed_since(NOON - 86400)) < 200


def test_by_recency_changed_cars_come_first():
    """In this order a change moves cars between pages, which a crawl must survive."""
    catalogue = made(50, order="recent")
    done = catalogue.mutate(Mutation(change=3, add=2), NOON + 1)
    assert list(catalogue.listing.ids)[:5] == [*reversed(done.changed + done.added)][:5]
    assert len(set(catalogue.listing.ids)) == 52
    assert catalogue.changed_since(NOON + 1) == list(catalogue.listing.ids)[:5]


def test_the_digest_leaves_the_volatile_field_and_the_order_of_fields_out():
    """What a jsonb column gives back has the digest of what the vendor wrote."""
    car = records(made(1))[FIRST_ID]
    stored = dict(reversed([*car.items(), (VOLATILE_FIELD, "now")]))
    assert business_digest(stored) == business_digest(car)
    assert business_digest({**car, "vin": "x"}) != business_digest(car)
