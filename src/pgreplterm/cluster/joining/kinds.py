"""What a walsender serves: a standby, or one of the others that pg_stat_replication lists beside them.

Owns: telling them apart. Must not: pair them with anything.

pg_receivewal may call itself anything, but it replays nothing: its replies leave replay_lsn NULL, and a standby's
never do.
"""

from __future__ import annotations

from collections.abc import Collection

from pgreplterm.cluster.forks.grounds import APPLICATION_NAME
from pgreplterm.cluster.model import LinkKind, NodeSample, Sender

_BY_NAME = {
    "pg_basebackup": LinkKind.BACKUP,  # its second walsender streams the WAL of the backup
    "pg_receivewal": LinkKind.RECEIVEWAL,
    "pg_recvlogical": LinkKind.LOGICAL,
}


def logical_slots(sample: NodeSample) -> frozenset[str]:
    """The names of a server's logical slots."""
    return frozenset(slot.name for slot in sample.slots if slot.kind == "logical")


def serving_standbys(sample: NodeSample) -> tuple[Sender, ...]:
    """The walsenders of standbys: what a standby that says it streams from here must be among."""
    logical = logical_slots(sample)
    return tuple(
        sender
        for sender in sample.senders
        if kind_of(sender, logical) is LinkKind.STANDBY and sender.application_name != APPLICATION_NAME
    )


def kind_of(sender: Sender, logical: Collection[str]) -> LinkKind:
    """logical is logical_slots() of the sample that lists the walsender. STANDBY unless something says otherwise."""
    if sender.state == "backup":
        return LinkKind.BACKUP
    if sender.slot_name is not None and sender.slot_name in logical:
        return LinkKind.LOGICAL
    if named := _BY_NAME.get(sender.application_name):
        return named
    if sender.write_lsn is not None and sender.replay_lsn is None:
        return LinkKind.RECEIVEWAL
    return LinkKind.STANDBY
