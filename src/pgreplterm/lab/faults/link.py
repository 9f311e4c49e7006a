"""Faults of a replication link, made by the relay that stands on it.

Owns: those seven, each of which has a part of the link's condition to itself, so that several can be on one link.
Must not: carry bytes.
"""

# ruff: noqa: ARG002 - the methods take what the protocol says

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pgreplterm.cluster.words import size_in_words
from pgreplterm.errors import PgReplTermError
from pgreplterm.lab.faults import evidence, wires
from pgreplterm.lab.faults.fault import Aim, Fault, Option, Order, Undo, Undoing
from pgreplterm.lab.link_condition import Flow, LinkCondition, Stall

if TYPE_CHECKING:
    from pgreplterm.cluster.model import ClusterSnapshot, Sender
    from pgreplterm.lab.lab import Lab

UNREAD = 1.5
"""Seconds after which WAL that was sent and not acknowledged means that it does not arrive."""


class _Condition:
    """What all but reset share: impose a part of the condition, and lift that part."""

    aim: ClassVar[Aim] = Aim.LINK
    undoing: ClassVar[Undoing] = Undoing.RESTORE
    options: ClassVar[Mapping[str, Option]] = {}

    def imposed(self, on: LinkCondition, order: Order) -> LinkCondition:
        raise NotImplementedError

    def lifted(self, off: LinkCondition) -> LinkCondition:
        raise NotImplementedError

    def unavailable(self, lab: Lab, target: str) -> str | None:
        found = wires.condition(lab, target)
        return None if self.lifted(found) == found else f"{target} is already {found.describe()}"

    def prepare(self, lab: Lab, order: Order) -> Undo:
        """Nothing to keep; raises LabError for figures that make no condition."""
        self.imposed(wires.condition(lab, order.target), order)
        return {}

    def inject(self, lab: Lab, order: Order, undo: Undo) -> str:
        wires.change(lab, order.target, lambda found: self.imposed(found, order))
        return f"the link {order.target} is now: {wires.condition(lab, order.target).describe()}"

    def heal(self, lab: Lab, order: Order, undo: Undo) -> str:
        if order.target not in (edge.name for edge in lab.edges):
            return f"the link {order.target} is no more"
        wires.change(lab, order.target, self.lifted)
        return f"the link {order.target} is now: {wires.condition(lab, order.target).describe()}"


