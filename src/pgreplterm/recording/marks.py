"""What a recorder marks by itself, so that one can go to where something happened.

Owns: that short list. Must not: judge; a node that does not answer is said to be just that.
"""

from __future__ import annotations

from collections.abc import Iterator

from pgreplterm.cluster.model import ClusterSnapshot, Role
from pgreplterm.cluster.words import printable


def noticed(before: ClusterSnapshot | None, after: ClusterSnapshot) -> Iterator[str]:
    """The marks between two ticks: promotions, nodes that stop answering or answer again, new timelines."""
    if before is None:
        return
    for node in after.nodes:
        old, name = before.node(node.name), printable(node.name)
        if old is None:
            continue
        if node.failure is not None and old.failure is None:
            yield f"{name} {node.failure.state}"
        elif node.failure is None and old.failure is not None:
            yield f"{name} is back"
        if node.role is Role.PRIMARY and old.sample is not None and old.sample.in_recovery:
            yield f"{name} promoted, timeline {'?' if node.timeline is None else node.timeline}"
        elif None not in (node.timeline, old.timeline) and node.timeline != old.timeline:
            yield f"{name} on timeline {node.timeline}"
