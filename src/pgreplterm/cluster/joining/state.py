"""What a node does now, from its own words, its upstream's, and how old both are.

Owns: NodeState and Role for one node. Must not: pair links or word sentences.

A standby is streaming only when an upstream that can be asked says so, or, where none can be asked, its own
walreceiver says so and heard from the upstream lately. A word that is older than a healthy server ever lets it
get makes the node STALE, whatever the word was.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgreplterm.cluster.joining.gaps import receiver_silence
from pgreplterm.cluster.joining.observe import Observation
from pgreplterm.cluster.model import Link, NodeSample, NodeState, Role

# Defaults of wal_receiver_status_interval and wal_receiver_timeout, for when the settings were not read.
STATUS_INTERVAL = 10.0
RECEIVER_TIMEOUT = 60.0
# A walreceiver answers each piece of WAL as it arrives, so WAL sent and not even acknowledged as written for
# this long means that nobody is reading. Seconds.
ACKNOWLEDGE_WITHIN = 3.0
_IN_FLIGHT = 0.3
_SLACK = 3.0
_SENDER_STATES = {
    "streaming": NodeState.STREAMING,
    "catchup": NodeState.CATCHUP,
    "startup": NodeState.STARTUP,
    "backup": NodeState.BACKUP,
    "stopping": NodeState.STREAMING,
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What else bears on one node: its link, what its upstream says, and whether its WAL left the cluster's line."""

    link: Link | None
    upstream_in_recovery: bool | None  # None: not watched, or not answering
    upstream_denies: bool  # the upstream answers and lists no walsender for this very walreceiver
    has_diverged: bool
    superseded: bool  # overdue, last seen as a primary, while another primary of its cluster answers now


def role_of(seen: Observation, around: Surroundings) -> Role:
    """UNKNOWN for a node that fails to answer, whatever it was: it may come back as anything."""
    if not seen.answers or seen.sample is None or around.superseded:
        return Role.UNKNOWN
    if not seen.sample.in_recovery:
        return Role.PRIMARY
    return Role.CASCADE if around.upstream_in_recovery else Role.STANDBY


def state_of(seen: Observation, around: Surroundings, now: float, stale_after: float) -> NodeState:
    """The one word for a node. stale_after is the age in seconds beyond which a sample says nothing of now."""
    if seen.failure is not None:
        return seen.failure.state
    if seen.sample is None:
        return NodeState.UNKNOWN
    if around.superseded or now - seen.sample.taken_at > stale_after + seen.sample.round_trip:
        return NodeState.STALE
    if not seen.sample.in_recovery:
        return NodeState.RUNNING
    if around.has_diverged:
        return NodeState.DIVERGED
    return _standby_state(seen.sample, around, now)


def evidence_limit(below: NodeSample | None) -> float:
    """The oldest a healthy standby's last reply gets, in seconds: two status intervals, plus slack."""
    interval = below.wal_receiver_status_interval if below is not None else None
    if interval is None:
        interval = STATUS_INTERVAL
    return 2 * interval + _SLACK if interval else _silence_limit(below)


def is_evidence_old(link: Link, below: NodeSample | None) -> bool:
    """True when the link's figures say nothing of now: a stalled link otherwise reads as a perfect one."""
    if link.evidence_age is None:
        return False
    if link.evidence_age > evidence_limit(below):
        return True
    return link.evidence_age > ACKNOWLEDGE_WITHIN and _is_unread(link, below)


def _standby_state(sample: NodeSample, around: Surroundings, now: float) -> NodeState:
    link, receiver = around.link, sample.receiver
    if receiver is None:
        return NodeState.NOT_STREAMING
    if link is not None and link.sender is not None and link.sender.state is not None:
        state = _SENDER_STATES.get(link.sender.state, NodeState.UNKNOWN)
        return NodeState.STALE if is_evidence_old(link, sample) else state
    if receiver.status is None:
        return NodeState.UNKNOWN
    if receiver.status != "streaming":
        return NodeState.STARTUP
    silence = receiver_silence(receiver, sample, now)
    if around.upstream_denies or silence is None or silence > _silence_limit(sample):
        return NodeState.STALE
    return NodeState.STREAMING


def _silence_limit(below: NodeSample | None) -> float:
    """An idle walreceiver pings when half its timeout has passed, so it hears something that often."""
    timeout = below.wal_receiver_timeout if below is not None else None
    return (timeout or RECEIVER_TIMEOUT) / 2 + _SLACK


def _is_unread(link: Link, below: NodeSample | None) -> bool:
    """WAL was sent and nobody reads it: for long, or for a moment in which the walreceiver itself heard nothing.

    An old reply alone proves nothing. The link may have been idle, and the WAL sent while both ends were sampled.
    """
    sender = link.sender
    if sender is None or sender.sent_lsn is None or sender.write_lsn is None or sender.sent_lsn <= sender.write_lsn:
        return False
    receiver = below.receiver if below is not None else None
    heard = receiver.last_message_age if receiver is not None else None
    deaf = heard is not None and heard > ACKNOWLEDGE_WITHIN
    if link.unacknowledged is None:
        return deaf
    return link.unacknowledged > (_IN_FLIGHT if deaf else ACKNOWLEDGE_WITHIN)
