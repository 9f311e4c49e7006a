"""Who is at work on the primary, and what a stop costs them.

Owns: those checks. Must not: ask a server.
"""

from __future__ import annotations

from pgreplterm.cluster.words import duration_in_words, printable
from pgreplterm.drill.preflight.subject import Drill, Finding, Subject, listed, ok, refuse, unknown, warn

LONG = 10.0
"""Seconds from which a transaction is worth a word: it is rolled back."""


def transactions(subject: Subject) -> Finding:
    """A fast stop rolls every open one back."""
    facts = subject.facts_of(subject.primary)
    if facts.transactions is None:
        return unknown(f"transactions of {subject.primary}", facts)
    long = [age for age in facts.transactions if age >= LONG]
    if not long:
        return ok(f"{len(facts.transactions)} open, none for {LONG:.0f} s")
    shown = f"{len(long)} open for more than {LONG:.0f} s, the oldest {duration_in_words(max(long))}"
    return warn(f"{shown}; they are rolled back", "wait for them, or tell their owners")


def prepared(subject: Subject) -> Finding:
    """They survive, with their locks, and whoever prepared them must find the new primary."""
    facts = subject.facts_of(subject.primary)
    if facts.prepared is None:
        return unknown(f"prepared transactions of {subject.primary}", facts)
    if not facts.prepared:
        return ok("none")
    oldest = duration_in_words(max(facts.prepared))
    return warn(f"{len(facts.prepared)}, the oldest {oldest}; they go over with their locks", "finish them first")


def backups(subject: Subject) -> Finding:
    """A base backup ends with its walsender."""
    running = {name: facts.backups for name, facts in subject.facts.nodes.items()}
    if running.get(subject.primary or "") is None and subject.primary in running:
        return unknown(f"base backups of {subject.primary}", subject.facts_of(subject.primary))
    busy = [
        f"{name}: {count}" for name, count in running.items() if count and name in (subject.primary, subject.server)
    ]
    if not busy:
        return ok("none is running")
    if subject.drill is Drill.SWITCHOVER:
        return refuse(listed(busy), "wait until it has ended: it would fail")
    return warn(f"{listed(busy)}: it would fail")


def logical_slots(subject: Subject) -> Finding:
    """A logical slot stays on the old primary, unless a standby keeps a copy of it (17 and later)."""
    node = subject.seen(subject.primary)
    if node is None or node.sample is None:
        return unknown("slots of the primary")
    found = [slot for slot in node.sample.slots if slot.kind == "logical" and not slot.temporary]
    if not found:
        return ok("none")
    candidate = subject.seen(subject.candidate)
    there = {slot.name for slot in candidate.sample.slots if slot.synced} if candidate and candidate.sample else set()
    left = [printable(slot.name) for slot in found if slot.name not in there]
    if not left:
        return ok(f"{len(found)}, all with a synced copy on {subject.candidate}")
    return warn(f"{listed(left)}: not on {subject.candidate}", "make failover slots (17), or the subscriber anew")
