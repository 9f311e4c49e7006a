"""One lab's folder and what every operation on it needs.

Owns: the paths inside the folder, the servers' account and programs, and node addresses. Must not: change anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgreplterm.lab import conninfo, links, process, sql, state
from pgreplterm.lab.account import Account, server_account
from pgreplterm.lab.config import Upstream
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.state import LabState, NodeRecord

if TYPE_CHECKING:
    import psycopg


@dataclass(frozen=True, slots=True)
class Site:
    """The folder of a lab, the account of its servers and the bin directory they come from."""

    directory: Path
    account: Account
    bindir: Path

    @classmethod
    def of(cls, directory: Path) -> Site:
        """The site of an existing lab. Raises StateDamaged."""
        return cls(directory, server_account(), Path(state.read(directory).bindir))

    @property
    def passfile(self) -> Path:
        """The libpq password file; it belongs to the servers' account, whose walreceivers read it too."""
        return self.directory / "pgpass"

    def read(self) -> LabState:
        """The lab's state now."""
        return state.read(self.directory)

    def tool(self, name: str) -> str:
        """The path of a PostgreSQL program."""
        return str(self.bindir / name)

    def dsn(self, node: NodeRecord) -> str:
        """What psql takes to reach that node, directly and not through the relay."""
        return conninfo.dsn(node.port, self.passfile)

    def connect(self, node: NodeRecord) -> AbstractContextManager[psycopg.Connection[Any]]:
        """A connection to that node. Raises LabError at once when it is not running or frozen."""
        if not process.is_running(node.process):
            raise LabError(f"{node.name} is not running: start it first")
        if process.is_frozen(node.process):
            raise LabError(f"{node.name} is frozen and answers nobody: thaw it first")
        return sql.connection(self.dsn(node), node.name)

    def upstream(self, node: NodeRecord, edge: links.Edge) -> Upstream:
        """The settings with which that node follows through that edge; its slot there bears its own name."""
        return Upstream(conninfo.primary_conninfo(edge.listen, self.passfile, node.name), node.name)


def update(site: Site, change: NodeRecord) -> None:
    """Record a node's new description. The caller holds the transaction."""
    state.write(site.directory, site.read().with_node(change))


def running(lab: LabState) -> Iterator[NodeRecord]:
    """The nodes whose postmaster lives, frozen ones included."""
    return (node for node in lab.nodes if process.is_running(node.process))
