"""The plan of a lab that exists.

Owns: reading it out of the lab's state, as the lab is now and not as it was built. Must not: ask a server.
"""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

from pgreplterm.lab import binaries
from pgreplterm.lab.config import MIB
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.shape.check import checked
from pgreplterm.lab.shape.errors import PlanError
from pgreplterm.lab.shape.plan import LabPlan, NodePlan
from pgreplterm.lab.state import LabState, NodeRecord


def plan_of(lab: LabState, directory: Path) -> LabPlan:
    """The plan that builds this lab again. Raises LabError while it cannot be built, as in the middle of a failover."""
    plan = LabPlan(
        nodes=tuple(_node(node) for node in lab.nodes),
        name=lab.name,
        postgresql=_postgresql(lab, directory),
        segment_size=lab.segment_size // MIB,
        fsync=lab.fsync,
        archive=lab.archive,
        synchronous=lab.synchronous,
        backend="local" if lab.docker is None else "docker",
        settings=lab.settings,
    )
    try:
        return checked(plan)
    except PlanError as error:
        raise LabError(f"lab {lab.name!r} could not be built as it is now: {error}") from None


def tree_of(lab: LabState, name: str) -> LabPlan:
    """The nodes that descend from one ancestor with that node, without the synchronous rule: not judged, to judge with.

    In the middle of a failover a lab is several trees.
    """
    upstream = {node.name: node.upstream for node in lab.nodes}

    def root(below: str) -> str:
        seen = set[str]()
        while (above := upstream.get(below)) is not None and below not in seen:
            seen.add(below)
            below = above
        return below

    nodes = tuple(_node(node) for node in lab.nodes if root(node.name) == root(name))
    return LabPlan(nodes, name=lab.name, settings=lab.settings)


def _node(node: NodeRecord) -> NodePlan:
    """A promoted node keeps its delay for later; as a primary it has none."""
    return NodePlan(node.name, node.upstream, node.delay if node.upstream else None, node.settings)


def _postgresql(lab: LabState, directory: Path) -> int | Path:
    """The major version where that finds the lab's own programs, which any machine has; else their folder."""
    major, bindir = int("".join(takewhile(str.isdigit, lab.server_version))), Path(lab.bindir)
    if lab.docker is not None or bindir.is_relative_to(directory):
        return major
    try:
        return major if binaries.locate(major) == bindir else bindir
    except LabError:
        return bindir
