"""The unplanned failover: kill the primary, promote the best standby, bring everyone back, measure.

Owns: the order of steps and their undo. Each step leaves what the next one needs in the Facts.
Must not: run on anything but a lab, or decide (choose, rejoin) or compute (loss) anything itself.

The order is that of a careful operator: detect by two signals, fence, choose by received WAL, promote, repoint, and
only then look after the old primary, whose WAL is read before anything may overwrite it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pgreplterm.cluster.connecting.connect import named_target
from pgreplterm.cluster.model import ClusterSnapshot, Node, NodeState, RejoinAction
from pgreplterm.drill.acks import await_acks
from pgreplterm.drill.choose import bytes_at_risk, candidates, preflight, primary_is_lost
from pgreplterm.drill.journal import Journal, Step
from pgreplterm.drill.loss import client_view
from pgreplterm.drill.lost import Forecast, Stopped, foretell, keep
from pgreplterm.drill.rejoin import Verdict, judge
from pgreplterm.drill.report import FailoverReport
from pgreplterm.drill.watch import Watch
from pgreplterm.errors import DrillFailed
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.journal import client_of, read_journal
from pgreplterm.lab.lab import Lab
from pgreplterm.wal.lsn import LSN

STEPS = (
    "preflight",
    "start prober",
    "kill primary",
    "detect",
    "fence",
    "promote",
    "repoint",
    "rejoin",
    "measure",
)
PROBE_INTERVAL = 0.1  # seconds between samples while the drill runs
PATIENCE = 30.0  # seconds any step may wait for the cluster
WRITES_WANTED = 50  # acknowledged on each side of the kill


@dataclass
class Facts:
    """What is known so far. Instants are epoch seconds."""

    started_at: float
    primary: str = ""
    timeline: int = 0
    probes: Path | None = None
    at_risk: int | None = None
    killed_at: float = 0.0
    detected_at: float = 0.0
    promoted: str = ""
    promotion_seconds: float = 0.0
    timeline_after: int = 0
    fork: LSN | None = None
    verdict: Verdict | None = None
    flushed: LSN | None = None  # by the promoted standby, before it was
    forecast: Forecast | None = None
    diverged: Path | None = None
    rejoin_seconds: float = 0.0
    durations: list[tuple[str, float]] = field(default_factory=list)


class Failover:
    """One failover of one lab. ``run`` does it all; until the promotion a failure starts the old primary again."""

    def __init__(
        self,
        lab: Lab,
        journal: Journal,
        see: Callable[[ClusterSnapshot], None],
        started_at: float,
        diverged: Sequence[Path],
    ) -> None:
        """see is told every snapshot the drill looks at, in another thread; started_at is in epoch seconds.

        diverged says where the list may go of what only the old primary has, the best place first.
        """
        self._kept = diverged
        self._lab = lab
        self._journal = journal
        self._see = see
        self._facts = Facts(started_at=started_at)

    def run(self) -> FailoverReport:
        """Raises DrillFailed (and what the lab raises); the journal then ends in ``failed``."""
        self._journal.planned(STEPS)
        targets = [named_target(node.name, self._lab.dsn(node.name)) for node in self._lab.nodes]
        with Watch(targets, PROBE_INTERVAL, self._see) as watch:
            self._preflight(watch)
            with self._probing():
                self._kill(watch)
                try:
                    self._detect(watch)
                    self._fence()
                    self._promote(watch)
                except BaseException:
                    self._undo_kill()
                    raise
                self._repoint(watch)
                self._rejoin(watch)
            return self._measure()

    @contextmanager
    def _step(self, name: str, undo: str | None = None) -> Iterator[Step]:
        began = time.monotonic()
        with self._journal.step(name, undo) as step:
            yield step
        self._facts.durations.append((name, time.monotonic() - began))

    def _preflight(self, watch: Watch) -> None:
        with self._step("preflight") as step:
            names = {node.name for node in self._lab.nodes}
            snapshot = watch.until(
                lambda now: (
                    all(check.allows for check in preflight(now)) and {node.name for node in now.nodes} == names
                ),
                "one primary, every node answering and a standby streaming",
                PATIENCE,
            )
            for check in preflight(snapshot):
                step.observe(f"{check.name}: {check.evidence}")
            primary = snapshot.primaries[0]
            self._facts.primary = primary.name
            self._facts.timeline = primary.timeline or 0
            step.detail = f"{primary.name} is primary on timeline {primary.timeline}"

    @contextmanager
    def _probing(self) -> Iterator[None]:
        facts = self._facts
        with self._step("start prober", undo="stop the prober") as step:
            facts.probes = self._lab.start_prober()
            step.observe(f"the prober writes on {facts.primary}")
            await_acks(facts.probes, self._port(facts.primary), WRITES_WANTED, PATIENCE)
            step.detail = f"{WRITES_WANTED} writes acknowledged by {facts.primary}"
        try:
            yield
        finally:
            self._lab.stop_prober()

    def _port(self, node: str) -> int:
        return self._lab.state.node(node).port

    def _kill(self, watch: Watch) -> None:
        facts = self._facts
        with self._step("kill primary", undo=f"start {facts.primary}") as step:
            facts.at_risk = bytes_at_risk(watch.newest(), facts.primary)
            facts.killed_at = time.time()
            self._lab.kill(facts.primary)
            step.detail = f"SIGKILL to {facts.primary}"

    def _undo_kill(self) -> None:
        self._journal.write("observation", step="undo", detail=f"starting {self._facts.primary} again")
        self._lab.start(self._facts.primary)

    def _detect(self, watch: Watch) -> None:
        facts = self._facts
        with self._step("detect") as step:
            watch.until(lambda now: primary_is_lost(now, facts.primary), f"{facts.primary} to be lost", PATIENCE)
            facts.detected_at = time.time()
            step.detail = f"{facts.detected_at - facts.killed_at:.3f} s after the kill"

    def _fence(self) -> None:
        """The old primary must be unable to take writes before another may: here, no process of it is left."""
        with self._step("fence") as step:
            if self._lab.is_running(self._facts.primary):
                raise DrillFailed(f"expected {self._facts.primary} to be dead, found its postmaster alive.")
            step.detail = f"no process of {self._facts.primary} is left, and nothing restarts it"

    def _promote(self, watch: Watch) -> None:
        facts = self._facts
        with self._step("promote") as step:
            ranked = self._ranked(watch)
            if not ranked:
                raise DrillFailed(f"expected a standby on timeline {facts.timeline} to promote; found none.")
            facts.promoted = ranked[0].name
            facts.flushed = ranked[0].sample.position if ranked[0].sample is not None else None
            step.observe("received WAL: " + ", ".join(f"{node.name} {_position(node)}" for node in ranked))
            facts.promotion_seconds = self._lab.promote(facts.promoted)
            snapshot = watch.until(
                lambda now: _is_primary_after(now, facts.promoted, facts.timeline),
                f"{facts.promoted} to be primary on a new timeline",
                PATIENCE,
            )
            self._note_fork(snapshot)
            step.detail = f"{facts.promoted}, timeline {facts.timeline_after}, forked at {facts.fork}"

    def _ranked(self, watch: Watch) -> tuple[Node, ...]:
        """The candidates, once every standby has been heard after the loss."""
        facts = self._facts
        standbys = len(self._lab.nodes) - 1
        snapshot = watch.until(
            lambda now: len(candidates(now, facts.timeline, facts.detected_at)) == standbys,
            "every standby to report its position",
            PATIENCE,
        )
        return candidates(snapshot, facts.timeline, facts.detected_at)

    def _note_fork(self, snapshot: ClusterSnapshot) -> None:
        facts = self._facts
        node = snapshot.node(facts.promoted)
        history = node.sample.history if node and node.sample else None
        fork = history.end_of(facts.timeline) if history else None
        if node is None or node.timeline is None or fork is None:
            raise DrillFailed(f"expected the history file of {facts.promoted}'s new timeline; it could not be read.")
        facts.timeline_after, facts.fork = node.timeline, fork

    def _repoint(self, watch: Watch) -> None:
        """Those that streamed from the old primary; what hangs below a standby follows it by itself."""
        facts = self._facts
        with self._step("repoint") as step:
            orphans = [
                node.name for node in self._lab.nodes if node.upstream == facts.primary and node.name != facts.promoted
            ]
            for name in orphans:
                self._lab.repoint(name, facts.promoted)
            survivors = {node.name for node in self._lab.nodes} - {facts.primary, facts.promoted}
            watch.until(
                lambda now: _all_stream(now, survivors, facts.timeline_after),
                f"{', '.join(sorted(survivors))} to stream on timeline {facts.timeline_after}",
                PATIENCE,
            )
            assert facts.probes is not None
            await_acks(facts.probes, self._port(facts.promoted), WRITES_WANTED, PATIENCE)
            step.detail = f"{', '.join(orphans) or 'nobody'} -> {facts.promoted}"

    def _rejoin(self, watch: Watch) -> None:
        facts = self._facts
        with self._step("rejoin") as step:
            self._keep(step, watch)
            began = time.monotonic()
            self._lab.checkpoint(facts.promoted)
            directory = Path(self._lab.state.node(facts.primary).data_directory)
            assert facts.fork is not None
            facts.verdict = judge(directory, facts.timeline, facts.fork)
            step.observe(f"{facts.verdict.word}: {facts.verdict.reason}")
            self._bring_back(step, facts.verdict)
            watch.until(
                lambda now: _all_stream(now, {facts.primary}, facts.timeline_after),
                f"{facts.primary} to stream on timeline {facts.timeline_after}",
                PATIENCE,
            )
            facts.rejoin_seconds = time.monotonic() - began
            if dropped := self._lab.drop_unused_slots(facts.primary):
                step.observe(f"dropped slots of {facts.primary} that nobody uses: {', '.join(dropped)}")
            step.detail = f"{facts.primary} by {facts.verdict.word} in {facts.rejoin_seconds:.3f} s"

    def _keep(self, step: Step, watch: Watch) -> None:
        """What was foretold to be lost, and what only the old primary has, before anything overwrites its WAL."""
        facts = self._facts
        node = watch.newest().node(facts.promoted)
        assert node is not None and node.sample is not None and facts.flushed is not None
        old = Stopped(facts.primary, Path(self._lab.state.node(facts.primary).data_directory), facts.timeline)
        target = named_target(facts.promoted, self._lab.dsn(facts.promoted))
        facts.forecast = foretell(old, facts.flushed, target)
        facts.diverged = keep(old, facts.promoted, node.sample, target, self._kept)
        if facts.diverged is not None:
            step.observe(f"what only {facts.primary} has is kept in {facts.diverged}")

    def _bring_back(self, step: Step, verdict: Verdict) -> None:
        """Follow or rewind as judged; a rewind that fails leaves a directory nobody may start, so it is rebuilt."""
        old, new = self._facts.primary, self._facts.promoted
        if verdict.method is RejoinAction.REWIND:
            try:
                self._lab.rewind(old, new)
            except LabError as error:
                step.observe(f"pg_rewind failed, rebuilding: {error}")
                self._lab.rebuild(old, new)
                self._facts.verdict = Verdict(RejoinAction.REBUILD, verdict.end, verdict.beyond, verdict.commits)
        else:
            self._lab.follow(old, new)
        self._lab.start(old)

    def _measure(self) -> FailoverReport:
        facts, lab = self._facts, self._lab
        assert facts.verdict is not None and facts.fork is not None and facts.probes is not None
        with self._step("measure") as step:
            client = client_view(
                read_journal(facts.probes),
                lab.probe_ids(facts.promoted, client_of(facts.probes)),
                self._port(facts.primary),
                self._port(facts.promoted),
            )
            step.detail = f"{client.acked} acknowledged, {len(client.lost_ids)} lost"
        return FailoverReport(
            lab=lab.name,
            server_version=lab.state.server_version,
            started_at=facts.started_at,
            killed=facts.primary,
            promoted=facts.promoted,
            timeline_before=facts.timeline,
            timeline_after=facts.timeline_after,
            fork_lsn=facts.fork,
            at_risk_bytes=facts.at_risk,
            detection_seconds=facts.detected_at - facts.killed_at,
            promotion_seconds=facts.promotion_seconds,
            client=client,
            rejoin=facts.verdict.word,
            rejoin_reason=facts.verdict.reason,
            rejoin_seconds=facts.rejoin_seconds,
            divergent_bytes=facts.verdict.beyond,
            divergent_commits=facts.verdict.commits,
            steps=tuple(facts.durations),
            predicted_commits=facts.forecast.commits if facts.forecast is not None else None,
            predicted_rows=facts.forecast.rows if facts.forecast is not None else None,
            diverged=str(facts.diverged) if facts.diverged is not None else None,
        )


def _position(node: Node) -> str:
    return str(node.sample.position) if node.sample and node.sample.position is not None else "unknown"


def _is_primary_after(snapshot: ClusterSnapshot, name: str, timeline: int) -> bool:
    node = snapshot.node(name)
    return (
        node is not None
        and node.state is NodeState.RUNNING
        and node.sample is not None
        and node.sample.history is not None
        and (node.timeline or 0) > timeline
    )


def _all_stream(snapshot: ClusterSnapshot, names: set[str], timeline: int) -> bool:
    nodes = [snapshot.node(name) for name in names]
    return all(node is not None and node.state is NodeState.STREAMING and node.timeline == timeline for node in nodes)
