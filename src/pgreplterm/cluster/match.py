"""Which walsender feeds which watched standby.

Owns: weighing the evidence for each (walsender, walreceiver) pair and pairing those it identifies.
Must not: guess. Two standbys the evidence cannot tell apart stay unpaired, and so does everything judged on it.

Evidence, strongest first: the slot the standby uses is the slot the walsender serves; the application_name is the
standby's own or its cluster_name; both are on one timeline and the standby names this upstream's port. Ports alone
prove nothing: between two nodes there may be a relay, a proxy or NAT.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgreplterm.cluster.model import NodeSample, Sender
from pgreplterm.cluster.observe import Observation

_DEFAULT_APPLICATION_NAME = "walreceiver"
_SLOT, _APPLICATION_NAME, _DEFAULT_NAME, _HINT = 8, 4, 2, 1
# A row seen now outweighs any row of an upstream that no longer answers: after a failover both list the standby.
_SEEN_NOW = 100


@dataclass(frozen=True, slots=True)
class Pair:
    """A walsender of one observed node, and the observed standby it feeds (indexes into the observations)."""

    upstream: int
    sender: Sender
    downstream: int


def pair_links(observations: Sequence[Observation]) -> tuple[Pair, ...]:
    """Every pair that is the one best explanation for both of its ends, best evidence first."""
    weights = {
        (up, row, down): weight
        for up, upstream in enumerate(observations)
        for row, sender in enumerate(upstream.sample.senders if upstream.sample else ())
        for down, downstream in enumerate(observations)
        if up != down and (weight := _weight(upstream, sender, downstream)) > 0
    }
    pairs: list[Pair] = []
    while best := _unrivalled(weights):
        up, row, down = best
        sample = observations[up].sample
        assert sample is not None
        pairs.append(Pair(up, sample.senders[row], down))
        weights = {key: w for key, w in weights.items() if key[:2] != best[:2] and key[2] != down}
    return tuple(pairs)


def _unrivalled(weights: dict[tuple[int, int, int], int]) -> tuple[int, int, int] | None:
    """The heaviest key that no other key with an end in common equals or exceeds."""
    for key, weight in sorted(weights.items(), key=lambda item: -item[1]):
        rivals = (w for k, w in weights.items() if k != key and (k[:2] == key[:2] or k[2] == key[2]))
        if weight > max(rivals, default=0):
            return key
    return None


def _weight(upstream: Observation, sender: Sender, downstream: Observation) -> int:
    """0 when the pair is impossible or nothing speaks for it. A node that is not answering can be one end."""
    above, below = upstream.sample, downstream.sample
    if above is None or below is None or not below.in_recovery or sender.state == "backup":
        return 0
    if above.system_identifier != below.system_identifier:
        return 0
    if downstream.answers and below.receiver is None:
        return 0
    weight = _slot_weight(sender, below) + _name_weight(sender, below)
    if weight <= 0:
        return 0
    return weight + _hints(above, below) + (_SEEN_NOW if upstream.answers else 0)


def _slot_weight(sender: Sender, below: NodeSample) -> int:
    """A walsender that serves no slot proves nothing: it may not have taken its standby's slot yet."""
    if sender.slot_name is None:
        return 0
    receiver = below.receiver
    visible = receiver is not None and receiver.status is not None
    slot = receiver.slot_name if receiver is not None and visible else below.primary_slot_name
    if slot == sender.slot_name:
        return _SLOT
    return -2 * _SLOT if visible else 0


def _name_weight(sender: Sender, below: NodeSample) -> int:
    own = below.primary_conninfo_application_name or below.cluster_name or _DEFAULT_APPLICATION_NAME
    if not sender.application_name or sender.application_name != own:
        return 0
    return _DEFAULT_NAME if own == _DEFAULT_APPLICATION_NAME else _APPLICATION_NAME


def _hints(above: NodeSample, below: NodeSample) -> int:
    """Tie-breakers that mean something only beside stronger evidence."""
    receiver = below.receiver
    if receiver is None:
        return 0
    same_port = receiver.sender_port == above.port
    same_timeline = receiver.received_timeline is not None and receiver.received_timeline == above.timeline
    return _HINT * (same_port + same_timeline)
