"""What sampling leaves out and a lineage needs: histories hidden from SQL, beginnings, and grounds for a rewind.

Owns: when each is read (once, and again only after a restart, a failure, or where something was hidden), and filling
it into observations. One errand a node at a time, on a connection of its own: a tick never waits for it. Must not:
judge.

What was read is kept by server start, because a node that was rebuilt may have another history under the same number:
two standbys promoted independently both write 00000002.history.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import psycopg

from pgreplterm.cluster.connecting.connect import Target
from pgreplterm.cluster.forks.errand import Errand
from pgreplterm.cluster.forks.grounds import NO_EVIDENCE, LineageEvidence, RewindGrounds
from pgreplterm.cluster.forks.inquiries import is_refusal, read_beginnings, read_grounds, read_history, read_oldest
from pgreplterm.cluster.forks.member import HISTORY, is_about_history
from pgreplterm.cluster.joining.observe import Observation
from pgreplterm.cluster.model import ClusterSnapshot, Missing, Node, NodeSample, NodeState, RejoinAction, Role
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.timeline import TimelineHistory

WITHIN = 20.0  # seconds for one errand, which may read 64 MB of WAL
FIRST_LOOK_AGAIN = 0.5  # seconds: a standby that streams a new timeline does not have its beginning at once
FIRST_RETRY, LAST_RETRY = 5.0, 60.0  # seconds after a failure; a privilege that lacks is asked for again at the slower
GROUNDS_LAST = 60.0  # seconds until they are read again: a checkpoint may remove the WAL that a rewind needs
HISTORY_PRIVILEGE = "EXECUTE on function pg_read_binary_file, or REPLICATION and its line in pg_hba.conf"


@dataclass(frozen=True, slots=True)
class Wants:
    """What a node's sample lacks: the history of history; the beginnings in line; grounds for a rewind to fork; its
    oldest WAL.
    """

    history: int | None = None
    line: TimelineHistory | None = None
    fork: LSN | None = None
    oldest: bool = False

    @property
    def nothing(self) -> bool:
        """There is no errand to go on."""
        return self == Wants()


@dataclass(slots=True)
class _Kept:
    """Of one start of one server. refused are histories that could not be had; tries counts failures in a row, looks
    the times in a row that a beginning was hidden.
    """

    server: tuple[int, float]
    histories: dict[int, TimelineHistory] = field(default_factory=dict)
    refused: set[int] = field(default_factory=set)
    beginnings: dict[int, LineageEvidence] = field(default_factory=dict)
    grounds: RewindGrounds | None = None
    grounds_at: float = 0.0
    oldest_wal: LSN | None = None
    oldest_at: float | None = None
    task: asyncio.Task[None] | None = None
    retry_at: float = 0.0
    tries: int = 0
    look_again_at: float = 0.0
    looks: int = 0

    @property
    def is_busy(self) -> bool:
        return self.task is not None and not self.task.done()

    def keep_beginnings(self, timeline: int, found: LineageEvidence, now: float) -> None:
        """What is hidden is looked for again, slower each time: it may be on its way, or a privilege may be granted."""
        self.beginnings[timeline] = found
        self.looks = 0 if found.hidden is None else self.looks + 1
        self.look_again_at = now + _pause(FIRST_LOOK_AGAIN, self.looks)

    def lacks_beginnings(self, timeline: int, now: float) -> bool:
        """They were never read, or something was hidden and it is time to look again."""
        found = self.beginnings.get(timeline)
        return found is None or (found.hidden is not None and now >= self.look_again_at)


class HistoryReader:
    """``completed`` fills observations in, ``look`` sends errands for what they still lack."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self.forks: dict[str, LSN] = {}  # by address: asked for, whatever a snapshot says
        self.oldest = False  # asked for, too: nodes that no snapshot holds want to follow

    def completed(self, seen: Sequence[Observation]) -> tuple[Observation, ...]:
        """The observations with everything read so far."""
        return tuple(self._completed(one) for one in seen)

    def look(self, snapshot: ClusterSnapshot, target_of: Callable[[str], Target | None]) -> None:
        """Send an errand to each node that answers, lacks something, and has none under way. Never waits.

        target_of gives the target of an address.
        """
        now = asyncio.get_running_loop().time()
        oldest = self.oldest or any(map(_wants_to_follow, snapshot.nodes))
        for node in snapshot.nodes:
            sample, rejoin = node.sample, node.rejoin
            if sample is None or node.failure is not None:
                continue
            fork = rejoin.fork_lsn if rejoin is not None and rejoin.beyond and rejoin.theirs else None
            fork = self.forks.get(node.address, fork)
            kept = self._of(node.address, sample)
            wants = _wants(kept, sample, fork, now)
            if oldest and node.role is Role.PRIMARY and (kept.oldest_at is None or now - kept.oldest_at > GROUNDS_LAST):
                wants = replace(wants, oldest=True)
            if wants.nothing or kept.is_busy or now < kept.retry_at:
                continue
            if (target := target_of(node.address)) is not None:
                kept.task = asyncio.create_task(_go(kept, target, sample, wants), name=f"timelines {node.name}")

    async def settle(self, within: float) -> bool:
        """Wait for the errands under way, at most that many seconds. False when there were none."""
        tasks = [kept.task for kept in self._kept.values() if kept.task is not None and not kept.task.done()]
        if tasks:
            await asyncio.wait(tasks, timeout=within)
        return bool(tasks)

    def stop(self) -> list[asyncio.Task[None]]:
        """Cancel every errand; the tasks end within milliseconds whatever the servers do."""
        tasks = [kept.task for kept in self._kept.values() if kept.task is not None and not kept.task.done()]
        for task in tasks:
            task.cancel()
        return tasks

    def _of(self, address: str, sample: NodeSample) -> _Kept:
        server = (sample.system_identifier, sample.postmaster_started_at)
        kept = self._kept.get(address)
        if kept is None or kept.server != server:
            if kept is not None and kept.task is not None:
                kept.task.cancel()
            kept = self._kept[address] = _Kept(server)
        return kept

    def _completed(self, seen: Observation) -> Observation:
        sample, kept = seen.sample, self._kept.get(seen.address)
        if sample is None or kept is None or kept.server != (sample.system_identifier, sample.postmaster_started_at):
            return seen
        history, missing = sample.history, sample.missing_privileges
        if history is None and sample.timeline is not None:
            history = kept.histories.get(sample.timeline)
            if history is not None or sample.timeline in kept.refused:
                missing = tuple(one for one in missing if not is_about_history(one))
            if sample.timeline in kept.refused:
                missing = (*missing, Missing(HISTORY, HISTORY_PRIVILEGE))
        evidence = kept.beginnings.get(sample.timeline or 0, NO_EVIDENCE)
        evidence = replace(evidence, rewind=kept.grounds, oldest_wal=kept.oldest_wal)
        return replace(seen, sample=replace(sample, history=history, missing_privileges=missing, evidence=evidence))


