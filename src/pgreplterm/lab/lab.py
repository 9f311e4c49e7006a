"""A lab as everything above this room sees it.

Owns: the one object through which a lab is built, found, asked, changed and removed. Must not: hold state of
its own; each call reads the lab's files, because another process may have changed them.

    lab = up(LabSpec(name="lab", standbys=2), print)
    lab.kill("pg1"); lab.promote("pg2"); lab.repoint("pg3", "pg2")
    lab.rewind("pg1", "pg2"); lab.start("pg1"); lab.wait_streaming("pg1")
    lab.down()
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgreplterm.lab import (
    backups,
    build,
    conninfo,
    demolish,
    links,
    membership,
    places,
    recloning,
    recovering,
    state,
    surgery,
    synchrony,
)
from pgreplterm.lab.backend import require_running
from pgreplterm.lab.backups import Backup
from pgreplterm.lab.build import LabSpec, Narrate
from pgreplterm.lab.errors import LabError, NoSuchLab, StateDamaged
from pgreplterm.lab.links import Edge
from pgreplterm.lab.recovering import Recovered
from pgreplterm.lab.recovery_target import Target
from pgreplterm.lab.shape.plan import LabPlan, NodePlan
from pgreplterm.lab.shape.recorded import plan_of
from pgreplterm.lab.site import Site, update
from pgreplterm.lab.state import LabState, NodeRecord
from pgreplterm.lab.surgery import Rewound
from pgreplterm.lab.traffic import Traffic

if TYPE_CHECKING:
    import psycopg

    from pgreplterm.lab.docker.wires import Wires
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
    """Remove a lab by name, also one whose state file is damaged or whose folder is gone.

    Raises NoSuchLab, LabError.
    """
    try:
        directory = places.find(name)
    except NoSuchLab:
        from pgreplterm.lab.docker.leftovers import remove_named

        if not remove_named(name):
            raise
    else:
        demolish.take_down(directory)


class Lab(Traffic):
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
        """What psql takes to reach that node, or a recovered one, as superuser."""
        return self._site.dsn(self.state.reachable(node))

    def tool(self, name: str) -> Path:
        """The path of a PostgreSQL program of the version this lab runs; it may not exist."""
        return self._site.client_tool(name)

    def status(self) -> tuple[NodeStatus, ...]:
        """What each node does now; a server that does not answer costs a few seconds."""
        from pgreplterm.lab.status import status  # 60 ms of imports that a build does meanwhile

        return status(self._site)

    def is_running(self, node: str) -> bool:
        """Whether its postmaster lives (frozen counts)."""
        return self._site.is_running(self.state.node(node))

    def is_frozen(self, node: str) -> bool:
        """Whether its postmaster is stopped where it is, and so answers nobody."""
        return self._site.is_frozen(self.state.node(node))

    def start(self, node: str) -> None:
        """Start a stopped or killed node and wait until it accepts connections. Raises LabError."""
        with state.transaction(self.directory):
            surgery.start(self._site, node)

    def stop(self, node: str) -> None:
        """Stop a node as an orderly shutdown does (fast mode). Raises LabError."""
        self._end(node, self._site.backend.stop)

    def crash(self, node: str) -> None:
        """Stop a node by SIGQUIT (immediate mode): its sessions end at once, and it starts with crash recovery."""
        self._end(node, self._site.backend.crash)

    def kill(self, node: str) -> None:
        """SIGKILL the postmaster and all its children at once, as a power cut would."""
        self._end(node, self._site.backend.kill)

    def freeze(self, node: str) -> None:
        """Stop all processes of a node where they are: it keeps its connections and answers nobody."""
        self._site.backend.freeze(self._running(node))

    def freeze_postmaster(self, node: str) -> None:
        """SIGSTOP the postmaster alone: sessions go on, new ones hang."""
        self._site.backend.freeze_postmaster(self._running(node))

    def freeze_backend(self, node: str, pid: int) -> None:
        """SIGSTOP one process of a node by the pid that its own views show. Raises LabError."""
        self._site.backend.freeze_backend(self._running(node), pid)

    def thaw(self, node: str) -> None:
        """Let every process of a node continue."""
        self._site.backend.thaw(self._running(node))

    def pids(self, node: str) -> tuple[int, ...]:
        """The pids of a node's processes on this machine, the postmaster first; empty when it does not run."""
        return self._site.backend.pids(self.state.node(node))

    def wires(self, node: str) -> Wires | None:
        """A node's place on the replication network of the Docker Engine; None in a lab of local processes."""
        known = self.state
        if known.docker is None:
            return None
        from pgreplterm.lab.docker.wires import wires_of

        return wires_of(self._site.backend, known.node(node))

    def connection(
        self, node: str, database: str = conninfo.DATABASE
    ) -> AbstractContextManager[psycopg.Connection[Any]]:
        """A short connection as superuser, each statement its own transaction. Raises LabError."""
        return self._site.connect(self.state.reachable(node), database)

    def checkpoint(self, node: str) -> None:
        """CHECKPOINT there and wait for its end."""
        with self._site.connect(self.state.node(node)) as link:
            link.execute("CHECKPOINT")

    def promote(self, node: str) -> float:
        """Promote a standby; seconds from pg_promote() to the end of recovery."""
        with state.transaction(self.directory):
            return surgery.promote(self._site, node)

    def complete_promotion(self, node: str) -> None:
        """Bring to its end a promotion of which nobody knows how far it came."""
        with state.transaction(self.directory):
            surgery.complete_promotion(self._site, node)

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

    def close_unused_links(self, node: str) -> None:
        """Close the links into a node but the one from whom it follows: what a killed program may have left."""
        with state.transaction(self.directory):
            surgery.close_edges(self._site, node, keep=self.state.node(node).upstream)

    def rebuild(self, node: str, source: str) -> float:
        """Replace a stopped node by a base backup of source; seconds it took. It is not started."""
        with state.transaction(self.directory):
            return surgery.rebuild(self._site, node, source)

    def plan(self) -> LabPlan:
        """What builds this lab again as it is now. Raises LabError while that could not be built."""
        return plan_of(self.state, self.directory)

    def add_node(
        self, node: str, upstream: str, delay: str | None = None, settings: Mapping[str, str] | None = None
    ) -> float:
        """Make a new standby of a running node; seconds until it streams. Again after it was killed: completes it."""
        with state.transaction(self.directory):
            return membership.add(self._site, NodePlan(node, upstream, delay, settings or {}))

    def take_base_backup(self, name: str, source: str) -> Backup:
        """A base backup of a running node that stays with the lab, as backups/NAME. Raises LabError."""
        with state.transaction(self.directory):
            return backups.take(self._site, name, source)

    @property
    def base_backups(self) -> tuple[Backup, ...]:
        """Those there are, the oldest first."""
        return backups.every(self._site)

    def archive_all(self) -> int | None:
        """Have all that the running primary wrote be in the archive; its timeline, None when none runs."""
        with state.transaction(self.directory):
            return recovering.archive_all(self._site)

    def recover(
        self, name: str, backup: str, target: Target, *, promote: bool = False, timeline: int | None = None
    ) -> Recovered:
        """Recover a base backup to a target, from the lab's archive, in a fresh node outside the tree.

        It pauses at the target, read-only, unless it is to be promoted. timeline is what archive_all() said when that
        was done already. Raises LabError; nothing runs then.
        """
        with state.transaction(self.directory):
            found = backups.find(self._site, backup)
            return recovering.recover(self._site, name, found, target, promote=promote, timeline=timeline)

    @property
    def recovered(self) -> tuple[NodeRecord, ...]:
        """The nodes that were recovered to a point in time; they are none of ``nodes``, and can be connected to."""
        return self.state.recovered

    def remove_recovered(self, name: str) -> Path:
        """End a recovered node; its folder, renamed aside. Raises LabError."""
        with state.transaction(self.directory):
            return recovering.remove(self._site, name)

    def remove_node(self, node: str) -> Path:
        """Take a node that nobody follows out of the lab; its folder, renamed aside. Raises LabError."""
        with state.transaction(self.directory):
            return membership.remove(self._site, node)

    def reclone_node(self, node: str, source: str | None = None) -> float:
        """Stop a node and make it a new copy of source (its upstream unless said); seconds until it streams."""
        with state.transaction(self.directory):
            return recloning.reclone(self._site, node, source)

    def set_synchronous(self, rule: str, commit: str | None = None) -> str:
        """What commits wait for, on every node from now on: "ANY 1 (pg2, pg3)", "" for nobody; in its long form.

        Returns when the running nodes have it. commit is synchronous_commit ("" for the server's default, None leaves
        it). Raises LabError when the primary runs and the rule could never be kept there.
        """
        with state.transaction(self.directory):
            return synchrony.set_rule(self._site, rule, commit)

    def wait_streaming(self, node: str) -> None:
        """Wait until that standby streams from its upstream. Raises LabError when it does not."""
        upstream = self.state.node(node).upstream
        if upstream is None:
            raise LabError(f"{node} follows nobody")
        build.await_streaming(self._site, upstream, {node})

    def down(self) -> None:
        """Remove the lab: every process, segment and file."""
        demolish.take_down(self.directory)

    def _running(self, node: str) -> NodeRecord:
        found = self.state.node(node)
        require_running(self._site.backend, found)
        return found

    def _end(self, node: str, how: Callable[[NodeRecord], None]) -> None:
        with state.transaction(self.directory):
            found = self.state.node(node)
            how(found)
            update(self._site, replace(found, process=None))
