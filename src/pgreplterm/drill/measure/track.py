"""Everything a run saw of replication, ten times a second: a series for each standby, slot and primary.

Owns: keeping it, in plain arrays that grow while the watch's thread adds and others read. Must not: sample, or judge.

A standby that has no link at a tick gets a point of unknowns, not a repeat of the last one.
"""

from __future__ import annotations

import math
import threading
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from pgreplterm.cluster.activity import Checkpoints
from pgreplterm.cluster.history import series_names
from pgreplterm.cluster.model import ClusterSnapshot, Link, LinkKind, Node, NodeSample
from pgreplterm.drill.measure.alarms import Alarms
from pgreplterm.drill.measure.series import Point

_UNKNOWN = math.nan


class Quantity(StrEnum):
    """What is kept of a link. Gaps are bytes behind its own upstream, BEHIND those behind the primary."""

    UNSENT = "unsent"
    WRITE = "write"
    FLUSH = "flush"
    REPLAY = "replay"
    BEHIND = "behind"
    WRITE_LAG = "write_lag"  # the three as the walsender tells them, seconds; unknown while idle
    FLUSH_LAG = "flush_lag"
    REPLAY_LAG = "replay_lag"
    TIME_LAG = "time_lag"  # how long ago the upstream stood where the standby has replayed to, seconds
    EVIDENCE_AGE = "evidence_age"


@dataclass
class _Table:
    """Columns of one series and the tick of each row."""

    times: array[float] = field(default_factory=lambda: array("d"))
    columns: dict[str, array[float]] = field(default_factory=dict)
    states: list[str | None] = field(default_factory=list)
    timelines: list[int | None] = field(default_factory=list)

    def add(self, at: float, values: Mapping[str, float | None], state: str | None, timeline: int | None) -> None:
        self.times.append(at)
        for name, value in values.items():
            self.columns.setdefault(name, array("d")).append(_UNKNOWN if value is None else value)
        self.states.append(state)
        self.timelines.append(timeline)

    def points(self, name: str) -> list[Point]:
        column = self.columns.get(name, array("d"))
        return [(at, None if math.isnan(value) else value) for at, value in zip(self.times, column, strict=True)]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a primary's WAL ended at a tick. sampled_at is the middle of the round trip that said so."""

    at: float
    sampled_at: float
    node: str
    lsn: int
    timeline: int | None


