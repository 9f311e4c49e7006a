"""What several drills share: waiting for roles, and the one call of a promotion.

Owns: these small steps over a Stage. Must not: be a drill.
"""

from __future__ import annotations

from collections.abc import Collection

from pgreplterm.cluster.model import ClusterSnapshot, Node, NodeState
from pgreplterm.drill.stage import Stage
from pgreplterm.errors import DrillFailed
from pgreplterm.wal.lsn import LSN

PROMOTE = "promote"
"""The name of the step in which a promotion begins; an Undo is void ``until`` it."""


def promote(stage: Stage, node: str) -> float:
    """Journal that this node is being promoted, and do it; seconds to the end of its recovery."""
    stage.promoting(node)
    return stage.lab.promote(node)


def await_primary(stage: Stage, node: str, after: int) -> tuple[int, LSN]:
    """The new primary's timeline and the LSN at which it left the timeline ``after``, by its history file.

    Raises DrillFailed.
    """
    snapshot = stage.until(lambda now: _is_primary_after(now, node, after), f"{node} to be primary on a new timeline")
    found = snapshot.node(node)
    history = found.sample.history if found and found.sample else None
    fork = history.end_of(after) if history else None
    if found is None or found.timeline is None or fork is None:
        raise DrillFailed(f"expected the history file of {node}'s new timeline; it could not be read.")
    return found.timeline, fork


def await_streaming(stage: Stage, nodes: Collection[str], timeline: int | None = None) -> ClusterSnapshot:
    """The first snapshot in which all of them stream, on that timeline where one is given. Raises DrillFailed."""
    where = "" if timeline is None else f" on timeline {timeline}"
    return stage.until(
        lambda now: all_stream(now, nodes, timeline), f"{', '.join(sorted(nodes)) or 'nobody'} to stream{where}"
    )


def all_stream(snapshot: ClusterSnapshot, nodes: Collection[str], timeline: int | None = None) -> bool:
    """Whether each of them streams."""
    found = [snapshot.node(name) for name in nodes]
    return all(
        node is not None and node.state is NodeState.STREAMING and timeline in (None, node.timeline) for node in found
    )


def position_of(node: Node) -> str:
    """How far it holds WAL, in words."""
    return str(node.sample.position) if node.sample and node.sample.position is not None else "unknown"


def _is_primary_after(snapshot: ClusterSnapshot, name: str, timeline: int) -> bool:
    node = snapshot.node(name)
    return (
        node is not None
        and node.state is NodeState.RUNNING
        and node.sample is not None
        and node.sample.history is not None
        and (node.timeline or 0) > timeline
    )
