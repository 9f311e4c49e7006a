"""Room for those who come: walsenders, slots, parameters, disk.

Owns: those checks. Must not: ask a server.
"""

from __future__ import annotations

from pgreplterm.cluster.words import size_in_words
from pgreplterm.drill.preflight.subject import Drill, Finding, Subject, listed, ok, refuse, unknown, warn

_TRACKED = (
    "max_connections",
    "max_prepared_transactions",
    "max_locks_per_transaction",
    "max_worker_processes",
    "max_wal_senders",
)
"""A standby must have at least what the primary's WAL says (PostgreSQL manual, "Administrator's Overview")."""

_ROOM = 1.2
"""A base backup also fetches the WAL written meanwhile."""

_COPIED = (Drill.NEW_STANDBY, Drill.PITR)


def parameters(subject: Subject) -> Finding:
    """Candidate at least as the primary, and who follows the candidate at least as that."""
    server = subject.server
    pairs = [(server, subject.primary)] if server != subject.primary else []
    pairs += [(name, server) for name in subject.newcomers if subject.drill is not Drill.NEW_STANDBY]
    low, missing = [], []
    for follower, leader in pairs:
        for name in _TRACKED:
            mine, theirs = subject.facts_of(follower).number(name), subject.facts_of(leader).number(name)
            if mine is None or theirs is None:
                missing.append(f"{name} of {follower if mine is None else leader}")
            elif mine < theirs:
                low.append(f"{name} is {mine} on {follower}, {theirs} on {leader}")
    if low:
        return refuse("; ".join(dict.fromkeys(low)), "raise it, and restart that node first")
    if missing:
        return unknown(listed(dict.fromkeys(missing)))
    return ok(f"{listed(_TRACKED)} are high enough everywhere")


def walsenders(subject: Subject) -> Finding:
    """One for each that comes, one more while a base backup streams its WAL."""
    facts = subject.facts_of(subject.server)
    limit, used = facts.number("max_wal_senders"), facts.walsenders
    if limit is None or used is None:
        return unknown(f"walsenders of {subject.server}", facts)
    wanted = len(subject.newcomers) + (subject.drill in (Drill.NEW_STANDBY, Drill.REJOIN))
    shown = f"{subject.server}: {limit - used} of {limit} free, {wanted} wanted"
    return ok(shown) if limit - used >= wanted else refuse(shown, f"raise max_wal_senders on {subject.server}")


def slots(subject: Subject) -> Finding:
    """One for each that comes and has none there yet."""
    facts = subject.facts_of(subject.server)
    limit, used = facts.number("max_replication_slots"), facts.slots
    if limit is None or used is None or facts.traces is None:
        return unknown(f"slots of {subject.server}", facts)
    wanted = len([name for name in subject.newcomers if name not in facts.traces.slots])
    shown = f"{subject.server}: {limit - used} of {limit} free, {wanted} wanted"
    if limit - used >= wanted:
        return ok(shown)
    return refuse(shown, f"raise max_replication_slots on {subject.server}, or drop a slot nobody uses")


def wal_level(subject: Subject) -> Finding:
    """With minimal WAL nobody can follow."""
    level = subject.facts_of(subject.server).setting("wal_level")
    if level is None:
        return unknown(f"wal_level of {subject.server}", subject.facts_of(subject.server))
    return refuse(f"{subject.server}: wal_level is minimal") if level == "minimal" else ok(f"wal_level is {level}")


def disk(subject: Subject) -> Finding:
    """Where a copy would go, or the rebuild of a node that cannot come back otherwise."""
    target = subject.node or subject.primary
    places = subject.facts.places
    place = places.get(target) if target is not None else None
    if place is None and places:
        place = next(iter(places.values()))  # a node that is to be: the same folder
    size = subject.facts_of(subject.primary).size
    if place is None or place.free is None or size is None:
        return unknown("free space, or the size of the databases")
    shown = f"{size_in_words(place.free)} free, databases of {size_in_words(size)}"
    if place.free >= size * _ROOM:
        return ok(shown)
    if subject.drill in _COPIED:
        return refuse(shown, "free some space")
    return warn(f"{shown}: a base backup would not fit", "free some space")


def tablespaces(subject: Subject) -> Finding:
    """A copy on the same machine would write into the folders of the original."""
    facts = subject.facts_of(subject.primary)
    if facts.tablespaces is None:
        return unknown("tablespaces", facts)
    if facts.tablespaces == 0:
        return ok("none besides the data directory")
    if subject.facts.owned and subject.drill in _COPIED:
        return refuse(f"{facts.tablespaces}: a copy on this machine would use the same folders")
    return warn(f"{facts.tablespaces}: a rebuild on the same machine needs pg_basebackup --tablespace-mapping")
