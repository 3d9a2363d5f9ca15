"""Charts as HTML and SVG, without a script: lines, areas, bars, single values, each with its table of data.

The plot is stretched to the room there is; what is written stands beside it as text, so that it stays readable on a
phone. Lines differ in their dashes too, not in colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from local.bridge.series import Series
from local.console.measured import Drawn, Measured
from local.console.scales import Scale, clock, moments, scale_of, short
from local.console.widgets import Axis, Line, Widget, YAxis

WIDTH, HEIGHT = 1000.0, 300.0
COLOURS = 8
LAST_TIMES = 0.95
"""Times beyond this share of the width are set to the left of their moment, or they would leave the card."""
MOST_BANDS = 60
"""So many moments of a chart can be pointed at, and are in its table; more are taken together."""
_DASHES = ("", "7 4", "2 5", "9 4 2 4", "14 4")
"""Five of them to eight colours, so that forty lines are told apart."""


@dataclass(frozen=True, slots=True)
class Span:
    """The range of time that is drawn, in Unix seconds."""

    start: int
    end: int

    def x(self, at: float) -> float:
        return WIDTH * min(max((at - self.start) / (self.end - self.start), 0.0), 1.0)


def chart(widget: Widget, measured: Measured, span: Span, ident: str) -> str:
    """What stands below the widget's title."""
    refused = "".join(f'<p class="refused">Not drawn: {escape(e)}</p>' for e in measured.refused)
    if widget.view in ("singleValue", "gauge"):
        return refused + _single_values(measured.drawn, span)
    with_data = [drawn for drawn in measured.drawn if drawn.series.points]
    if not with_data:
        return f'{refused}<p class="empty">No data yet</p>'
    body = _bars(with_data) if widget.view in ("bar", "pie") else _plot(widget, with_data, span)
    return refused + body + _table(with_data, span, ident, widget.title)


def _plot(widget: Widget, drawn: Sequence[Drawn], span: Span) -> str:
    stacks = _stacked(drawn) if widget.stacked else [each.series for each in drawn]
    scales = _scales(widget, drawn, stacks)
    marks = []
    for at in reversed(range(len(drawn))):
        scale = scales[drawn[at].axis]
        if widget.stacked:
            below = stacks[at - 1] if at else None
            marks.append(_area(stacks[at], below, scale, span, at))
        marks.append(_line(stacks[at], scale, span, at))
    marks += [_threshold(line, scales[line.axis]) for line in widget.lines if line.axis in scales]
    marks += _bands(drawn, span)
    grid = "".join(
        f'<path class="grid" d="M0 {_y(scales["left"], tick)}H{WIDTH:g}"/>'
        for tick in scales["left"].ticks
    )
    about = escape(f"{widget.title}: {_in_words(drawn)}")
    svg = (
        f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" preserveAspectRatio="none" role="img"'
        f' aria-label="{about}">{grid}{"".join(marks)}</svg>'
    )
    unit = {each.axis: each.unit for each in reversed(drawn)}
    axes = "".join(
        _axis(s, scale, unit.get(s, ""), widget.axes.get(s)) for s, scale in scales.items()
    )
    times = "".join(_time(at, span) for at in moments(span.start, span.end))
    labels = "".join(
        f'<span class="mark" style="bottom:{scales[line.axis].share(line.value):.2%}">{escape(line.label)}</span>'
        for line in widget.lines
        if line.label and line.axis in scales
    )
    sides = " both" if "right" in scales else ""
    return (
        f'<div class="plot{sides}">{axes}<div class="area">{svg}{labels}</div>'
        f'<div class="times" aria-hidden="true">{times}</div></div>{_legend(drawn)}'
    )


