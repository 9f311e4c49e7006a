"""The track as curves for a report.

Owns: their keys and labels. Must not: thin them out (the report knows its width), or measure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from pgreplterm.drill.figures import Curve
from pgreplterm.drill.measure import latency
from pgreplterm.drill.measure.clients import attempts_of
from pgreplterm.drill.measure.pattern import Pattern
from pgreplterm.drill.measure.series import Point
from pgreplterm.drill.measure.track import Quantity, Track

LAG_BYTES = Pattern("lag_bytes:NODE", "Lag of NODE", "bytes", "end of the primary's WAL minus what NODE has replayed")
TIME_LAG_SECONDS = Pattern(
    "time_lag_seconds:NODE",
    "Time lag of NODE",
    "s",
    "how long ago its upstream stood where NODE has replayed to, by ten looks a second; 0 when nothing is missing",
    "replay_lag of pg_stat_replication, which stays as it was while nothing comes back",
)
RETAINED_BYTES = Pattern(
    "retained_bytes:SLOT",
    "WAL kept by slot SLOT",
    "bytes",
    "the position of the slot's server minus restart_lsn; slots of one name on several nodes have the node's behind",
)
WAITING_COMMITS = Pattern(
    "waiting_commits", "Commits that wait", "sessions", "sessions with wait event SyncRep on the primary"
)
WAL_POSITION = Pattern(
    "wal_bytes", "WAL written", "bytes", "the primary's position at each tick minus that of the first tick"
)
ALL = (LAG_BYTES, TIME_LAG_SECONDS, RETAINED_BYTES, WAITING_COMMITS, WAL_POSITION)


def curves(track: Track, journals: Iterable[Path] = ()) -> tuple[Curve, ...]:
    """Every curve there is something of, at every tick; with clients' journals also their commits, at every second.

    Raises OSError, ValueError for a journal that cannot be read.
    """
    seen = [curve for curve in _all(track) if any(value is not None for _, value in curve.points)]
    commits = latency.curve(attempts_of(journals))
    return (*seen, *((commits,) if commits is not None else ()))


def _all(track: Track) -> Iterator[Curve]:
    for name in track.standbys:
        yield _curve(LAG_BYTES, name, track.points(name, Quantity.BEHIND), name)
    for name in track.standbys:
        yield _curve(TIME_LAG_SECONDS, name, track.points(name, Quantity.TIME_LAG), name)
    holders = Counter(slot for _, slot in track.slots)
    for node, slot in track.slots:
        name = slot if holders[slot] == 1 else f"{slot} on {node}"
        found = _curve(RETAINED_BYTES, name, track.retained(node, slot), node)
        yield found
    waiting = track.waiting()
    if any(value for _, value in waiting):
        yield Curve(WAITING_COMMITS.key, WAITING_COMMITS.label, WAITING_COMMITS.unit, tuple(waiting))
    positions = track.positions
    if positions:
        first = positions[0].lsn
        points = tuple((each.at, float(each.lsn - first)) for each in positions)
        yield Curve(WAL_POSITION.key, WAL_POSITION.label, WAL_POSITION.unit, points)


def _curve(pattern: Pattern, name: str, points: list[Point], node: str) -> Curve:
    figure = pattern.figure(None, name)
    return Curve(figure.key, figure.label, figure.unit, tuple(points), node)
