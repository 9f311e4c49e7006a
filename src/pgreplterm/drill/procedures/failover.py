"""The unplanned failover: kill the primary, promote the best standby, bring everyone back, measure.

Owns: the order of its steps and their undo. Must not: decide (choose, rejoin) or compute (loss) anything itself.

The order is that of a careful operator: detect by two signals, fence, choose by received WAL, promote, repoint, and
only then look after the old primary, whose WAL is read before anything may overwrite it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

from pgreplterm.cluster.connecting.connect import named_target
from pgreplterm.cluster.model import Node
from pgreplterm.drill import undo
from pgreplterm.drill.bringing_back import Returned, bring_back
from pgreplterm.drill.check import Check
from pgreplterm.drill.choose import bytes_at_risk, candidates, primary_is_lost
from pgreplterm.drill.figures import Figure, Mark
from pgreplterm.drill.lost import Forecast, Stopped, foretell, keep
from pgreplterm.drill.measure.clients import ClientSeen, attempts_of, downtime_between
from pgreplterm.drill.measure.clients import seen as seen_by
from pgreplterm.drill.measure.phases import first_write
from pgreplterm.drill.preflight import for_failover, for_takeover, look
from pgreplterm.drill.procedure import Option, Procedure, Scene, Step, Undo
from pgreplterm.drill.procedures.common import PROMOTE, await_primary, await_streaming, position_of, promote
from pgreplterm.drill.procedures.failover_figures import Measured, figures
from pgreplterm.drill.rejoin import Verdict, judge
from pgreplterm.drill.stage import Stage
from pgreplterm.errors import DrillFailed, PgReplTermError
from pgreplterm.lab.fates import Fate

WRITES_WANTED = 50
"""Acknowledged on each side of the failure."""

CLIENTS = 4
INTERVAL = 0.01
"""Seconds between the writes of one client."""

_FAILURES = {
    "kill": ("SIGKILL", "killed"),
    "crash": ("SIGQUIT", "crashed"),
    "freeze": ("SIGSTOP", "frozen"),
    "none": ("nothing: it is down", "down"),
}


class Failover(Procedure):
    """Until the promotion a failure starts the old primary again; from there on everything goes forward."""

    kind: ClassVar[str] = "failover"
    effect: ClassVar[str] = "kill the primary, promote the best standby, repoint, rejoin, measure"
    radius: ClassVar[str] = "writes fail until the promotion; what no standby has is lost"
    duration: ClassVar[str] = "2-5 s"
    reversibility: ClassVar[str] = "until the promotion; after that it goes forward"
    options: ClassVar[Mapping[str, Option]] = {
        "failure": Option(
            "how the primary fails: kill (SIGKILL), crash (SIGQUIT), freeze (SIGSTOP), none (it is down already)",
            "kill",
        ),
        "rejoin": Option("bring the old primary back at the end: yes or no", "yes"),
    }

    def __init__(self, scene: Scene) -> None:
        """Raises PgReplTermError for a failure there is not."""
        super().__init__(scene)
        self._failure = _choice(scene, "failure", tuple(_FAILURES))
        self._rejoins = _choice(scene, "rejoin", ("yes", "no")) == "yes"
        self._primary, self._timeline = _primary_of(scene, is_down=self._failure == "none")
        answering = (node for node in scene.snapshot.nodes if node.sample is not None and node.failure is None)
        self._voters = {node.name for node in answering} - {self._primary}
        self._seen = Measured(self._primary)
        self._verdict: Verdict | None = None
        self._returned: Returned | None = None
        self._forecast: Forecast | None = None
        self._diverged: Path | None = None
        self._clients: tuple[ClientSeen, ...] = ()

    def preflight(self) -> tuple[Check, ...]:
        """What must hold before a primary is killed on purpose, or taken for dead."""
        ranked = candidates(self.scene.snapshot, self._timeline, 0.0)
        best = ranked[0].name if ranked else None
        primary = self._primary if self._timeline else None
        facts = look(self.scene.lab, self.scene.snapshot)
        if self._failure == "none":
            return for_takeover(self.scene, primary, best, facts)
        return for_failover(self.scene, primary, best, facts)

    def steps(self) -> tuple[Step, ...]:
        """In the order of an operator who trusts nothing."""
        steps = self._takeover()
        if self._rejoins:
            steps += (self._rejoin_step(),)
        return (
            *steps,
            Step(
                "measure",
                "compare what clients were told with what is there",
                "Every id that a server acknowledged must be on the new primary. Those that are not are the loss, and "
                "they are compared with what the old primary's WAL foretold.",
                self._measure,
            ),
        )

    def _takeover(self) -> tuple[Step, ...]:
        old = self._primary
        return (
            Step(
                "start prober",
                f"{CLIENTS} clients write ids",
                "Clients write numbered rows, each in its own transaction, and log what they were told. Their logs, "
                "not the server's, tell how long writes failed and which acknowledged rows are gone.",
                self._start_prober,
                lambda _: undo.stop_probers(),
            ),
            Step(
                "kill primary",
                f"{_FAILURES[self._failure][0]} {old}",
                "The failure itself. What the standbys lack at this moment is what will be lost: with asynchronous "
                "replication an acknowledged commit may not have left the primary yet.",
                self._kill,
                self._undo_kill,
            ),
            Step(
                "detect",
                "wait for two signals that it is lost",
                "A single signal is not enough: that we cannot reach the primary may be our own network. It counts as "
                "lost when it does not answer us and a standby's walreceiver no longer receives from it.",
                self._detect,
            ),
            Step(
                "fence",
                f"make sure that {old} cannot take writes",
                "Unreachable is not dead. If the old primary came back after the promotion, both would accept writes: "
                "a split brain. So it is made sure first that no process of it runs and that nothing restarts it.",
                self._fence,
            ),
            Step(
                PROMOTE,
                "promote the standby that received most",
                "Promoting the standby that has flushed most loses least. What it has replayed does not matter, since "
                "a promotion replays all that was received first.",
                self._promote,
            ),
            Step(
                "repoint",
                "have the other standbys follow it",
                "The survivors get a slot on the new primary first and then its address. One that had received more "
                "than the new primary could not follow; this is why the furthest one was promoted.",
                self._repoint,
            ),
        )

    def _rejoin_step(self) -> Step:
        return Step(
            "rejoin",
            f"bring {self._primary} back: follow, rewind or rebuild",
            "The old primary's WAL may pass the fork. What only it has is kept first, as files and as a list of "
            "transactions, because pg_rewind destroys the only copy. Then its WAL decides how it can come back.",
            self._rejoin,
        )

    def figures(self) -> tuple[Figure, ...]:
        """What was measured."""
        return figures(self._seen, self._verdict, self._returned, self._forecast, self._clients)

    def summary(self) -> str:
        """Who was killed and who took over."""
        word = _FAILURES[self._failure][1]
        return f"{self._primary} was {word}, {self._seen.promoted or 'nobody'} was promoted"

    def _start_prober(self, stage: Stage) -> str:
        if self._failure == "none" and not stage.probing:
            return "none, for there is no primary to write to"
        stage.start_probers(CLIENTS, INTERVAL)
        stage.observe(f"{len(stage.journals)} clients write on {self._primary}")
        if self._failure == "none":
            return "their writes fail, for there is no primary"
        stage.await_acks(self._primary, WRITES_WANTED)
        return f"{WRITES_WANTED} writes of the first acknowledged by {self._primary}"

    def _kill(self, stage: Stage) -> str:
        seen, lab = self._seen, stage.lab
        seen.at_risk = bytes_at_risk(stage.watch.newest(), self._primary)
        if self._failure == "none":
            return f"{self._primary} is down already"
        act: Callable[[str], None] = {"kill": lab.kill, "crash": lab.crash, "freeze": lab.freeze}[self._failure]
        seen.killed_at = time.time()
        act(self._primary)
        stage.mark(Mark(seen.killed_at, f"{self._failure} {self._primary}", "fault"))
        return f"{_FAILURES[self._failure][0]} to {self._primary}"

    def _undo_kill(self, _: Stage) -> Undo | None:
        return None if self._failure == "none" else undo.start_node(self._primary, until=PROMOTE)

    def _detect(self, stage: Stage) -> str:
        seen = self._seen
        stage.until(lambda now: primary_is_lost(now, self._primary), f"{self._primary} to be lost")
        seen.detected_at = time.time()
        if not seen.killed_at:
            return f"{self._primary} answers nobody, and no standby receives from it"
        return f"{seen.detected_at - seen.killed_at:.3f} s after the failure"

    def _fence(self, stage: Stage) -> str:
        """The old primary must be unable to take writes before another may: here, no process of it is left."""
        lab = stage.lab
        if self._failure == "freeze" and lab.is_running(self._primary):
            lab.kill(self._primary)
            stage.observe(f"{self._primary} was frozen, and is killed")
        if lab.is_running(self._primary):
            raise DrillFailed(f"expected {self._primary} to be dead, found its postmaster alive.")
        return f"no process of {self._primary} is left, and nothing restarts it"

    def _promote(self, stage: Stage) -> str:
        seen = self._seen
        ranked = self._ranked(stage)
        if not ranked:
            raise DrillFailed(f"expected a standby on timeline {self._timeline} to promote; found none.")
        best = ranked[0]
        self.promotes = seen.promoted = best.name
        seen.flushed = best.sample.position if best.sample is not None else None
        stage.observe("received WAL: " + ", ".join(f"{node.name} {position_of(node)}" for node in ranked))
        seen.decided_at = time.time()
        promote(stage, best.name)
        seen.promoted_at = time.time()
        seen.timeline_before = self._timeline
        seen.timeline_after, seen.fork = await_primary(stage, best.name, self._timeline)
        return f"{best.name}, timeline {seen.timeline_after}, forked at {seen.fork}"

    def _ranked(self, stage: Stage) -> tuple[Node, ...]:
        """The candidates, once every standby that answered before has been heard after the loss."""
        since = self._seen.detected_at or 0.0
        snapshot = stage.until(
            lambda now: {node.name for node in candidates(now, self._timeline, since)} >= self._voters,
            f"{', '.join(sorted(self._voters))} to report their positions",
        )
        return candidates(snapshot, self._timeline, since)

    def _repoint(self, stage: Stage) -> str:
        """Those that streamed from the old primary; what hangs below a standby follows it by itself."""
        lab, new = stage.lab, self._seen.promoted
        orphans = [node.name for node in lab.nodes if node.upstream == self._primary and node.name != new]
        for name in orphans:
            lab.repoint(name, new)
        survivors = {node.name for node in lab.nodes if lab.is_running(node.name)} - {new}
        await_streaming(stage, survivors, self._seen.timeline_after)
        if stage.probing:
            stage.await_acks(new, WRITES_WANTED)
        return f"{', '.join(orphans) or 'nobody'} -> {new}"

    def _rejoin(self, stage: Stage) -> str:
        seen, old = self._seen, self._primary
        assert seen.fork is not None
        self._foretell(stage)
        self._keep(stage)
        began = time.monotonic()
        stage.lab.checkpoint(seen.promoted)
        directory = Path(stage.lab.state.node(old).data_directory)
        self._verdict = judge(directory, self._timeline, seen.fork)
        stage.observe(f"{self._verdict.word}: {self._verdict.reason}")
        self._returned = bring_back(stage.lab, old, seen.promoted, self._verdict.method, stage.observe)
        await_streaming(stage, {old}, seen.timeline_after)
        seen.rejoin_seconds = time.monotonic() - began
        return f"{old} by {self._returned.word} in {seen.rejoin_seconds:.3f} s"

    def _old(self, stage: Stage) -> Stopped:
        return Stopped(self._primary, Path(stage.lab.state.node(self._primary).data_directory), self._timeline)

    def _foretell(self, stage: Stage) -> None:
        """What the promotion had to lose, by the old primary's own WAL."""
        seen = self._seen
        assert seen.flushed is not None
        target = named_target(seen.promoted, stage.lab.dsn(seen.promoted))
        self._forecast = foretell(self._old(stage), seen.flushed, target)

    def _keep(self, stage: Stage) -> None:
        """What only the old primary has, before anything overwrites its WAL."""
        new = self._seen.promoted
        node = stage.watch.newest().node(new)
        assert node is not None and node.sample is not None
        target = named_target(new, stage.lab.dsn(new))
        self._diverged = keep(self._old(stage), new, node.sample, target, stage.kept)
        if self._diverged is not None:
            stage.files["diverged"] = str(self._diverged)
            stage.observe(f"what only {self._primary} has is kept in {self._diverged}")

    def _measure(self, stage: Stage) -> str:
        if self._forecast is None:
            self._foretell(stage)
        clients = attempts_of(stage.stop_probers())
        seen, new = self._seen, self._seen.promoted
        ports = stage.port(self._primary), stage.port(new)
        self._clients = tuple(
            seen_by(client, attempts, [stage.lab.read_probes(new, client)], downtime_between(attempts, *ports))
            for client, attempts in clients.items()
        )
        seen.written_at = first_write(tuple(clients.values()), ports[1], seen.decided_at or 0.0)
        self.lost_ids = tuple(each.fates.of(Fate.LOST) for each in self._clients)
        self.leaves_stopped = () if self._rejoins else (self._primary,)
        acked = sum(each.acknowledged for each in self._clients)
        return f"{acked} acknowledged, {sum(map(len, self.lost_ids))} lost"


def _choice(scene: Scene, name: str, words: tuple[str, ...]) -> str:
    found = scene.arguments.get(name) or Failover.options[name].default
    if found not in words:
        raise PgReplTermError(f"expected {name} to be {', '.join(words[:-1])} or {words[-1]}, found {found!r}.")
    return found


def _primary_of(scene: Scene, *, is_down: bool) -> tuple[str, int]:
    """The primary and its timeline; for one that is down, what its standbys were on."""
    if not is_down:
        for node in scene.snapshot.primaries:
            return node.name, node.timeline or 0
        return "the primary", 0
    down = [node.name for node in scene.lab.nodes if node.upstream is None and not scene.lab.is_running(node.name)]
    timelines = [node.timeline for node in scene.snapshot.nodes if node.timeline is not None and node.name not in down]
    return (down[0] if len(down) == 1 else "the primary"), max(timelines, default=0)
