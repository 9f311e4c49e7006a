"""The end of a primary that was shut down, and whether a standby has all of it.

Owns: who may take over in a planned switchover, reading the shutdown checkpoint, and waiting for it to arrive.
Must not: stop or promote anything.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgreplterm.cluster.forks.stopped import stopped_node
from pgreplterm.cluster.model import ClusterSnapshot, Link, LinkKind, NodeState
from pgreplterm.errors import DrillFailed
from pgreplterm.lab import process
from pgreplterm.wal.lsn import LSN

if TYPE_CHECKING:
    from pgreplterm.lab.lab import Lab

_POSITION = "SELECT pg_last_wal_receive_lsn()::text, pg_last_wal_replay_lsn()::text, pg_is_wal_replay_paused()"
_SYNCHRONOUS = ("sync", "quorum")
_FAR = 1 << 63
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Shutdown:
    """The last record of a primary that was shut down cleanly: where it begins, and the first LSN behind it."""

    checkpoint: LSN
    end: LSN
    timeline: int


@dataclass(frozen=True, slots=True)
class Position:
    """How far a standby is. flushed is what its walreceiver has on disk."""

    flushed: LSN | None
    replayed: LSN | None
    paused: bool

    def has(self, end: LSN) -> bool:
        """Whether everything before end is there and replayed."""
        return min(self.flushed or 0, self.replayed or 0) >= end


def successors(snapshot: ClusterSnapshot, primary: str, delayed: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """The direct standbys that stream, the best to take over first.

    A synchronous one is before an asynchronous one, since clients wait for it already; then who has least to
    replay, in whole MiB: what comes and goes with every write decides nothing. A delayed one, or one whose replay is
    paused, comes last.
    """
    links = [
        link
        for link in snapshot.links
        if link.upstream == primary and link.kind is LinkKind.STANDBY and _streams(snapshot, link.downstream)
    ]
    return tuple(link.downstream for link in sorted(links, key=lambda link: _rank(snapshot, link, delayed)))


def shutdown_of(lab: Lab, node: str) -> Shutdown:
    """The shutdown checkpoint of a stopped primary. Raises DrillFailed when it was not shut down cleanly, WalError."""
    found = stopped_node(Path(lab.state.node(node).data_directory), node)
    control = found.control
    if control.state != "shut down":
        raise DrillFailed(f"expected pg_control of {node} to say 'shut down', found {control.state!r}.")
    if control.redo != control.checkpoint or found.end <= control.checkpoint:
        raise DrillFailed(
            f"expected a shutdown checkpoint as the last record of {node}; found a checkpoint at {control.checkpoint} "
            f"that began at {control.redo}, and WAL that ends at {found.end}."
        )
    return Shutdown(control.checkpoint, found.end, found.timeline)


def await_all(lab: Lab, node: str, end: LSN, within: float) -> float:
    """Wait until a standby has and has replayed everything before end; seconds it took. Raises DrillFailed, LabError.

    It is asked itself and often, because clients are waiting.
    """
    began = time.monotonic()
    with lab.connection(node) as link:
        if not process.wait_until(lambda: position(link).has(end), within):
            found = position(link)
            paused = " and its replay is paused" if found.paused else ""
            raise DrillFailed(
                f"expected {node} to have all WAL up to {end} within {within:g} s; it has flushed up to "
                f"{found.flushed or 'nowhere'} and replayed up to {found.replayed or 'nowhere'}{paused}."
            )
    return time.monotonic() - began


def position(link: Any) -> Position:
    """How far the standby at the other end of a connection is."""
    row = link.execute(_POSITION).fetchone()
    assert row is not None  # a query without FROM has one row
    flushed, replayed = (LSN.parse(each) if each is not None else None for each in row[:2])
    return Position(flushed, replayed, bool(row[2]))


def _streams(snapshot: ClusterSnapshot, name: str) -> bool:
    node = snapshot.node(name)
    return node is not None and node.state is NodeState.STREAMING


def _rank(snapshot: ClusterSnapshot, link: Link, delayed: frozenset[str]) -> tuple[bool, bool, int, str]:
    node = snapshot.node(link.downstream)
    paused = node is not None and node.sample is not None and node.sample.replay_paused is True
    synchronous = link.sender is not None and link.sender.sync_state in _SYNCHRONOUS
    replay = _FAR if link.gaps.replay is None else link.gaps.replay // _MIB
    return paused or link.downstream in delayed, not synchronous, replay, link.downstream
