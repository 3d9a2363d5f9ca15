"""An alarm's definition, from what CloudWatch describes or from the template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.bridge.alarms import BREACHES, AlarmRule, Judgement, Missing, State
from local.bridge.expressions import Scope, Value, evaluate, names_in
from local.bridge.points import GRAIN_S, Wanted
from local.bridge.series import Series


class AlarmRefused(Exception):
    """An alarm that cannot be evaluated here. Names it and what is not understood."""


@dataclass(frozen=True, slots=True)
class MetricAlarm:
    """An alarm over one metric, or over an expression of several by their ids."""

    name: str
    rule: AlarmRule
    metrics: Mapping[str, Wanted]
    expressions: Mapping[str, str]
    result: str
    """The id whose value counts."""
    state: State
    since: float = 0.0
    """When it was made or last changed, in Unix seconds."""

    @property
    def period_s(self) -> int:
        return max(wanted.period_s for wanted in self.metrics.values())

    def judge(self, read: Mapping[Wanted, Sequence[float | None]], now: float) -> Judgement:
        """What its points say. ``read``: the points of each of its metrics, oldest first."""
        young = now - self.since < self.rule.periods * self.period_s
        return self.rule.judge(self._points(read), young=young)

    def _points(self, read: Mapping[Wanted, Sequence[float | None]]) -> Sequence[float | None]:
        if not self.expressions:
            return read[self.metrics[self.result]]
        moments = list(range(self.rule.range))  # periods by their number, oldest first
        known: dict[str, Value] = {
            name: Series(name, wanted.period_s, _numbered(read[wanted]))
            for name, wanted in self.metrics.items()
        }
        while missing := self.expressions.keys() - known.keys():
            ready = [name for name in missing if names_in(self.expressions[name]) <= known.keys()]
            if not ready:
                raise AlarmRefused(f"alarm {self.name}: its expressions use ids that are not there")
            for name in ready:
                scope = Scope(known, moments, self.period_s)
                known[name] = evaluate(self.expressions[name], scope)
        found = known[self.result]
        if not isinstance(found, Series):
            raise AlarmRefused(f"alarm {self.name}: {self.result} is no single series")
        return [found.points.get(at) for at in moments]


def metric_alarm(given: Mapping[str, Any], pace: float = 1.0) -> MetricAlarm:
    """From DescribeAlarms, or a template's properties. ``pace``: so many times shorter are its periods."""
    name = given["AlarmName"]
    rule = _rule(name, given)
    if given.get("Metrics"):
        metrics = {m["Id"]: _of_stat(m, rule, pace) for m in given["Metrics"] if "MetricStat" in m}
        expressions = {m["Id"]: m["Expression"] for m in given["Metrics"] if "Expression" in m}
        result = _result(name, given["Metrics"])
    else:
        statistic = given.get("ExtendedStatistic") or given.get("Statistic") or "Average"
        metrics, expressions, result = {"m1": _wanted(given, statistic, rule, pace)}, {}, "m1"
    if not metrics:
        raise AlarmRefused(f"alarm {name} looks at no metric")
    state = State(given.get("StateValue", "INSUFFICIENT_DATA"))
    changed = given.get("AlarmConfigurationUpdatedTimestamp")
    since = changed.timestamp() if changed else 0.0
    return MetricAlarm(name, rule, metrics, expressions, result, state, since)


def _rule(name: str, given: Mapping[str, Any]) -> AlarmRule:
    comparison = given["ComparisonOperator"]
    if comparison not in BREACHES:
        raise AlarmRefused(f"alarm {name}: {comparison} is not understood")
    periods = int(given["EvaluationPeriods"])
    return AlarmRule(
        comparison,
        float(given["Threshold"]),
        periods,
        int(given.get("DatapointsToAlarm") or periods),
        Missing(given.get("TreatMissingData") or "missing"),
    )


def _of_stat(given: Mapping[str, Any], rule: AlarmRule, pace: float) -> Wanted:
    stat = given["MetricStat"]
    return _wanted({**stat["Metric"], "Period": stat["Period"]}, stat["Stat"], rule, pace)


def _wanted(given: Mapping[str, Any], statistic: str, rule: AlarmRule, pace: float) -> Wanted:
    dimensions = tuple(sorted((d["Name"], str(d["Value"])) for d in given.get("Dimensions", ())))
    grains = max(round(int(given["Period"]) / pace / GRAIN_S), 1)
    return Wanted(
        given["Namespace"],
        given["MetricName"],
        dimensions,
        statistic,
        grains * GRAIN_S,
        rule.range,
    )


def _result(name: str, metrics: Sequence[Mapping[str, Any]]) -> str:
    shown = [m["Id"] for m in metrics if m.get("ReturnData", True) in (True, "true")]
    if len(shown) != 1:
        raise AlarmRefused(
            f"alarm {name}: exactly one of its metrics must return data, not {len(shown)}"
        )
    return str(shown[0])


def _numbered(points: Sequence[float | None]) -> dict[int, float]:
    return {at: value for at, value in enumerate(points) if value is not None}
