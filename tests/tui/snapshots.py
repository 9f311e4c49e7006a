"""Prepared snapshots for the terminal's tests: one small cluster, and ways to change it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pgreplterm.cluster.model import (
    ClusterSnapshot,
    Gaps,
    Link,
    Node,
    NodeFailure,
    NodeSample,
    NodeState,
    Receiver,
    Role,
    Sender,
    Slot,
)
from pgreplterm.tui.sources import Sampled, SourceEvent
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.timeline import TimelineHistory, TimelineSwitch

START = 1_700_000_000.0
SYSTEM = 7_300_000_000_000_000_000
END = LSN.parse("0/5A001200")


def sample(name: str, *, primary: bool = False, timeline: int = 1, position: LSN = END) -> NodeSample:
    """What a healthy node of that name says."""
    forks = tuple(
        TimelineSwitch(number, LSN(0x3000148 + 0x2000000 * (number - 1)), "no recovery target specified")
        for number in range(1, timeline)
    )
    receiver = (
        None if primary else Receiver(4711, "streaming", "pg1", 5432, name, timeline, position, position, None, 0.2)
    )
    return NodeSample(
        taken_at=START,
        round_trip=0.001,
        server_version_num=180006,
        system_identifier=SYSTEM,
        cluster_name=name,
        port=5432,
        in_recovery=not primary,
        postmaster_started_at=START - 3600,
        timeline=timeline,
        wal_segment_size=16 << 20,
        write_lsn=position if primary else None,
        flush_lsn=position,
        replay_lsn=None if primary else position,
        replay_paused=None if primary else False,
        last_replayed_commit_age=None,
        primary_conninfo_host=None if primary else "pg1",
        primary_conninfo_port=None if primary else 5432,
        synchronous_standby_names="",
        senders=(),
        receiver=None if primary else receiver,
        slots=(Slot(name, "physical", True, 4711, position, 0, "reserved", None),) if primary else (),
        history=TimelineHistory(timeline, forks) if timeline > 1 else None,
    )


def node(name: str, upstream: str | None = "pg1", *, role: Role = Role.STANDBY, timeline: int = 1) -> Node:
    """A healthy node."""
    primary = role is Role.PRIMARY
    return Node(
        name=name,
        address=f"{name}:5432",
        role=role,
        state=NodeState.RUNNING if primary else NodeState.STREAMING,
        timeline=timeline,
        upstream=None if primary else upstream,
        sample=sample(name, primary=primary, timeline=timeline),
        sample_age=0.1,
        failure=None,
    )


def link(upstream: str, downstream: str, behind: int | None = 0, sync: str = "async") -> Link:
    """A streaming link whose downstream has replayed all but that many bytes."""
    at = None if behind is None else LSN(END - behind)
    sender = Sender(
        *(100, downstream, "10.0.0.2", 5000, "streaming", END, END, END, at, None, None, None, sync, 0, 0.1, downstream)
    )
    lag = None if not behind else 0.8
    return Link(upstream, downstream, sender, None, Gaps(0, 0, 0, behind), lag, 0.1)


def cluster(behind: int | None = 0, at: float = START) -> ClusterSnapshot:
    """pg1, its standbys s1 (sync) and s2, and s3 behind s1; s2 has not replayed that many bytes."""
    nodes = (
        node("pg1", role=Role.PRIMARY),
        node("s1"),
        node("s3", "s1", role=Role.CASCADE),
        node("s2"),
    )
    links = (link("pg1", "s1", sync="sync"), link("s1", "s3"), link("pg1", "s2", behind))
    return ClusterSnapshot(at, SYSTEM, nodes, links)


def with_node(snapshot: ClusterSnapshot, changed: Node) -> ClusterSnapshot:
    """The snapshot with one node replaced by name."""
    nodes = tuple(changed if each.name == changed.name else each for each in snapshot.nodes)
    return replace(snapshot, nodes=nodes)


def gone(each: Node, state: NodeState = NodeState.DOWN, reason: str = "refused", since: float = START) -> Node:
    """That node no longer answering."""
    failure = NodeFailure(state, reason, since, since + 1)
    return replace(each, role=Role.UNKNOWN, state=state, failure=failure, sample_age=41.0)


@dataclass
class ScriptedSource:
    """A source that yields what a test feeds it."""

    title: str = "demo"
    interval: float = 1.0
    owned_lab: str | None = None
    directories: dict[str, Path] = field(default_factory=dict)
    feed: asyncio.Queue[SourceEvent] = field(default_factory=asyncio.Queue)

    async def events(self) -> AsyncIterator[SourceEvent]:
        """Whatever was put into ``feed``."""
        while True:
            yield await self.feed.get()

    def show(self, *snapshots: ClusterSnapshot) -> None:
        """Feed snapshots."""
        for each in snapshots:
            self.feed.put_nowait(Sampled(each))

    def data_directory(self, node: str) -> Path | None:
        """As the test said."""
        return self.directories.get(node)


def ticks(snapshot: ClusterSnapshot, count: int) -> Sequence[ClusterSnapshot]:
    """The same cluster at that many consecutive seconds."""
    return [replace(snapshot, taken_at=snapshot.taken_at + second) for second in range(count)]
