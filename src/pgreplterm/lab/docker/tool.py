"""A PostgreSQL program in a container of its own.

Owns: waiting for its end and removing the container. Must not: know what it is run for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pgreplterm.lab import tools
from pgreplterm.lab.errors import ToolFailed

if TYPE_CHECKING:
    from pgreplterm.lab.docker.engine import Engine

PATIENCE = 3600
"""Seconds a program may take; a base backup of a large lab takes minutes at most."""


@dataclass(slots=True)
class ContainerTool:
    """A container that was started for one program; see ``backend.Tool``."""

    engine: Engine
    container: str
    name: str
    purpose: str
    _is_removed: bool = field(default=False, init=False)

    def finish(self) -> str:
        """Wait; what it printed on both streams. Raises ToolFailed, LabError."""
        api = self.engine.client.api
        with self.engine.translated(f"waiting for {self.name}"):
            status = int(api.wait(self.container, timeout=PATIENCE)["StatusCode"])
            output = api.logs(self.container, stdout=True, stderr=True).decode("utf-8", "replace")
        self.abandon()
        if status != 0:
            raise ToolFailed(tools.failure(self.name, self.purpose, output))
        return output

    def abandon(self) -> None:
        """Kill it if it has not ended, and remove its container."""
        if not self._is_removed:
            self._is_removed = True
            with self.engine.translated(f"removing the container of {self.name}"):
                self.engine.client.api.remove_container(self.container, force=True, v=True)
