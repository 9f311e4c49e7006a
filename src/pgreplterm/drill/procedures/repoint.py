"""Repointing: standbys follow another node, without a restart.

Owns: the order of its steps and their undo. Must not: point a node anywhere that holds WAL past the fork: it could not
follow, and would ask for ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import ClassVar

from pgreplterm.cluster.model import ClusterSnapshot, RejoinAction
from pgreplterm.drill import undo
from pgreplterm.drill.astray import Standing, astray, standing
from pgreplterm.drill.check import Check, Verdict
from pgreplterm.drill.figures import Figure
from pgreplterm.drill.preflight import for_repoint, look
from pgreplterm.drill.procedure import Option, Procedure, Scene, Step, Undo
from pgreplterm.drill.procedures.common import all_stream
from pgreplterm.drill.stage import Stage
from pgreplterm.errors import DrillFailed, PgReplTermError
from pgreplterm.wal.lsn import LSN

_JUDGED_WITHIN = 5.0
"""Seconds until the watch has compared the WAL of all nodes."""


class Repoint(Procedure):
    """Node by node, so that one that fails leaves the others where they are."""

    kind: ClassVar[str] = "repoint"
    effect: ClassVar[str] = "have standbys follow another node: a slot there first, then primary_conninfo and a reload"
    radius: ClassVar[str] = "the nodes that are repointed get no WAL for a moment; readers on them go on"
    duration: ClassVar[str] = "1 s a node"
    reversibility: ClassVar[str] = "each node can be pointed back while its old upstream runs"
    options: ClassVar[Mapping[str, Option]] = {
        "node": Option("the standby to repoint; left out: every one that gets no WAL from the primary"),
        "upstream": Option("whom it is to follow; left out: the primary"),
    }

    def __init__(self, scene: Scene) -> None:
        """Raises PgReplTermError for nodes there are not."""
        super().__init__(scene)
        primaries = scene.snapshot.primaries
        self._primary = primaries[0].name if len(primaries) == 1 else ""
        self._upstream = _named(scene, "upstream") or self._primary
        wanted = _named(scene, "node")
        self._nodes = (wanted,) if wanted else astray(scene.snapshot, self._primary)
        self._before: dict[str, Standing] = {}
        self._switched: dict[str, float] = {}
        self._caught_up: dict[str, float] = {}

    def preflight(self) -> tuple[Check, ...]:
        """Who follows whom, and whether each can."""
        return tuple(self._checks())

    def steps(self) -> tuple[Step, ...]:
        """A look at all of them, one step a node, and a look at what came of it."""
        new = self._upstream or "the primary"
        return (
            Step(
                "compare with the fork",
                f"see that {_listed(self._nodes)} holds no WAL past the fork",
                "A standby can follow another timeline only from a point that both have. One that received more than "
                "the promoted node had when it was promoted is ahead of the fork: it would connect, be told that its "
                "position is not on the server's line, and try again for ever. It needs pg_rewind or a new copy.",
                self._compare,
            ),
            *(
                Step(
                    f"repoint {node}",
                    f"a slot for {node} on {new}, then primary_conninfo and primary_slot_name on {node}, and a reload",
                    f"The slot comes first: without it {new} may remove the WAL that {node} asks for in its first "
                    "moment. From 13 on a reload is enough, the walreceiver restarts and readers notice nothing. Trap: "
                    "the slot on the old upstream stays behind and keeps WAL for ever, so it is dropped.",
                    partial(self._repoint, node),
                    partial(self._undo_repoint, node),
                )
                for node in self._nodes
            ),
            Step(
                "verify",
                f"all stream, and have what {new} had written by then",
                "A walreceiver row that says 'streaming' is not enough: a node past the fork flickers through it with "
                "every attempt. That its position passes one of the upstream's on the same timeline is the proof.",
                self._verify,
            ),
        )

    def figures(self) -> tuple[Figure, ...]:
        """What was measured."""
        return tuple(self._figures())

    def summary(self) -> str:
        """Who follows whom now."""
        return f"{_listed(self._nodes)} follows {self._upstream}"

    def _compare(self, stage: Stage) -> str:
        def judged(now: ClusterSnapshot) -> bool:
            return all(standing(now, node, self._primary).action is not RejoinAction.UNKNOWN for node in self._nodes)

        try:
            snapshot = stage.until(judged, "a verdict on every node", _JUDGED_WITHIN)
        except DrillFailed:
            snapshot = stage.watch.newest()
        found = [standing(snapshot, node, self._primary) for node in self._nodes]
        for each in found:
            if each.action is not RejoinAction.FOLLOW:
                raise DrillFailed(f"{each.node} cannot just follow ({each.action}): {each.reason}.")
            self._before[each.node] = each
            stage.observe(f"{each.node}: {each.reason}")
        return ", ".join(f"{each.node} received up to {each.received or 'unknown'}" for each in found)

    def _undo_repoint(self, node: str, stage: Stage) -> Undo | None:
        old = stage.lab.state.node(node).upstream
        return None if old in (None, self._upstream) else undo.repoint(node, str(old))

    def _repoint(self, node: str, stage: Stage) -> str:
        old = stage.lab.state.node(node).upstream
        self._switched[node] = stage.lab.repoint(node, self._upstream)
        return f"{node}: {old or 'nobody'} -> {self._upstream}, streaming after {self._switched[node]:.3f} s"

    def _verify(self, stage: Stage) -> str:
        prompt = [node for node in self._nodes if stage.lab.state.node(node).delay is None]
        upstream = stage.watch.newest().node(self._upstream)
        target = upstream.sample.position if upstream is not None and upstream.sample is not None else None
        if target is None or upstream is None:
            raise DrillFailed(f"expected {self._upstream} to say where its WAL ends; it does not answer.")
        began = time.monotonic()
        for node in prompt:
            stage.until(_has(node, upstream.timeline, target), f"{node} to stream and to have WAL up to {target}")
            self._caught_up[node] = time.monotonic() - began
        late = [node for node in self._nodes if node not in prompt]
        if late:
            stage.observe(f"{', '.join(late)} replays with a delay, and turns to {self._upstream} when that is over")
        return f"{_listed(prompt)} has WAL up to {target} on timeline {upstream.timeline}"

    def _checks(self) -> Iterator[Check]:
        snapshot, lab = self.scene.snapshot, self.scene.lab
        facts = look(lab, snapshot)
        found: dict[tuple[str, str], Check] = {}
        for node in self._nodes or ("",):
            for check in for_repoint(self.scene, node, self._upstream, facts):
                found.setdefault((check.name, check.evidence), check)
        yield from found.values()
        yield _must("nodes to repoint", bool(self._nodes), _listed(self._nodes))
        upstream = self._upstream or "none"
        yield _must("upstream runs", bool(self._upstream) and lab.is_running(self._upstream), upstream)
        for node in self._nodes:
            yield self._no_circle(node)
            yield _can_follow(standing(snapshot, node, self._primary))

    def _no_circle(self, node: str) -> Check:
        if node == self._primary:
            return _must(f"{node} is a standby", False, f"{node} is the primary")
        if self._upstream in _below(self.scene, node):
            evidence = f"{self._upstream} gets its WAL through {node}"
            return _must(f"{node} is not above {self._upstream}", False, evidence)
        return _must(f"{node} is not above {self._upstream}", True, f"{self._upstream} gets no WAL through it")

    def _figures(self) -> Iterator[Figure]:
        for node in self._nodes:
            before = self._before.get(node)
            behind = before.behind if before is not None else None
            how = "bytes of the new line, up to the fork, that it had not received"
            yield Figure(f"behind_bytes:{node}", f"Behind before, {node}", behind, "bytes", how)
            how = f"slot on {self._upstream} to streaming from it"
            yield Figure(f"repoint_seconds:{node}", f"Repointing {node}", self._switched.get(node), "s", how)
            how = f"to having what {self._upstream} had written when all were repointed"
            yield Figure(f"catch_up_seconds:{node}", f"Catching up, {node}", self._caught_up.get(node), "s", how)


def _has(node: str, timeline: int | None, target: LSN) -> Callable[[ClusterSnapshot], bool]:
    def holds(now: ClusterSnapshot) -> bool:
        found = now.node(node)
        position = found.sample.position if found is not None and found.sample is not None else None
        return all_stream(now, [node], timeline) and position is not None and position >= target

    return holds


def _named(scene: Scene, option: str) -> str:
    wanted = scene.arguments.get(option) or ""
    names = [node.name for node in scene.lab.nodes]
    if wanted and wanted not in names:
        listed = ", ".join(names)
        raise PgReplTermError(f"expected {option}= a node of lab {scene.lab.name!r} ({listed}), found {wanted!r}.")
    return wanted


def _below(scene: Scene, node: str) -> set[str]:
    """The node, and all that get their WAL through it."""
    found, size = {node}, 0
    while size != len(found):
        size = len(found)
        found |= {each.name for each in scene.lab.nodes if each.upstream in found}
    return found


def _can_follow(found: Standing) -> Check:
    if found.action is RejoinAction.UNKNOWN:
        return Check(f"{found.node} can follow", Verdict.WARNING, f"not known yet: {found.reason}")
    return _must(f"{found.node} can follow", found.action is RejoinAction.FOLLOW, f"{found.action}: {found.reason}")


def _must(name: str, holds: bool, evidence: str) -> Check:
    return Check(name, Verdict.OK if holds else Verdict.REFUSAL, evidence)


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names) or "nobody"
