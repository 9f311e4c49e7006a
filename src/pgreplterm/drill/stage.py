"""What a step acts on: the lab, the eyes on it, the clients that write to it, and the journal.

Owns: holding these together for one run. Must not: know any step, or judge what the clients saw.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pgreplterm.cluster.connecting.connect import Target, named_target
from pgreplterm.drill.acks import await_acks
from pgreplterm.drill.figures import Mark
from pgreplterm.errors import PgReplTermError

if TYPE_CHECKING:
    from pgreplterm.cluster.model import ClusterSnapshot
    from pgreplterm.drill.watch import Watch
    from pgreplterm.lab.lab import Lab

PATIENCE = 30.0
"""Seconds any step may wait for the cluster."""


def targets_of(lab: Lab) -> list[Target]:
    """Every node of a lab, to be watched."""
    return [named_target(node.name, lab.dsn(node.name)) for node in lab.nodes]


@dataclass
class Stage:
    """folder is the run's own: what is kept goes there. observe notes something seen while a step runs.

    kept: where the list may go of what only one node has, the best place first.
    """

    lab: Lab
    watch: Watch
    folder: Path
    observe: Callable[[str], None]
    kept: tuple[Path, ...] = ()
    mark: Callable[[Mark], None] = lambda _: None
    promoting: Callable[[str], None] = lambda _: None
    """Journals that a node is about to be promoted: from there on a heal goes forward."""

    journals: tuple[Path, ...] = field(default=())
    """Of the probers that write now, or did last."""

    files: dict[str, str] = field(default_factory=dict)
    """What a step kept, by what it is; for the report."""

    probing: bool = False

    def until(
        self, condition: Callable[[ClusterSnapshot], bool], what: str, within: float = PATIENCE
    ) -> ClusterSnapshot:
        """The first snapshot for which condition holds. Raises DrillFailed naming what was waited for."""
        return self.watch.until(condition, what, within)

    def watch_all(self) -> None:
        """Also see the nodes that have joined the lab since the watch began."""
        self.watch.also(targets_of(self.lab))

    def port(self, node: str) -> int:
        """Where clients reach it."""
        return self.lab.state.node(node).port

    def start_probers(self, clients: int = 1, interval: float = 0.004) -> tuple[Path, ...]:
        """Have clients write ids; those that write already go on."""
        if not self.probing:
            self.journals = self.lab.start_probers(clients, interval)
            self.probing = True
        return self.journals

    def stop_probers(self) -> tuple[Path, ...]:
        """End them; their journals."""
        if self.probing:
            self.lab.stop_probers()
            self.probing = False
        return self.journals

    def stop_probers_quietly(self) -> None:
        """End them, as well as that goes: what failed before is what matters."""
        try:
            self.stop_probers()
        except PgReplTermError as error:
            self.observe(str(error))

    def await_acks(self, node: str, count: int, within: float = PATIENCE) -> None:
        """Return once that node has acknowledged so many writes of the first prober. Raises DrillFailed."""
        await_acks(self.journals[0], self.port(node), count, within)
