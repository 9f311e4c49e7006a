"""Where each node's WAL ended, tick by tick: the only clock-free measure of time behind.

Owns: a bounded record of (instant, position) per node. Must not: know links, or any server's clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pgreplterm.cluster.model import NodeSample
from pgreplterm.wal.lsn import LSN

# At the default tick of one second: an hour.
LONGEST = 3600
_Mark = tuple[float, LSN]


@dataclass(frozen=True, slots=True)
class Bounds:
    """A duration in seconds lies between these; None is no bound."""

    least: float | None
    most: float | None


@dataclass(frozen=True, slots=True)
class Trail:
    """Positions by node address, oldest first; instants are this machine's clock."""

    marks: Mapping[str, tuple[_Mark, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def extended(self, answers: Mapping[str, NodeSample]) -> Trail:
        """A trail with the newest position of every answering node, by address.

        A position gone back (a node rewound or rebuilt) starts that node's trail anew.
        """
        marks = dict(self.marks)
        for address, sample in answers.items():
            before = marks.get(address, ())
            if sample.position is None or (before and before[-1][0] >= sample.taken_at):
                continue
            mark = (sample.taken_at, sample.position)
            kept = () if before and before[-1][1] > mark[1] else _without_repeats(before, mark)
            marks[address] = (*kept, mark)[-LONGEST:]
        return Trail(MappingProxyType(marks))

    def behind(self, address: str, position: LSN | None, now: float) -> Bounds:
        """How long before now that node stood at position, for a follower that got just so far.

        At least since the tick that first saw it past position, at most since the tick before. A bound is None
        where the trail does not reach: both are when it was never seen past position.
        """
        if position is None:
            return Bounds(None, None)
        before: float | None = None
        for at, lsn in self.marks.get(address, ()):
            if lsn > position:
                return Bounds(max(0.0, now - at), None if before is None else max(0.0, now - before))
            before = at
        return Bounds(None, None)


def _without_repeats(marks: tuple[_Mark, ...], new: _Mark) -> tuple[_Mark, ...]:
    """While a node stands still, its first and last mark say all there is."""
    if len(marks) >= 2 and marks[-1][1] == marks[-2][1] == new[1]:
        return marks[:-1]
    return marks
