"""Pairs that are beyond rivalry among weighted edges between walsenders and standbys.

Owns: that choice, in time that grows with the number of edges. Must not: weigh.

A pair is chosen when no other edge of either end is as heavy. Choosing it takes away only rivals of others, so the
order in which pairs are found does not matter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple


class Edge(NamedTuple):
    """Row number row of upstream's walsenders may feed downstream; heavier is surer."""

    upstream: int
    row: int
    downstream: int
    weight: int


_End = tuple[int, int]


def best_pairs(edges: Iterable[Edge]) -> tuple[tuple[Edge, ...], dict[int, int]]:
    """The pairs, and for standbys left over whose heaviest edges all come from one upstream, that upstream."""
    by_end: dict[_End, list[Edge]] = defaultdict(list)
    for edge in sorted(edges, key=lambda one: -one.weight):
        for end in _ends(edge):
            by_end[end].append(edge)
    gone: set[_End] = set()
    chosen: list[Edge] = []
    waiting = list(by_end)
    while waiting:
        end = waiting.pop()
        if end in gone:
            continue
        found = _heaviest(by_end[end], gone)
        if found is None or any(_heaviest(by_end[other], gone) != found for other in _ends(found)):
            continue
        chosen.append(found)
        gone.update(_ends(found))
        if any(len(by_end[side]) > 1 for side in _ends(found)):
            waiting += {each for side in _ends(found) for lost in by_end[side] for each in _ends(lost)} - gone
    return tuple(chosen), _upstreams(by_end, gone)


def _ends(edge: Edge) -> tuple[_End, _End]:
    """A walsender is (upstream, row); a standby is (-1, its index)."""
    return (edge.upstream, edge.row), (-1, edge.downstream)


def _heaviest(edges: list[Edge], gone: set[_End]) -> Edge | None:
    """The one living edge that outweighs all others, None where there is no such."""
    best: Edge | None = None
    for edge in edges:
        if best is not None and edge.weight < best.weight:
            break
        if not gone.isdisjoint(_ends(edge)):
            continue
        if best is not None:
            return None
        best = edge
    return best


def _upstreams(by_end: dict[_End, list[Edge]], gone: set[_End]) -> dict[int, int]:
    found: dict[int, int] = {}
    for (upstream, downstream), edges in by_end.items():
        if upstream >= 0 or (upstream, downstream) in gone:
            continue
        living = [edge for edge in edges if gone.isdisjoint(_ends(edge))]
        heaviest = {edge.upstream for edge in living if edge.weight == living[0].weight}
        if len(heaviest) == 1:
            found[downstream] = heaviest.pop()
    return found
