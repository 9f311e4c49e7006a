"""Whether the nodes of a plan are one tree.

Owns: unknown upstreams, primaries too many or too few, and circles. Must not: judge names or settings.
"""

from __future__ import annotations

from pgreplterm.lab.shape.errors import PlanError
from pgreplterm.lab.shape.plan import LabPlan
from pgreplterm.unknown_name import unknown


def check(plan: LabPlan) -> None:
    """Raises PlanError unless every node descends from the one primary."""
    _check_upstreams(plan)
    primaries = [number for number, node in enumerate(plan.nodes) if node.follows is None]
    if len(primaries) > 1:
        first, second = (plan.nodes[number].name for number in primaries[:2])
        raise PlanError(
            f"{first} and {second} both follow nobody: a lab has one primary, so say what {second} follows",
            "node",
            str(primaries[1]),
        )
    reached = {node.name for level in plan.levels() for node in level} if primaries else set[str]()
    for number, node in enumerate(plan.nodes):
        if node.name not in reached:
            remedy = "one of them has to follow the primary" if primaries else "one node has to follow nobody"
            raise PlanError(f"{_circle(plan, node.name)}: {remedy}", "node", str(number), "follows")


def _check_upstreams(plan: LabPlan) -> None:
    names = [node.name for node in plan.nodes]
    for number, node in enumerate(plan.nodes):
        if node.follows is not None and node.follows not in names:
            others = [name for name in names if name != node.name]
            raise PlanError(
                f"{node.name} follows an {unknown('node', node.follows, others)}", "node", str(number), "follows"
            )


def _circle(plan: LabPlan, name: str) -> str:
    """The circle above a node that descends from no primary, in words."""
    upstream = {node.name: node.follows or "" for node in plan.nodes}
    seen: list[str] = []
    while name not in seen:
        seen.append(name)
        name = upstream[name]
    circle = seen[seen.index(name) :]
    if len(circle) == 1:
        return f"{name} follows itself"
    return ", which follows ".join([f"{circle[0]} follows {circle[1]}", *circle[2:], name])
