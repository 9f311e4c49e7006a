"""Why a standby is behind: the cause when there is one, from a few looks at it.

Owns: telling a pause, a conflict, a delay, waiting for I/O, WAL that has not arrived, and plain slowness apart.
Must not: connect, read WAL, or draw. What was not seen is unknown, never "slower".

The order is that of certainty: what somebody asked for (a pause, a delay) before what the startup process says it waits
for, before what the rates say. The evidence is the standby's own word, and says how many looks it rests on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pgreplterm.cluster.decoded.blockers import Blocker
from pgreplterm.cluster.model import ClusterSnapshot, Gaps, NodeSample
from pgreplterm.cluster.words import duration_in_words, printable, size_in_words
from pgreplterm.wal.lsn import LSN

_QUERY_SHOWN = 100  # characters
_BLOCKERS_SHOWN = 3
_OFTEN = 0.5  # share of looks that makes a wait the cause
_RATE_OVER = 0.5  # seconds between two looks that a rate needs at least
_CONFLICTS = {
    "recoveryconflictsnapshot": "snapshot",
    "recoveryconflicttablespace": "tablespace",
    "bufferpin": "buffer pin",
    "buffercleanup": "buffer pin",
}


class CauseKind(StrEnum):
    """What holds a standby up."""

    NOTHING = "nothing"  # it has replayed everything there is
    PAUSED = "paused"
    CONFLICT = "recovery conflict"
    DELAY = "delayed on purpose"
    IO = "I/O"
    NOT_RECEIVED = "not received"
    SLOWER = "slower"  # replay goes on, no faster than WAL comes
    CATCHING_UP = "catching up"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Look:
    """One sample of the standby, and the gaps of its link at that moment (None: no link was seen)."""

    sample: NodeSample
    gaps: Gaps | None

    @property
    def to_replay(self) -> int | None:
        """Bytes that it has flushed and not replayed."""
        flush, replay = self.sample.flush_lsn, self.sample.replay_lsn
        return None if flush is None or replay is None else max(0, flush - replay)


@dataclass(frozen=True, slots=True)
class Cause:
    """The cause as a sentence without its full stop, and for a conflict who holds replay up."""

    kind: CauseKind
    sentence: str
    blockers: tuple[Blocker, ...] = ()


@dataclass(frozen=True, slots=True)
class Rates:
    """Bytes a second that are replayed and that arrive, between two looks."""

    replayed: float
    arrived: float


def looks_at(snapshots: Sequence[ClusterSnapshot], name: str) -> tuple[Look, ...]:
    """The distinct looks at one standby that a few snapshots hold, oldest first."""
    looks: list[Look] = []
    for snapshot in snapshots:
        node, link = snapshot.node(name), snapshot.link_to(name)
        if node is None or node.sample is None or node.failure is not None:
            continue
        if not looks or looks[-1].sample.taken_at != node.sample.taken_at:
            looks.append(Look(node.sample, link.gaps if link is not None else _to_primary(snapshot, node.sample)))
    return tuple(looks)


def _to_primary(snapshot: ClusterSnapshot, sample: NodeSample) -> Gaps | None:
    """Without a link: what the one primary of the same timeline holds beyond, as both said just now."""
    primary = snapshot.primaries[0].sample if len(snapshot.primaries) == 1 else None
    if primary is None or primary.position is None or primary.timeline != sample.timeline:
        return None
    known = (sample.position, sample.replay_lsn)
    return Gaps(None, None, *(None if lsn is None else max(0, primary.position - lsn) for lsn in known))


def waits_for_query(looks: Sequence[Look]) -> bool:
    """Whether the newest look saw replay wait for a query, so that it is worth asking which."""
    return bool(looks) and _conflict(looks[-1].sample) is not None


def cause_of(looks: Sequence[Look], found: Sequence[Blocker] | None = None) -> Cause:
    """What holds this standby up. found are the backends it may wait for, None where they could not be asked."""
    if not looks:
        return Cause(CauseKind.UNKNOWN, "the standby does not answer, so nothing is known of its replay")
    last = looks[-1]
    for judge in (_paused, _delayed):
        if (cause := judge(last)) is not None:
            return cause
    if (conflict := _conflict(last.sample)) is not None:
        return _conflict_cause(last.sample, conflict, found)
    if last.to_replay is None:
        return Cause(CauseKind.UNKNOWN, "the standby does not say how far it has received and replayed")
    if last.to_replay == 0:
        return _all_replayed(last)
    return _waiting(looks) or _rated(looks)


def rates(looks: Sequence[Look]) -> Rates | None:
    """Between the first and the last look; None where they are too near, or a position is unknown."""
    if len(looks) < 2 or looks[-1].sample.taken_at - looks[0].sample.taken_at < _RATE_OVER:
        return None
    first, last = looks[0].sample, looks[-1].sample
    seconds = last.taken_at - first.taken_at
    moved = (_moved(first.replay_lsn, last.replay_lsn), _moved(first.flush_lsn, last.flush_lsn))
    if moved[0] is None or moved[1] is None:
        return None
    return Rates(moved[0] / seconds, moved[1] / seconds)


def _moved(before: LSN | None, after: LSN | None) -> int | None:
    return None if before is None or after is None or after < before else after - before


def _paused(look: Look) -> Cause | None:
    recovery = look.sample.activity.recovery
    state = recovery.pause_state if recovery is not None else None
    if state == "pause requested":
        return Cause(CauseKind.PAUSED, "replay is asked to pause, and does so at the next record")
    if look.sample.replay_paused or state == "paused":
        return Cause(CauseKind.PAUSED, "replay is paused; pg_wal_replay_resume() on it lets replay go on")
    return None


def _delayed(look: Look) -> Cause | None:
    recovery = look.sample.activity.recovery
    if recovery is None or not recovery.apply_delay or not look.to_replay:
        return None
    if _event(look.sample) != "recoveryapplydelay":
        return None
    delay = duration_in_words(recovery.apply_delay)
    return Cause(CauseKind.DELAY, f"replay is delayed on purpose: recovery_min_apply_delay is {delay}")


def _conflict(sample: NodeSample) -> str | None:
    recovery = sample.activity.recovery
    if recovery is None:
        return None
    if (recovery.wait_event_type or "").lower() == "lock":
        return "lock"
    return _CONFLICTS.get(_event(sample))


def _conflict_cause(sample: NodeSample, conflict: str, found: Sequence[Blocker] | None) -> Cause:
    sentence = f"replay waits for a query on it (recovery conflict: {conflict})"
    limit = _limit(sample)
    if limit is not None:
        sentence += f"; max_standby_streaming_delay {limit}"
    if found is None:
        return Cause(CauseKind.CONFLICT, f"{sentence}; which one could not be asked")
    holders = tuple(each for each in found if each.holds_lock) or tuple(found)
    if not holders:
        return Cause(CauseKind.CONFLICT, f"{sentence}; it has ended meanwhile, or this role may not see it")
    told = "; ".join(_blocker(each) for each in holders[:_BLOCKERS_SHOWN])
    more = f"; and {len(holders) - _BLOCKERS_SHOWN} more" if len(holders) > _BLOCKERS_SHOWN else ""
    verb = "held by" if holders[0].holds_lock else "oldest snapshots held by"
    return Cause(CauseKind.CONFLICT, f"{sentence}; {verb} {told}{more}", holders)


def _limit(sample: NodeSample) -> str | None:
    """What max_standby_streaming_delay does to the query."""
    setting = sample.activity.setting("max_standby_streaming_delay")
    if setting is None or not setting.lstrip("-").isdigit():
        return None
    milliseconds = int(setting)
    return "never cancels it" if milliseconds < 0 else f"cancels it after {duration_in_words(milliseconds / 1000)}"


def _blocker(blocker: Blocker) -> str:
    who = f"{blocker.user or '?'}@{blocker.database or '?'}"
    words = f"pid {blocker.pid} ({who}, {blocker.state or 'state unknown'}"
    if blocker.transaction_age is not None:
        words += f", in its transaction for {duration_in_words(max(0.0, blocker.transaction_age))}"
    query = " ".join((blocker.query or "").split())
    shown = query if len(query) <= _QUERY_SHOWN else f"{query[:_QUERY_SHOWN]}..."
    return printable(f"{words}: {shown})" if shown else f"{words})")


def _all_replayed(look: Look) -> Cause:
    """Nothing left to replay of what it has: either it has everything, or the rest has not arrived."""
    if look.gaps is None or look.gaps.replay is None:
        return Cause(CauseKind.UNKNOWN, "it has replayed all it received; what its upstream holds beyond is unknown")
    if look.gaps.replay == 0:
        return Cause(CauseKind.NOTHING, "it has replayed everything its upstream holds")
    missing = size_in_words(look.gaps.replay)
    unsent = look.gaps.unsent
    if look.sample.receiver is None:
        return Cause(CauseKind.NOT_RECEIVED, f"{missing} have not reached it: it has no walreceiver")
    if unsent is not None and unsent * 2 > look.gaps.replay:
        return Cause(CauseKind.NOT_RECEIVED, f"{missing} have not reached it: the walsender has not sent them yet")
    return Cause(CauseKind.NOT_RECEIVED, f"{missing} have not reached it: sent, and not acknowledged as flushed")


def _waiting(looks: Sequence[Look]) -> Cause | None:
    """The startup process was mostly seen waiting for I/O, or for a restore_command."""
    events = [_io_event(look.sample) for look in looks]
    waiting = [event for event in events if event is not None]
    if not waiting or len(waiting) < _OFTEN * len(looks):
        return None
    commonest = max(sorted(set(waiting)), key=waiting.count)
    seen = f"in {len(waiting)} of {len(looks)} looks"
    return Cause(CauseKind.IO, f"the startup process waits for I/O ({printable(commonest)}) {seen}")


def _io_event(sample: NodeSample) -> str | None:
    recovery = sample.activity.recovery
    if recovery is None or recovery.wait_event is None:
        return None
    is_io = (recovery.wait_event_type or "").lower() == "io" or recovery.wait_event.lower() == "restorecommand"
    return recovery.wait_event if is_io else None


def _rated(looks: Sequence[Look]) -> Cause:
    found = rates(looks)
    if found is None:
        return Cause(CauseKind.UNKNOWN, "no pause, delay or conflict; the rates need two looks further apart")
    replayed, arrived = (size_in_words(round(each)) for each in (found.replayed, found.arrived))
    said = f"{replayed} a second are replayed, {arrived} a second arrive"
    if found.replayed > found.arrived:
        return Cause(CauseKind.CATCHING_UP, f"replay is catching up: {said}")
    if found.replayed == 0:
        return Cause(CauseKind.UNKNOWN, f"replay stands still without saying what it waits for: {said}")
    return Cause(CauseKind.SLOWER, f"replay is no faster than WAL comes: {said}")


def _event(sample: NodeSample) -> str:
    recovery = sample.activity.recovery
    return (recovery.wait_event or "").lower() if recovery is not None else ""
