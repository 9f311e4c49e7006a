"""A lab as everything above this room sees it.

Owns: the one object through which a lab is built, found, asked, changed and removed. Must not: hold state of
its own; each call reads the lab's files, because another process may have changed them.

    lab = up(LabSpec(name="lab", standbys=2), print)
    lab.kill("pg1"); lab.promote("pg2"); lab.repoint("pg3", "pg2")
    lab.rewind("pg1", "pg2"); lab.start("pg1"); lab.wait_streaming("pg1")
    lab.down()
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pgreplterm.lab import build, demolish, helpers, journal, links, places, process, server, state, surgery
from pgreplterm.lab.build import LabSpec, Narrate
from pgreplterm.lab.errors import LabError, StateDamaged
from pgreplterm.lab.links import Edge
from pgreplterm.lab.site import Site, update
from pgreplterm.lab.state import LabState, NodeRecord
from pgreplterm.lab.surgery import Rewound

if TYPE_CHECKING:
    from pgreplterm.lab.status import NodeStatus

__all__ = ["Lab", "LabSpec", "Rewound", "remove", "up"]


def silence(sentence: str) -> None:
    """Narrate nothing."""


def up(spec: LabSpec, narrate: Narrate = silence) -> Lab:
    """Build a lab and return it with every standby streaming.

    narrate gets one sentence a step. Raises LabError (LabExists when the name is taken), and leaves nothing
    behind then, nor when interrupted.
    """
    return Lab(build.build(spec, narrate))


def remove(name: str) -> None:
    """Remove a lab by name, also one whose state file is damaged. Raises NoSuchLab, LabError."""
    demolish.take_down(places.find(name))


class Lab:
    """One existing lab. Node arguments are node names; a wrong one raises LabError naming the right ones."""

    def __init__(self, site: Site) -> None:
        """Use :func:`up`, :meth:`load` or :meth:`find_all`."""
        self._site = site

    @classmethod
    def load(cls, name: str = "lab") -> Lab:
        """The lab of that name. Raises NoSuchLab, StateDamaged."""
        return cls(Site.of(places.find(name)))

    @classmethod
    def find_all(cls) -> tuple[Lab, ...]:
        """All labs of this user that can be read."""
        return tuple(cls._readable())

    @classmethod
    def _readable(cls) -> Iterator[Lab]:
        for directory in places.directories():
            try:
                yield cls(Site.of(directory))
            except StateDamaged:
                continue

    @property
    def name(self) -> str:
        """The lab's name, which is also its folder's."""
        return self._site.directory.name

    @property
    def directory(self) -> Path:
        """Where everything of this lab is; drills may keep their journals here."""
        return self._site.directory

    @property
    def state(self) -> LabState:
        """What the state file says now. Raises StateDamaged."""
        return self._site.read()

    @property
    def nodes(self) -> tuple[NodeRecord, ...]:
        """The nodes in the order they were made."""
        return self.state.nodes

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The replication edges and their relay ports."""
        return links.read(self.directory).edges

    def dsn(self, node: str) -> str:
        """What psql takes to reach that node as superuser."""
        return self._site.dsn(self.state.node(node))

    def tool(self, name: str) -> Path:
        """The path of a PostgreSQL program of the version this lab runs; it may not exist."""
        return Path(self._site.tool(name))

    def status(self) -> tuple[NodeStatus, ...]:
        """What each node does now; a server that does not answer costs a few seconds."""
        from pgreplterm.lab.status import status  # 60 ms of imports that a build does meanwhile

        return status(self._site)

    def is_running(self, node: str) -> bool:
        """Whether its postmaster lives (frozen counts)."""
        return process.is_running(self.state.node(node).process)

    def start(self, node: str) -> None:
        """Start a stopped or killed node and wait until it accepts connections. Raises LabError."""
        with state.transaction(self.directory):
            found = self.state.node(node)
            if process.is_running(found.process):
                raise LabError(f"{node} is already running")
            helpers.ensure_relay(self._site)
            written = server.log_size(found)
            identity = server.launch(found, self._site.tool("postgres"), self._site.account)
            update(self._site, replace(found, process=identity))
            try:
                server.await_ready(found, identity, written)
            except LabError as error:
                raise LabError(f"{error}; its log is {server.log_file(found)}") from None

    def stop(self, node: str) -> None:
        """Stop a node as an orderly shutdown does (fast mode). Raises LabError."""
        with state.transaction(self.directory):
            found = self.state.node(node)
            server.stop(found)
            update(self._site, replace(found, process=None))

    def kill(self, node: str) -> None:
        """SIGKILL the postmaster and all its children at once, as a power cut would."""
        with state.transaction(self.directory):
            found = self.state.node(node)
            server.kill(found)
            update(self._site, replace(found, process=None))

    def freeze(self, node: str) -> None:
        """SIGSTOP all processes of a node: it keeps its connections and answers nobody."""
        identity = self._running(node)
        process.freeze_tree(identity)

    def thaw(self, node: str) -> None:
        """SIGCONT all processes of a node."""
        identity = self._running(node)
        process.thaw_tree(identity)

    def checkpoint(self, node: str) -> None:
        """CHECKPOINT there and wait for its end."""
        with self._site.connect(self.state.node(node)) as link:
            link.execute("CHECKPOINT")

    def promote(self, node: str) -> float:
        """Promote a standby; seconds from pg_promote() to the end of recovery."""
        with state.transaction(self.directory):
            return surgery.promote(self._site, node)

    def repoint(self, node: str, upstream: str) -> float:
        """Have a running standby follow another node; seconds until it streams."""
        with state.transaction(self.directory):
            return surgery.repoint(self._site, node, upstream)

    def follow(self, node: str, source: str) -> None:
        """Make a stopped node, whose WAL does not pass the fork, a standby of source; it is not started."""
        with state.transaction(self.directory):
            surgery.follow(self._site, node, source)

    def rewind(self, node: str, source: str) -> Rewound:
        """pg_rewind a stopped node to source and make it its standby; it is not started."""
        with state.transaction(self.directory):
            return surgery.rewind(self._site, node, source)

    def drop_unused_slots(self, node: str) -> tuple[str, ...]:
        """Drop a running node's slots that nobody of the lab streams from; their names."""
        with state.transaction(self.directory):
            return surgery.drop_unused_slots(self._site, node)

    def rebuild(self, node: str, source: str) -> float:
        """Replace a stopped node by a base backup of source; seconds it took. It is not started."""
        with state.transaction(self.directory):
            return surgery.rebuild(self._site, node, source)

    def wait_streaming(self, node: str) -> None:
        """Wait until that standby streams from its upstream. Raises LabError when it does not."""
        upstream = self.state.node(node).upstream
        if upstream is None:
            raise LabError(f"{node} follows nobody")
        build.await_streaming(self._site, upstream, {node})

    def start_load(self, rate: float = 200.0) -> None:
        """Write rate rows a second on whichever node is primary, until stop_load()."""
        with state.transaction(self.directory):
            helpers.start_load(self._site, rate)

    def stop_load(self) -> None:
        """End the load; nothing happens when there is none."""
        with state.transaction(self.directory):
            helpers.stop_load(self._site)

    def start_prober(self, interval: float = 0.004) -> Path:
        """Write an id every interval seconds and journal what became of it; the path of the journal.

        Returns when the first id was acknowledged. Raises LabError when none is.
        """
        with state.transaction(self.directory):
            return helpers.start_prober(self._site, interval)

    def stop_prober(self) -> Path | None:
        """End the prober after its current attempt; the path of its journal, None when there was no prober."""
        with state.transaction(self.directory):
            return helpers.stop_prober(self._site)

    def probe_ids(self, node: str, client: int) -> frozenset[int]:
        """The ids of one prober that a node holds; ask a new primary only after its recovery has ended."""
        with self._site.connect(self.state.node(node)) as link:
            found = link.execute(f"SELECT id FROM {journal.TABLE} WHERE client = %s", (client,)).fetchall()
        return frozenset(row[0] for row in found)

    def down(self) -> None:
        """Remove the lab: every process, segment and file."""
        demolish.take_down(self.directory)

    def _running(self, node: str) -> process.ProcessId:
        found = self.state.node(node)
        if found.process is None or not process.is_running(found.process):
            raise LabError(f"{node} is not running: start it first")
        return found.process
