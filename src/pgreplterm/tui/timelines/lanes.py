"""A cluster's timelines as a tree of lanes.

Owns: which timelines the nodes' histories name, where each left its parent, who is at its end, and how each node's
WAL stands to the reference node's.
Must not: draw, or read history files; a node whose history is unknown has a lane of its own without a parent.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgreplterm.cluster.forks.lineage import Comparison, Relation, compare
from pgreplterm.cluster.model import ClusterSnapshot, Node
from pgreplterm.wal.lsn import LSN


@dataclass(frozen=True, slots=True)
class Fork:
    """Where a timeline left its parent, and the reason its history file gives (hostile text)."""

    parent: int
    lsn: LSN
    reason: str


@dataclass(frozen=True, slots=True)
class Tip:
    """Where nodes on one timeline stand: the furthest LSN, and all their names, furthest first."""

    lsn: LSN | None
    names: tuple[str, ...]
    answering: bool


@dataclass(frozen=True, slots=True)
class Lane:
    """One timeline. fork is None for the oldest one known; tip is None when no node is on it now."""

    timeline: int
    fork: Fork | None
    tip: Tip | None


@dataclass(frozen=True, slots=True)
class Standing:
    """One node beside the reference; comparison is None for the reference itself and for a node never sampled."""

    node: Node
    comparison: Comparison | None


def reference_of(snapshot: ClusterSnapshot) -> Node | None:
    """The node others are compared with: the primary on the highest timeline, else the furthest node known."""
    sampled = [node for node in snapshot.nodes if node.sample is not None]
    primaries = [node for node in snapshot.primaries if node.sample is not None]
    return max(primaries or sampled, key=_progress, default=None)


def lanes(snapshot: ClusterSnapshot) -> tuple[Lane, ...]:
    """Every timeline that a node is on or has been on, oldest first."""
    forks: dict[int, Fork | None] = {}
    for node in snapshot.nodes:
        history = node.sample.history if node.sample is not None else None
        steps = history.ancestors if history is not None else ()
        children = [step.timeline for step in steps[1:]] + ([history.timeline] if history is not None else [])
        for step, child in zip(steps, children, strict=True):
            forks.setdefault(step.timeline, None)
            if forks.get(child) is None:
                forks[child] = Fork(step.timeline, step.switchpoint, step.reason)
        if node.timeline is not None:
            forks.setdefault(node.timeline, None)
    return tuple(Lane(timeline, fork, _tip(snapshot, timeline)) for timeline, fork in sorted(forks.items()))


def standings(snapshot: ClusterSnapshot) -> tuple[Standing, ...]:
    """Every node beside the reference, in topology order."""
    reference = reference_of(snapshot)
    return tuple(Standing(node, _compare(node, reference)) for node in snapshot.nodes)


def sentence(standing: Standing, size: str) -> str:
    """What that comparison means for the node; size is the words for its bytes past the fork."""
    seen = standing.comparison
    if seen is None:
        return "never sampled" if standing.node.sample is None else "the reference"
    at = f"the fork on timeline {seen.fork.timeline} at {seen.fork.lsn}" if seen.fork is not None else "the fork"
    match seen.relation:
        case Relation.FOLLOWS:
            return "on the reference's line"
        case Relation.AHEAD:
            return f"ahead of the reference by {size}"
        case Relation.DIVERGED:
            return f"diverged: {size} past {at}; pg_rewind or rebuild"
        case Relation.UNRELATED:
            return "another cluster"
    return "lineage unknown: its history file could not be read"


def _compare(node: Node, reference: Node | None) -> Comparison | None:
    if reference is None or node is reference or node.sample is None or reference.sample is None:
        return None
    return compare(node.sample, reference.sample)


def _tip(snapshot: ClusterSnapshot, timeline: int) -> Tip | None:
    there = [node for node in snapshot.nodes if node.timeline == timeline]
    if not there:
        return None
    there.sort(key=_progress, reverse=True)
    first = there[0].sample
    answering = any(node.failure is None for node in there)
    return Tip(first.position if first is not None else None, tuple(node.name for node in there), answering)


def _progress(node: Node) -> tuple[int, int]:
    position = node.sample.position if node.sample is not None else None
    return node.timeline or 0, int(position or 0)
