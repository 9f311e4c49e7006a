"""Faults of a node's place on the Docker Engine's replication network, below TCP: here the peers' kernels notice.

Owns: those three. Must not: speak to the engine itself; ``Lab.wires`` does.
"""

# ruff: noqa: ARG002 - the methods take what the protocol says

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pgreplterm.lab.docker.packets import Towards
from pgreplterm.lab.docker.wires import Wires
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults import evidence
from pgreplterm.lab.faults.fault import Aim, Fault, Option, Order, Undo, Undoing
from pgreplterm.lab.faults.record import readable

if TYPE_CHECKING:
    from pgreplterm.cluster.model import ClusterSnapshot
    from pgreplterm.lab.lab import Lab

NOT_DOCKER = "only a container has a network of its own: the lab runs as local processes, where 'cut' does the like"


class _Network:
    """What they share: the node runs in a container, and nothing is lost."""

    aim: ClassVar[Aim] = Aim.NODE
    undoing: ClassVar[Undoing] = Undoing.RESTORE
    options: ClassVar[Mapping[str, Option]] = {}

    def unavailable(self, lab: Lab, target: str) -> str | None:
        wires = lab.wires(target)
        if wires is None:
            return NOT_DOCKER
        if not lab.is_running(target):
            return f"{target} does not run"
        for record in readable(lab.directory)[0]:
            if record.order.target == target and record.fault in _RULES:
                return f"{target} has the fault {record.fault} (number {record.number}): heal it first"
        return self.disturbed(wires)

    def disturbed(self, wires: Wires) -> str | None:
        """Why this cannot be done to a node that runs."""
        return None if wires.has_joined() else f"{wires.node.name} is off the replication network already"

    def prepare(self, lab: Lab, order: Order) -> Undo:
        return {}

    def observed(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str | None:
        """At the node's own link, or, when it is a primary, at one of those that follow it."""
        below = [node.name for node in snapshot.nodes if node.upstream == order.target]
        for downstream in (order.target, *below):
            if found := evidence.quiet(snapshot, downstream) or evidence.cut_off(snapshot, downstream):
                return found
        return None


class NetworkDisconnect(_Network):
    """``docker network disconnect``."""

    name: ClassVar[str] = "network-disconnect"
    effect: ClassVar[str] = "clients still reach the node, its peers do not, and hear neither FIN nor RST"

    def inject(self, lab: Lab, order: Order, undo: Undo) -> str:
        _wires(lab, order).leave()
        return f"{order.target} was disconnected from the replication network"

    def heal(self, lab: Lab, order: Order, undo: Undo) -> str:
        wires = _wires(lab, order)
        wires.join()
        return f"{order.target} is on the replication network, at {wires.node.address} as before"


class PacketsDropped(_Network):
    """iptables in the node's network."""

    name: ClassVar[str] = "packets-dropped"
    effect: ClassVar[str] = "packets vanish in one direction, the acknowledgements of TCP included"
    options: ClassVar[Mapping[str, Option]] = {
        "direction": Option("what is dropped: 0 what comes to the node, 1 what it sends", "0 or 1", 0.0)
    }

    def inject(self, lab: Lab, order: Order, undo: Undo) -> str:
        towards = Towards.PEERS if order.options["direction"] else Towards.NODE
        _wires(lab, order).drop(towards)
        return f"iptables drops every packet of the replication network {_WORDS[towards]} {order.target}"

    def heal(self, lab: Lab, order: Order, undo: Undo) -> str:
        _wires(lab, order).pass_all()
        return f"no packet of {order.target} is dropped"


class PacketLoss(_Network):
    """netem, where the kernel has it."""

    name: ClassVar[str] = "packet-loss"
    effect: ClassVar[str] = "a share of the packets the node sends is lost and sent again: stalls, and a lower rate"
    options: ClassVar[Mapping[str, Option]] = {"percent": Option("how many packets are lost", "%", 30.0)}

    def disturbed(self, wires: Wires) -> str | None:
        """See _Network."""
        return None if wires.has_netem() else "this kernel has no netem (CONFIG_NET_SCH_NETEM); 'stall' does the like"

    def inject(self, lab: Lab, order: Order, undo: Undo) -> str:
        _wires(lab, order).lose(order.options["percent"])
        return f"netem loses {order.options['percent']:g} % of what {order.target} sends to its peers"

    def observed(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str | None:
        """Written WAL shows it: acknowledgements that come late."""
        for sender in (sender for node in snapshot.nodes if node.sample for sender in node.sample.senders):
            if sender.write_lag is not None and sender.write_lag > LATE:
                return f"{sender.application_name} acknowledges WAL {sender.write_lag:.2f} s after it was flushed"
        return super().observed(snapshot, order, undo)

    def heal(self, lab: Lab, order: Order, undo: Undo) -> str:
        if lab.is_running(order.target):
            _wires(lab, order).lose_none()
        return f"no packet of {order.target} is lost on purpose"


LATE = 0.2
"""Seconds; the least a sender waits before it sends a lost packet again (tcp(7), TCP_RTO_MIN)."""

_WORDS = {Towards.NODE: "to", Towards.PEERS: "from"}
_RULES = {NetworkDisconnect.name, PacketsDropped.name}
"""They have the same rules, so that healing one would heal the other."""

FAULTS: tuple[Fault, ...] = (NetworkDisconnect(), PacketsDropped(), PacketLoss())


def _wires(lab: Lab, order: Order) -> Wires:
    wires = lab.wires(order.target)
    if wires is None:
        raise LabError(NOT_DOCKER)
    return wires