def _wants_to_follow(node: Node) -> bool:
    """It could, by its line, and does not: whether the primary still has the WAL it needs decides."""
    streams = node.state in (NodeState.STREAMING, NodeState.CATCHUP)
    return node.rejoin is not None and node.rejoin.action is RejoinAction.FOLLOW and not streams


def _wants(kept: _Kept, sample: NodeSample, fork: LSN | None, now: float) -> Wants:
    timeline, grounds = sample.timeline, kept.grounds
    if grounds is not None and fork == grounds.fork_lsn and now - kept.grounds_at < GROUNDS_LAST:
        fork = None
    if timeline is None or timeline == 1:
        return Wants(fork=fork)
    unread = sample.history is None and timeline not in kept.histories
    line = sample.history if kept.lacks_beginnings(timeline, now) else None
    return Wants(timeline if unread else None, line, fork)


async def _go(kept: _Kept, target: Target, sample: NodeSample, wants: Wants) -> None:
    """One errand. What it brings is kept; what fails is tried again later, and slower each time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + WITHIN
    try:
        if wants.history is not None:
            await _fetch_history(kept, target, sample, wants.history, deadline)
        if replace(wants, history=None) != Wants():
            async with Errand(target, deadline) as errand:
                if wants.line is not None:
                    found = await read_beginnings(errand, wants.line, sample.wal_segment_size)
                    kept.keep_beginnings(wants.line.timeline, found, loop.time())
                if wants.fork is not None:
                    before = kept.grounds if kept.grounds and kept.grounds.fork_lsn == wants.fork else None
                    known = None if before is None else before.common_checkpoint
                    kept.grounds = await read_grounds(errand, sample, wants.fork, known)
                    kept.grounds_at = loop.time()
                if wants.oldest:
                    kept.oldest_wal, kept.oldest_at = await read_oldest(errand, sample), loop.time()
    except (psycopg.Error, OSError, TimeoutError, ValueError):
        kept.tries += 1
        kept.retry_at = loop.time() + _pause(FIRST_RETRY, kept.tries)
    else:
        kept.tries = 0


def _pause(first: float, times: int) -> float:
    """Twice as long each time."""
    return min(first * 2.0 ** min(times - 1, 16), LAST_RETRY)


async def _fetch_history(kept: _Kept, target: Target, sample: NodeSample, timeline: int, deadline: float) -> None:
    try:
        async with Errand(target, deadline, replication=True) as errand:
            kept.histories[timeline] = await read_history(errand, sample.system_identifier, timeline)
            kept.refused.discard(timeline)
    except psycopg.Error as error:
        if not is_refusal(error):
            raise
        kept.refused.add(timeline)
        kept.retry_at = asyncio.get_running_loop().time() + LAST_RETRY
