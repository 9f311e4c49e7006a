"""The curves of a run as one SVG picture: a panel for each quantity, one time axis, the marks across all of them.

Owns: the drawing. A value that was not known is a gap; nothing bridges it. Must not: read files, or use what is
outside the picture but the colours of its classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from pgreplterm.cluster.words import printable
from pgreplterm.drill.figures import Curve, Mark
from pgreplterm.drill.report.curve_words import Point, extent, thinned
from pgreplterm.drill.report.markup import safe, tag
from pgreplterm.drill.report.model import Report
from pgreplterm.drill.report.scale import Scale, ticks, time_ticks
from pgreplterm.drill.report.words import NOT_MEASURED, SPOKEN, offset, tick_in_words, value_in_words

WIDTH, LEFT, RIGHT = 1000.0, 84.0, 988.0
_HEIGHT = 150.0
_LINE = 15.0
_LETTER = 6.3
"""Units of the picture: a panel's height, a line of text, and about what a letter takes."""

_BUCKETS = 400
COLOURS = 8
_MOST_WORDS = 16
"""Marks named in the picture; of more of them it has the numbers, and the table the words."""

_FIRST = ("lag_bytes", "commits_per_second")


@dataclass(frozen=True, slots=True)
class Panel:
    """One quantity: the curves of it, node by node, with the number of the colour of each."""

    unit: str
    curves: tuple[tuple[int, Curve], ...]


def panels(curves: Sequence[Curve]) -> tuple[Panel, ...]:
    """A panel for each quantity (the key before the colon): lag first, then commits, then the others as they come."""
    quantities = list(dict.fromkeys(_quantity(each) for each in curves))
    quantities.sort(key=lambda each: _FIRST.index(each) if each in _FIRST else len(_FIRST))
    nodes = list(dict.fromkeys(each.node for each in curves if each.node is not None))
    chosen = ([each for each in curves if _quantity(each) == quantity] for quantity in quantities)
    return tuple(Panel(group[0].unit, tuple(zip(_colours(group, nodes), group, strict=True))) for group in chosen)


def chart(report: Report) -> str:
    """The picture, or nothing when there is no curve."""
    drawn = panels(report.curves)
    if not drawn:
        return ""
    time = _time(report)
    labels, top = _mark_labels(report, time)
    parts: list[str] = []
    edge = top
    for panel in drawn:
        part, edge = _panel(panel, time, edge)
        parts += part
    lines = [_mark_line(mark, time, top, edge) for mark in report.marks]
    axis = _time_axis(time, edge)
    height = edge + 2.5 * _LINE
    title = tag("title", "Curves of the run", id="curves-title")
    about = tag("desc", safe(_description(report)), id="curves-desc")
    return tag(
        "svg",
        "\n".join([title, about, *axis, *lines, *parts, *labels]),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH:.0f} {height:.0f}",
        role="img",
        aria_labelledby="curves-title curves-desc",
        class_="chart",
    )


def numbered(marks: Sequence[Mark]) -> bool:
    """Whether the picture has only the numbers of the marks."""
    return len(marks) > _MOST_WORDS


def _quantity(curve: Curve) -> str:
    return curve.key.partition(":")[0]


def _colours(group: Sequence[Curve], nodes: Sequence[str]) -> list[int]:
    """A node has the same colour in every panel, unless it has several curves in one."""
    own = [each.node for each in group]
    by_node = None not in own and len(set(own)) == len(own)
    return [(nodes.index(node) if node and by_node else number) % COLOURS for number, node in enumerate(own)]


def _time(report: Report) -> Scale:
    instants = [at for curve in report.curves for at, _ in curve.points]
    start, end = min([report.started_at, *instants]), max([report.ended_at, *instants])
    return Scale(start, max(end, start + 1e-3), LEFT, RIGHT)


