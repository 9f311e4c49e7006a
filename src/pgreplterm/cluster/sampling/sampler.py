"""The clock of a cluster: samples every node once per tick and joins what came back.

Owns: when each node is asked, retry back-off, and the snapshots that follow. One round trip per node per tick.
Must not: judge or write. No node waits for another: an attempt that outlives its tick goes on by itself, and the
snapshot is made without it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from types import TracebackType

from pgreplterm.cluster.connecting.connect import Target
from pgreplterm.cluster.forks.histories import HistoryReader
from pgreplterm.cluster.joining.join import join
from pgreplterm.cluster.joining.trail import Trail
from pgreplterm.cluster.model import ClusterSnapshot
from pgreplterm.cluster.sampling.discover import Discovery
from pgreplterm.cluster.sampling.watched import Watched
from pgreplterm.wal.lsn import LSN

# Seconds. A frozen server is called silent after this long, or after two ticks if those are longer.
SHORTEST_TIMEOUT = 1.0
CLOSE_WITHIN = 0.4
SHORTEST_INTERVAL = 0.05
# How long a tick waits for slow nodes before the snapshot is made without their news, and for each node that must be
# read. Never more than half the tick.
LONGEST_PATIENCE = 0.25
PATIENCE_PER_NODE = 0.002
# What one sample of a cluster may need to be judged: histories, then beginnings, then what a rewind needs.
LINEAGE_STEPS = 3
LINEAGE_PATIENCE = 5.0  # seconds for each of them
# In intervals: a sample from before the last tick that this one did not replace either is stale.
STALE_AFTER = 1.6


class Sampler:
    """Watches targets; an async context manager.

    async with Sampler(targets("host=pg1,pg2"), interval=1.0) as sampler:
        async for snapshot in sampler.snapshots():
            ...
    """

    def __init__(self, targets: Sequence[Target], interval: float = 1.0, discover: bool = False) -> None:
        """interval is the tick in seconds, at least 0.05. discover: watch the neighbours of targets, too."""
        self.interval = max(SHORTEST_INTERVAL, interval)
        self._nodes = [Watched(target) for target in targets]
        self._discovery = Discovery(targets) if discover else None
        self._trail = Trail()
        self._histories = HistoryReader()
        self._latest: ClusterSnapshot | None = None

    async def __aenter__(self) -> Sampler:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def latest(self) -> ClusterSnapshot | None:
        """The newest snapshot made, None before the first."""
        return self._latest

    @property
    def timeout(self) -> float:
        """Seconds after which a node that has not answered counts as silent."""
        return max(SHORTEST_TIMEOUT, 2 * self.interval)

    @property
    def lacks_privilege(self) -> bool:
        """True when some node refused this role, or let it see only part of what was asked."""
        return any(node.lacks_privilege for node in self._nodes)

    @property
    def targets(self) -> tuple[Target, ...]:
        """How each watched server is reached, those found by discovery included: to ask them for more."""
        return tuple(node.session.target for node in self._nodes)

    async def sample_once(self) -> ClusterSnapshot:
        """Ask every node now, wait for all of them (at most ``timeout`` seconds), and join.

        Where timelines need more than samples say, that is waited for as well, up to 5 s for each step.
        """
        snapshot = await self._round(patience=self.timeout, everyone=True)
        while self._discovery is not None and await self._discovery.settle(self.timeout):
            snapshot = await self._round(patience=self.timeout, everyone=True)
        for _ in range(LINEAGE_STEPS):
            if not await self._histories.settle(LINEAGE_PATIENCE):
                break
            snapshot = self._join(stale_after=LINEAGE_STEPS * LINEAGE_PATIENCE + 2 * self.timeout)
        return snapshot

    def watch(self, targets: Sequence[Target]) -> None:
        """Watch these as well, from the next tick on."""
        watched = {node.seen.address for node in self._nodes}
        self._nodes += [Watched(target) for target in targets if target.address not in watched]

    def look_back(self, forks: Mapping[str, LSN]) -> None:
        """Read also the oldest WAL of primaries, and what it takes to rewind nodes, by address, to these LSNs."""
        self._histories.forks.update(forks)
        self._histories.oldest = True

    async def __aiter__(self) -> AsyncGenerator[ClusterSnapshot, None]:
        """``snapshots()`` of a sampler used for nothing else: the end of the iteration closes it."""
        try:
            async for snapshot in self.snapshots():
                yield snapshot
        finally:
            await self.aclose()

    async def snapshots(self) -> AsyncGenerator[ClusterSnapshot, None]:
        """One snapshot per tick for ever; ticks missed because the consumer was busy are skipped."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            patience = LONGEST_PATIENCE + PATIENCE_PER_NODE * len(self._nodes)
            yield await self._round(patience if self._latest is None else min(patience, self.interval / 2))
            due = max(due + self.interval, loop.time())
            await asyncio.sleep(due - loop.time())

    async def aclose(self) -> None:
        """End every attempt and connection, within half a second whatever the servers do."""
        tasks = [task for node in self._nodes for task in (node.task, node.aside) if task is not None]
        tasks += self._histories.stop()
        tasks += self._discovery.stop() if self._discovery is not None else ()
        for node in self._nodes:
            node.stop()
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_WITHIN)
        for node in self._nodes:
            node.task = node.aside = None
            node.session.close()

    async def _round(self, patience: float, everyone: bool = False) -> ClusterSnapshot:
        """Start an attempt for each idle node that is due, give them patience seconds, and join what is known."""
        now = time.time()
        if self._discovery is not None:
            self.watch(self._discovery.harvest())
        started = [node for node in self._nodes if (everyone or node.is_due(now)) and node.start(self.timeout)]
        asked = self._nodes if everyone else started  # those asked a tick ago had their chance to be waited for
        pending = [node.task for node in asked if node.task is not None]
        if pending:
            await asyncio.wait(pending, timeout=patience)
        return self._join(stale_after=max(STALE_AFTER * self.interval, patience + self.interval))

    def _join(self, stale_after: float) -> ClusterSnapshot:
        seen = self._histories.completed([node.observed(self.timeout) for node in self._nodes])
        answers = {one.address: one.sample for one in seen if one.answers and one.sample is not None}
        self._trail = self._trail.extended(answers)
        self._latest = join(
            seen,
            time.time(),
            stale_after=stale_after,
            trail=self._trail,
            previous=self._latest,
        )
        self._histories.look(self._latest, self._target_of)
        if self._discovery is not None:
            self._discovery.consider(self._latest)
        return self._latest

    def _target_of(self, address: str) -> Target | None:
        return next((node.session.target for node in self._nodes if node.seen.address == address), None)
