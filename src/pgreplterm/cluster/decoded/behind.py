"""Each standby that is behind: the cause, and what it has flushed and not replayed, with names.

Owns: asking the standby for its blockers, its WAL and its catalog, for ``wal why`` and the terminal. Must not: sample,
or word what it found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pgreplterm.cluster.connecting.connect import Target
from pgreplterm.cluster.decoded.blockers import Blocker, blockers
from pgreplterm.cluster.decoded.catalog import Catalog, Filenode, Kind, Named
from pgreplterm.cluster.decoded.composition import Composition, compose
from pgreplterm.cluster.decoded.risk import target_of
from pgreplterm.cluster.decoded.wal_range import wal_of
from pgreplterm.cluster.decoded.why import Cause, CauseKind, cause_of, looks_at, waits_for_query
from pgreplterm.cluster.model import ClusterSnapshot, Node
from pgreplterm.cluster.words import printable
from pgreplterm.errors import PgReplTermError
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.relations import RelationTotals

# Causes that rest on positions alone. A server writes whole pages, so a record may wait for its end for a long time.
_GUESSED = (CauseKind.UNKNOWN, CauseKind.SLOWER, CauseKind.CATCHING_UP)


@dataclass(frozen=True, slots=True)
class Behind:
    """One standby. start and end are its replay and flush LSNs, composition what lies between, None where unread says
    why or nothing lies there. relations have their titles beside them, the most WAL first.
    """

    standby: str
    cause: Cause
    start: LSN | None
    end: LSN | None
    composition: Composition | None = None
    relations: tuple[tuple[RelationTotals, str], ...] = ()
    unread: str | None = None


def explained(
    snapshots: Sequence[ClusterSnapshot], targets: Sequence[Target], standby: str | None = None
) -> tuple[Behind, ...]:
    """Every standby (or one) of a few snapshots of one cluster. Raises PgReplTermError when there is none such."""
    nodes = [node for node in snapshots[-1].nodes if node.sample is None or node.sample.in_recovery]
    chosen = [node for node in nodes if standby in (None, node.name)]
    if not chosen:
        wanted = "a standby" if standby is None else f"a standby named {standby!r}"
        names = printable(", ".join(node.name for node in nodes))
        raise PgReplTermError(f"expected {wanted}, found {names or 'none'}.")
    return tuple(_explained(snapshots, node, targets) for node in chosen)


def _explained(snapshots: Sequence[ClusterSnapshot], node: Node, targets: Sequence[Target]) -> Behind:
    looks, target = looks_at(snapshots, node.name), target_of(node, targets)
    found = blockers(target) if target is not None and waits_for_query(looks) else None
    cause = cause_of(looks, found)
    if not looks or not looks[-1].to_replay:
        return Behind(node.name, cause, *_range(node))
    start, end = _range(node)
    if start is None or end is None or end <= start:
        return Behind(node.name, cause, start, end)
    if target is None:
        return Behind(node.name, cause, start, end, unread="it was found through others; name it to have it read")
    try:
        composition = compose(wal_of(target, node.timeline), start, end)
    except PgReplTermError as error:
        return Behind(node.name, cause, start, end, unread=str(error))
    if not composition.records and cause.kind in _GUESSED:
        cause = Cause(
            CauseKind.NOTHING, f"it has replayed every whole record; {end - start} bytes of the next one wait"
        )
    primary = next((target_of(each, targets) for each in snapshots[-1].primaries), None)
    return Behind(node.name, cause, start, end, composition, _titled(composition.relations, primary or target))


def _range(node: Node) -> tuple[LSN | None, LSN | None]:
    return (None, None) if node.sample is None else (node.sample.replay_lsn, node.sample.flush_lsn)


def _titled(relations: Sequence[RelationTotals], target: Target) -> tuple[tuple[RelationTotals, str], ...]:
    names = Catalog(target).names(_filenode(each) for each in relations if each.relation)
    return tuple((each, title_of(each, names)) for each in relations)


def title_of(each: RelationTotals, names: Mapping[Filenode, Named]) -> str:
    """``app: public.orders_pkey (index of public.orders)``; the numbers where the name is unknown."""
    name = names.get(_filenode(each))
    if name is None:
        return each.name
    if name.name is None:
        return f"{each.name} ({name.reason or 'name unknown'})"
    title = name.name if name.database is None else f"{name.database}: {name.name}"
    return f"{title} ({name.kind} of {name.table})" if name.kind in (Kind.INDEX, Kind.TOAST) else title


def _filenode(each: RelationTotals) -> Filenode:
    return Filenode(each.tablespace, each.database, each.relation)


def behind_document(behind: Behind) -> dict[str, Any]:
    """One standby as plain data; keys are a contract."""
    found = behind.composition
    return {
        "node": behind.standby,
        "cause": behind.cause.kind,
        "sentence": behind.cause.sentence,
        "blockers": [_blocker_json(each) for each in behind.cause.blockers],
        "replay_lsn": None if behind.start is None else str(behind.start),
        "flush_lsn": None if behind.end is None else str(behind.end),
        "unread": behind.unread,
        "records": None if found is None else found.records,
        "bytes": None if found is None else found.bytes,
        "image_bytes": None if found is None else found.image_bytes,
        "read_to_lsn": None if found is None else str(found.read_to),
        "rmgrs": [] if found is None else [_share_json("rmgr", each.rmgr_name, each) for each in found.rmgrs],
        "relations": [_share_json("relation", title, each) for each, title in behind.relations],
    }


def _share_json(key: str, name: str, each: Any) -> dict[str, Any]:
    return {key: name, "bytes": each.bytes, "image_bytes": each.image_bytes}


def _blocker_json(each: Blocker) -> dict[str, Any]:
    return {
        "pid": each.pid,
        "user": each.user,
        "database": each.database,
        "state": each.state,
        "application_name": each.application_name,
        "transaction_seconds": each.transaction_age,
        "holds_lock": each.holds_lock,
        "query": each.query,
    }