def _scales(
    widget: Widget, drawn: Sequence[Drawn], shown: Sequence[Series]
) -> Mapping[Axis, Scale]:
    scales: dict[Axis, Scale] = {}
    sides: tuple[Axis, ...] = ("left", "right")
    for side in sides:
        values = [
            value
            for each, series in zip(drawn, shown, strict=True)
            if each.axis == side
            for value in series.points.values()
        ]
        values += [line.value for line in widget.lines if line.axis == side]
        if values or side == "left":
            own = widget.axes.get(side, YAxis())
            scales[side] = scale_of(values, own.low, own.high)
    return scales


def _stacked(drawn: Sequence[Drawn]) -> list[Series]:
    """Each series on top of those before it; a missing value adds nothing."""
    every = sorted({at for each in drawn for at in each.series.points})
    total = dict.fromkeys(every, 0.0)
    stacks = []
    for each in drawn:
        total = {at: total[at] + each.series.points.get(at, 0.0) for at in every}
        stacks.append(each.series.with_points(total))
    return stacks


def _runs(series: Series) -> Iterable[list[tuple[int, float]]]:
    """Stretches without a gap: a period without data breaks the line."""
    run: list[tuple[int, float]] = []
    for at, value in sorted(series.points.items()):
        if run and at - run[-1][0] > series.period_s * 1.5:
            yield run
            run = []
        run.append((at, value))
    if run:
        yield run


def _line(series: Series, scale: Scale, span: Span, number: int) -> str:
    lines, dots = [], []
    for run in _runs(series):
        points = [f"{span.x(at):.1f} {_y(scale, value)}" for at, value in run]
        if len(points) == 1:
            dots.append(f"M{points[0]}h0")  # a line of no length; its round ends make a dot
        else:
            lines.append(f"M{'L'.join(points)}")
    colour, dash = f"c{number % COLOURS}", _dash(number)
    drawn = f'<path class="line {colour}" d="{"".join(lines)}"{dash}/>' if lines else ""
    return drawn + (f'<path class="line dots {colour}" d="{"".join(dots)}"/>' if dots else "")


def _dash(number: int) -> str:
    dash = _DASHES[number % len(_DASHES)]
    return f' stroke-dasharray="{dash}"' if dash else ""


def _area(series: Series, below: Series | None, scale: Scale, span: Span, number: int) -> str:
    there = [f"{span.x(at):.1f} {_y(scale, value)}" for at, value in sorted(series.points.items())]
    floor = below.points if below else dict.fromkeys(series.points, 0.0)
    back = [f"{span.x(at):.1f} {_y(scale, v)}" for at, v in sorted(floor.items(), reverse=True)]
    return f'<path class="fill c{number % COLOURS}" d="M{"L".join(there + back)}Z"/>'


def _threshold(line: Line, scale: Scale) -> str:
    return f'<path class="threshold" d="M0 {_y(scale, line.value)}H{WIDTH:g}"/>'


def _bands(drawn: Sequence[Drawn], span: Span) -> list[str]:
    """Invisible stripes that say, when pointed at, what was measured there."""
    rows = _by_moment(drawn, span)
    wide = WIDTH / max(MOST_BANDS, 1)
    return [
        f'<rect class="band" x="{span.x(at) - wide / 2:.1f}" y="0" width="{wide:.1f}" height="{HEIGHT:g}">'
        f"<title>{escape(_told(at, values, drawn, span))}</title></rect>"
        for at, values in rows
    ]


