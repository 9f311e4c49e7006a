"""What can be said of a quantity over time: its peak, its end, when it came down, how often it was looked at.

Owns: pure functions of points. Must not: take unknown for 0, or make up a value between two points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

Point = tuple[float, float | None]
"""(epoch seconds, value); None is unknown."""

Points = Sequence[Point]


@dataclass(frozen=True, slots=True)
class Peak:
    """The largest value and when it was first seen, epoch seconds."""

    value: float
    at: float


@dataclass(frozen=True, slots=True)
class Rate:
    """How often was looked: samples, samples a second, and the largest gap between two, in seconds.

    known counts those samples in which the quantity was known.
    """

    samples: int
    known: int
    hertz: float | None
    largest_gap: float | None

    @property
    def words(self) -> str:
        """For the ``how`` of a figure."""
        if self.hertz is None or self.largest_gap is None:
            return f"{self.samples} samples"
        unknown = f", {self.samples - self.known} of them unknown" if self.known < self.samples else ""
        return f"{self.samples} samples at {self.hertz:.1f} Hz, {self.largest_gap:.2f} s apart at most{unknown}"


@dataclass(frozen=True, slots=True)
class StateChange:
    """A node went into that state at that moment, epoch seconds; None is not seen."""

    at: float
    state: str | None


def between(points: Points, since: float, until: float) -> Points:
    """Those of that time, both ends included."""
    return [point for point in points if since <= point[0] <= until]


def peak(points: Points) -> Peak | None:
    """None when no value is known."""
    found: Peak | None = None
    for at, value in points:
        if value is not None and (found is None or value > found.value):
            found = Peak(value, at)
    return found


def final(points: Points) -> float | None:
    """The last value; None when it is not known, whatever was before."""
    return points[-1][1] if points else None


def rate(points: Points) -> Rate:
    """How often was looked."""
    known = sum(value is not None for _, value in points)
    if len(points) < 2:
        return Rate(len(points), known, None, None)
    gaps = [later[0] - earlier[0] for earlier, later in pairwise(points)]
    span = points[-1][0] - points[0][0]
    return Rate(len(points), known, len(gaps) / span if span > 0 else None, max(gaps))


def came_down(points: Points, states: Sequence[str | None], since: float, most: float = 0.0) -> float | None:
    """Seconds from that moment until the value is at most ``most`` in state streaming; None when it is not (again).

    states are those of the same moments. A tick at which it has not fallen behind yet does not count, unless it never
    does.
    """
    first: float | None = None
    has_been_behind = False
    for (at, value), state in zip(points, states, strict=True):
        if at < since:
            continue
        if value is None or value > most or state != "streaming":
            has_been_behind = True
        elif has_been_behind:
            return at - since
        elif first is None:
            first = at - since
    return None if has_been_behind else first


def changes(times: Sequence[float], states: Sequence[str | None]) -> tuple[StateChange, ...]:
    """The first state, and each that differs from the one before."""
    found: list[StateChange] = []
    for at, state in zip(times, states, strict=True):
        if not found or found[-1].state != state:
            found.append(StateChange(at, state))
    return tuple(found)


UNSEEN = (None, "unknown", "stale")
"""States that are no evidence of any."""


def stayed(times: Sequence[float], states: Sequence[str | None], state: str, patience: float) -> bool | None:
    """Whether every state that was seen is that one; None when none was seen, or none for longer than patience."""
    seen = [(at, each) for at, each in zip(times, states, strict=True) if each not in UNSEEN]
    if any(each != state for _, each in seen):
        return False
    moments = [*(at for at, _ in seen), *times[-1:]]
    gaps = (later - earlier for earlier, later in pairwise(moments))
    return True if seen and max(gaps, default=0.0) <= patience else None
