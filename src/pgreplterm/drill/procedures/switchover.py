"""The planned switchover: another node becomes primary, nothing is lost, and the old primary follows it.

Owns: the order of its steps and their undo. Must not: promote a standby that is not known to have everything.

Until the promotion anything that fails starts the old primary again as it was; from there on everything goes forward.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from pgreplterm.drill import handover, quiesce, succession, undo
from pgreplterm.drill.acks import await_acks
from pgreplterm.drill.check import Check
from pgreplterm.drill.figures import Figure, Mark
from pgreplterm.drill.measure.clients import ClientSeen, attempts_of, counted, downtime_between
from pgreplterm.drill.measure.clients import seen as seen_by
from pgreplterm.drill.preflight import for_switchover, look
from pgreplterm.drill.procedure import Option, Procedure, Scene, Step, Undo
from pgreplterm.drill.procedures.common import PROMOTE, await_primary, await_streaming, promote
from pgreplterm.drill.procedures.switchover_figures import Measured, figures
from pgreplterm.drill.procedures.switchover_words import STEPS
from pgreplterm.drill.stage import PATIENCE, Stage
from pgreplterm.errors import DrillFailed, PgReplTermError
from pgreplterm.lab.fates import Fate
from pgreplterm.lab.faults import settings
from pgreplterm.wal.lsn import LSN

CLIENTS = 4
INTERVAL = 0.01
"""Seconds between the writes of one client."""

WRITES_WANTED = 25
"""Of each client, acknowledged on each side of the switchover."""


@dataclass(frozen=True, slots=True)
class _How:
    act: Callable[[Stage], str]
    undo: Callable[[Stage], Undo | None] = lambda _: None


class Switchover(Procedure):
    """Clients write all the time, so that what it costs them is measured and not computed."""

    kind: ClassVar[str] = "switchover"
    effect: ClassVar[str] = "stop the primary cleanly, promote a standby that has everything, demote the old primary"
    radius: ClassVar[str] = "writes fail for a second or less; nothing is lost"
    duration: ClassVar[str] = "2-4 s"
    reversibility: ClassVar[str] = "until the promotion; after that it goes forward"
    options: ClassVar[Mapping[str, Option]] = {
        "candidate": Option("the standby to promote; left out: the best that streams, a synchronous one first"),
        "within": Option("seconds the candidate may take to receive and replay the last record", f"{PATIENCE:g}"),
    }

    def __init__(self, scene: Scene) -> None:
        """Raises PgReplTermError for a candidate there is not, or a time that is none."""
        super().__init__(scene)
        primaries = scene.snapshot.primaries
        self._old = primaries[0].name if primaries else "the primary"
        self._new = self._candidate()
        self._within = _seconds(scene.arguments.get("within") or self.options["within"].default)
        self._seen = Measured(self._old, self._new, primaries[0].timeline if primaries else None)
        self._began = 0.0
        self._before: str | None = None
        self._clients: tuple[ClientSeen, ...] = ()
        self._nobody_served: float | None = None
        self.promotes = self._new or None

    def preflight(self) -> tuple[Check, ...]:
        """Everything that must hold, with its evidence."""
        facts = look(self.scene.lab, self.scene.snapshot)
        old = self._old if self.scene.snapshot.primaries else None
        return for_switchover(self.scene, old, self._new or None, facts, self._rule_wanted)

    def steps(self) -> tuple[Step, ...]:
        """In the order of an operator who promotes only what is known to be complete."""
        return tuple(self._step(name, how) for name, how in self._acts().items())

    def figures(self) -> tuple[Figure, ...]:
        """What was measured."""
        return figures(self._seen, self._clients, self._nobody_served)

    def summary(self) -> str:
        """Who took over, and what it cost."""
        acked = sum(each.acknowledged for each in self._clients)
        lost = counted(self._clients)[Fate.LOST]
        return f"{self._new} took over from {self._old}; {lost} of {acked} acknowledged writes are lost"

    def _acts(self) -> Mapping[str, _How]:
        old = self._old
        back = undo.start_node(old, until=PROMOTE)
        return {
            "start prober": _How(self._start_prober, lambda stage: None if stage.probing else undo.stop_probers()),
            "checkpoint": _How(self._checkpoint),
            "stop clients": _How(self._stop_clients, self._undo_stop_clients),
            "stop primary": _How(self._stop, lambda _: back),
            "shutdown checkpoint": _How(self._read_shutdown),
            "candidate has it all": _How(self._await_all),
            "synchronous rule": _How(self._set_rule, self._undo_rule),
            PROMOTE: _How(self._promote),
            "repoint": _How(self._repoint),
            "checkpoint new primary": _How(self._checkpoint_new),
            "demote old primary": _How(self._demote),
            "open clients": _How(self._open_clients),
            "verify": _How(self._verify),
        }

    def _step(self, name: str, how: _How) -> Step:
        words = STEPS[name]
        names = {"old": self._old, "new": self._new or "the candidate", "clients": CLIENTS}
        return Step(name, words.will.format(**names), words.why.format(**names), how.act, how.undo)

    def _candidate(self) -> str:
        wanted = self.scene.arguments.get("candidate") or ""
        nodes = self.scene.lab.nodes
        if wanted and wanted not in [node.name for node in nodes]:
            names = ", ".join(node.name for node in nodes)
            raise PgReplTermError(
                f"expected a node of lab {self.scene.lab.name!r} as the candidate ({names}), found {wanted!r}."
            )
        delayed = frozenset(node.name for node in nodes if node.delay is not None)
        return wanted or next(iter(handover.successors(self.scene.snapshot, self._old, delayed)), "")

    def _start_prober(self, stage: Stage) -> str:
        self._began = time.monotonic()
        journals = stage.start_probers(CLIENTS, INTERVAL)
        self._await_acks(stage, self._old)
        return f"{len(journals)} clients write on {self._old}, {WRITES_WANTED} writes of each were acknowledged"

    def _checkpoint(self, stage: Stage) -> str:
        return f"done in {_timed(lambda: stage.lab.checkpoint(self._old)):.3f} s"

    def _undo_stop_clients(self, stage: Stage) -> Undo:
        self._before = settings.held(stage.lab, self._old).get(quiesce.SETTING)
        return replace(undo.set_setting(self._old, quiesce.SETTING, self._before), until=PROMOTE)

    def _stop_clients(self, stage: Stage) -> str:
        seen, began = self._seen, time.monotonic()
        stage.mark(Mark(time.time(), "stop clients"))
        seen.ended = quiesce.refuse_writes(stage.lab, self._old)
        seen.quiet_seconds = time.monotonic() - began
        ended = f"{seen.ended} had to be ended" if seen.ended else "all that were under way ended by themselves"
        return f"{self._old} refuses writes, after {seen.quiet_seconds:.3f} s; {ended}"

    def _stop(self, stage: Stage) -> str:
        quiesce.allow_writes_at_next_start(stage.lab, self._old, self._before)
        stage.mark(Mark(time.time(), f"stop {self._old}"))
        self._seen.stop_seconds = _timed(lambda: stage.lab.stop(self._old))
        return f"{self._old} was stopped in {self._seen.stop_seconds:.3f} s"

    def _read_shutdown(self, stage: Stage) -> str:
        found = handover.shutdown_of(stage.lab, self._old)
        self._seen.shutdown_end, self._seen.timeline_before = found.end, found.timeline
        return f"shut down; the shutdown checkpoint at {found.checkpoint} ends at {found.end}"

    def _await_all(self, stage: Stage) -> str:
        end = self._end
        self._seen.wait_seconds = handover.await_all(stage.lab, self._new, end, self._within)
        return f"{self._new} has flushed and replayed up to {end}, after {self._seen.wait_seconds:.3f} s"

    def _undo_rule(self, stage: Stage) -> Undo | None:
        rule = stage.lab.state.synchronous
        return None if self._rule_wanted in ("", rule) else replace(undo.set_synchronous(rule), until=PROMOTE)

    def _set_rule(self, stage: Stage) -> str:
        rule, wanted = self._rule, self._rule_wanted
        if not rule:
            return "none: no commit waits for a standby"
        stage.lab.set_synchronous(wanted)
        if not succession.same_rule(found := succession.rule_of(stage.lab, self._new), wanted):
            raise DrillFailed(
                f"expected synchronous_standby_names of {self._new} to be {wanted!r}, found {found!r}: "
                "ALTER SYSTEM RESET it there if that is what sets it."
            )
        return f"{self._new} has {wanted}" if wanted == rule else f"{rule} becomes {wanted}"

    def _promote(self, stage: Stage) -> str:
        seen = self._seen
        assert seen.timeline_before is not None
        seen.promotion_seconds = promote(stage, self._new)
        seen.timeline_after, seen.fork = await_primary(stage, self._new, seen.timeline_before)
        return f"{self._new}, timeline {seen.timeline_after}, forked at {seen.fork}"

    def _repoint(self, stage: Stage) -> str:
        """Those that streamed from the old primary; what hangs below a standby follows it by itself."""
        lab = stage.lab
        orphans = [node for node in lab.nodes if node.upstream == self._old and node.name != self._new]
        running = [node.name for node in orphans if lab.is_running(node.name)]
        for node in orphans:
            if node.name not in running:
                stage.observe(f"{node.name} does not run; when it starts it will stream from {self._old}")
        began = time.monotonic()
        for name in running:
            lab.repoint(name, self._new)
        self._seen.repoint_seconds = time.monotonic() - began if running else None
        await_streaming(stage, self._prompt(stage) - {self._old, self._new}, self._seen.timeline_after)
        return f"{', '.join(running) or 'nobody'} -> {self._new}"

    def _checkpoint_new(self, stage: Stage) -> str:
        return f"done in {_timed(lambda: stage.lab.checkpoint(self._new)):.3f} s"

    def _demote(self, stage: Stage) -> str:
        seen, lab = self._seen, stage.lab
        if seen.fork != self._end:
            raise DrillFailed(
                f"expected {self._new} to fork at {self._end}, the end of {self._old}'s WAL; found {seen.fork}."
            )
        began = time.monotonic()
        lab.follow(self._old, self._new)
        lab.start(self._old)
        await_streaming(stage, {self._old}, seen.timeline_after)
        seen.rejoin_seconds = time.monotonic() - began
        if dropped := lab.drop_unused_slots(self._old):
            stage.observe(f"dropped slots of {self._old} that nobody uses: {', '.join(dropped)}")
        return f"{self._old} ended at the fork and streams from {self._new}, after {seen.rejoin_seconds:.3f} s"

    def _open_clients(self, stage: Stage) -> str:
        self._await_acks(stage, self._new)
        return f"every client had {WRITES_WANTED} writes acknowledged by {self._new}"

    def _verify(self, stage: Stage) -> str:
        seen = self._seen
        stage.until(
            lambda now: [node.name for node in now.primaries] == [self._new], f"{self._new} to be the only primary"
        )
        await_streaming(stage, self._prompt(stage) - {self._new}, seen.timeline_after)
        self._ask_clients(stage)
        totals, acked = counted(self._clients), sum(each.acknowledged for each in self._clients)
        told = f"{acked} acknowledged, {totals[Fate.LOST]} lost, {totals[Fate.DUPLICATE]} duplicates"
        return f"forked at the end of the shutdown checkpoint; {told}"

    def _ask_clients(self, stage: Stage) -> None:
        """What they were told, and what the new primary has of it."""
        old, new = stage.port(self._old), stage.port(self._new)
        every = {
            client: [each for each in attempts if each.sent_at >= self._began]
            for client, attempts in attempts_of(stage.stop_probers()).items()
        }
        self._clients = tuple(
            seen_by(client, attempts, [stage.lab.read_probes(self._new, client)], downtime_between(attempts, old, new))
            for client, attempts in every.items()
        )
        in_order = sorted((each for attempts in every.values() for each in attempts), key=lambda each: each.ended_at)
        self._nobody_served = downtime_between(in_order, old, new)

    @property
    def _rule(self) -> str:
        """That of the old primary, wherever it was set."""
        node = self.scene.snapshot.node(self._old)
        said = node.sample.synchronous_standby_names if node is not None and node.sample is not None else None
        return self.scene.lab.state.synchronous if said is None else said

    @property
    def _rule_wanted(self) -> str:
        return succession.rule_after(self._rule, self._old, self._new)

    @property
    def _end(self) -> LSN:
        assert self._seen.shutdown_end is not None
        return self._seen.shutdown_end

    def _await_acks(self, stage: Stage, node: str) -> None:
        for journal in stage.journals:
            await_acks(journal, stage.port(node), WRITES_WANTED, PATIENCE)

    def _prompt(self, stage: Stage) -> set[str]:
        """The nodes that run and replay without a delay: a delayed one turns to its new upstream only later."""
        return {node.name for node in stage.lab.nodes if node.delay is None and stage.lab.is_running(node.name)}


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= 3600:
        raise PgReplTermError(f"expected within=SECONDS, above 0 and at most 3600, found {text!r}.")
    return seconds


def _timed(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began