def _by_moment(drawn: Sequence[Drawn], span: Span) -> list[tuple[int, Sequence[float | None]]]:
    """What was measured, the newest of each stretch; at most MOST_BANDS of them, oldest first."""
    width = max((span.end - span.start) // MOST_BANDS, 1)
    every = sorted({at for each in drawn for at in each.series.points})
    newest = {at // width: at for at in every}
    return [(at, [each.series.points.get(at) for each in drawn]) for at in newest.values()]


def _told(at: int, values: Sequence[float | None], drawn: Sequence[Drawn], span: Span) -> str:
    said = (
        f"{each.label}: {short(value, each.unit)}"
        for each, value in zip(drawn, values, strict=True)
        if value is not None
    )
    return "\n".join([f"{clock(at, span.end - span.start)} UTC", *said])


def _in_words(drawn: Sequence[Drawn]) -> str:
    """For those who do not see the plot; the table has it all."""
    latest = (
        f"{each.label} {short(each.series.points[max(each.series.points)], each.unit)}"
        for each in drawn[:6]
    )
    return f"latest {', '.join(latest)}"


def _time(at: int, span: Span) -> str:
    share = span.x(at) / WIDTH
    end = ' class="end"' if share > LAST_TIMES else ""
    return f'<span{end} style="left:{share:.2%}">{clock(at, span.end - span.start)}</span>'


def _axis(side: Axis, scale: Scale, unit: str, own: YAxis | None) -> str:
    ticks = "".join(
        f'<span style="bottom:{scale.share(tick):.2%}">{short(tick, unit)}</span>'
        for tick in scale.ticks
    )
    said = own.label if own and own.label != unit else ""  # each tick has its unit already
    label = f'<b class="of-axis">{escape(said)}</b>' if said else ""
    return f'<div class="axis {side}" aria-hidden="true">{label}{ticks}</div>'


def _legend(drawn: Sequence[Drawn]) -> str:
    entries = []
    for at, each in enumerate(drawn):
        latest = short(each.series.points[max(each.series.points)], each.unit)
        sample = (
            f'<svg class="sample" viewBox="0 0 24 6" aria-hidden="true">'
            f'<path class="line c{at % COLOURS}" d="M1 3H23"{_dash(at)}/></svg>'
        )
        entries.append(f"<li>{sample}{escape(each.label)} <b>{latest}</b></li>")
    return (
        f'<ul class="legend" aria-label="Series, with their latest values">{"".join(entries)}</ul>'
    )


def _bars(drawn: Sequence[Drawn]) -> str:
    """The latest value of each series, side by side."""
    latest = [(each, each.series.points[max(each.series.points)]) for each in drawn]
    scale = scale_of(value for _, value in latest)
    rows = "".join(
        f'<li><span>{escape(each.label)}</span><span class="bar"><i class="c{at % COLOURS}"'
        f' style="width:{scale.share(value):.2%}"></i></span><b>{short(value, each.unit)}</b></li>'
        for at, (each, value) in enumerate(latest)
    )
    return f'<ul class="bars">{rows}</ul>'


def _single_values(drawn: Sequence[Drawn], span: Span) -> str:
    if not any(each.series.points for each in drawn):
        return '<p class="empty">No data yet</p>'
    figures = []
    for each in drawn:
        points = each.series.points
        value = short(points[max(points)], each.unit) if points else "-"
        when = f"at {clock(max(points), span.end - span.start)} UTC" if points else "no data yet"
        figures.append(
            f"<div><dt>{escape(each.label)}</dt><dd>{value}<small>{when}</small></dd></div>"
        )
    return f'<dl class="values">{"".join(figures)}</dl>'


def _table(drawn: Sequence[Drawn], span: Span, ident: str, title: str) -> str:
    heads = "".join(f'<th scope="col">{escape(each.label)}</th>' for each in drawn)
    rows = "".join(
        f'<tr><th scope="row">{clock(at, span.end - span.start)}</th>'
        + "".join(
            f"<td>{'' if value is None else short(value, each.unit)}</td>"
            for each, value in zip(drawn, values, strict=True)
        )
        + "</tr>"
        for at, values in reversed(_by_moment(drawn, span))
    )
    return (
        f'<details id="{ident}-data"><summary>Data</summary><div class="scroll" tabindex="0" role="region"'
        f' aria-label="Data of {escape(title)}"><table><caption>{escape(title)}</caption><thead><tr>'
        f'<th scope="col">UTC</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div></details>'
    )


def _y(scale: Scale, value: float) -> str:
    return f"{HEIGHT * (1 - scale.share(value)):.1f}"
