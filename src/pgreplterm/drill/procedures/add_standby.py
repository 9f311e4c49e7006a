"""Adding a standby while the cluster works: a slot, a base backup, a start; and one that streams from a standby.

Owns: the order of its steps and their undo. Must not: make the node itself (``lab.membership`` does), or decide who
follows whom afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from pgreplterm.cluster.model import ClusterSnapshot, Link, LinkKind, NodeState
from pgreplterm.drill import undo
from pgreplterm.drill.check import Check, Verdict
from pgreplterm.drill.figures import Figure, Mark
from pgreplterm.drill.preflight import for_new_standby, look
from pgreplterm.drill.procedure import Option, Procedure, Scene, Step
from pgreplterm.drill.procedures.clone_watch import CloneSeen, clone_watched, directory_size
from pgreplterm.drill.procedures.common import await_streaming
from pgreplterm.drill.stage import Stage
from pgreplterm.errors import PgReplTermError
from pgreplterm.lab.shape.check import check_node_name, read_delay
from pgreplterm.lab.shape.plan import MOST_NODES


class AddStandby(Procedure):
    """What fails takes the half-made node out again; nobody else notices."""

    kind: ClassVar[str] = "add-standby"
    effect: ClassVar[str] = "make a new standby by a base backup while the cluster works"
    radius: ClassVar[str] = "reads of the whole data directory on its upstream; nobody waits"
    duration: ClassVar[str] = "1-2 s, and the time of the copy"
    reversibility: ClassVar[str] = "at any time: the node can be removed"
    options: ClassVar[Mapping[str, Option]] = {
        "name": Option("the new node's name (the next that is free)"),
        "upstream": Option("whom it copies and follows (the primary)"),
        "delay": Option("how late it replays, such as 30s (at once)"),
    }

    def __init__(self, scene: Scene) -> None:
        """What is wrong with the names is for preflight to say."""
        super().__init__(scene)
        self._name = scene.arguments.get("name") or _free_name(scene)
        self._upstream = scene.arguments.get("upstream") or self._default_upstream() or ""
        self._delay = scene.arguments.get("delay") or None
        self._seconds: float | None = None
        self._clone: CloneSeen | None = None
        self._bytes: int | None = None
        self._after: ClusterSnapshot | None = None

    def preflight(self) -> tuple[Check, ...]:
        """That there is room for it, and an upstream that can feed it."""
        own = tuple(self._checks())
        if not all(check.allows for check in own):
            return own
        facts = look(self.scene.lab, self.scene.snapshot)
        return (*own, *for_new_standby(self.scene, self._name, self._upstream, facts))

    def steps(self) -> tuple[Step, ...]:
        """Make it, see it stream, see how far behind everybody is."""
        name, upstream = self._name, self._upstream or "the upstream"
        late = f", replaying {self._delay} late" if self._delay else ""
        return (
            Step(
                "clone",
                f"a slot on {upstream}, pg_basebackup, and start {name}{late}",
                "The slot comes first, so that the upstream keeps all WAL from the beginning of the copy on. "
                "pg_basebackup copies the files while they change; the WAL written meanwhile repairs them. With "
                "-c fast it does not wait for the next checkpoint.",
                self._clone_it,
                lambda _: undo.remove_node(name),
            ),
            Step(
                "see it stream",
                f"wait until {name} streams from {upstream}",
                self._streaming_why(),
                self._await,
            ),
            Step(
                "compare lag",
                "the lag of every standby, hop by hop",
                "Each hop adds its own delay: a cascade gets WAL only after its upstream has written it, and replays "
                "it after that. The lag behind the primary is the sum over the way.",
                self._compare,
            ),
        )

    def figures(self) -> tuple[Figure, ...]:
        """What was measured."""
        return tuple(self._figures())

    def summary(self) -> str:
        """Who is there now."""
        return f"{self._name} streams from {self._upstream}"

    def _default_upstream(self) -> str | None:
        primaries = self.scene.snapshot.primaries
        return primaries[0].name if len(primaries) == 1 else None

    def _streaming_why(self) -> str:
        return (
            "In recovery it replays from the start of the backup to its end, where it is consistent, and goes on with "
            "what it streams. Its application_name is its own: names in synchronous_standby_names mean that."
        )

    def _checks(self) -> Iterator[Check]:
        lab = self.scene.lab
        taken = {node.name for node in lab.nodes}
        try:
            check_node_name(self._name)
            if self._delay:
                read_delay(self._delay)
            free = Verdict.REFUSAL if self._name in taken else Verdict.OK
            yield Check("the name is free", free, f"the lab has {', '.join(sorted(taken))}", "choose another name")
        except PgReplTermError as error:
            yield Check("the new node", Verdict.REFUSAL, str(error))
        if len(taken) >= MOST_NODES:
            yield Check("room for a node", Verdict.REFUSAL, f"a lab has at most {MOST_NODES}", "remove one first")
        node = self.scene.snapshot.node(self._upstream)
        if node is None or node.sample is None or node.failure is not None:
            evidence = f"{self._upstream or 'nobody'} does not answer"
            yield Check("an upstream", Verdict.REFUSAL, evidence, "name one that runs: upstream=NODE")
        else:
            yield Check("an upstream", Verdict.OK, f"{node.name} is {node.state}")

    def _clone_it(self, stage: Stage) -> str:
        stage.mark(Mark(time.time(), f"add {self._name}"))
        with clone_watched(stage.lab, self._upstream) as self._clone:
            self._seconds = stage.lab.add_node(self._name, self._upstream, self._delay)
        self._bytes = directory_size(Path(stage.lab.state.node(self._name).data_directory))
        size = "unknown" if self._bytes is None else f"{self._bytes:,} bytes"
        return f"{self._name} after {self._seconds:.3f} s, {size}"

    def _await(self, stage: Stage) -> str:
        stage.watch_all()
        await_streaming(stage, {self._name})
        return f"{self._name} streams from {self._upstream}"

    def _compare(self, stage: Stage) -> str:
        names = {node.name for node in stage.lab.nodes}

        def known(now: ClusterSnapshot) -> bool:
            links = _links(now)
            ready = {node.name for node in now.nodes if node.state is NodeState.STREAMING}
            return (
                ready <= links.keys()
                and self._name in ready
                and all(links[name].gaps.replay is not None for name in ready)
            )

        self._after = stage.until(known, f"the lag of {', '.join(sorted(names))}")
        found = ((name, _behind(self._after, name)) for name in sorted(_links(self._after)))
        return ", ".join(
            f"{name} {'unknown' if bytes_ is None else f'{bytes_:,}'} bytes behind" for name, bytes_ in found
        )

    def _figures(self) -> Iterator[Figure]:
        name, upstream, clone = self._name, self._upstream, self._clone
        yield Figure("added", "Added", name, "", f"it follows {upstream}")
        yield Figure("add_seconds", "Time to stream", self._seconds, "s", f"the slot on {upstream} to {name} streaming")
        seconds, streamed = (clone.seconds, clone.streamed) if clone is not None else (None, None)
        how = f"pg_stat_progress_basebackup on {upstream}, first to last look"
        yield Figure(
            "clone_seconds", "Copy", seconds, "s", how if seconds else f"{how}; it was over before a look saw it"
        )
        yield Figure(
            "clone_bytes", "Size", self._bytes, "bytes", f"all files of {name} once it streams, its WAL included"
        )
        yield Figure(
            "streamed_bytes", "Streamed", streamed, "bytes", f"backup_streamed on {upstream}, the most that was seen"
        )
        for each, link in sorted(_links(self._after).items()):
            how = f"from {link.upstream}'s position to what {each} has replayed"
            yield Figure(f"hop_lag_bytes:{each}", f"Lag of {each}", link.gaps.replay, "bytes", how)
        for each in sorted(_links(self._after)):
            how = "the sum over the hops from the primary"
            yield Figure(f"lag_bytes:{each}", f"{each} behind", _behind(self._after, each), "bytes", how)


class AddCascade(AddStandby):
    """The same below a standby."""

    kind: ClassVar[str] = "add-cascade"
    effect: ClassVar[str] = "make a new standby that streams from a standby, by a base backup of that"
    radius: ClassVar[str] = "reads of the whole data directory on a standby; the primary does not notice"
    options: ClassVar[Mapping[str, Option]] = {
        **AddStandby.options,
        "upstream": Option("whom it copies and follows (the first standby)"),
    }

    def _default_upstream(self) -> str | None:
        primaries = {node.name for node in self.scene.snapshot.primaries}
        standbys = (each for each in self.scene.snapshot.nodes if each.state is NodeState.STREAMING)
        return next((each.name for each in standbys if each.upstream in primaries), None)

    def _streaming_why(self) -> str:
        return (
            "The primary has no walsender for it and does not know that it is there: synchronous_standby_names cannot "
            "name it, and it needs a slot on its own upstream. If that standby is promoted, it follows by itself."
        )


def _free_name(scene: Scene) -> str:
    taken = {node.name for node in scene.lab.nodes}
    return next(f"pg{number}" for number in range(1, len(taken) + 2) if f"pg{number}" not in taken)


def _links(snapshot: ClusterSnapshot | None) -> dict[str, Link]:
    """Of every standby by its name."""
    links = snapshot.links if snapshot is not None else ()
    return {link.downstream: link for link in links if link.kind is LinkKind.STANDBY}


def _behind(snapshot: ClusterSnapshot | None, name: str) -> int | None:
    """How far it is behind the primary, hop by hop; None when one hop is unknown."""
    links, total, seen = _links(snapshot), 0, set[str]()
    while name in links and name not in seen:
        seen.add(name)
        gap = links[name].gaps.replay
        if gap is None:
            return None
        total += gap
        name = links[name].upstream
    return total