class Cut(_Condition):
    """A black hole in both directions."""

    name: ClassVar[str] = "cut"
    effect: ClassVar[str] = "both ends send and hear nothing; each ends the link by its own timeout"

    def imposed(self, on: LinkCondition, order: Order) -> LinkCondition:
        return replace(on, wal=replace(on.wal, cut=True), replies=replace(on.replies, cut=True))

    def lifted(self, off: LinkCondition) -> LinkCondition:
        return _uncut(off)

    def observed(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str | None:
        return evidence.quiet(snapshot, _downstream(order))


class CutOneWay(_Condition):
    """A black hole in one direction."""

    name: ClassVar[str] = "cut-one-way"
    effect: ClassVar[str] = "WAL no longer reaches the standby while its replies arrive, or the other way round"
    options: ClassVar[Mapping[str, Option]] = {
        "direction": Option("what is cut: 0 the WAL to the standby, 1 its replies", "0 or 1", 0.0)
    }

    def imposed(self, on: LinkCondition, order: Order) -> LinkCondition:
        if order.options["direction"]:
            return replace(on, replies=replace(on.replies, cut=True))
        return replace(on, wal=replace(on.wal, cut=True))

    def lifted(self, off: LinkCondition) -> LinkCondition:
        return _uncut(off)

    def observed(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str | None:
        """Both ends have something to say: one still hears what the other no longer does."""
        downstream = _downstream(order)
        link = snapshot.link_to(downstream)
        if order.options["direction"]:
            quiet = evidence.quiet(snapshot, downstream)
            return None if quiet is None else f"{quiet}, and WAL arrives there"
        if link is None or link.unacknowledged is None or link.unacknowledged < UNREAD:
            return evidence.cut_off(snapshot, downstream)
        return f"{downstream} acknowledges no WAL sent in the last {link.unacknowledged:.1f} s, and its replies arrive"


class Refuse(_Condition):
    """A closed port."""

    name: ClassVar[str] = "refuse"
    effect: ClassVar[str] = "the link is reset, and every new connection refused: the standby logs each attempt"

    def imposed(self, on: LinkCondition, order: Order) -> LinkCondition:
        return replace(on, refuse=True)

    def lifted(self, off: LinkCondition) -> LinkCondition:
        return replace(off, refuse=False)

    def observed(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str | None:
        return evidence.cut_off(snapshot, _downstream(order))


class Latency(_Condition):
    """Everything later, in order."""

    name: ClassVar[str] = "latency"
    effect: ClassVar[str] = "write, flush and replay lag grow by a round trip; commits that wait for the standby do too"
    options: ClassVar[Mapping[str, Option]] = {
        "latency": Option("how much later everything arrives, each way", "s", 0.3),
        "jitter": Option("by how much that varies", "s", 0.05),
    }

    def imposed(self, on: LinkCondition, order: Order) -> LinkCondition:
        late, jitter = order.options["latency"], order.options["jitter"]
        return replace(on, wal=_delayed(on.wal, late, jitter), replies=_delayed(on.replies, late, jitter))

    def lifted(self, off: LinkCondition) -> LinkCondition:
        return replace(off, wal=_delayed(off.wal, 0.0, 0.0), replies=_delayed(off.replies, 0.0, 0.0))

    def observed(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str | None:
        """Written WAL shows it; an idle link has no lag to measure."""
        sender = _sender(snapshot, order)
        round_trip = 2 * (order.options["latency"] - order.options["jitter"])
        if sender is None or sender.write_lag is None or sender.write_lag < round_trip:
            return None
        return f"{sender.application_name} acknowledges WAL {sender.write_lag:.2f} s after it was flushed (write_lag)"


class Bandwidth(_Condition):
    """A narrow link for the WAL."""

    name: ClassVar[str] = "bandwidth"
    effect: ClassVar[str] = "WAL arrives at no more than that rate: the standby falls behind while more is written"
    options: ClassVar[Mapping[str, Option]] = {"rate": Option("how much WAL arrives", "bytes/s", 16_384)}

    def imposed(self, on: LinkCondition, order: Order) -> LinkCondition:
        return replace(on, wal=replace(on.wal, bandwidth=round(order.options["rate"])))

    def lifted(self, off: LinkCondition) -> LinkCondition:
        return replace(off, wal=replace(off.wal, bandwidth=None))

    def observed(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str | None:
        """Two seconds' worth of that rate have gathered."""
        link = snapshot.link_to(_downstream(order))
        if link is None or link.gaps.flush is None or link.gaps.flush < 2 * order.options["rate"]:
            return None
        return f"{link.downstream} has {size_in_words(link.gaps.flush)} of WAL less than {link.upstream}"


class StallBursts(_Condition):
    """Pauses, as of a link that loses packets."""

    name: ClassVar[str] = "stall"
    effect: ClassVar[str] = "now and then nothing moves for a while, as when TCP waits to send a lost packet again"
    options: ClassVar[Mapping[str, Option]] = {
        "every": Option("from one pause to the next", "s", 4.0),
        "hold": Option("how long a pause is", "s", 2.0),
    }

    def imposed(self, on: LinkCondition, order: Order) -> LinkCondition:
        stall = Stall(order.options["every"], order.options["hold"])
        return replace(on, wal=replace(on.wal, stall=stall), replies=replace(on.replies, stall=stall))

    def lifted(self, off: LinkCondition) -> LinkCondition:
        return replace(off, wal=replace(off.wal, stall=None), replies=replace(off.replies, stall=None))

    def observed(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str | None:
        """Written WAL shows it: half a pause without an acknowledgement."""
        link = snapshot.link_to(_downstream(order))
        if link is None or link.unacknowledged is None or link.unacknowledged < order.options["hold"] / 2:
            return None
        return f"{link.downstream} acknowledges no WAL sent in the last {link.unacknowledged:.1f} s"


class Reset:
    """Every connection of the link ended by RST, once."""

    name: ClassVar[str] = "reset"
    effect: ClassVar[str] = "walsender and walreceiver end at once; the standby connects again by itself"
    aim: ClassVar[Aim] = Aim.LINK
    undoing: ClassVar[Undoing] = Undoing.RESTORE
    options: ClassVar[Mapping[str, Option]] = {}

    def unavailable(self, lab: Lab, target: str) -> str | None:
        if wires.condition(lab, target).refuse:
            return f"{target} is refused: there is no connection to reset"
        return None if _receiver(lab, target) else f"no walreceiver streams through {target} now"

    def prepare(self, lab: Lab, order: Order) -> Undo:
        return {"walreceiver": _receiver(lab, order.target)}

    def inject(self, lab: Lab, order: Order, undo: Undo) -> str:
        wires.reset(lab, order.target)
        return f"the connections of {order.target} were reset"

    def observed(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str | None:
        link = snapshot.link_to(_downstream(order))
        if link is None or link.receiver is None or link.receiver.pid == undo["walreceiver"]:
            return evidence.cut_off(snapshot, _downstream(order))
        before, now = undo["walreceiver"], link.receiver.pid
        return f"the walreceiver of {link.downstream} is another: pid {now}, before {before}"

    def heal(self, lab: Lab, order: Order, undo: Undo) -> str:
        return f"the ends of {order.target} connect again by themselves"


def _uncut(found: LinkCondition) -> LinkCondition:
    return replace(found, wal=_flowing(found.wal), replies=_flowing(found.replies))


def _flowing(flow: Flow) -> Flow:
    return replace(flow, cut=False)


def _delayed(flow: Flow, latency: float, jitter: float) -> Flow:
    return replace(flow, latency=latency, jitter=jitter)


def _downstream(order: Order) -> str:
    return order.target.partition("<-")[0]


def _sender(snapshot: ClusterSnapshot, order: Order) -> Sender | None:
    link = snapshot.link_to(_downstream(order))
    return link.sender if link is not None else None


def _receiver(lab: Lab, target: str) -> int | None:
    """The pid of the walreceiver at the lower end; None when there is none or it cannot be asked."""
    try:
        with lab.connection(target.partition("<-")[0]) as link:
            row = link.execute("SELECT pid FROM pg_stat_wal_receiver WHERE status = 'streaming'").fetchone()
    except PgReplTermError:
        return None
    return None if row is None else int(row[0])


FAULTS: tuple[Fault, ...] = (Cut(), CutOneWay(), Refuse(), Reset(), Latency(), Bandwidth(), StallBursts())
