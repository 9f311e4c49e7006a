"""The recent past of every link, for graphs.

Owns: one bounded series of lag points per downstream, appended to and never changed.
Must not: interpolate or judge; a tick without evidence is a point of unknowns, not a repeat of the last one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from pgreplterm.cluster.model import ClusterSnapshot, Gaps

# One hour of ticks of one second.
CAPACITY = 3600


@dataclass(frozen=True, slots=True)
class LagPoint:
    """One link at one tick. Gaps in bytes, time lag and evidence age in seconds; None is unknown."""

    at: float
    gaps: Gaps
    time_lag: float | None
    evidence_age: float | None


class LagHistory:
    """Lag points per downstream, oldest first, at most ``capacity`` of them each."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._series: dict[str, deque[LagPoint]] = {}

    def add(self, snapshot: ClusterSnapshot) -> None:
        """Append one point per link, and one of unknowns for each known downstream that has no link now."""
        linked = {link.downstream: link for link in snapshot.links}
        for name in linked.keys() | self._series.keys():
            link = linked.get(name)
            point = (
                LagPoint(snapshot.taken_at, Gaps(None, None, None, None), None, None)
                if link is None
                else LagPoint(snapshot.taken_at, link.gaps, link.time_lag, link.evidence_age)
            )
            self._series.setdefault(name, deque(maxlen=self._capacity)).append(point)
        self._forget_strangers(snapshot)

    def points(self, downstream: str) -> Sequence[LagPoint]:
        """All points kept for that downstream, oldest first."""
        return tuple(self._series.get(downstream, ()))

    def replay(self, downstream: str) -> Sequence[tuple[float, int | None]]:
        """(seconds since the epoch, replay gap in bytes or None) for that downstream, oldest first."""
        return [(point.at, point.gaps.replay) for point in self._series.get(downstream, ())]

    def _forget_strangers(self, snapshot: ClusterSnapshot) -> None:
        """An unwatched downstream (a backup, a receiver that came and went) is dropped once its series is unknown."""
        watched = {node.name for node in snapshot.nodes}
        for name in [name for name in self._series if name not in watched]:
            if all(point.gaps.replay is None for point in self._series[name]):
                del self._series[name]
