"""Rules on a replay that stands still while received WAL waits, and on what holds it up.

Owns: those rules. Must not: judge by size; a few bytes that are never replayed are as stuck as many.
"""

from __future__ import annotations

from collections.abc import Iterator

from pgreplterm.cluster.findings.lag import delay_of
from pgreplterm.cluster.findings.phrases import gaps_told, sampled
from pgreplterm.cluster.findings.rule import Hit, Rule, Severity, View
from pgreplterm.cluster.joining.state import ACKNOWLEDGE_WITHIN
from pgreplterm.cluster.model import Link, Node, NodeSample
from pgreplterm.cluster.words import duration_in_words, size_in_words

_NOT_PAUSED = "not paused"
_WAITS_FOR_WAL = frozenset({"recoverywalstream", "recoveryretrieveretryinterval"})
# The startup process's wait events by what they mean; a prefix, compared without case (spellings changed in 17).
_CAUSES = (
    ("recoveryconflict", "queries on it conflict with replay"),
    ("restorecommand", "restore_command is running"),
    ("recoverypause", "replay is paused"),
    ("recoveryapplydelay", "recovery_min_apply_delay holds it"),
    ("bufferpin", "a query pins a page it needs"),
)


def replay_paused(view: View) -> Iterator[Hit]:
    """Somebody paused replay, or a recovery target or a too small setting did."""
    for node, sample in view.standbys:
        if _is_paused(sample):
            link = view.snapshot.link_to(node.name)
            gap = link.gaps.replay if link is not None else None
            behind = "by how much it is behind is unknown" if gap is None else f"{size_in_words(gap)} behind in replay"
            yield Hit(Severity.WARNING, node.name, f"replay is paused on {node.name}, {behind}", gaps_told(link))


def replay_stalled(view: View) -> Iterator[Hit]:
    """Received WAL waits, and in all the watched time replay has not moved by a byte."""
    for node, sample in view.standbys:
        stood = stood_still(view, node, sample)
        if stood is None or stood < view.limits.stalled_for:
            continue
        waiting = (sample.position or 0) - (sample.replay_lsn or 0)
        text = f"replay stands still on {node.name} with {size_in_words(waiting)} received: {cause_of(sample)}"
        evidence = f"at {sample.replay_lsn} for at least {duration_in_words(stood)}; {sampled(node)}"
        yield Hit(Severity.WARNING, node.name, text, evidence)


def replay_delayed(view: View) -> Iterator[Hit]:
    """A standby that is late by design."""
    for node, _ in view.standbys:
        if delay := delay_of(view, node.name):
            text = f"{node.name} replays {duration_in_words(delay)} late by design (recovery_min_apply_delay)"
            yield Hit(Severity.INFO, node.name, text, gaps_told(view.snapshot.link_to(node.name)))


def stood_still(view: View, node: Node, sample: NodeSample) -> float | None:
    """Seconds that received WAL has waited, as far as it was watched; None when nothing waits or it should wait."""
    if not _has_waiting(sample) or _wants_more(sample) or _is_paused(sample) or delay_of(view, node.name):
        return None
    since = sample.taken_at
    for snapshot in reversed(view.earlier):
        before = snapshot.node(node.name)
        if before is None or before.sample is None or before.sample.replay_lsn != sample.replay_lsn:
            break
        if not _has_waiting(before.sample) or before.sample.postmaster_started_at != sample.postmaster_started_at:
            break
        since = min(since, before.sample.taken_at)
    return sample.taken_at - since


def is_undecided(view: View) -> bool:
    """True while a longer look would tell more: replay has not moved yet, or WAL was sent and none acknowledged."""
    stands = any(_has_not_moved(view, node, sample) for node, sample in view.standbys)
    return stands or any(_is_silent(view, link) for link in view.snapshot.links)


def _has_not_moved(view: View, node: Node, sample: NodeSample) -> bool:
    """In no look so far, which was not long enough to say more; once it has moved, it works."""
    stood = stood_still(view, node, sample)
    if stood is None or stood >= view.limits.stalled_for:
        return False
    before = [seen for snapshot in view.earlier if (seen := snapshot.node(node.name)) is not None]
    return all(seen.sample is None or seen.sample.replay_lsn == sample.replay_lsn for seen in before)


def cause_of(sample: NodeSample) -> str:
    """What holds replay up, by what its startup process waits for."""
    recovery = sample.activity.recovery
    if recovery is None or recovery.wait_event is None:
        return "the cause is not known"
    if (recovery.wait_event_type or "").lower() == "lock":
        return "a query on it holds a lock that replay needs"
    event = recovery.wait_event.lower()
    for prefix, cause in _CAUSES:
        if event.startswith(prefix):
            return cause
    return f"it waits for {recovery.wait_event_type or ''} {recovery.wait_event}".replace("  ", " ")


def _is_paused(sample: NodeSample) -> bool:
    recovery = sample.activity.recovery
    said = recovery.pause_state if recovery is not None else None
    return bool(sample.replay_paused) or (said is not None and said != _NOT_PAUSED)


def _has_waiting(sample: NodeSample) -> bool:
    return sample.position is not None and sample.replay_lsn is not None and sample.position > sample.replay_lsn


def _wants_more(sample: NodeSample) -> bool:
    """It has replayed every whole record: what lies beyond is the beginning of one that is still to come."""
    recovery = sample.activity.recovery
    event = recovery.wait_event if recovery is not None else None
    return event is not None and event.lower() in _WAITS_FOR_WAL


def _is_silent(view: View, link: Link) -> bool:
    """WAL was sent, nothing has been acknowledged since the last look, and it is too early to call that stale."""
    sender = link.sender
    if sender is None or sender.sent_lsn is None or sender.write_lsn is None:
        return False
    if sender.sent_lsn <= sender.write_lsn or (link.unacknowledged or 0.0) > ACKNOWLEDGE_WITHIN:
        return False
    before = view.earlier[-1].link_to(link.downstream) if view.earlier else None
    return before is None or before.sender is None or before.sender.write_lsn == sender.write_lsn


RULES = (
    Rule(
        "replay-paused",
        (Severity.WARNING,),
        replay_paused,
        meaning="The standby receives WAL and does not replay it, because it was told to (pg_wal_replay_pause, a "
        "recovery target) or because a setting is smaller than the primary's. What it received is safe; its data "
        "stands still, and pg_wal grows.",
        action="SELECT pg_wal_replay_resume() when whoever paused it is done. A pause that comes back is a setting: "
        "its log names it.",
        mysql="STOP REPLICA SQL_THREAD: Replica_SQL_Running: No",
    ),
    Rule(
        "replay-stalled",
        (Severity.WARNING,),
        replay_stalled,
        meaning="Received WAL waits and replay does not move, though nobody paused it. A query on the standby may be "
        "in its way (until max_standby_streaming_delay), or an archive, a lock, or the disk.",
        action="Where queries conflict: end them, lower max_standby_streaming_delay, or set hot_standby_feedback. Else "
        "look at what its startup process waits for in pg_stat_activity.",
        mysql='the SQL thread in "Waiting for table metadata lock" or behind one long event',
    ),
    Rule(
        "replay-delayed",
        (Severity.INFO,),
        replay_delayed,
        meaning="recovery_min_apply_delay is set: the standby keeps that long back what it received, as a way back "
        "from a mistake. Its lag is judged on what it received, and on time beyond the delay.",
        action="Nothing. Do not choose it first for a promotion: it would have to replay all that.",
        mysql="CHANGE REPLICATION SOURCE TO SOURCE_DELAY = n",
    ),
)
