"""The bytes and the time between the two ends of a link, and how old the evidence for them is.

Owns: which LSNs each gap subtracts and from whose words; the correction for two servers' clocks.
Must not: decide whether a gap or an age is bad.

Each gap runs from the end of WAL the upstream holds (written on a primary, received or replayed on a standby) back
to one stage of the downstream, so each contains the one before it. The stages are the walsender's row where it is
visible: one server read both numbers at one moment, rows first, so they cannot come out negative. Where a stage is
hidden or not yet reported, the downstream's own word is used, read at another moment on another machine: the
downstream may then seem ahead by what the upstream wrote in between, which counts as 0 only if both were just read.
"""

from __future__ import annotations

from pgreplterm.cluster.joining.trail import Bounds
from pgreplterm.cluster.model import Gaps, NodeSample, Receiver, Sender
from pgreplterm.wal.lsn import LSN

UNKNOWN_GAPS = Gaps(None, None, None, None)
# Two samples of one tick are at most this far apart, in seconds; beyond, "ahead" says the older one is outdated.
SAME_MOMENT = 2.0
_Stages = tuple[LSN | None, LSN | None, LSN | None, LSN | None]
_UNKNOWN_STAGES: _Stages = (None, None, None, None)


def gaps_of(above: NodeSample | None, sender: Sender | None, below: NodeSample | None) -> Gaps:
    """The four gaps in bytes. above is None when the upstream's current position is unknown: then all are."""
    if above is None or above.position is None:
        return UNKNOWN_GAPS
    said = _UNKNOWN_STAGES if sender is None else _stages(sender)
    own = _UNKNOWN_STAGES if below is None else _own_stages(below)
    just_read = below is not None and abs(above.taken_at - below.taken_at) <= SAME_MOMENT
    return Gaps(
        *(
            _gap(above.position, theirs, clamp=True)
            if theirs is not None
            else _gap(above.position, mine, clamp=just_read)
            for theirs, mine in zip(said, own, strict=True)
        )
    )


def time_lag_of(sender: Sender | None, replay_gap: int | None, seen: Bounds) -> float | None:
    """Seconds the downstream replays behind; None when idle (gap 0, nothing written lately) or unknown.

    replay_lag is the server's own measure, but it is NULL on a stalled link, and keeps its last value for
    seconds after a link caught up and for as long as replay is paused. What was seen of the upstream's
    position bounds it from both sides. (A pg_receivewal has a replay_lag, too, and never replays.)
    """
    measured = sender.replay_lag if sender is not None and sender.replay_lsn is not None else None
    if replay_gap == 0:
        return None if measured is None else 0.0
    if measured is None:
        return seen.least or None
    if seen.most is not None:
        measured = min(measured, seen.most)
    return measured if seen.least is None else max(measured, seen.least)


def evidence_age(above: NodeSample | None, sender: Sender | None, below: NodeSample | None, now: float) -> float | None:
    """Seconds since the standby last said where it is, to the best of either end's knowledge; None if never.

    reply_time is the standby's clock read against the upstream's, so the difference between both machines'
    clocks, where both were sampled, is taken out.
    """
    if above is None or sender is None or sender.reply_age is None:
        return _own_age(below, now)
    skew = 0.0
    if below is not None and above.clock_offset is not None and below.clock_offset is not None:
        skew = above.clock_offset - below.clock_offset
    return max(0.0, sender.reply_age - skew) + max(0.0, now - above.taken_at)


def receiver_silence(receiver: Receiver | None, below: NodeSample, now: float) -> float | None:
    """Seconds since the walreceiver last heard from its upstream; None without a walreceiver or privilege."""
    if receiver is None or receiver.last_message_age is None:
        return None
    return receiver.last_message_age + max(0.0, now - below.taken_at)


def _stages(sender: Sender) -> _Stages:
    return (sender.sent_lsn, sender.write_lsn, sender.flush_lsn, sender.replay_lsn)


def _own_stages(below: NodeSample) -> _Stages:
    written = below.receiver.written_lsn if below.receiver is not None else None
    return (None, written, below.position, below.replay_lsn)


def _own_age(below: NodeSample | None, now: float) -> float | None:
    return None if below is None else max(0.0, now - below.taken_at)


def _gap(position: LSN, stage: LSN | None, *, clamp: bool) -> int | None:
    if stage is None:
        return None
    if stage > position:
        return 0 if clamp else None
    return position - stage
