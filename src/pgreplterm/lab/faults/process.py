"""Faults of a node's processes: ended in three ways, frozen in three.

Owns: those six. Must not: signal a process itself; ``Lab`` does, on both backends.
"""

# ruff: noqa: ARG002 - the methods take what the protocol says

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pgreplterm.errors import PgReplTermError
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults import evidence
from pgreplterm.lab.faults.fault import Aim, Fault, Option, Order, Undo, Undoing
from pgreplterm.lab.faults.restore import revive
from pgreplterm.lab.site import Site

if TYPE_CHECKING:
    from pgreplterm.cluster.model import ClusterSnapshot
    from pgreplterm.lab.lab import Lab

_RECEIVER = "SELECT pid FROM pg_stat_wal_receiver"


class _Ended:
    """What kill, crash and stop share: the node is down, and is started again."""

    aim: ClassVar[Aim] = Aim.NODE
    undoing: ClassVar[Undoing] = Undoing.RESTART
    options: ClassVar[Mapping[str, Option]] = {}

    def unavailable(self, lab: Lab, target: str) -> str | None:
        return _not_acting(lab, target)

    def prepare(self, lab: Lab, order: Order) -> Undo:
        return {"postmaster": _postmaster(lab, order.target)}

    def observed(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str | None:
        return evidence.down(snapshot, order.target)

    def heal(self, lab: Lab, order: Order, undo: Undo) -> str:
        """The postmaster that was to end is ended for certain: it may only have been told so."""
        node = order.target
        if lab.is_running(node) and _postmaster(lab, node) == undo["postmaster"]:
            lab.thaw(node)
            lab.stop(node)
        return f"{node} is started" if revive(lab, node) else f"{node} runs already"


class Kill(_Ended):
    """SIGKILL to the postmaster and all its children."""

    name: ClassVar[str] = "kill"
    effect: ClassVar[str] = "the node is down at once, as after a power cut; what its system has written is kept"

    def unavailable(self, lab: Lab, target: str) -> str | None:
        """A frozen node can be killed."""
        return None if lab.is_running(target) else f"{target} does not run"

    def inject(self, lab: Lab, order: Order, undo: Undo) -> str:
        lab.kill(order.target)
        return f"all processes of {order.target} were killed (SIGKILL)"


class Crash(_Ended):
    """SIGQUIT to the postmaster."""

    name: ClassVar[str] = "crash"
    effect: ClassVar[str] = "the node is down without a shutdown checkpoint and starts with crash recovery"

    def inject(self, lab: Lab, order: Order, undo: Undo) -> str:
        lab.crash(order.target)
        return f"{order.target} was shut down in immediate mode (SIGQUIT)"


class Stop(_Ended):
    """SIGINT to the postmaster."""

    name: ClassVar[str] = "stop"
    effect: ClassVar[str] = "the node is down in good order; a primary first sends its WAL to standbys that answer"

    def inject(self, lab: Lab, order: Order, undo: Undo) -> str:
        lab.stop(order.target)
        return f"{order.target} was shut down in fast mode (SIGINT)"


class _Frozen:
    """What the three freezing faults share: nothing is lost, and SIGCONT undoes it."""

    aim: ClassVar[Aim] = Aim.NODE
    undoing: ClassVar[Undoing] = Undoing.RESTORE
    options: ClassVar[Mapping[str, Option]] = {}

    def unavailable(self, lab: Lab, target: str) -> str | None:
        return _not_acting(lab, target)

    def prepare(self, lab: Lab, order: Order) -> Undo:
        return {}

    def heal(self, lab: Lab, order: Order, undo: Undo) -> str:
        if not lab.is_running(order.target):
            return f"{order.target} does not run: there is nothing to thaw"
        lab.thaw(order.target)
        return f"{order.target} continues"


class Freeze(_Frozen):
    """SIGSTOP to all processes of a node."""

    name: ClassVar[str] = "freeze"
    effect: ClassVar[str] = "the node answers nobody and drops nobody; its neighbours notice by their timeouts"

    def inject(self, lab: Lab, order: Order, undo: Undo) -> str:
        lab.freeze(order.target)
        return f"all processes of {order.target} are stopped where they are (SIGSTOP)"

    def observed(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str | None:
        return evidence.silent(snapshot, order.target)


class FreezePostmaster(_Frozen):
    """SIGSTOP to the postmaster alone."""

    name: ClassVar[str] = "freeze-postmaster"
    effect: ClassVar[str] = "sessions and replication go on; new connections are accepted by the system and hang"

    def prepare(self, lab: Lab, order: Order) -> Undo:
        """Healing needs nothing; who follows the node tells this fault from a node that is frozen whole."""
        return {"followers": [node.name for node in lab.nodes if node.upstream == order.target]}

    def inject(self, lab: Lab, order: Order, undo: Undo) -> str:
        lab.freeze_postmaster(order.target)
        return f"the postmaster of {order.target} is stopped (SIGSTOP), its children are not"

    def observed(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str | None:
        """Seen by a session that was not open yet; one that was goes on, which is the point of this fault."""
        silence = evidence.silent(snapshot, order.target)
        alive = evidence.alive_to_its_neighbours(snapshot, order.target, undo["followers"])
        return None if silence is None or alive is None else f"{silence}, and yet {alive}"


class FreezeWalreceiver(_Frozen):
    """SIGSTOP to the walreceiver alone."""

    name: ClassVar[str] = "freeze-walreceiver"
    effect: ClassVar[str] = "the standby answers queries and receives nothing; its upstream ends the link by timeout"

    def unavailable(self, lab: Lab, target: str) -> str | None:
        return _not_acting(lab, target) or (None if _receiver(lab, target) else f"{target} has no walreceiver now")

    def prepare(self, lab: Lab, order: Order) -> Undo:
        pid = _receiver(lab, order.target)
        if pid is None:
            raise LabError(f"{order.target} has no walreceiver now: it has to stream first")
        return {"pid": pid}

    def inject(self, lab: Lab, order: Order, undo: Undo) -> str:
        lab.freeze_backend(order.target, undo["pid"])
        return f"the walreceiver of {order.target} (pid {undo['pid']}) is stopped (SIGSTOP)"

    def observed(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str | None:
        link = snapshot.link_to(order.target)
        if link is None or link.receiver is None or link.receiver.pid != undo["pid"]:
            return None
        quiet = evidence.quiet(snapshot, order.target)
        return None if quiet is None else f"{quiet}; its walreceiver (pid {undo['pid']}) is still there"


FAULTS: tuple[Fault, ...] = (Kill(), Crash(), Stop(), Freeze(), FreezeWalreceiver(), FreezePostmaster())


def _not_acting(lab: Lab, name: str) -> str | None:
    """Why nothing more can be done to a node: it is down or frozen already."""
    site = Site.of(lab.directory)
    node = lab.state.node(name)
    if not site.is_running(node):
        return f"{name} does not run"
    return f"{name} is frozen already" if site.is_frozen(node) else None


def _receiver(lab: Lab, name: str) -> int | None:
    """The pid of its walreceiver, as its own views have it; None when it has none or cannot be asked."""
    try:
        with lab.connection(name) as link:
            row = link.execute(_RECEIVER).fetchone()
    except PgReplTermError:
        return None
    return None if row is None else int(row[0])


def _postmaster(lab: Lab, name: str) -> str | None:
    """What tells one run of a server from the next: its pid and the second it was started in."""
    try:
        path = Path(lab.state.node(name).data_directory) / "postmaster.pid"
        lines = path.read_text(encoding="utf-8").splitlines()
        return f"{lines[0]} {lines[2]}"
    except (OSError, IndexError, ValueError):
        return None
