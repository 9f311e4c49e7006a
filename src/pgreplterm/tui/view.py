"""What the screens know: the newest snapshot, what led to it, and the lines noticed on the way.

Owns: folding source events into one state that every place reads.
Must not: import Textual, draw, or decide; judgement comes from the cluster room.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pgreplterm.cluster.history import LagHistory
from pgreplterm.cluster.model import ClusterSnapshot
from pgreplterm.tui.overview.changes import Change, Weight, changes
from pgreplterm.tui.sources import Jumped, Marked, Progress, Risked, Sampled, SourceEvent, Trouble

if TYPE_CHECKING:
    from pgreplterm.cluster.decoded.risk_watch import AtRisk
    from pgreplterm.cluster.thresholds import Thresholds

KEPT_EVENTS = 500
REMEMBERED = 15.0  # seconds of snapshots, for faults that only show over time
STALE_AFTER = 3.0  # ticks without a snapshot before the screen says so


@dataclass
class ClusterView:
    """The state of one watched cluster."""

    title: str
    interval: float
    snapshot: ClusterSnapshot | None = None
    history: LagHistory = field(default_factory=LagHistory)
    progress: list[str] = field(default_factory=list)
    events: deque[Change] = field(default_factory=lambda: deque(maxlen=KEPT_EVENTS))
    fatal: str | None = None
    received_at: float | None = None  # monotonic
    risks: Mapping[str, AtRisk] = field(default_factory=dict)  # by node; empty where WAL is not read
    limits: Thresholds | None = None  # what the cluster is judged by; None: the default ones
    earlier: deque[ClusterSnapshot] = field(default_factory=deque)  # before the newest, oldest first

    def take(self, event: SourceEvent) -> None:
        """Fold one event in."""
        match event:
            case Progress(text):
                self.progress.append(text)
            case Sampled(snapshot):
                self._sampled(snapshot)
            case Marked(at, text):
                self.events.append(Change(at, Weight.NOTE, f"mark: {text}"))
            case Risked(risks):
                self.risks = risks
            case Jumped(events):
                self.snapshot, self.history, self.risks = None, LagHistory(), {}
                self.events.clear()
                self.earlier.clear()
                for each in events:
                    self.take(each)
            case Trouble(text, fatal):
                self.note(Weight.WARNING, text)
                if fatal:
                    self.fatal = text

    def note(self, weight: Weight, text: str) -> None:
        """Add a line of our own to the events, once while it repeats."""
        if not self.events or self.events[-1].text != text:
            self.events.append(Change(time.time(), weight, text))

    def _sampled(self, snapshot: ClusterSnapshot) -> None:
        self.events.extend(changes(self.snapshot, snapshot))
        if self.snapshot is not None:
            self.earlier.append(self.snapshot)
        while self.earlier and not 0 <= snapshot.taken_at - self.earlier[0].taken_at <= REMEMBERED:
            self.earlier.popleft()
        self.snapshot = snapshot
        self.history.add(snapshot)
        self.received_at = time.monotonic()

    def silence(self, now: float) -> float | None:
        """Seconds since the last tick when that is longer than it should be, else None (monotonic now)."""
        if self.received_at is None:
            return None
        age = now - self.received_at
        return age if age > STALE_AFTER * self.interval + 0.5 else None
