"""Whether two nodes' WAL is one line: the fork point, and who would lose what.

Owns: comparing (history, position) of two nodes. Must not: fetch histories or decide what to do about a fork.

Equal answers do not prove equality: two standbys promoted at the same LSN both become timeline 2 with the same
history, and only their WAL's content tells them apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

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
    """The timelines a node went through, and the end of the WAL it holds on the last."""

    history: TimelineHistory
    end: LSN


@dataclass(frozen=True, slots=True)
class Comparison:
    """A relation, the fork it was read from, and the bytes the node holds past that fork (None: unknown)."""

    relation: Relation
    fork: Fork | None = None
    beyond: int | None = None


def lineage_of(sample: NodeSample) -> Lineage | None:
    """The lineage of a sampled node; None when its timeline, history or position is unknown."""
    history = sample.history
    if history is None and sample.timeline == 1:
        history = TimelineHistory(1)
    if history is None or sample.position is None or history.timeline != sample.timeline:
        return None
    return Lineage(history, sample.position)


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
    beyond = max(0, mine.end - fork.lsn)
    if mine.end <= fork.lsn:
        return Comparison(Relation.FOLLOWS, fork, 0)
    if theirs.end <= fork.lsn:
        return Comparison(Relation.AHEAD, fork, beyond)
    return Comparison(Relation.DIVERGED, fork, beyond)
