"""The embedded metric format: a JSON line of a log that carries metrics.

CloudWatch Logs does this by itself on AWS, for every log group. As specified there: the root holds the values, ``_aws``
says which of its members are metrics (a number or up to 100 of them) and which are dimensions (strings).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from local.bridge.datums import UNITS, Datum, dimensions_of

MOST_METRICS = 100
MOST_VALUES = 100
MOST_DIMENSIONS = 30


class EmfRefused(Exception):
    """A line that has ``_aws`` and is not as specified. On AWS its metrics are lost as well; here somebody says so."""


def datums_of(line: str) -> list[Datum]:
    """The measurements in a log line; none in a line of another kind. EmfRefused names what is wrong."""
    if '"_aws"' not in line:
        return []
    root = _json(line)
    if not isinstance(root, dict) or "_aws" not in root:
        return []
    about = root["_aws"]
    if not isinstance(about, dict):
        raise EmfRefused("_aws is no object")
    directives = about.get("CloudWatchMetrics")
    if not isinstance(directives, list):
        raise EmfRefused("_aws.CloudWatchMetrics is no list of directives")
    at_ms = about.get("Timestamp")
    if not isinstance(at_ms, int | float):
        raise EmfRefused("_aws.Timestamp is no number of milliseconds")
    return [d for directive in directives for d in _of_directive(root, directive, int(at_ms))]


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None  # a sentence that quotes "_aws" is no document


def _of_directive(root: Mapping[str, Any], directive: Any, at_ms: int) -> Iterator[Datum]:
    if not isinstance(directive, dict) or not directive.get("Namespace"):
        raise EmfRefused("a directive has no Namespace")
    metrics, sets = directive.get("Metrics"), directive.get("Dimensions", [[]])
    if not isinstance(metrics, list) or len(metrics) > MOST_METRICS:
        raise EmfRefused(f"Metrics is no list of at most {MOST_METRICS}")
    if not isinstance(sets, list):
        raise EmfRefused("Dimensions is no list of lists")
    measured = [_measured(root, metric) for metric in metrics]
    for names in sets:
        dimensions = _dimensions(root, names)
        for name, unit, values in measured:
            if values:
                yield Datum(str(directive["Namespace"]), name, dimensions, at_ms, values, unit)


def _dimensions(root: Mapping[str, Any], names: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(names, list) or len(names) > MOST_DIMENSIONS:
        raise EmfRefused(f"a set of dimensions is no list of at most {MOST_DIMENSIONS} names")
    found = {}
    for name in names:
        value = root.get(name) if isinstance(name, str) else None
        if not isinstance(value, str):
            raise EmfRefused(f"dimension {name!r} is no text at the root")
        found[name] = value
    return dimensions_of(found)


def _measured(root: Mapping[str, Any], metric: Any) -> tuple[str, str, tuple[float, ...]]:
    """Name, unit and values."""
    if not isinstance(metric, dict) or not isinstance(metric.get("Name"), str):
        raise EmfRefused("a metric has no Name")
    name, given = metric["Name"], metric.get("Unit", "None")
    if given not in UNITS:
        raise EmfRefused(f"metric {name!r} has unit {given!r}, which CloudWatch does not know")
    value = root.get(name)
    values = value if isinstance(value, list) else [value]
    if len(values) > MOST_VALUES or not all(_is_number(each) for each in values):
        raise EmfRefused(f"metric {name!r} is no number and no list of at most {MOST_VALUES}")
    return name, given, tuple(map(float, values))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
