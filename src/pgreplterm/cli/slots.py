"""``pgreplterm slots``: who holds back WAL, how much, and how near each slot is to be lost.

Owns: the table of slots and its document. Must not: sample or judge itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from pgreplterm.cli.configured import limits
from pgreplterm.cli.replayed import replay_options
from pgreplterm.cli.tables import aligned
from pgreplterm.cli.watching import View, Watching, look, server_options, view_options, watched

if TYPE_CHECKING:
    from pgreplterm.cluster.model import ClusterSnapshot, Node, Slot

_HEADINGS = ("SLOT", "ON", "KIND", "USED BY", "WAL", "RETAINED", "SAFE", "UNUSED", "RESTART LSN")
_RIGHT = frozenset({"RETAINED", "SAFE", "UNUSED", "RESTART LSN"})


@click.command()
@server_options
@view_options
@replay_options
def slots(dsns: tuple[str, ...], lab_name: str | None, as_json: bool, watch: bool, interval: float) -> int:
    """Replication slots of every node: what each holds back, and how much more may be written before it is lost.

    RETAINED is what the node keeps for it, SAFE what may be written until max_slot_wal_keep_size is reached (- where
    that has no limit), UNUSED how long nobody has used it (17 and later tell). ? is unknown, - does not apply.

    Exits as status does: 0 when all is well, 1 on a finding, 3 when no server answers, 4 when privileges hide the
    answer.
    """
    watching = Watching(watched(dsns, lab_name), as_json, interval if watch else None)
    return look(watching, View(table_lines, slots_document))


def table_lines(snapshot: ClusterSnapshot) -> list[str]:
    """The slots, what is wrong with them, and which nodes could not be asked."""
    from pgreplterm.cluster.words import printable

    rows = [_row(node, slot) for node, slot in _slots(snapshot)]
    lines = aligned(_HEADINGS, rows, _RIGHT) if rows else ["no replication slots"]
    told = [f"! {printable(each.sentence)}" for each in _found(snapshot)]
    silent = [f"? {printable(node.name)} {node.state}: its slots are unknown" for node in _silent(snapshot)]
    return [*lines, *([""] if told or silent else []), *told, *silent]


def slots_document(snapshot: ClusterSnapshot) -> dict[str, Any]:
    """The same as plain data; LSNs are text, sizes bytes, ages seconds, null is unknown or does not apply."""
    from pgreplterm.cluster.words import instant

    return {
        "taken_at": instant(snapshot.taken_at),
        "slots": [_plain(node, slot) for node, slot in _slots(snapshot)],
        "findings": [
            {"rule": each.rule, "severity": each.severity.name.lower(), "node": each.node, "text": each.sentence}
            for each in _found(snapshot)
        ],
        "unknown_nodes": [node.name for node in _silent(snapshot)],
    }


def _slots(snapshot: ClusterSnapshot) -> Iterator[tuple[Node, Slot]]:
    for node in snapshot.nodes:
        if node.sample is not None and node.failure is None:
            for slot in node.sample.slots:
                yield node, slot


def _silent(snapshot: ClusterSnapshot) -> list[Node]:
    return [node for node in snapshot.nodes if node.sample is None or node.failure is not None]


def _found(snapshot: ClusterSnapshot) -> list[Any]:
    from pgreplterm.cluster.findings import Severity, findings
    from pgreplterm.cluster.findings.slots import RULES

    ids = {rule.id for rule in RULES}
    return [each for each in findings(snapshot, limits()) if each.rule in ids and each.severity >= Severity.WARNING]


def _row(node: Node, slot: Slot) -> tuple[str, ...]:
    from pgreplterm.cluster.words import duration, printable, size

    safe = "-" if slot.safe_wal_size is None else size(max(0, slot.safe_wal_size))
    unused = "-" if slot.active else duration(slot.inactive_age)
    return (
        printable(slot.name),
        printable(node.name),
        slot.kind,
        _user(node, slot),
        slot.invalidation_reason or slot.wal_status or "-",
        size(slot.retained),
        safe,
        unused,
        "-" if slot.restart_lsn is None else str(slot.restart_lsn),
    )


def _user(node: Node, slot: Slot) -> str:
    """The application_name of its walsender; nobody uses an inactive slot."""
    from pgreplterm.cluster.words import printable

    if not slot.active:
        return "-"
    senders = node.sample.senders if node.sample is not None else ()
    name = next((each.application_name for each in senders if each.pid == slot.active_pid), "")
    return printable(name) if name else f"pid {slot.active_pid}" if slot.active_pid is not None else "?"


def _plain(node: Node, slot: Slot) -> dict[str, Any]:
    from pgreplterm.cluster.serialize import slot_document

    user = _user(node, slot)
    return {"node": node.name, **slot_document(slot), "used_by": None if user in ("-", "?") else user}
