"""How many workers there are, and so how many database connections."""

from __future__ import annotations

from tests.template.promises.queues import MAPPING
from tests.template.promises.schedules import most_seconds_of, rate_s, schedules_of
from tests.template.reading import STAGES, Document, Template, logical_id

FUNCTION = "AWS::Lambda::Function"
DATABASE_SECRET = "SLUICE_DATABASE_SECRET"

FEWEST, MOST = 2, 1000
"""What Lambda takes for MaximumConcurrency."""

POOL = 20
"""Server connections of the smallest pool we deploy against: PgBouncer's default_pool_size."""


def worker_count_is_a_literal(template: Template) -> list[str]:
    """Given by a parameter it arrives as text, and the embedded AWS then silently stops polling."""
    return [
        f"{name}: MaximumConcurrency comes to {wanted!r} in {stage}"
        for name, mapping in template.properties(MAPPING)
        for stage in STAGES
        if not _is_a_count(wanted := _worker_count(template, mapping, stage))
    ]


def workers_hold_half_of_the_pool(template: Template) -> list[str]:
    """One connection per worker; the other half is for everybody else's use of the database."""
    counts = {
        (name, stage): _worker_count(template, mapping, stage)
        for name, mapping in template.properties(MAPPING)
        for stage in STAGES
    }
    return [
        f"{name}: {count} workers in {stage}, more than half of {POOL} connections"
        for (name, stage), count in counts.items()
        if isinstance(count, int) and count > POOL // 2
    ]


def whoever_connects_is_bounded(template: Template) -> list[str]:
    """A function with the database's secret has a bounded event source, or a schedule whose calls,
    retries included, are over before the next one."""
    violations = []
    for name, function in template.properties(FUNCTION):
        if DATABASE_SECRET not in function.get("Environment", {}).get("Variables", {}):
            continue
        fed = [m for _, m in template.properties(MAPPING) if logical_id(m["FunctionName"]) == name]
        schedules = schedules_of(template, name)
        if not fed and not schedules:
            violations.append(f"{name} connects, and nothing bounds how often it runs")
        violations += [
            f"{name} may run twice at once, each time with a connection"
            for schedule in schedules
            if most_seconds_of(template, name) >= rate_s(template, schedule)
        ]
    return violations


def _worker_count(template: Template, mapping: Document, stage: str) -> object:
    """A parameter's default is not looked at: CloudFormation hands parameters on as text."""
    given = mapping.get("ScalingConfig", {}).get("MaximumConcurrency")
    return given if isinstance(given, dict) and "Ref" in given else template.value(given, stage)


def _is_a_count(count: object) -> bool:
    return isinstance(count, int) and FEWEST <= count <= MOST


PROMISES = (worker_count_is_a_literal, workers_hold_half_of_the_pool, whoever_connects_is_bounded)
