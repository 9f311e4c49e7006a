"""The fault of a WAL segment that is gone while a standby still needs it.

Owns: that fault. Must not: delete the segment.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pgreplterm.lab import server, sql
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults import advance, mending, readings, standing
from pgreplterm.lab.faults import wal_segments as segments
from pgreplterm.lab.faults.fault import Aim, Option, Order, Undo, Undoing
from pgreplterm.wal.lsn import LSN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pgreplterm.cluster.model import ClusterSnapshot
    from pgreplterm.lab.lab import Lab


class WalRemoved:
    """The segment a standby needs next is moved aside on its upstream while the standby is down."""

    name: ClassVar[str] = "wal-removed"
    effect: ClassVar[str] = "the standby asks for a WAL segment that its upstream has no more, and gets nothing"
    aim: ClassVar[Aim] = Aim.NODE
    undoing: ClassVar[Undoing] = Undoing.RESTORE
    options: ClassVar[Mapping[str, Option]] = {}

    def unavailable(self, lab: Lab, target: str) -> str | None:
        """See Fault."""
        return segments.unfit(lab, target) or segments.too_much(lab, target, 0)

    def prepare(self, lab: Lab, order: Order) -> Undo:
        """See Fault."""
        upstream = mending.upstream_of(lab, order.target)
        aside = server.folder(lab.state.node(upstream)) / f"aside-{order.target}"
        return {"upstream": upstream, "aside": str(aside), "ran": mending.running_below(lab, order.target)}

    def inject(self, lab: Lab, order: Order, undo: Undo) -> str:
        """See Fault."""
        upstream, aside = undo["upstream"], Path(undo["aside"])
        primary = standing.primary_of(lab, order.target)
        lab.stop(order.target)
        needed = _needed_from(lab, upstream, order.target)
        advance.segments(lab, primary, segments.flush_count(lab, primary))
        segment = segments.settled(lab, primary, upstream, order.target, needed)
        aside.mkdir(exist_ok=True)
        segment.rename(aside / segment.name)
        lab.start(order.target)
        return f"{segment.name}, which {order.target} needs next, was moved out of pg_wal of {upstream}"

    def observed(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str | None:
        """See Fault."""
        return readings.left_behind(snapshot, order.target, undo["upstream"])

    def heal(self, lab: Lab, order: Order, undo: Undo) -> str:
        """See Fault."""
        _put_back(segments.wal_folder(lab, undo["upstream"]), Path(undo["aside"]))
        return f"pg_wal of {undo['upstream']} is whole again; {mending.bring_back(lab, order.target, undo['ran'])}"


def _needed_from(lab: Lab, upstream: str, target: str) -> LSN:
    """Where the stopped standby will ask for WAL."""
    with lab.connection(upstream) as link:
        found = sql.value(link, "SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = %s", target)
    if found is None:
        raise LabError(f"{upstream} has no slot {target} that says what {target} needs")
    return LSN.parse(found)


def _put_back(wal: Path, aside: Path) -> None:
    if not aside.is_dir():
        return
    for segment in aside.iterdir():
        if not (wal / segment.name).exists():
            segment.rename(wal / segment.name)
    try:
        aside.rmdir()
    except OSError:
        raise LabError(f"{aside} has segments that {wal} has already: compare them, then remove the folder") from None
