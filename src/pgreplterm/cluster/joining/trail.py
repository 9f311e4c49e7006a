"""Where each node's WAL ended and how far each follower replayed, tick by tick: a clock-free measure of time and pace.

Owns: bounded records of (instant, position). Must not: know links, or any server's clock.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import TypeVar

from pgreplterm.cluster.model import NodeSample
from pgreplterm.wal.lsn import LSN

# Every tick of the last minute is kept; before that, none whose neighbours are within a second of each other.
DENSE = 60.0
SPACING = 1.0
# An hour of steady ticks.
LONGEST = 3600
_Mark = tuple[float, LSN]
_Key = TypeVar("_Key", str, tuple[str, int])


@dataclass(frozen=True, slots=True)
class Bounds:
    """A duration in seconds lies between these; None is no bound."""

    least: float | None
    most: float | None


@dataclass(frozen=True, slots=True)
class Path:
    """One position as it moved, oldest first; instants are this machine's clock."""

    past: tuple[_Mark, ...] = ()
    recent: tuple[_Mark, ...] = ()

    @property
    def since(self) -> float:
        """The oldest instant at() can tell of, as far as every tick is kept."""
        return self.recent[0][0]

    @property
    def until(self) -> float:
        """The newest."""
        return self.recent[-1][0]

    def extended(self, at: float, position: LSN) -> Path:
        """The path with one mark more. A position gone back (a node rewound, rebuilt, restarted) begins it anew."""
        if self.recent and self.until >= at:
            return self
        if self.recent and self.recent[-1][1] > position:
            return Path(recent=((at, position),))
        recent = (*_without_repeats(self.recent, position), (at, position))
        aged = max(0, bisect_left(recent, at - DENSE, key=_instant) - 1)  # at() needs one mark from before
        past = self.past
        for mark, following in pairwise(recent[: aged + 1]):
            if not past or following[0] - past[-1][0] > SPACING:
                past = (*past, mark)[-LONGEST:]
        return Path(past, recent[aged:])

    def at(self, instant: float) -> float:
        """Its position then, between two ticks as if it moved evenly; only from since to until."""
        after = bisect_left(self.recent, instant, key=_instant)
        if after == 0:
            return float(self.recent[0][1])
        (before_at, before), (after_at, there) = self.recent[after - 1], self.recent[min(after, len(self.recent) - 1)]
        if after_at == before_at:
            return float(there)
        return before + (there - before) * (instant - before_at) / (after_at - before_at)

    def passed(self, position: LSN) -> tuple[float | None, float | None]:
        """The last tick that saw it at or before that position, and the first that saw it past it."""
        marks = self.recent if self.recent and self.recent[0][1] <= position else (*self.past, *self.recent)
        first = bisect_right(marks, position, key=_position)
        return marks[first - 1][0] if first else None, marks[first][0] if first < len(marks) else None


@dataclass(frozen=True, slots=True)
class Trail:
    """positions and replayed are nodes' own words, by address; confirmed is what walsenders last heard, by (address
    of the upstream, the walsender's pid).
    """

    positions: Mapping[str, Path] = field(default_factory=lambda: MappingProxyType({}))
    replayed: Mapping[str, Path] = field(default_factory=lambda: MappingProxyType({}))
    confirmed: Mapping[tuple[str, int], Path] = field(default_factory=lambda: MappingProxyType({}))

    def extended(self, answers: Mapping[str, NodeSample]) -> Trail:
        """A trail with the newest positions of every answering node, by address."""
        positions, replayed = dict(self.positions), dict(self.replayed)
        confirmed = {key: path for key, path in self.confirmed.items() if key[0] not in answers}
        for address, sample in answers.items():
            _extend(positions, address, sample.taken_at, sample.position)
            _extend(replayed, address, sample.taken_at, sample.replay_lsn)
            for sender in sample.senders:
                key = (address, sender.pid)
                if (path := self.confirmed.get(key)) is not None:
                    confirmed[key] = path
                _extend(confirmed, key, sample.taken_at, sender.replay_lsn)
        return Trail(MappingProxyType(positions), MappingProxyType(replayed), MappingProxyType(confirmed))

    def behind(self, address: str, position: LSN | None, now: float) -> Bounds:
        """How long before now that node stood at position, for a follower that got just so far.

        At least since the tick that first saw it past position, at most since the tick before. A bound is None
        where the trail does not reach: both are when it was never seen past position.
        """
        path = self.positions.get(address)
        if position is None or path is None:
            return Bounds(None, None)
        before, after = path.passed(position)
        if after is None:
            return Bounds(None, None)
        return Bounds(max(0.0, now - after), None if before is None else max(0.0, now - before))


def _extend(paths: dict[_Key, Path], key: _Key, at: float, position: LSN | None) -> None:
    if position is not None:
        paths[key] = paths.get(key, Path()).extended(at, position)


def _without_repeats(marks: tuple[_Mark, ...], new: LSN) -> tuple[_Mark, ...]:
    """While a node stands still, its first and last mark say all there is."""
    if len(marks) >= 2 and marks[-1][1] == marks[-2][1] == new:
        return marks[:-1]
    return marks


def _instant(mark: _Mark) -> float:
    return mark[0]


def _position(mark: _Mark) -> LSN:
    return mark[1]
