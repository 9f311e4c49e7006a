"""The visible list of what must hold before a drill: every check with its verdict and its evidence.

    facts = look(lab, snapshot)
    for check in for_switchover(scene, "pg1", "pg2", facts):
        print(check.verdict, check.name, check.evidence)

Owns: the lists of each drill. Must not: act, or decide what a drill does about a refusal.
"""

from __future__ import annotations

from pgreplterm.drill.check import Check
from pgreplterm.drill.preflight.facts import Facts
from pgreplterm.drill.preflight.look import look
from pgreplterm.drill.preflight.rules import rules_for
from pgreplterm.drill.preflight.subject import Drill, Subject
from pgreplterm.drill.procedure import Scene

__all__ = [
    "Drill",
    "Facts",
    "Subject",
    "checks",
    "for_failover",
    "for_new_standby",
    "for_pitr",
    "for_rejoin",
    "for_repoint",
    "for_switchover",
    "for_sync_mode",
    "for_takeover",
    "look",
]


def checks(subject: Subject) -> tuple[Check, ...]:
    """All that this drill makes, in the order they are read."""
    return tuple(rule.check(subject) for rule in rules_for(subject.drill, subject.facts.owned))


def for_switchover(
    scene: Scene, primary: str | None, candidate: str | None, facts: Facts, rule: str | None = None
) -> tuple[Check, ...]:
    """Before primary is stopped and candidate promoted; rule is the synchronous_standby_names that is then set."""
    return checks(Subject(Drill.SWITCHOVER, scene.snapshot, facts, primary=primary, candidate=candidate, rule=rule))


def for_failover(scene: Scene, primary: str | None, candidate: str | None, facts: Facts) -> tuple[Check, ...]:
    """Before primary is killed on purpose; candidate is the standby that would be promoted now."""
    return checks(Subject(Drill.FAILOVER, scene.snapshot, facts, primary=primary, candidate=candidate))


def for_takeover(scene: Scene, primary: str | None, candidate: str | None, facts: Facts) -> tuple[Check, ...]:
    """Before candidate is promoted in place of a primary that is gone already."""
    return checks(Subject(Drill.TAKEOVER, scene.snapshot, facts, primary=primary, candidate=candidate))


def for_repoint(scene: Scene, node: str, source: str, facts: Facts) -> tuple[Check, ...]:
    """Before node is told to stream from source."""
    return checks(Subject(Drill.REPOINT, scene.snapshot, facts, primary=_primary(scene), node=node, source=source))


def for_rejoin(scene: Scene, node: str, source: str, facts: Facts) -> tuple[Check, ...]:
    """Before node is made to follow source, by whatever way."""
    primary = _primary(scene, but=node)
    return checks(Subject(Drill.REJOIN, scene.snapshot, facts, primary=primary, node=node, source=source))


def for_new_standby(scene: Scene, name: str | None, upstream: str, facts: Facts) -> tuple[Check, ...]:
    """Before a copy of upstream is made under that name; None: the drill chooses one."""
    node = name or "the new standby"
    return checks(
        Subject(Drill.NEW_STANDBY, scene.snapshot, facts, primary=_primary(scene), node=node, source=upstream)
    )


def for_sync_mode(scene: Scene, rule: str, facts: Facts) -> tuple[Check, ...]:
    """Before synchronous_standby_names becomes rule on the primary; "" is asynchronous."""
    return checks(Subject(Drill.SYNC_MODE, scene.snapshot, facts, primary=_primary(scene), rule=rule))


def for_pitr(scene: Scene, name: str | None, facts: Facts) -> tuple[Check, ...]:
    """Before a node of that name is restored from a base backup and the archive; None: the drill chooses one."""
    node = name or "the restored node"
    return checks(Subject(Drill.PITR, scene.snapshot, facts, primary=_primary(scene), node=node))


def _primary(scene: Scene, but: str | None = None) -> str | None:
    return next((node.name for node in scene.snapshot.primaries if node.name != but), None)
