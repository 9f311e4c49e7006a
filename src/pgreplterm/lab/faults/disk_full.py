"""The fault of a full disk under pg_wal.

Owns: that fault. Must not: fill a file system that anybody else uses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pgreplterm.errors import PgReplTermError
from pgreplterm.lab import mounts, process, server
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults import advance, evidence, mending, readings, restore, settings, standing
from pgreplterm.lab.faults.fault import Aim, Option, Order, Undo, Undoing
from pgreplterm.lab.faults.wal_room import WalRoom

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pgreplterm.cluster.model import ClusterSnapshot
    from pgreplterm.lab.lab import Lab

DOWN_TIMEOUT = 15.0
ROOM_SEGMENTS = 3
"""What the small file system has beside the WAL it begins with, so that the node starts; ballast takes what is left."""

_MORE = 4 << 20
_TRIES = 8
"""Segments written at most until the disk is full; by then the second is one too many."""

_SETTINGS = {
    # Else a checkpoint makes room again, by recycling what nobody needs any more.
    "wal_keep_size": "1TB",
    # Else it tries to recover, for which there is no room either; 18 may then neither start nor end.
    "restart_after_crash": "off",
}

_FULL = b"No space left on device"


class DiskFull:
    """pg_wal moves to a small file system, which is then filled: a primary panics, a standby receives no more."""

    name: ClassVar[str] = "disk-full"
    effect: ClassVar[str] = "no WAL can be written: a primary panics and stays down, a standby receives no more"
    aim: ClassVar[Aim] = Aim.NODE
    undoing: ClassVar[Undoing] = Undoing.RESTART
    options: ClassVar[Mapping[str, Option]] = {}

    def unavailable(self, lab: Lab, target: str) -> str | None:
        """See Fault."""
        if (reason := mounts.refusal() or advance.too_much(lab, _TRIES)) is not None:
            return reason
        if not lab.is_running(target):
            return f"{target} is not running: start it first"
        if _room(lab, target).wal.is_symlink():
            return "its pg_wal lies on a file system of its own already"
        if (reason := settings.taken(lab, target, _SETTINGS)) is not None:
            return reason
        return mending.unfit(lab, target) if standing.is_standby(lab, target) else None

    def prepare(self, lab: Lab, order: Order) -> Undo:
        """See Fault."""
        standby = standing.is_standby(lab, order.target)
        upstream = mending.upstream_of(lab, order.target) if standby else None
        changes = settings.plan(lab, order.target, _SETTINGS)
        return {"upstream": upstream, "ran": mending.running_below(lab, order.target), settings.KEY: changes}

    def inject(self, lab: Lab, order: Order, undo: Undo) -> str:
        """See Fault."""
        room, size = _room(lab, order.target), lab.state.segment_size
        settings.apply(lab, undo)
        lab.stop(order.target)
        room.move_out(room.size_of_wal(size) + ROOM_SEGMENTS * size + _MORE, size)
        lab.start(order.target)
        written = server.log_size(lab.state.node(order.target))
        ballast = room.fill()
        self._write_until_full(lab, order.target, written)
        end = "panicked" if undo["upstream"] is None else "receives no more"
        return f"pg_wal of {order.target} is full ({ballast >> 20} MiB of ballast), and it {end}"

    def _write_until_full(self, lab: Lab, target: str, written: int) -> None:
        primary = standing.primary_of(lab, target)
        for _ in range(_TRIES):
            _write(lab, primary)
            if not lab.is_running(target) or (primary != target and _is_full(lab, target, written)):
                return
        raise LabError(f"{target} goes on after {_TRIES} segments although its disk is full")

    def observed(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str | None:
        """See Fault."""
        if undo["upstream"] is None:
            return evidence.down(snapshot, order.target)
        return readings.left_behind(snapshot, order.target, undo["upstream"])

    def heal(self, lab: Lab, order: Order, undo: Undo) -> str:
        """See Fault."""
        room = _room(lab, order.target)
        moved = False
        if not room.is_as_ever:
            mending.end(lab, order.target)
            moved = room.move_back()
        settings.restore(lab, undo)
        done = [f"pg_wal of {order.target} is {'back ' if moved else ''}on its own disk"]
        if undo["upstream"] is not None:
            return "; ".join([*done, mending.bring_back(lab, order.target, undo["ran"])])
        restore.revive(lab, order.target)
        followers = [each for each in standing.downstreams(lab, order.target) if each in undo["ran"]]
        return "; ".join([*done, *(mending.bring_back(lab, each, undo["ran"]) for each in followers)])


def _room(lab: Lab, node: str) -> WalRoom:
    return WalRoom(server.folder(lab.state.node(node)))


def _write(lab: Lab, primary: str) -> None:
    """One segment; a primary that cannot write it panics and ends."""
    try:
        advance.segments(lab, primary, 1)
    except PgReplTermError:
        process.wait_until(lambda: not lab.is_running(primary), DOWN_TIMEOUT)


def _is_full(lab: Lab, node: str, written: int) -> bool:
    """Whether its log, from there on, says so."""
    with server.log_file(lab.state.node(node)).open("rb") as log:
        log.seek(written)
        return _FULL in log.read()
