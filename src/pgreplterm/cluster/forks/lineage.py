"""Whether two nodes' WAL is one line: the fork point, and who would lose what.

Owns: comparing (history, position) of two nodes. Must not: fetch histories or decide what to do about a fork.

Equal histories do not prove equality: two standbys promoted at the same LSN both become timeline 2 with the same
history, and only their WAL's content tells them apart. Where the beginning of a timeline that both have by number was
read on both sides, it decides; where it was not, the comparison names the timeline that could not be told apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pgreplterm.cluster.forks.grounds import Beginning
from pgreplterm.cluster.model import NodeSample
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.timeline import Fork, TimelineHistory, fork_point


class Relation(StrEnum):
    """One node's WAL seen from another's."""

    FOLLOWS = "follows"  # everything it holds is on the other's line; it may be behind
    AHEAD = "ahead"  # the other follows it
    DIVERGED = "diverged"  # both hold WAL past the fork
    UNRELATED = "unrelated"  # another cluster, or no timeline in common
    UNKNOWN = "unknown"  # a history file is missing or may not be read


@dataclass(frozen=True, slots=True)
class Lineage:
    """The timelines a node went through, the end of the WAL it holds on the last, and how they began, where known."""

    history: TimelineHistory
    end: LSN
    beginnings: tuple[Beginning, ...] = ()

    def beginning(self, timeline: int) -> Beginning | None:
        """That of one timeline, if it is known."""
        return next((one for one in self.beginnings if one.timeline == timeline), None)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A relation, the fork it was read from, and the bytes past it: beyond on the node, theirs on the other (None:
    unknown).

    untold is a timeline that both have by its number and whose content was not compared; namesake one that both have
    by its number and switchpoint, and that began twice.
    """

    relation: Relation
    fork: Fork | None = None
    beyond: int | None = None
    theirs: int | None = None
    untold: int | None = None
    namesake: int | None = None


def lineage_of(sample: NodeSample) -> Lineage | None:
    """The lineage of a sampled node; None when its timeline, history or position is unknown."""
    history = sample.history
    if history is None and sample.timeline == 1:
        history = TimelineHistory(1)
    if history is None or sample.position is None or history.timeline != sample.timeline:
        return None
    return Lineage(history, sample.position, sample.evidence.beginnings)


def compare(node: NodeSample, reference: NodeSample) -> Comparison:
    """How node's WAL stands to reference's."""
    if node.system_identifier != reference.system_identifier:
        return Comparison(Relation.UNRELATED)
    mine, theirs = lineage_of(node), lineage_of(reference)
    if mine is None or theirs is None:
        return Comparison(Relation.UNKNOWN)
    return compare_lineages(mine, theirs)


def compare_lineages(mine: Lineage, theirs: Lineage) -> Comparison:
    """The pure comparison: diverged only if both sides hold bytes past the fork on different continuations."""
    fork = fork_point(mine.history, mine.end, theirs.history, theirs.end)
    if fork is None:
        return Comparison(Relation.UNRELATED)
    namesake, untold = _contents(mine, theirs)
    if namesake is not None:
        fork = namesake
    beyond, behind = max(0, mine.end - fork.lsn), max(0, theirs.end - fork.lsn)
    relation = Relation.DIVERGED
    if mine.end <= fork.lsn:
        relation = Relation.FOLLOWS
    elif theirs.end <= fork.lsn:
        relation = Relation.AHEAD
    twice = None if namesake is None else _after(mine.history, namesake.timeline)
    return Comparison(relation, fork, beyond, behind, untold, twice)


def shared_timelines(mine: TimelineHistory, theirs: TimelineHistory) -> list[Fork]:
    """Each timeline but the first that both have by number and switchpoint, as the fork it is from its parent.

    The timeline of each Fork is the parent's.
    """
    shared: list[Fork] = []
    for left, right in zip(mine.ancestors, theirs.ancestors, strict=False):
        if (left.timeline, left.switchpoint) != (right.timeline, right.switchpoint):
            break
        if _after(mine, left.timeline) != _after(theirs, left.timeline):
            break
        shared.append(Fork(left.timeline, left.switchpoint))
    return shared


def _contents(mine: Lineage, theirs: Lineage) -> tuple[Fork | None, int | None]:
    """The fork before the first timeline that began twice, and the newest that could not be compared.

    One promotion in common proves all before it, so the newest are looked at first.
    """
    namesake: Fork | None = None
    untold: int | None = None
    for fork in reversed(shared_timelines(mine.history, theirs.history)):
        timeline = _after(mine.history, fork.timeline)
        left, right = mine.beginning(timeline), theirs.beginning(timeline)
        if left is None or right is None or left.switchpoint != right.switchpoint:
            untold = timeline if untold is None else untold
        elif left.crc == right.crc:
            break
        else:
            namesake = fork
    return namesake, untold


def _after(history: TimelineHistory, parent: int) -> int:
    """The timeline that this lineage went to from that one."""
    line = [*(step.timeline for step in history.ancestors), history.timeline]
    return line[line.index(parent) + 1]
