"""Samples and failures of all nodes into one ClusterSnapshot.

Owns: nodes, their upstreams, and the snapshot they make. Pure: same input, same snapshot.
Must not: connect, keep anything between calls (the previous snapshot is an argument), or word a verdict.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pgreplterm.cluster.forks.lineage import Relation, compare
from pgreplterm.cluster.forks.rejoin import with_rejoins
from pgreplterm.cluster.joining.links import Links, links_of
from pgreplterm.cluster.joining.loops import orphans
from pgreplterm.cluster.joining.observe import Observation, Tick, each_server_once, named
from pgreplterm.cluster.joining.state import Surroundings, role_of, state_of
from pgreplterm.cluster.joining.topology import in_topology_order
from pgreplterm.cluster.joining.trail import Trail
from pgreplterm.cluster.model import ClusterSnapshot, Link, Node, NodeSample, NodeState, Role

_HEALTHY = (NodeState.STREAMING, NodeState.CATCHUP)


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
    seen = each_server_once(observations)
    tick = Tick(seen, named(seen), now, trail or Trail(), previous)
    edges, families = links_of(tick), _families(tick)
    nodes = tuple(_node(tick, index, edges, families, stale_after) for index in range(len(seen)))
    nodes, links = in_topology_order(with_rejoins(nodes), (*edges.fed.values(), *edges.unwatched))
    return ClusterSnapshot(now, _system_identifier(tick), nodes, links)


@dataclass(slots=True)
class _Family:
    """Of the nodes of one system_identifier that answer: the primary if there is exactly one, and the odd ones."""

    primary: NodeSample | None
    superseded: frozenset[int]  # places in the tick
    orphaned: frozenset[int]


def _node(tick: Tick, index: int, edges: Links, families: dict[int, _Family], stale_after: float) -> Node:
    seen, link, sample = tick.seen[index], edges.fed.get(index), tick.answer(index)
    up = tick.index_of(link.upstream) if link is not None else None
    above = tick.answer(up) if up is not None else None
    family = families[sample.system_identifier] if sample is not None else None
    around = Surroundings(
        link=link,
        upstream_in_recovery=None if above is None else above.in_recovery,
        upstream_denies=index in edges.denied,
        # Streaming from a node that has diverged is no better than having diverged.
        has_diverged=index in edges.diverged or (family is not None and _has_left(sample, above, family.primary)),
        superseded=family is not None and index in family.superseded,
    )
    role = role_of(seen, around)
    feeds_itself = index in edges.feed_themselves
    state = _state(seen, around, feeds_itself, tick.now, stale_after)
    primary = family.primary if family is not None else None
    return Node(
        name=tick.names[index],
        address=seen.address,
        role=role,
        state=NodeState.UNKNOWN if state in _HEALTHY and _is_hidden(sample, above, primary) else state,
        timeline=None if seen.sample is None else seen.sample.timeline,
        upstream=None if role is Role.PRIMARY else _upstream(tick, index, link),
        sample=seen.sample,
        sample_age=None if seen.sample is None else max(0.0, tick.now - seen.sample.taken_at),
        failure=seen.failure,
        discovered=seen.discovered,
        feeds_itself=feeds_itself,
        orphaned=family is not None and index in family.orphaned,
    )


def _state(seen: Observation, around: Surroundings, feeds_itself: bool, now: float, stale_after: float) -> NodeState:
    """Who streams only what it holds already streams nothing, whatever both rows say."""
    state = state_of(seen, around, now, stale_after)
    streams = state in (NodeState.STREAMING, NodeState.CATCHUP, NodeState.STARTUP, NodeState.UNKNOWN)
    return NodeState.NOT_STREAMING if feeds_itself and streams else state


def _is_hidden(sample: NodeSample | None, *others: NodeSample | None) -> bool:
    """A standby on another timeline than its upstream or the primary, while no history says how the two are related.

    One that has diverged says, now and then, that it streams: that would be taken for health.
    """
    return sample is not None and any(
        other is not None
        and sample.in_recovery
        and None not in (sample.timeline, other.timeline)
        and sample.timeline != other.timeline
        and compare(sample, other).relation is Relation.UNKNOWN
        for other in others
    )


def _has_left(sample: NodeSample | None, above: NodeSample | None, primary: NodeSample | None) -> bool:
    """Whether its WAL left the line of the one primary of its cluster, where that is not the upstream itself."""
    if sample is None or primary is None or primary is above or primary is sample:
        return False
    return compare(sample, primary).relation is Relation.DIVERGED


def _families(tick: Tick) -> dict[int, _Family]:
    places: dict[int, list[int]] = defaultdict(list)
    for index in range(len(tick.seen)):
        if (sample := tick.answer(index)) is not None:
            places[sample.system_identifier].append(index)
    return {system: _family(tick, members) for system, members in places.items()}


def _family(tick: Tick, members: list[int]) -> _Family:
    """What a dying primary said a tick ago, beside its successor's first word, is no split brain."""
    samples = {index: sample for index in members if (sample := tick.answer(index)) is not None}
    primaries = [index for index, sample in samples.items() if not sample.in_recovery]
    current = [index for index in primaries if not tick.seen[index].overdue]
    superseded = frozenset(primaries).difference(current) if current else frozenset()
    lasting = [samples[index] for index in primaries if index not in superseded]
    primary = lasting[0] if len(lasting) == 1 else None
    orphaned = orphans(list(samples.values()), primary)
    return _Family(primary, superseded, frozenset(members[place] for place in orphaned))


def _upstream(tick: Tick, index: int, link: Link | None) -> str | None:
    """The node that feeds it now, else the one it was last seen fed by, so that a tree keeps its shape."""
    if link is not None:
        return link.upstream
    before = tick.node_before(tick.names[index])
    if before is None or tick.index_of(before.upstream) is None:
        return None
    return before.upstream


def _system_identifier(tick: Tick) -> int | None:
    known = {seen.sample.system_identifier for seen in tick.seen if seen.sample is not None}
    return known.pop() if len(known) == 1 else None
