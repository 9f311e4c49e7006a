"""The names and labels of what a lab makes in an engine.

Owns: their form, and who we are. Must not: ask the engine.

A thing is the lab's by its labels alone: what only has a fitting name is somebody else's and is left alone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

OWNER = "org.pgreplterm.owner"
"""The uid of the account that made it."""

RUN = "org.pgreplterm.run"
"""One lab from up to down: another lab of the same name has another."""

CLUSTER = "org.pgreplterm.cluster"
NODE = "org.pgreplterm.node"
DIRECTORY = "org.pgreplterm.directory"
"""The lab's folder on this machine."""


def owner() -> str:
    """What the owner label says on what we make."""
    return str(os.geteuid())


@dataclass(frozen=True, slots=True)
class Naming:
    """The names and labels of one lab."""

    lab: str
    run: str
    directory: Path

    @property
    def management(self) -> str:
        """The network of the published ports; Engine 20.10 gives them to the network whose name sorts first."""
        return self.of("a-management")

    @property
    def replication(self) -> str:
        """The network between the nodes."""
        return self.of("b-replication")

    def of(self, node: str) -> str:
        """The name of a node's container and volume."""
        return f"pgreplterm-{self.lab}-{node}"

    def labels(self, node: str | None = None) -> dict[str, str]:
        """The labels of the lab's things, or of a node's."""
        found = {OWNER: owner(), RUN: self.run, CLUSTER: self.lab, DIRECTORY: str(self.directory)}
        return found if node is None else {**found, NODE: node}

    def filters(self) -> dict[str, list[str]]:
        """The engine's filter for everything of this lab."""
        return {"label": [f"{OWNER}={owner()}", f"{RUN}={self.run}"]}
