"""The first look at a lab, from which a plan is made.

Owns: waiting until every node has said something. Must not: judge what it sees.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pgreplterm.drill.stage import PATIENCE, targets_of
from pgreplterm.drill.watch import Watch

if TYPE_CHECKING:
    from pgreplterm.cluster.model import ClusterSnapshot
    from pgreplterm.lab.lab import Lab

_INTERVAL = 0.2
_BUSY = 5.0
"""Seconds a node that runs may take to answer for the first time; then its silence is an answer, too."""


def look(lab: Lab) -> ClusterSnapshot:
    """What every node says now, or why it says nothing. Raises DrillFailed."""
    with Watch(targets_of(lab), _INTERVAL) as watch:
        return first_look(lab, watch)


def first_look(lab: Lab, watch: Watch) -> ClusterSnapshot:
    """The first snapshot in which every node that runs answers, or nearly the first. Raises DrillFailed."""
    running = {node.name for node in lab.nodes if lab.is_running(node.name) and not lab.is_frozen(node.name)}
    names = {node.name for node in lab.nodes}
    patient_until = time.monotonic() + _BUSY

    def is_complete(now: ClusterSnapshot) -> bool:
        said = {node.name for node in now.nodes if node.sample is not None or node.failure is not None}
        answering = {node.name for node in now.nodes if node.sample is not None and node.failure is None}
        return said >= names and (answering >= running or time.monotonic() > patient_until)

    return watch.until(is_complete, "every node of the lab to be looked at", PATIENCE)
