"""What ``wait`` may wait for, by name, each as a predicate over snapshots of the cluster.

Owns: the list of conditions. Must not: wait (``verbs.waiting``).

A condition that names a node holds only by what that node said after the wait had begun: what is not known is never
taken for done.
"""

from __future__ import annotations

from collections.abc import Mapping

from pgreplterm.drill.scenario.conditions import behind, nodes, servers
from pgreplterm.drill.scenario.conditions.condition import Condition, Evidence

__all__ = ["BY_NAME", "CONDITIONS", "Condition", "Evidence"]

CONDITIONS: tuple[Condition, ...] = (*nodes.CONDITIONS, *behind.CONDITIONS, *servers.CONDITIONS)
BY_NAME: Mapping[str, Condition] = {condition.name: condition for condition in CONDITIONS}
