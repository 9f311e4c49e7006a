"""Faults of replication slots: dropped under its standby, and overrun by more WAL than it may hold back.

Owns: both faults. Must not: leave a slot lost that another standby needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pgreplterm.cluster.words import printable, size_in_words
from pgreplterm.lab import process, sql
from pgreplterm.lab.config import MIB
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults import advance, evidence, mending, readings, settings, standing
from pgreplterm.lab.faults.fault import Aim, Fault, Option, Order, Undo, Undoing

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg

    from pgreplterm.cluster.model import ClusterSnapshot, Slot
    from pgreplterm.lab.lab import Lab

DROP_TIMEOUT = 10.0
LOST_TIMEOUT = 30.0
MOST_SEGMENTS = 16
_SPARE = 3
"""Segments written beyond the limit: the slot's own may have just begun, and the last one is in use."""


class SlotDropped:
    """The slot of a standby goes while it streams; its walreceiver is refused from then on."""

    name: ClassVar[str] = "slot-dropped"
    effect: ClassVar[str] = "the standby is refused by its upstream (replication slot does not exist) and falls behind"
    aim: ClassVar[Aim] = Aim.NODE
    undoing: ClassVar[Undoing] = Undoing.RESTORE
    options: ClassVar[Mapping[str, Option]] = {}

    def unavailable(self, lab: Lab, target: str) -> str | None:
        """See Fault."""
        return mending.unfit(lab, target)

    def prepare(self, lab: Lab, order: Order) -> Undo:
        """See Fault."""
        return {"upstream": mending.upstream_of(lab, order.target), "ran": mending.running_below(lab, order.target)}

    def inject(self, lab: Lab, order: Order, undo: Undo) -> str:
        """See Fault."""
        upstream = undo["upstream"]
        with lab.connection(upstream) as link:
            if not process.wait_until(lambda: _dropped(link, order.target), DROP_TIMEOUT):
                raise LabError(f"slot {order.target} on {upstream} is used again as soon as its walsender is ended")
        return f"the walsender of {order.target} on {upstream} was ended and its slot dropped"

    def observed(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str | None:
        """See Fault."""
        unfed = evidence.cut_off(snapshot, order.target)
        above = readings.answering(snapshot, undo["upstream"])
        if unfed is None or above is None or _slot(snapshot, undo["upstream"], order.target) is not None:
            return None
        return f"{unfed}, and {undo['upstream']} has no slot {order.target}"

    def heal(self, lab: Lab, order: Order, undo: Undo) -> str:
        """See Fault."""
        return f"slot {order.target} is there: {mending.bring_back(lab, order.target, undo['ran'])}"


class SlotOverflow:
    """A stopped standby's slot is overrun: max_slot_wal_keep_size is small, and more WAL than that is written."""

    name: ClassVar[str] = "slot-overflow"
    effect: ClassVar[str] = "the slot of a standby that is down is lost: the WAL it needs is removed"
    aim: ClassVar[Aim] = Aim.NODE
    undoing: ClassVar[Undoing] = Undoing.RECLONE
    options: ClassVar[Mapping[str, Option]] = {
        "limit": Option("WAL that the slot may hold back, 1 to 16", "segments", 2),
    }

    def unavailable(self, lab: Lab, target: str) -> str | None:
        """See Fault."""
        reason = mending.unfit(lab, target) or advance.too_much(lab, int(self.options["limit"].default) + _SPARE)
        if reason is not None:
            return reason
        upstream = mending.upstream_of(lab, target)
        return settings.taken(lab, upstream, ("max_slot_wal_keep_size", "wal_keep_size")) or standing.refusal(
            lab,
            upstream,
            "SELECT 'slot ' || slot_name || ' there is used by nobody and would be lost as well'"
            " FROM pg_replication_slots WHERE NOT active LIMIT 1",
        )

    def prepare(self, lab: Lab, order: Order) -> Undo:
        """See Fault."""
        limit = order.options["limit"]
        if not 1 <= limit <= MOST_SEGMENTS or limit != int(limit):
            raise LabError(f"limit of slot-overflow is 1 to {MOST_SEGMENTS} whole segments: found {limit:g}")
        if (reason := advance.too_much(lab, int(limit) + _SPARE)) is not None:
            raise LabError(reason)
        upstream = mending.upstream_of(lab, order.target)
        kept = f"{max(1, int(limit) * lab.state.segment_size // MIB)}MB"
        values = {"max_slot_wal_keep_size": kept, "wal_keep_size": "0"}
        changes = settings.plan(lab, upstream, values)
        return {"upstream": upstream, "ran": mending.running_below(lab, order.target), settings.KEY: changes}

    def inject(self, lab: Lab, order: Order, undo: Undo) -> str:
        """See Fault."""
        upstream, primary = undo["upstream"], standing.primary_of(lab, order.target)
        settings.apply(lab, undo)
        lab.stop(order.target)
        advance.segments(lab, primary, int(order.options["limit"]) + _SPARE)
        advance.await_others(lab, upstream, order.target, advance.flushed(lab, primary))

        def lost() -> bool:
            advance.checkpoint(lab, primary, upstream)
            return _status(lab, upstream, order.target) == "lost"

        if not process.wait_until(lost, LOST_TIMEOUT):
            raise LabError(f"slot {order.target} on {upstream} is not lost after {LOST_TIMEOUT:.0f} s of checkpoints")
        return f"{order.target} is down, and {upstream} has removed the WAL that its slot held back"

    def observed(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str | None:
        """See Fault."""
        slot = _slot(snapshot, undo["upstream"], order.target)
        if slot is None or slot.wal_status != "lost":
            return None
        why = f" ({printable(slot.invalidation_reason)})" if slot.invalidation_reason else ""
        kept = "" if slot.retained is None else f", {size_in_words(slot.retained)} back"
        return f"slot {order.target} on {undo['upstream']} is lost{why}{kept}"

    def heal(self, lab: Lab, order: Order, undo: Undo) -> str:
        """See Fault."""
        settings.restore(lab, undo)
        return f"the settings of {undo['upstream']} are as before; {mending.bring_back(lab, order.target, undo['ran'])}"


FAULTS: tuple[Fault, ...] = (SlotDropped(), SlotOverflow())


def _dropped(link: psycopg.Connection[Any], name: str) -> bool:
    """End whoever uses the slot and drop it; False when somebody was quicker to use it again."""
    import psycopg

    link.execute(
        "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots"
        " WHERE slot_name = %s AND active_pid IS NOT NULL",
        (name,),
    )
    try:
        sql.drop_slot(link, name)
    except psycopg.errors.ObjectInUse:
        return False
    return not sql.value(link, "SELECT count(*) FROM pg_replication_slots WHERE slot_name = %s", name)


def _status(lab: Lab, upstream: str, name: str) -> str | None:
    with lab.connection(upstream) as link:
        found = sql.value(link, "SELECT wal_status FROM pg_replication_slots WHERE slot_name = %s", name)
    return None if found is None else str(found)


def _slot(snapshot: ClusterSnapshot, upstream: str, name: str) -> Slot | None:
    """That slot as the upstream itself says now; None when it has none or does not answer."""
    sample = readings.answering(snapshot, upstream)
    return None if sample is None else next((slot for slot in sample.slots if slot.name == name), None)
