"""The order of a snapshot: primaries first, every node after the one that feeds it.

Owns: that order, and depths for drawing it as a tree. Must not: draw. A loop of upstreams (a standby that
streams from itself after a bad rewind, two that point at each other) ends where it began.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from pgreplterm.cluster.model import ClusterSnapshot, Link, Node, Role


def in_topology_order(nodes: Sequence[Node], links: Sequence[Link]) -> tuple[tuple[Node, ...], tuple[Link, ...]]:
    """Nodes depth first; links in the order of their downstream, unwatched downstreams last."""
    ordered = tuple(node for node, _ in walk(nodes))
    rank = {node.name: number for number, node in enumerate(ordered)}
    last = len(ordered)
    return ordered, tuple(
        sorted(links, key=lambda link: (rank.get(link.downstream, last), rank.get(link.upstream, last)))
    )


def depths(snapshot: ClusterSnapshot) -> dict[str, int]:
    """How many replication hops each node is away from its tree's root, by node name."""
    return {node.name: depth for node, depth in walk(snapshot.nodes)}


def walk(nodes: Sequence[Node]) -> Iterator[tuple[Node, int]]:
    """Each node once with its depth: primaries and their trees, then other roots, then what only loops reach."""
    names = {node.name for node in nodes}
    children: dict[str | None, list[Node]] = defaultdict(list)
    for node in nodes:
        children[node.upstream].append(node)
    roots = [node for node in nodes if node.upstream not in names]
    roots.sort(key=lambda node: (node.role is not Role.PRIMARY, node.name not in children))
    visited: set[str] = set()
    for start in (*roots, *nodes):
        stack = [(start, 0)]
        while stack:
            node, depth = stack.pop()
            if node.name in visited:
                continue
            visited.add(node.name)
            yield node, depth
            stack += [(child, depth + 1) for child in reversed(children.get(node.name, ()))]
