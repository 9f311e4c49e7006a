"""Samples and failures of all nodes into one ClusterSnapshot.

Owns: nodes, their upstreams, and the snapshot they make. Pure: same input, same snapshot.
Must not: connect, keep anything between calls (the previous snapshot is an argument), or word a verdict.
"""

from __future__ import annotations

from collections.abc import Sequence

from pgreplterm.cluster.lineage import Relation, compare
from pgreplterm.cluster.links import links_of
from pgreplterm.cluster.model import ClusterSnapshot, Link, Node, NodeSample, Role
from pgreplterm.cluster.observe import Observation, Tick, named
from pgreplterm.cluster.state import Surroundings, role_of, state_of
from pgreplterm.cluster.topology import in_topology_order
from pgreplterm.cluster.trail import Trail


def join(
    observations: Sequence[Observation],
    now: float,
    *,
    stale_after: float = 2.5,
    trail: Trail | None = None,
    previous: ClusterSnapshot | None = None,
) -> ClusterSnapshot:
    """The snapshot these observations describe at that instant (this machine's clock).

    stale_after is in seconds. trail and previous, when given, add time behind and remembered upstreams.
    """
    seen = tuple(observations)
    tick = Tick(seen, named(seen), now, trail or Trail(), previous)
    fed, unwatched = links_of(tick)
    nodes = tuple(_node(tick, index, fed.get(index), stale_after) for index in range(len(seen)))
    nodes, links = in_topology_order(nodes, (*fed.values(), *unwatched))
    return ClusterSnapshot(now, _system_identifier(tick), nodes, links)


def _node(tick: Tick, index: int, link: Link | None, stale_after: float) -> Node:
    seen = tick.seen[index]
    above = tick.answer(tick.names.index(link.upstream)) if link is not None else None
    around = Surroundings(
        link=link,
        upstream_in_recovery=None if above is None else above.in_recovery,
        upstream_denies=_denies(link, above),
        has_diverged=_has_diverged(tick, index, above),
        superseded=_is_superseded(tick, index),
    )
    role = role_of(seen, around)
    return Node(
        name=tick.names[index],
        address=seen.address,
        role=role,
        state=state_of(seen, around, tick.now, stale_after),
        timeline=None if seen.sample is None else seen.sample.timeline,
        upstream=None if role is Role.PRIMARY else _upstream(tick, index, link),
        sample=seen.sample,
        sample_age=None if seen.sample is None else max(0.0, tick.now - seen.sample.taken_at),
        failure=seen.failure,
    )


def _denies(link: Link | None, above: NodeSample | None) -> bool:
    """The upstream may see its walsenders and lists none for a walreceiver that believes it is streaming."""
    return link is not None and link.sender is None and above is not None and not above.senders


def _has_diverged(tick: Tick, index: int, above: NodeSample | None) -> bool:
    """From its upstream, or from the one primary of its cluster: streaming from a diverged node is no better."""
    sample = tick.answer(index)
    if sample is None:
        return False
    references = (above, _only_primary(tick, sample))
    return any(
        other is not None and other is not sample and compare(sample, other).relation is Relation.DIVERGED
        for other in references
    )


def _is_superseded(tick: Tick, index: int) -> bool:
    """What a dying primary said a tick ago, beside its successor's first word, is no split brain."""
    seen, sample = tick.seen[index], tick.answer(index)
    if sample is None or sample.in_recovery or not seen.overdue:
        return False
    others = (other for other in tick.seen if other is not seen and other.answers and not other.overdue)
    return any(
        other.sample is not None
        and not other.sample.in_recovery
        and other.sample.system_identifier == sample.system_identifier
        for other in others
    )


def _only_primary(tick: Tick, sample: NodeSample) -> NodeSample | None:
    primaries = [
        other
        for index in range(len(tick.seen))
        if (other := tick.answer(index)) is not None
        and not other.in_recovery
        and other.system_identifier == sample.system_identifier
        and not _is_superseded(tick, index)
    ]
    return primaries[0] if len(primaries) == 1 else None


def _upstream(tick: Tick, index: int, link: Link | None) -> str | None:
    """The node that feeds it now, else the one it was last seen fed by, so that a tree keeps its shape."""
    if link is not None:
        return link.upstream
    before = tick.previous.node(tick.names[index]) if tick.previous is not None else None
    if before is None or before.upstream not in tick.names:
        return None
    return before.upstream


def _system_identifier(tick: Tick) -> int | None:
    known = {seen.sample.system_identifier for seen in tick.seen if seen.sample is not None}
    return known.pop() if len(known) == 1 else None
