"""A scenario that runs: what its steps act on, and what they leave for those that follow.

Owns: that state, and what "primary" means at this moment. Must not: know a verb, or judge.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pgreplterm.drill.figures import Figure, Mark
from pgreplterm.drill.measure.context import Context as Moment
from pgreplterm.drill.scenario.background import Background
from pgreplterm.drill.scenario.context import ALL, CANDIDATE, PRIMARY, STANDBYS
from pgreplterm.drill.scenario.model import ClientsPlan
from pgreplterm.errors import DrillFailed, PgReplTermError
from pgreplterm.lab.conninfo import Way

if TYPE_CHECKING:
    from pgreplterm.cluster.model import ClusterSnapshot
    from pgreplterm.drill.check import Check
    from pgreplterm.drill.conduct import Conductor
    from pgreplterm.drill.control import Control
    from pgreplterm.drill.figures import Curve
    from pgreplterm.drill.journal import Journal
    from pgreplterm.drill.measure.track import Track
    from pgreplterm.drill.procedure import Undo
    from pgreplterm.drill.stage import Stage
    from pgreplterm.lab.faults.record import Record
    from pgreplterm.lab.lab import Lab


@dataclass
class Session:
    """figures are in the order they were measured; journals are those of every client there was."""

    stage: Stage
    conductor: Conductor
    control: Control
    journal: Journal
    track: Track
    figures: dict[str, Figure] = field(default_factory=dict)
    injected: list[Record] = field(default_factory=list)
    backgrounds: dict[str, Background] = field(default_factory=dict)
    journals: list[Path] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    clients: ClientsPlan | None = None
    """Those that write now, or would if no drill had ended them."""

    step: str = ""
    may_lose: bool = False
    """Acknowledged rows may be lost: only expectations judge that."""

    checks_after: list[Check] = field(default_factory=list)
    settings_undos: list[Undo] = field(default_factory=list)
    """What gives back the settings that steps have changed, oldest first."""

    @property
    def lab(self) -> Lab:
        """Where everything happens."""
        return self.stage.lab

    def note(self, text: str, kind: str, at: float | None = None) -> None:
        """Mark a moment, this one unless said: "fault", "heal" or "stage"."""
        self.stage.mark(Mark(time.time() if at is None else at, text, kind))

    def moment(self, kind: str) -> float | None:
        """When the last mark of that kind was; None without one."""
        return next((mark.at for mark in reversed(self.conductor.marks) if mark.kind == kind), None)

    def keep(self, *figures: Figure, prefix: str = "") -> None:
        """Take figures into the report. Raises DrillFailed for one that was measured before."""
        for figure in figures:
            key = f"{prefix}_{figure.key}" if prefix else figure.key
            if key in self.figures:
                raise DrillFailed(
                    f"expected the figure {key!r} to be measured once; step {self.step!r} measures it again: "
                    "give one of the two a prefix"
                )
            self.figures[key] = Figure(key, figure.label, figure.value, figure.unit, figure.how)

    def node(self, word: str) -> str:
        """The one node a word means now. Raises DrillFailed."""
        if word == PRIMARY:
            return self.primary()
        return self._candidate() if word == CANDIDATE else word

    def nodes(self, word: str) -> tuple[str, ...]:
        """The nodes a word means now; of "all" and "standbys" those that run. Raises DrillFailed."""
        if word not in (ALL, STANDBYS):
            return (self.node(word),)
        primary = self.primary() if word == STANDBYS else None
        return tuple(each.name for each in self.lab.nodes if each.name != primary and self.lab.is_running(each.name))

    def primary(self) -> str:
        """The one node that takes writes. Raises DrillFailed naming those there are."""
        found = [each.name for each in self.lab.nodes if each.upstream is None and self.lab.is_running(each.name)]
        if len(found) != 1:
            found = [each.name for each in self.stage.watch.newest().primaries]
        if len(found) != 1:
            raise DrillFailed(f"expected one primary, found {', '.join(found) or 'none'}: name the node instead")
        return found[0]

    def _candidate(self) -> str:
        """The standby of the primary that has received most."""
        primary = self.primary()

        def received(snapshot: ClusterSnapshot) -> list[tuple[int, str]]:
            return sorted(
                (-int(node.sample.position), node.name)
                for node in snapshot.nodes
                if node.upstream == primary and node.sample is not None and node.sample.position is not None
            )

        found = received(self.stage.watch.newest())
        if not found:
            raise DrillFailed(f"expected a standby of {primary} as a candidate, found none.")
        return found[0][1]

    def start_clients(self, plan: ClientsPlan) -> None:
        """Have clients write, those of the plan alone."""
        self.stage.journals = self.lab.start_probers(plan.count, plan.interval, Way(plan.way))
        self.stage.probing = True
        self.clients = plan
        self._adopt_clients()

    def stop_clients(self) -> None:
        """End them; their journals stay."""
        self._adopt_clients()
        self.stage.stop_probers()
        self.clients = None

    def moment_now(self) -> Moment:
        """What a measure looks at."""
        return Moment(self.stage, self.track, tuple(self.conductor.marks), journals=tuple(self.journals))

    def track_curves(self) -> tuple[Curve, ...]:
        """What was seen over time."""
        from pgreplterm.drill.measure import curves, latency
        from pgreplterm.drill.measure.clients import attempts_of

        commits = latency.curve(attempts_of(self.journals))
        return (*curves.curves(self.track), *((commits,) if commits is not None else ()))

    def after_drill(self) -> None:
        """The clients of a drill count as well; those of the scenario, which it may have ended, go on."""
        self._adopt_clients()
        if self.clients is not None and not self.stage.probing:
            self.start_clients(self.clients)

    def _adopt_clients(self) -> None:
        self.journals += [path for path in self.stage.journals if path not in self.journals]

    def fresh(self) -> ClusterSnapshot:
        """A snapshot that was begun after this moment. Raises DrillFailed."""
        now = time.time()
        return self.stage.until(lambda snapshot: snapshot.taken_at > now, "a new look at the cluster", 10.0)

    def end_backgrounds(self, narrate: Callable[[str], None]) -> None:
        """Cancel what still runs in the background."""
        for background in self.backgrounds.values():
            with suppress(PgReplTermError):
                if background.cancel():
                    narrate(f"the statement of step {background.step!r} was still running: it is cancelled")