class Track:
    """Told every snapshot of a watch (``see``, in the watch's thread); asked by anybody at any time."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self.alarms = Alarms()
        self._lock = threading.Lock()
        self._ticks = array("d")
        self._standbys: dict[str, _Table] = {}
        self._slots: dict[tuple[str, str], _Table] = {}
        self._waiting: list[float | None] = []
        self._positions: list[Position] = []
        self._nodes: dict[str, _Table] = {}
        self._checkpoints: dict[str, list[tuple[float, Checkpoints]]] = {}

    def see(self, snapshot: ClusterSnapshot) -> None:
        """Keep one tick. Does not raise."""
        with self._lock:
            at = snapshot.taken_at
            if self._ticks and at <= self._ticks[-1]:
                return
            self._ticks.append(at)
            self._add_links(snapshot)
            self._add_nodes(snapshot)
            self._add_slots(snapshot)
            self._add_checkpoints(snapshot)
            self.alarms.see(snapshot)

    @property
    def began_at(self) -> float | None:
        """The first tick, epoch seconds."""
        with self._lock:
            return self._ticks[0] if self._ticks else None

    @property
    def ticks(self) -> tuple[float, ...]:
        """When was looked, epoch seconds."""
        with self._lock:
            return tuple(self._ticks)

    @property
    def standbys(self) -> tuple[str, ...]:
        """Every downstream that ever had a link."""
        with self._lock:
            return tuple(self._standbys)

    @property
    def slots(self) -> tuple[tuple[str, str], ...]:
        """(node, slot) of every physical slot there ever was."""
        with self._lock:
            return tuple(self._slots)

    @property
    def positions(self) -> Sequence[Position]:
        """Where the primary's WAL ended, at each tick that had one primary that answered."""
        with self._lock:
            return tuple(self._positions)

    def points(self, standby: str, quantity: Quantity) -> list[Point]:
        """One quantity of one standby over time; empty for one that was never seen."""
        with self._lock:
            table = self._standbys.get(standby)
            return table.points(quantity) if table is not None else []

    def states(self, node: str) -> tuple[list[float], list[str | None]]:
        """The moments a node was looked at, and its state at each."""
        with self._lock:
            table = self._nodes.get(node)
            return (list(table.times), list(table.states)) if table is not None else ([], [])

    def state_points(self, standby: str) -> list[str | None]:
        """The state of a standby at each of the moments of its points."""
        with self._lock:
            table = self._standbys.get(standby)
            return list(table.states) if table is not None else []

    def timelines(self, node: str) -> list[tuple[float, int | None]]:
        """The timeline of a node at each tick."""
        with self._lock:
            table = self._nodes.get(node)
            return list(zip(table.times, table.timelines, strict=True)) if table is not None else []

    def retained(self, node: str, slot: str) -> list[Point]:
        """Bytes of WAL that a slot held back over time."""
        with self._lock:
            table = self._slots.get((node, slot))
            return table.points("retained") if table is not None else []

    def waiting(self) -> list[Point]:
        """Commits that waited for a synchronous standby over time."""
        with self._lock:
            return list(zip(self._ticks, self._waiting, strict=True))

    def checkpoints_at(self, node: str, moment: float) -> Checkpoints | None:
        """A node's counters of checkpoints at that moment; None when it was not seen before."""
        with self._lock:
            return next((each for at, each in reversed(self._checkpoints.get(node, [])) if at <= moment), None)

    def _add_links(self, snapshot: ClusterSnapshot) -> None:
        named = zip(series_names(snapshot), snapshot.links, strict=True)
        linked = {name: link for name, link in named if _is_standby(snapshot, name, link)}
        for name in [*linked, *(name for name in self._standbys if name not in linked)]:
            link, node = linked.get(name), snapshot.node(name)
            values = _values(snapshot, link)
            table = self._standbys.setdefault(name, _Table())
            table.add(snapshot.taken_at, values, _state(node, link), node.timeline if node else None)

    def _add_nodes(self, snapshot: ClusterSnapshot) -> None:
        for node in snapshot.nodes:
            self._nodes.setdefault(node.name, _Table()).add(snapshot.taken_at, {}, str(node.state), node.timeline)
        heads = snapshot.primaries
        sample = heads[0].sample if len(heads) == 1 and heads[0].failure is None else None
        waiters = sample.activity.waiters if sample is not None else None
        self._waiting.append(None if waiters is None else float(len(waiters)))
        if sample is not None and sample.write_lsn is not None:
            head = heads[0]
            self._positions.append(
                Position(snapshot.taken_at, sample.taken_at, head.name, int(sample.write_lsn), head.timeline)
            )

    def _add_slots(self, snapshot: ClusterSnapshot) -> None:
        now = {(node.name, name): held for node, sample in _answering(snapshot) for name, held in _retained(sample)}
        for key in [*now, *(key for key in self._slots if key not in now)]:
            self._slots.setdefault(key, _Table()).add(snapshot.taken_at, {"retained": now.get(key)}, None, None)

    def _add_checkpoints(self, snapshot: ClusterSnapshot) -> None:
        """Kept when they change: seldom."""
        for node, sample in _answering(snapshot):
            now = sample.activity.checkpoints
            if now is not None:
                kept = self._checkpoints.setdefault(node.name, [])
                if not kept or replace(kept[-1][1], stats_age=now.stats_age) != now:
                    kept.append((snapshot.taken_at, now))


def _is_standby(snapshot: ClusterSnapshot, name: str, link: Link) -> bool:
    """A watched node: not a backup, nor the walsender that a standby which has come back has left behind."""
    return link.kind is LinkKind.STANDBY and snapshot.node(name) is not None


def _answering(snapshot: ClusterSnapshot) -> Iterable[tuple[Node, NodeSample]]:
    return ((node, node.sample) for node in snapshot.nodes if node.sample is not None and node.failure is None)


def _retained(sample: NodeSample) -> Iterable[tuple[str, float | None]]:
    return (
        (slot.name, None if slot.retained is None else float(slot.retained))
        for slot in sample.slots
        if slot.kind == "physical"
    )


def _values(snapshot: ClusterSnapshot, link: Link | None) -> dict[str, float | None]:
    if link is None:
        return dict.fromkeys(Quantity)
    gaps, sender = link.gaps, link.sender
    return {
        Quantity.UNSENT: gaps.unsent,
        Quantity.WRITE: gaps.write,
        Quantity.FLUSH: gaps.flush,
        Quantity.REPLAY: gaps.replay,
        Quantity.BEHIND: _behind(snapshot, link),
        Quantity.WRITE_LAG: sender.write_lag if sender is not None else None,
        Quantity.FLUSH_LAG: sender.flush_lag if sender is not None else None,
        Quantity.REPLAY_LAG: sender.replay_lag if sender is not None else None,
        Quantity.TIME_LAG: 0.0 if gaps.replay == 0 else link.time_lag,
        Quantity.EVIDENCE_AGE: link.evidence_age,
    }


def _behind(snapshot: ClusterSnapshot, link: Link) -> int | None:
    """Replay behind the primary: what each hop above has not flushed, then what this one has not replayed."""
    total, hop, seen = link.gaps.replay, link, {link.downstream}
    while total is not None:
        above = snapshot.link_to(hop.upstream)
        if above is None or above.downstream in seen:
            return total if any(node.name == hop.upstream for node in snapshot.primaries) else None
        total = None if above.gaps.flush is None else total + above.gaps.flush
        seen.add(above.downstream)
        hop = above
    return None


def _state(node: Node | None, link: Link | None) -> str | None:
    if node is not None:
        return str(node.state)
    return link.sender.state if link is not None and link.sender is not None else None
