"""Which finding was there from when to when, under each profile of limits.

Owns: that list, tick by tick. Must not: have a rule or a limit of its own (``cluster.findings`` has).
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, replace

from pgreplterm.cluster.findings import Severity, findings
from pgreplterm.cluster.model import ClusterSnapshot
from pgreplterm.cluster.thresholds import PROFILES

REMEMBERED = 15.0
"""Seconds of snapshots that rules which look back are given."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One finding under one profile. until is None while it lasts; severity is the worst it had."""

    profile: str
    rule: str
    node: str | None
    severity: Severity
    sentence: str
    since: float
    until: float | None = None


class Alarms:
    """What was found at each tick, as stretches of time; information is no alarm and is left out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._earlier: deque[ClusterSnapshot] = deque()
        self._over: list[Alarm] = []
        self._open: dict[tuple[str, str, str | None], Alarm] = {}

    def see(self, snapshot: ClusterSnapshot) -> None:
        """Judge one tick."""
        now = snapshot.taken_at
        with self._lock:
            there: set[tuple[str, str, str | None]] = set()
            for profile, limits in PROFILES.items():
                for found in findings(snapshot, limits, self._earlier):
                    if found.severity is Severity.INFO:
                        continue
                    key = (profile, found.rule, found.node)
                    there.add(key)
                    known = self._open.get(key)
                    if known is None:
                        self._open[key] = Alarm(profile, found.rule, found.node, found.severity, found.sentence, now)
                    elif found.severity > known.severity:
                        self._open[key] = replace(known, severity=found.severity, sentence=found.sentence)
            for key in [key for key in self._open if key not in there]:
                self._over.append(replace(self._open.pop(key), until=now))
            self._remember(snapshot)

    def all(self, profile: str) -> tuple[Alarm, ...]:
        """Every alarm of that profile, by when it began."""
        with self._lock:
            found = [each for each in (*self._over, *self._open.values()) if each.profile == profile]
        return tuple(sorted(found, key=lambda each: each.since))

    def _remember(self, snapshot: ClusterSnapshot) -> None:
        kept = self._earlier
        kept.append(snapshot)
        while kept and snapshot.taken_at - kept[0].taken_at > REMEMBERED:
            kept.popleft()
