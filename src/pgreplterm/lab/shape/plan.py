"""The plan of a lab: its nodes as a tree, and what holds for all of them.

Owns: that data and the questions about the tree. Must not: judge it (``check``), or read any text (``lab_file``,
``tree``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

MOST_NODES = 12
"""Slots and walsenders are configured for this many downstreams, and then some."""

DEFAULT_SEGMENT = 16
"""MiB, as initdb has it."""


@dataclass(frozen=True, slots=True)
class NodePlan:
    """One server. follows is None for the primary; delay is a recovery_min_apply_delay such as "30s"."""

    name: str
    follows: str | None = None
    delay: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LabPlan:
    """A whole lab; one that ``check.checked`` returned can be built.

    postgresql is a major version, a bin directory, or None for the best that is found; segment_size is in MiB;
    synchronous is the text of synchronous_standby_names, on every node since each may become the primary; backend
    is None where nobody chose.
    """

    nodes: tuple[NodePlan, ...]
    name: str = "lab"
    postgresql: int | Path | None = None
    segment_size: int = DEFAULT_SEGMENT
    fsync: bool = True
    archive: bool = False
    synchronous: str = ""
    backend: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def primary(self) -> NodePlan:
        """The node that follows nobody; of a checked plan there is one."""
        return next(node for node in self.nodes if node.follows is None)

    def followers(self, name: str) -> tuple[NodePlan, ...]:
        """The nodes that stream from that one."""
        return tuple(node for node in self.nodes if node.follows == name)

    def levels(self) -> Iterator[tuple[NodePlan, ...]]:
        """The primary, then who follows it, then who follows those: the order in which nodes can start."""
        level: tuple[NodePlan, ...] = (self.primary,)
        while level:
            yield level
            level = tuple(follower for node in level for follower in self.followers(node.name))

    def settings_of(self, node: NodePlan) -> dict[str, str]:
        """What the plan sets for that node; its own settings win over the lab's."""
        return {**self.settings, **node.settings}


def plain_tree(standbys: int, cascades: int) -> tuple[NodePlan, ...]:
    """pg1 with so many standbys, and so many cascades that stream from these in turn."""
    direct = [NodePlan(f"pg{number + 2}", "pg1") for number in range(standbys)]
    below = [NodePlan(f"pg{number + 2 + standbys}", direct[number % standbys].name) for number in range(cascades)]
    return (NodePlan("pg1"), *direct, *below)
