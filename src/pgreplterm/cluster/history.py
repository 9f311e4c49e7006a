"""The recent past of every link, for graphs and percentiles.

Owns: one bounded series of lag points per downstream, appended to and never changed.
Must not: interpolate or judge; a tick without evidence is a point of unknowns, not a repeat of the last one.
"""

from __future__ import annotations

import math
import struct
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

from pgreplterm.cluster.model import ClusterSnapshot, Gaps, Link
from pgreplterm.cluster.percentiles import Spread, spread_of

# An hour, and the most points that takes: ten a second. A packed point is about 100 bytes, so a link 3.6 MB.
SPAN = 3600.0
CAPACITY = 36_000
# at, unsent, write, flush, replay, time lag, evidence age; NaN is unknown, and gaps are exact below 8 PB.
_PACKED = struct.Struct("=7d")
_AT_AND_REPLAY = struct.Struct("=d24xd16x")


@dataclass(frozen=True, slots=True)
class LagPoint:
    """One link at one tick. Gaps in bytes, time lag and evidence age in seconds; None is unknown."""

    at: float
    gaps: Gaps
    time_lag: float | None
    evidence_age: float | None


@dataclass(frozen=True, slots=True)
class LagStatistics:
    """What one link did between two instants: the gaps to durable and to replayed WAL in bytes, and the time lag."""

    since: float
    until: float
    flush: Spread
    replay: Spread
    time: Spread


@dataclass(slots=True)
class _Series:
    points: deque[bytes]
    unlinked: int = 0  # points since it last had a link


class LagHistory:
    """Lag points per downstream, oldest first: those of the last ``span`` seconds, at most ``capacity`` each."""

    def __init__(self, capacity: int = CAPACITY, span: float = SPAN) -> None:
        self._capacity, self._span = capacity, span
        self._series: dict[str, _Series] = {}

    def add(self, snapshot: ClusterSnapshot) -> None:
        """Append one point per link, and one of unknowns for each known downstream that has no link now.

        A snapshot from before the newest point (a recording played backwards) drops what is not older.
        """
        linked = dict(zip(series_names(snapshot), snapshot.links, strict=True))
        for name in linked.keys() | self._series.keys():
            series = self._series.setdefault(name, _Series(deque(maxlen=self._capacity)))
            self._append(series, snapshot.taken_at, linked.get(name))
        self._forget_strangers({*linked, *(node.name for node in snapshot.nodes)})

    def points(self, downstream: str, since: float = -math.inf) -> Sequence[LagPoint]:
        """The points kept for that downstream (see series_names) from that instant on, oldest first."""
        return tuple(map(_unpacked, self._kept(downstream, since)))

    def replay(self, downstream: str, since: float = -math.inf) -> Sequence[tuple[float, int | None]]:
        """(seconds since the epoch, replay gap in bytes or None) for that downstream, oldest first."""
        pairs = map(_AT_AND_REPLAY.unpack, self._kept(downstream, since))
        return [(at, None if math.isnan(gap) else int(gap)) for at, gap in pairs]

    def statistics(self, downstream: str, since: float = -math.inf) -> LagStatistics | None:
        """Percentiles over those points; None when there are none. Without a replay gap the time is 0."""
        points = [_PACKED.unpack(packed) for packed in self._kept(downstream, since)]
        if not points:
            return None
        return LagStatistics(
            points[0][0],
            points[-1][0],
            flush=spread_of(_known(point[3]) for point in points),
            replay=spread_of(_known(point[4]) for point in points),
            time=spread_of(0.0 if point[4] == 0 else _known(point[5]) for point in points),
        )

    def _kept(self, downstream: str, since: float) -> Sequence[bytes]:
        series = self._series.get(downstream)
        newest_first = reversed(series.points) if series is not None else ()
        kept: list[bytes] = []
        for packed in newest_first:
            if _instant(packed) < since:
                break
            kept.append(packed)
        return kept[::-1]

    def _append(self, series: _Series, at: float, link: Link | None) -> None:
        points = series.points
        if points and _instant(points[-1]) > at:
            while points and _instant(points[-1]) >= at:
                points.pop()
        while points and _instant(points[0]) <= at - self._span:
            points.popleft()
        points.append(_packed(at, link))
        series.unlinked = 0 if link is not None else series.unlinked + 1

    def _forget_strangers(self, present: set[str]) -> None:
        """An unwatched downstream (a backup, a receiver that came and went) is dropped once all its points are of its
        absence.
        """
        for name in [name for name, series in self._series.items() if series.unlinked >= len(series.points)]:
            if name not in present:
                del self._series[name]


def series_names(snapshot: ClusterSnapshot) -> tuple[str, ...]:
    """A name for each link: its downstream's; of several that share one, unwatched ones add their slot or pid."""
    counts = Counter(link.downstream for link in snapshot.links)
    owned = {node.name for node in snapshot.nodes}
    names: list[str] = []
    for link in snapshot.links:
        alone = counts[link.downstream] == 1
        names.append(link.downstream if alone or link.downstream in owned else _told_apart(link))
        owned.discard(link.downstream)
    return tuple(names)


def _told_apart(link: Link) -> str:
    if link.sender is None:
        return f"{link.downstream} of {link.upstream}"
    return f"{link.downstream} ({link.sender.slot_name or f'pid {link.sender.pid}'})"


def _packed(at: float, link: Link | None) -> bytes:
    gaps = link.gaps if link is not None else Gaps(None, None, None, None)
    times = (link.time_lag, link.evidence_age) if link is not None else (None, None)
    figures = (gaps.unsent, gaps.write, gaps.flush, gaps.replay, *times)
    return _PACKED.pack(at, *(math.nan if figure is None else figure for figure in figures))


def _unpacked(packed: bytes) -> LagPoint:
    at, *figures = _PACKED.unpack(packed)
    unsent, write, flush, replay = (None if math.isnan(figure) else int(figure) for figure in figures[:4])
    return LagPoint(at, Gaps(unsent, write, flush, replay), _known(figures[4]), _known(figures[5]))


def _known(figure: float) -> float | None:
    return None if math.isnan(figure) else figure


def _instant(packed: bytes) -> float:
    at: float = _PACKED.unpack_from(packed)[0]
    return at
