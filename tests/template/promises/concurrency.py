"""How many workers there are, and so how many database connections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeGuard

from tests.template.promises.queues import MAPPING
from tests.template.promises.schedules import most_seconds_of, rate_s, schedules_of
from tests.template.reading import Document, Template, logical_id

FUNCTION = "AWS::Lambda::Function"
DATABASE_SECRET = "SLUICE_DATABASE_SECRET"

FOR_PEOPLE = frozenset({"StatusFunction", "SteerFunction"})
"""People call these from a dashboard. They give their connection back after each call, so they use the half of the
pool that is not ours, as people with a terminal do."""

ONE_AT_A_TIME = frozenset({"HealthFunction", "MonitorFunction"})
"""Anybody may call these, and one environment of all connects at a time, for a moment: the book sees to it
(usecases/kept_answer.py and its tests). The monitor's schedule does the same for it, and it gives its connection back
after each look. These two connections are of the other half as well."""

RESERVES = "ReservesConcurrency"
"""The condition under which AWS holds a function to so many calls at once."""

FEWEST, MOST = 2, 1000
"""What Lambda takes for MaximumConcurrency."""


def the_pool_is_of_a_size_we_know(template: Template) -> list[str]:
    """There are worker counts for a handful of sizes; for any other size a deploy would fail, or guess."""
    parameter = template.parameters.get("PoolSize", {})
    sizes = pool_sizes(template)
    if not sizes:
        return ["PoolSize takes anything"]
    default = parameter.get("Default")
    return [] if default in sizes else [f"PoolSize is {default} if nothing is said"]


def worker_count_is_a_literal(template: Template) -> list[str]:
    """Given by a parameter it arrives as text, and the embedded AWS then silently stops polling."""
    return [
        f"{name}: MaximumConcurrency comes to {wanted!r} in a pool of {size}"
        for name, mapping in template.properties(MAPPING)
        for size in pool_sizes(template)
        if not _is_a_count(wanted := _worker_count(template, mapping, size))
    ]


def connections_are_half_of_the_pool(template: Template) -> list[str]:
    """Workers of both queues and whatever else connects, each with one connection, for every size of
    the pool that may be given; the other half is for everybody else's use of the database."""
    return [
        f"{most} connections, more than half of a pool of {size}"
        for size in pool_sizes(template)
        if (most := sum(_connections(template, size))) > int(size) // 2
    ]


def people_have_a_quarter_of_the_smallest_pool(template: Template) -> list[str]:
    """However many look at a dashboard at once, and whatever the size of the pool."""
    calls = {name: _reserved(template, name) for name in FOR_PEOPLE}
    unbounded = [
        f"people may call {name} any number of times at once" for name in calls if not calls[name]
    ]
    smallest = min((int(size) for size in pool_sizes(template)), default=0)
    together = sum(calls.values())
    many = [f"people have {together} connections of a pool of {smallest}"]
    return [*unbounded, *(many if together > smallest // 4 else [])]


def fresh_data_has_most_of_the_workers(template: Template) -> list[str]:
    """Each queue has workers of its own, and backfills never have more than what is fresh."""
    return [
        f"backfills have {backfills} workers and slices {slices} in a pool of {size}"
        for size in pool_sizes(template)
        for slices, backfills in [
            [_workers_of(template, queue, size) for queue in ("SliceQueue", "BackfillQueue")]
        ]
        if not 0 < backfills <= slices
    ]


def whoever_connects_is_bounded(template: Template) -> list[str]:
    """A function with the database's secret has a bounded event source, or a schedule whose calls,
    retries included, are over before the next one."""
    violations = []
    for name in _connecting(template):
        schedules = schedules_of(template, name)
        if (
            not _feeding(template, name)
            and not schedules
            and name not in FOR_PEOPLE | ONE_AT_A_TIME
        ):
            violations.append(f"{name} connects, and nothing bounds how often it runs")
        violations += [
            f"{name} may run twice at once, each time with a connection"
            for schedule in schedules
            if most_seconds_of(template, name) >= rate_s(template, schedule)
        ]
    return violations


def pool_sizes(template: Template) -> Sequence[str]:
    """Every size of the pool that a deploy may be told."""
    found: Sequence[str] = template.parameters.get("PoolSize", {}).get("AllowedValues", [])
    return found


def _connections(template: Template, size: str) -> Iterator[int]:
    """What each function that connects may hold at once: one for each worker, one for each schedule."""
    for name in _connecting(template):
        if name in FOR_PEOPLE | ONE_AT_A_TIME:
            continue
        for mapping in _feeding(template, name):
            count = _worker_count(template, mapping, size)
            yield count if _is_a_count(count) else MOST
        yield len(schedules_of(template, name))


def _connecting(template: Template) -> Iterator[str]:
    for name, function in template.properties(FUNCTION):
        if DATABASE_SECRET in function.get("Environment", {}).get("Variables", {}):
            yield name


def _reserved(template: Template, name: str) -> int:
    """How many calls at once AWS lets through; 0 where it does not count them."""
    match template.get(name).get("ReservedConcurrentExecutions"):
        case {"Fn::If": [condition, int(most), {"Ref": "AWS::NoValue"}]} if condition == RESERVES:
            return most
        case _:
            return 0


def _feeding(template: Template, function: str) -> Sequence[Document]:
    found = template.properties(MAPPING)
    return [mapping for _, mapping in found if logical_id(mapping["FunctionName"]) == function]


def _workers_of(template: Template, queue: str, size: str) -> int:
    counts = [
        _worker_count(template, mapping, size)
        for _, mapping in template.properties(MAPPING)
        if logical_id(mapping["EventSourceArn"]) == queue
    ]
    return sum(count for count in counts if _is_a_count(count))


def _worker_count(template: Template, mapping: Document, size: str) -> object:
    """A parameter itself is not looked up: CloudFormation hands parameters on as text."""
    given = mapping.get("ScalingConfig", {}).get("MaximumConcurrency")
    is_parameter = isinstance(given, dict) and "Ref" in given
    return given if is_parameter else template.value(given, PoolSize=size)


def _is_a_count(count: object) -> TypeGuard[int]:
    return isinstance(count, int) and FEWEST <= count <= MOST


PROMISES = (
    the_pool_is_of_a_size_we_know,
    worker_count_is_a_literal,
    connections_are_half_of_the_pool,
    people_have_a_quarter_of_the_smallest_pool,
    fresh_data_has_most_of_the_workers,
    whoever_connects_is_bounded,
)
