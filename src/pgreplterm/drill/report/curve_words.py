"""What a curve says in a line, and a curve thinned for drawing.

Owns: extremes and gaps of a curve. Must not: draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgreplterm.drill.figures import Curve

Point = tuple[float, float | None]


@dataclass(frozen=True, slots=True)
class Extent:
    """Of the known values; peak_at is epoch seconds, of the first that reached it. None: nothing was known."""

    least: float | None
    most: float | None
    peak_at: float | None
    last: float | None
    known: int
    unknown: int


def extent(curve: Curve) -> Extent:
    """Its extremes; last is None when the last point is not known."""
    known = [(at, value) for at, value in curve.points if value is not None]
    peak_at, most = max(known, key=lambda point: point[1], default=(None, None))
    return Extent(
        least=min((value for _, value in known), default=None),
        most=most,
        peak_at=peak_at,
        last=curve.points[-1][1] if curve.points else None,
        known=len(known),
        unknown=len(curve.points) - len(known),
    )


def thinned(points: Sequence[Point], buckets: int) -> tuple[Point, ...]:
    """At most five points for each of so many stretches of time.

    Of a stretch the first, the last, the least, the greatest, and the first that is not known stay: no peak is
    lost and no gap is closed.
    """
    if len(points) <= 5 * buckets or buckets < 1:
        return tuple(points)
    start, end = points[0][0], points[-1][0]
    width = (end - start) / buckets or 1.0
    kept: set[int] = set()
    stretch: list[int] = []
    current = 0
    for place, (at, _) in enumerate(points):
        bucket = min(buckets - 1, int((at - start) / width))
        if bucket != current and stretch:
            kept |= _extremes(points, stretch)
            stretch = []
        current = bucket
        stretch.append(place)
    kept |= _extremes(points, stretch)
    return tuple(points[place] for place in sorted(kept))


def _extremes(points: Sequence[Point], stretch: Sequence[int]) -> set[int]:
    known = [place for place in stretch if points[place][1] is not None]
    gaps = [place for place in stretch if points[place][1] is None]
    kept = {stretch[0], stretch[-1], *gaps[:1]}
    if known:
        kept.add(min(known, key=lambda place: points[place][1] or 0.0))
        kept.add(max(known, key=lambda place: points[place][1] or 0.0))
    return kept


def at_times(curve: Curve, instants: Sequence[float]) -> tuple[float | None, ...]:
    """The last value not later than each instant; None where there is none, or it was not known."""
    values: list[float | None] = []
    place, current = 0, None
    for instant in instants:
        while place < len(curve.points) and curve.points[place][0] <= instant:
            current = curve.points[place][1]
            place += 1
        values.append(current)
    return tuple(values)
