"""The lab itself: what else is going on in it, and the programs it needs.

Owns: those checks. Must not: look into it (``look``).
"""

from __future__ import annotations

from pathlib import Path

from pgreplterm.cluster.words import printable
from pgreplterm.drill.preflight.subject import Drill, Finding, Subject, listed, ok, refuse, unknown, warn

_COPIES = (Drill.REJOIN, Drill.NEW_STANDBY, Drill.PITR)


def no_other_drill(subject: Subject) -> Finding:
    """One at a time on a cluster, and none after one that was cut off."""
    if left := subject.facts.left_half_done:
        return refuse(f"the run {left} was left half done", "pgreplterm drill heal")
    if subject.facts.drill is None:
        return unknown("whether another drill runs here")
    if subject.facts.drill:
        return refuse(f"process {subject.facts.drill} runs one", "wait for its end, or pgreplterm drill abort")
    return ok("none is running")


def no_fault(subject: Subject) -> Finding:
    """A fault that stands makes the figures those of the fault."""
    if subject.facts.faults is None:
        return unknown("faults")
    if subject.facts.faults:
        return warn(listed(map(printable, subject.facts.faults)), "pgreplterm fault heal")
    return ok("none")


def programs(subject: Subject) -> Finding:
    """pg_rewind and pg_basebackup bring nodes back."""
    missing = subject.facts.missing_tools
    if missing is None:
        return unknown("PostgreSQL's programs")
    if not missing:
        return ok("pg_rewind and pg_basebackup are there")
    shown = f"{listed(missing)} not found beside the server"
    return refuse(shown, "install them") if subject.drill in _COPIES else warn(shown, "install them")


def directories(subject: Subject) -> Finding:
    """The server works in the folder that we have on record, and would stop or copy."""
    wrong = []
    for name, place in subject.facts.places.items():
        real = subject.facts_of(name).setting("data_directory")
        if real is not None and Path(real) != Path(place.data_directory):
            wrong.append(f"{name} works in {printable(real)}, on record is {place.data_directory}")
    if wrong:
        return refuse("; ".join(wrong))
    return ok(f"those on record, of {len(subject.facts.places)} nodes") if subject.facts.places else unknown("folders")


def stopped(subject: Subject) -> Finding:
    """Only a stopped node's files may be touched; the drill stops it."""
    place = subject.facts.places.get(subject.node or "")
    if place is None:
        return refuse(f"{subject.node} is no node of this lab")
    return (
        warn(f"{subject.node} runs", "the drill stops it first") if place.running else ok(f"{subject.node} is stopped")
    )


def free_name(subject: Subject) -> Finding:
    """A new node needs a name of its own."""
    if subject.node is None:
        return refuse("no name is given")
    return refuse(f"there is a node {subject.node}") if subject.node in subject.facts.places else ok(subject.node)
