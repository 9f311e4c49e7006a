"""What a snapshot shows of a fault, where several faults show the same.

Owns: those readings, each a sentence or None. Must not: look anywhere but at the snapshot.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from pgreplterm.cluster.model import NodeState
from pgreplterm.cluster.words import printable

if TYPE_CHECKING:
    from pgreplterm.cluster.model import ClusterSnapshot

STATUS_INTERVALS = 2.5
"""Replies later than this many status intervals mean that nobody replies: a healthy walreceiver takes one."""

LIVELY = 2.0
"""Seconds within which two ends of a link that works hear from each other; a lab's walreceivers reply every second."""


def silent(snapshot: ClusterSnapshot, name: str) -> str | None:
    """The node takes connections and answers none of them."""
    node = snapshot.node(name)
    if node is None or node.state is not NodeState.SILENT or node.failure is None:
        return None
    return f"{name} is silent: {printable(node.failure.reason)}"


def down(snapshot: ClusterSnapshot, name: str) -> str | None:
    """The node refuses connections."""
    node = snapshot.node(name)
    if node is None or node.state is not NodeState.DOWN or node.failure is None:
        return None
    return f"{name} is down: {printable(node.failure.reason)}"


def alive_to_its_neighbours(snapshot: ClusterSnapshot, name: str, followers: Collection[str]) -> str | None:
    """Whatever clients see, the node replies to its upstream, or sends to one of those that follow it."""
    for node in snapshot.nodes:
        if node.sample is None or node.failure is not None:
            continue
        for sender in node.sample.senders:
            if sender.application_name == name and _recent(sender.reply_age):
                return f"its walreceiver replied to {node.name} {sender.reply_age:.1f} s ago"
        receiver = node.sample.receiver
        if node.name in followers and receiver is not None and _recent(receiver.last_message_age):
            return f"its walsender spoke to {node.name} {receiver.last_message_age:.1f} s ago"
    return None


def quiet(snapshot: ClusterSnapshot, downstream: str) -> str | None:
    """No reply comes from the downstream, or its upstream has given the link up; both ends answer queries."""
    link = snapshot.link_to(downstream)
    below = snapshot.node(downstream)
    if below is None or below.sample is None or below.failure is not None:
        return None
    if link is not None and link.sender is not None:
        interval = below.sample.wal_receiver_status_interval or 1.0
        if link.evidence_age is None or link.evidence_age <= STATUS_INTERVALS * interval:
            return None
        return f"{link.upstream} has had no reply from {downstream} for {link.evidence_age:.1f} s"
    return _given_up(snapshot, downstream)


def cut_off(snapshot: ClusterSnapshot, downstream: str) -> str | None:
    """The downstream has no walreceiver that streams, while its upstream answers queries."""
    below = snapshot.node(downstream)
    if below is None or below.failure is not None or below.state not in (NodeState.NOT_STREAMING, NodeState.STARTUP):
        return None
    return f"{downstream} is {below.state}: it has no walreceiver that streams"


def _given_up(snapshot: ClusterSnapshot, downstream: str) -> str | None:
    below = snapshot.node(downstream)
    above = snapshot.node(below.upstream) if below is not None and below.upstream is not None else None
    if below is None or above is None or above.sample is None or above.failure is not None:
        return None
    if any(sender.application_name == downstream for sender in above.sample.senders):
        return None
    return f"{above.name} answers and has no walsender for {downstream} any more, which is {below.state}"


def _recent(age: float | None) -> bool:
    return age is not None and age < LIVELY