def _panel(panel: Panel, time: Scale, top: float) -> tuple[list[str], float]:
    legend, floor = _legend(panel, top + _LINE)
    tops = [most for _, curve in panel.curves if (most := extent(curve).most) is not None]
    marks = ticks(max(tops, default=0.0), panel.unit)
    values = Scale(0.0, marks[-1], floor + _HEIGHT, floor + 4)
    parts = [*legend]
    for tick in marks:
        y = values.place(tick)
        parts.append(tag("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, class_="grid"))
        parts.append(_text(tick_in_words(tick, panel.unit), LEFT - 6, y + 4, "end"))
    if not tops:
        parts.append(_text(NOT_MEASURED, (LEFT + RIGHT) / 2, floor + _HEIGHT / 2, "middle"))
    for colour, curve in panel.curves:
        parts += _curve(curve, colour, time, values)
    return parts, floor + _HEIGHT + 6


def _legend(panel: Panel, y: float) -> tuple[list[str], float]:
    parts: list[str] = []
    if panel.unit not in SPOKEN:
        parts.append(_text(panel.unit, LEFT - 6, y, "end"))
    x = LEFT
    for colour, curve in panel.curves:
        words = printable(curve.label or curve.key)
        length = 34 + len(words) * _LETTER
        if x > LEFT and x + length > RIGHT:
            x, y = LEFT, y + _LINE
        parts.append(tag("line", x1=x, x2=x + 22, y1=y - 4, y2=y - 4, class_=f"curve c{colour}"))
        parts.append(_text(words, x + 27, y, "start"))
        x += length + 8
    return parts, y + 6


def _curve(curve: Curve, colour: int, time: Scale, values: Scale) -> Iterator[str]:
    for run in _runs(thinned(curve.points, _BUCKETS)):
        places = [(time.place(at), values.place(value)) for at, value in run]
        if len(places) == 1:
            yield tag("circle", cx=places[0][0], cy=places[0][1], r=2.0, class_=f"dot d{colour}")
        else:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            yield tag("polyline", points=path, class_=f"curve c{colour}")


def _runs(points: Sequence[Point]) -> Iterator[list[tuple[float, float]]]:
    """The stretches without a gap."""
    for known, run in groupby(points, key=lambda point: point[1] is not None):
        if known:
            yield [(at, value) for at, value in run if value is not None]


def _mark_labels(report: Report, time: Scale) -> tuple[list[str], float]:
    """The words of the marks, in as many lines as keep them apart, and where the panels begin."""
    lanes: list[float] = []
    parts: list[str] = []
    for number, mark in enumerate(report.marks, start=1):
        words = str(number) if numbered(report.marks) else printable(mark.text)
        x, length = time.place(mark.at), len(words) * _LETTER + 10
        fits = x + length <= RIGHT
        start = x if fits else max(0.0, x - length)
        lane = next((place for place, taken in enumerate(lanes) if taken <= start), len(lanes))
        lanes[lane : lane + 1] = [start + length]
        y = _LINE * (lane + 1) - 3
        parts.append(tag("line", x1=x, x2=x, y1=y - 9, y2=y + 3, class_=f"mark {_kind(mark)}"))
        parts.append(_text(words, x + 3 if fits else x - 3, y, "start" if fits else "end", f"label {_kind(mark)}"))
    return parts, _LINE * len(lanes) + 4


def _mark_line(mark: Mark, time: Scale, top: float, floor: float) -> str:
    x = time.place(mark.at)
    title = tag("title", safe(mark.text))
    return tag("line", title, x1=x, x2=x, y1=top, y2=floor, class_=f"mark {_kind(mark)}")


def _kind(mark: Mark) -> str:
    return mark.kind if mark.kind in ("fault", "heal", "stage") else "step"


def _time_axis(time: Scale, floor: float) -> Iterator[str]:
    for tick in time_ticks(time.most - time.least):
        x = time.place(time.least + tick)
        yield tag("line", x1=x, x2=x, y1=floor - 4, y2=floor + 3, class_="tick")
        yield _text(tick_in_words(tick, "s"), x, floor + _LINE + 2, "middle" if x < RIGHT - 4 * _LETTER else "end")
    yield _text("time since the run began", (LEFT + RIGHT) / 2, floor + 2 * _LINE + 2, "middle")


def _text(words: str, x: float, y: float, anchor: str, class_: str = "") -> str:
    return tag("text", safe(words), x=x, y=y, text_anchor=anchor, class_=class_ or None)


def _description(report: Report) -> str:
    told = []
    for curve in report.curves:
        seen = extent(curve)
        name = curve.label or curve.key
        if seen.most is None or seen.peak_at is None:
            told.append(f"{name}: {NOT_MEASURED}.")
        else:
            peak = value_in_words(seen.most, curve.unit)
            told.append(f"{name}: peak {peak} at {offset(report, seen.peak_at)}, {seen.unknown} samples unknown.")
    return " ".join(told)
