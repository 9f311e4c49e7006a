"""Where the servers of a lab run: as processes of this machine, or in containers of a Docker engine.

Owns: the contract of both, and finding the one of an existing lab. Must not: know what is done with a node, or why.

The files of a node (configuration, log, data directory) are on this machine, below the lab's folder, on both backends;
a container sees them under the same path. So everything that reads or writes files is the same code, and what is
here is what differs: processes, PostgreSQL's own programs, and addresses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pgreplterm.lab.errors import LabError

if TYPE_CHECKING:
    from pgreplterm.lab.state import LabState, NodeRecord


PASSWD = "passwd"
"""A file in the folder of each lab in Docker: it names the servers' account inside the containers."""


class Kind(StrEnum):
    """Which backend."""

    LOCAL = "local"
    DOCKER = "docker"


class Tool(Protocol):
    """A PostgreSQL program under way."""

    def finish(self) -> str:
        """Wait; what it printed on both streams. Raises ToolFailed."""
        ...

    def abandon(self) -> None:
        """End it before its time if it has not ended."""
        ...


class Backend(Protocol):
    """What both can do. A node is running while its postmaster exists, frozen or not."""

    def is_running(self, node: NodeRecord) -> bool:
        """Whether its postmaster exists (frozen counts)."""
        ...

    def is_frozen(self, node: NodeRecord) -> bool:
        """Whether its postmaster is stopped where it is."""
        ...

    def postmaster_pid(self, node: NodeRecord) -> int | None:
        """Its pid as ``postmaster.pid`` has it; None when the server does not run."""
        ...

    def pids(self, node: NodeRecord) -> tuple[int, ...]:
        """The pids of its processes on this machine, the postmaster first; empty when it does not run."""
        ...

    def launch(self, nodes: Sequence[NodeRecord]) -> Iterator[NodeRecord]:
        """Start their postmasters without waiting; each record, with what identifies it, once it is started.

        Raises LabError.
        """
        ...

    def stop(self, node: NodeRecord) -> None:
        """Fast stop (SIGINT) and wait. Raises LabError when it is frozen or does not end."""
        ...

    def crash(self, node: NodeRecord) -> None:
        """Immediate shutdown (SIGQUIT) and wait. Raises LabError when it is frozen or does not end."""
        ...

    def kill(self, node: NodeRecord) -> None:
        """SIGKILL all its processes and wait until they are gone. Raises LabError."""
        ...

    def reload(self, node: NodeRecord) -> None:
        """Have a running server read its configuration again."""
        ...

    def freeze(self, node: NodeRecord) -> None:
        """Stop all its processes where they are."""
        ...

    def freeze_postmaster(self, node: NodeRecord) -> None:
        """SIGSTOP the postmaster alone."""
        ...

    def freeze_backend(self, node: NodeRecord, pid: int) -> None:
        """SIGSTOP one process of it by the pid that the server's own views show. Raises LabError."""
        ...

    def thaw(self, node: NodeRecord) -> None:
        """Let every process of it continue."""
        ...

    def make_node(self, lab: LabState, node: NodeRecord) -> NodeRecord:
        """What a node that joins the lab needs besides files, also after an attempt that was killed; its record."""
        ...

    def remove_node(self, node: NodeRecord) -> None:
        """Remove what a node that does not run has besides files."""
        ...

    def start_tool(self, argv: Sequence[str], purpose: str) -> Tool:
        """Start a PostgreSQL program as the servers' account, with the lab's folder in reach. Raises LabError."""
        ...

    def remove(self) -> None:
        """End every server and tool, and remove what the backend made besides files. Raises LabError."""
        ...


def backend_of(lab: LabState, directory: Path) -> Backend:
    """The backend of an existing lab. Raises LabError when it is Docker's and the engine does not answer."""
    if lab.docker is None:
        from pgreplterm.lab.account import server_account
        from pgreplterm.lab.local import LocalBackend

        return LocalBackend(server_account(), Path(lab.bindir))
    from pgreplterm.lab.docker.backend import DockerBackend

    return DockerBackend.of(lab, directory)


def run(backend: Backend, argv: Sequence[str], purpose: str) -> str:
    """Run a program to its end; what it printed. Raises ToolFailed, LabError."""
    tool = backend.start_tool(argv, purpose)
    try:
        return tool.finish()
    finally:
        tool.abandon()


def require_running(backend: Backend, node: NodeRecord) -> None:
    """Raises LabError when the node does not run."""
    if not backend.is_running(node):
        raise LabError(f"{node.name} is not running: start it first")
