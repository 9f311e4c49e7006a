"""The fault of a disk that is slow for one node.

Owns: that fault. Must not: slow a process that is not the node's.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pgreplterm.lab import throttle
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults import readings
from pgreplterm.lab.faults.fault import Aim, Option, Order, Undo, Undoing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pgreplterm.cluster.model import ClusterSnapshot
    from pgreplterm.lab.lab import Lab

SLOW = 0.1
"""Seconds that WAL takes to disk from which on the disk counts as slow; a sound one takes a tenth of that."""

LEAST = 8192
"""Bytes a second, one page of WAL: with less, a node cannot even stop."""


class SlowDisk:
    """What the node writes to its disk and waits for is limited to a rate, so every commit takes long."""

    name: ClassVar[str] = "slow-disk"
    effect: ClassVar[str] = "commits wait for the disk, a standby flushes late: to be seen while something writes"
    aim: ClassVar[Aim] = Aim.NODE
    undoing: ClassVar[Undoing] = Undoing.RESTORE
    options: ClassVar[Mapping[str, Option]] = {
        "rate": Option("what the node may write to its disk and wait for", "bytes/s", 65536),
    }

    def unavailable(self, lab: Lab, target: str) -> str | None:
        """See Fault."""
        if not lab.is_running(target):
            return f"{target} is not running: start it first"
        return throttle.refusal(_data(lab, target))

    def prepare(self, lab: Lab, order: Order) -> Undo:
        """See Fault."""
        if order.options["rate"] < LEAST:
            raise LabError(f"rate of slow-disk is {LEAST} bytes/s or more: found {order.options['rate']:g}")
        pids = lab.pids(order.target)
        if not pids:
            raise LabError(f"{order.target} is not running: start it first")
        return {"group": throttle.group_of(pids[0]), "disk": throttle.disk_of(_data(lab, order.target))}

    def inject(self, lab: Lab, order: Order, undo: Undo) -> str:
        """See Fault."""
        rate = int(order.options["rate"])
        throttle.limit(lab.directory, order.target, undo["disk"], rate, lambda: lab.pids(order.target))
        return f"{order.target} writes no more than {rate} bytes a second to disk {undo['disk']}"

    def observed(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str | None:  # noqa: ARG002
        """See Fault."""
        return _commits_wait(snapshot, order.target) or _flushes_late(snapshot, order.target)

    def heal(self, lab: Lab, order: Order, undo: Undo) -> str:
        """See Fault."""
        lifted = throttle.lift(lab.directory, order.target, undo["group"])
        return f"{order.target} writes as fast as its disk" + ("" if lifted else ", as it did")


def _data(lab: Lab, node: str) -> Path:
    return Path(lab.state.node(node).data_directory)


def _commits_wait(snapshot: ClusterSnapshot, name: str) -> str | None:
    sample = readings.answering(snapshot, name)
    sessions = None if sample is None else sample.activity.sessions
    if sessions is None or sessions.wal_wait is None or sessions.wal_wait < SLOW:
        return None
    who = "1 session waits" if sessions.wal_waiting == 1 else f"{sessions.wal_waiting} sessions wait"
    return f"{who} for WAL to reach the disk of {name}, for {sessions.wal_wait * 1000:.0f} ms"


def _flushes_late(snapshot: ClusterSnapshot, name: str) -> str | None:
    link = snapshot.link_to(name)
    sender = None if link is None else link.sender
    if link is None or sender is None or sender.flush_lag is None or sender.write_lag is None:
        return None
    late = sender.flush_lag - sender.write_lag
    if late < SLOW:
        return None
    return f"{name} has WAL of {link.upstream} on disk {late * 1000:.0f} ms after it was written there"
