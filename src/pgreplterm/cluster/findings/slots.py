"""Rules on replication slots: what they hold back, and how near they are to be lost.

Owns: those rules. Must not: judge a temporary slot, or a copy of a logical one: both come and go by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator

from pgreplterm.cluster.findings.phrases import sampled
from pgreplterm.cluster.findings.rule import Hit, Rule, Severity, View
from pgreplterm.cluster.model import Node, NodeSample, Slot
from pgreplterm.cluster.thresholds import MB, Thresholds
from pgreplterm.cluster.words import duration_in_words, size_in_words


def slot_lost(view: View) -> Iterator[Hit]:
    """The WAL it was to keep is gone, or it was invalidated for another reason."""
    for node, _, slot in _slots(view):
        if is_lost(slot):
            why = f" ({slot.invalidation_reason})" if slot.invalidation_reason else ""
            is_physical = slot.kind == "physical"
            needs = "its standby needs a rebuild or an archive" if is_physical else "its reader must begin anew"
            yield Hit(Severity.CRITICAL, node.name, f"{_name(slot, node)} is lost{why}: {needs}", _evidence(slot, node))


def slot_unreserved(view: View) -> Iterator[Hit]:
    """Past its limit: the next checkpoint may remove its WAL."""
    for node, _, slot in _slots(view):
        if slot.wal_status == "unreserved" and not is_lost(slot):
            text = f"{_name(slot, node)} loses its WAL at the next checkpoint"
            yield Hit(Severity.CRITICAL, node.name, text, _evidence(slot, node))


def slot_nearly_lost(view: View) -> Iterator[Hit]:
    """Little more may be written before it is lost: said long before wal_status says anything."""
    for node, sample, slot in _slots(view):
        if slot.safe_wal_size is None or slot.wal_status == "unreserved" or is_lost(slot):
            continue
        limit = safe_limit(sample, view.limits)
        if slot.safe_wal_size < limit:
            left = size_in_words(max(0, slot.safe_wal_size))
            evidence = f"limit {size_in_words(limit)}; {_evidence(slot, node)}"
            yield Hit(Severity.WARNING, node.name, f"{_name(slot, node)} is lost after {left} more WAL", evidence)


def slot_inactive(view: View) -> Iterator[Hit]:
    """Nobody uses it, and pg_wal grows for it."""
    for node, _, slot in _slots(view):
        if slot.active or slot.restart_lsn is None or is_lost(slot):
            continue
        severity = Severity.WARNING if (slot.retained or 0) > view.limits.inactive_slot else Severity.INFO
        kept = "an unknown amount of WAL" if slot.retained is None else f"{size_in_words(slot.retained)} of WAL"
        text = f"{_name(slot, node)} is used by nobody and holds back {kept}"
        yield Hit(severity, node.name, text, _evidence(slot, node))


def safe_limit(sample: NodeSample, limits: Thresholds) -> int:
    """What a slot must have left, in bytes: the larger of both limits, but of a small reserve never more than half."""
    setting = sample.activity.setting("max_slot_wal_keep_size")
    if setting is None or not setting.isdigit():
        return limits.safe_wal_size
    reserve = int(setting) * MB
    return min(max(limits.safe_wal_size, reserve * limits.safe_wal_percent // 100), reserve // 2)


def is_lost(slot: Slot) -> bool:
    """Nothing can be read through it any more."""
    return slot.wal_status == "lost" or slot.invalidation_reason is not None or bool(slot.conflicting)


def _slots(view: View) -> Iterator[tuple[Node, NodeSample, Slot]]:
    for node, sample in view.answering:
        for slot in sample.slots:
            if not slot.temporary and not slot.synced:
                yield node, sample, slot


def _name(slot: Slot, node: Node) -> str:
    return f"slot {slot.name} on {node.name}"


def _evidence(slot: Slot, node: Node) -> str:
    told = [f"wal_status {slot.wal_status or 'unknown'}", "active" if slot.active else "inactive"]
    if slot.inactive_age is not None and not slot.active:
        told[-1] += f" for {duration_in_words(slot.inactive_age)}"
    if slot.retained is not None:
        told.append(f"{size_in_words(slot.retained)} retained")
    if slot.safe_wal_size is not None:
        told.append(f"{size_in_words(max(0, slot.safe_wal_size))} safe")
    return ", ".join(told) + f"; {sampled(node)}"


RULES = (
    Rule(
        "slot-lost",
        (Severity.CRITICAL,),
        slot_lost,
        meaning="WAL that this slot was to keep has been removed, or the slot was invalidated. Whoever used it cannot "
        "go on from where it was, unless an archive has the WAL.",
        action="Rebuild the standby (or let it catch up by restore_command), drop the slot and make it anew. Raise "
        "max_slot_wal_keep_size if there is disk for it.",
        mysql="no slots there; the same end is error 1236: the source has purged binary logs that the replica requires",
    ),
    Rule(
        "slot-unreserved",
        (Severity.CRITICAL,),
        slot_unreserved,
        meaning="The slot holds back more WAL than max_slot_wal_keep_size allows. The next checkpoint removes it, "
        "unless its user catches up before.",
        action="Raise max_slot_wal_keep_size now (a reload is enough), then bring its standby back.",
        mysql="a stopped replica about to fall out of binlog_expire_logs_seconds",
    ),
    Rule(
        "slot-nearly-lost",
        (Severity.WARNING,),
        slot_nearly_lost,
        meaning="After that much more WAL the slot passes max_slot_wal_keep_size and may be lost at the next "
        "checkpoint. wal_status often says reserved until it says lost.",
        action="Bring its standby back or speed it up; or raise max_slot_wal_keep_size (a reload is enough).",
        mysql="a replica near the end of binlog_expire_logs_seconds",
    ),
)
# After what tells why nobody uses it.
INACTIVE = (
    Rule(
        "slot-inactive",
        (Severity.WARNING, Severity.INFO),
        slot_inactive,
        meaning="Nobody reads from the slot, and the server keeps all WAL since for it: without a limit until the disk "
        "is full. A promotion leaves such slots behind on the new primary.",
        action="If its standby comes back, start it. If not, drop the slot: pg_drop_replication_slot().",
        mysql="no slots there: binary logs expire by binlog_expire_logs_seconds whoever still needs them",
    ),
)
