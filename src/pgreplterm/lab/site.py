"""One lab's folder and what every operation on it needs.

Owns: the paths inside the folder, the servers' account and programs, and node addresses. Must not: change anything.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgreplterm.lab import binaries, conninfo, links, sql, state
from pgreplterm.lab.account import Account, server_account
from pgreplterm.lab.backend import Backend, backend_of
from pgreplterm.lab.config import Upstream
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.state import LabState, NodeRecord

if TYPE_CHECKING:
    import psycopg


@dataclass(frozen=True, slots=True)
class Site:
    """The folder of a lab, the account of its servers, the bin directory they come from, and where they run.

    bindir is a folder of the image when the servers run in containers.
    """

    directory: Path
    account: Account
    bindir: Path
    backend: Backend

    @classmethod
    def of(cls, directory: Path) -> Site:
        """The site of an existing lab. Raises StateDamaged, or LabError when its Docker engine does not answer."""
        lab = state.read(directory)
        return cls(directory, server_account(), Path(lab.bindir), backend_of(lab, directory))

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

    def client_tool(self, name: str) -> Path:
        """The path of a program for this machine: the servers' own, or, when they are in an image, one that fits.

        It may not exist.
        """
        lab = self.read()
        if lab.docker is None:
            return self.bindir / name
        try:
            return binaries.locate(lab.major) / name
        except LabError:
            return Path(shutil.which(name) or self.bindir / name)

    def dsn(self, node: NodeRecord, database: str = conninfo.DATABASE) -> str:
        """What psql takes to reach that node, directly and not through the relay."""
        return conninfo.dsn(node.port, self.passfile, database)

    def is_running(self, node: NodeRecord) -> bool:
        """Whether its postmaster lives (frozen counts)."""
        return self.backend.is_running(node)

    def is_frozen(self, node: NodeRecord) -> bool:
        """Whether its postmaster is stopped where it is."""
        return self.backend.is_frozen(node)

    def connect(
        self, node: NodeRecord, database: str = conninfo.DATABASE
    ) -> AbstractContextManager[psycopg.Connection[Any]]:
        """A connection to that node. Raises LabError at once when it is not running or frozen."""
        if not self.is_running(node):
            raise LabError(f"{node.name} is not running: start it first")
        if self.is_frozen(node):
            raise LabError(f"{node.name} is frozen and answers nobody: thaw it first")
        return sql.connection(self.dsn(node, database), node.name)

    def upstream(self, node: NodeRecord, edge: links.Edge) -> Upstream:
        """The settings with which that node follows through that edge; its slot there bears its own name."""
        return Upstream(
            conninfo.primary_conninfo(edge.listen, self.passfile, node.name, host=edge.listen_host), node.name
        )

    def source(self, node: NodeRecord) -> str:
        """What PostgreSQL's own programs take to reach that node, not through the relay."""
        return conninfo.keywords(node.port, self.passfile, host=node.address)

    @property
    def listen_host(self) -> str:
        """Where the relay of this lab listens."""
        docker = self.read().docker
        return conninfo.HOST if docker is None else docker.gateway


def update(site: Site, change: NodeRecord) -> None:
    """Record a node's new description. The caller holds the transaction."""
    state.write(site.directory, site.read().with_node(change))


def running(site: Site) -> Iterator[NodeRecord]:
    """The nodes whose postmaster lives, frozen ones included."""
    return (node for node in site.read().nodes if site.is_running(node))
