"""The clock of a cluster: samples every node once per tick and joins what came back.

Owns: when each node is asked, retry back-off, and the snapshots that follow. One round trip per node per tick.
Must not: judge or write. No node waits for another: an attempt that outlives its tick goes on by itself, and the
snapshot is made without it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from types import TracebackType

from pgreplterm.cluster.connect import Target
from pgreplterm.cluster.join import join
from pgreplterm.cluster.model import ClusterSnapshot, NodeFailure, NodeSample
from pgreplterm.cluster.observe import Observation
from pgreplterm.cluster.session import Session, Unanswered
from pgreplterm.cluster.trail import Trail

# Seconds. A frozen server is called silent after this long, or after two ticks if those are longer.
SHORTEST_TIMEOUT = 1.0
FIRST_RETRY, LAST_RETRY = 0.1, 2.0
CLOSE_WITHIN = 0.4
SHORTEST_INTERVAL = 0.1
# How long a tick waits for slow nodes before the snapshot is made without their news.
LONGEST_PATIENCE = 0.25


class Sampler:
    """Watches targets; an async context manager.

    async with Sampler(targets("host=pg1,pg2"), interval=1.0) as sampler:
        async for snapshot in sampler.snapshots():
            ...
    """

    def __init__(self, targets: Sequence[Target], interval: float = 1.0) -> None:
        """interval is the tick in seconds, at least 0.1."""
        self.interval = max(SHORTEST_INTERVAL, interval)
        self._nodes = [_Watched(target) for target in targets]
        self._trail = Trail()
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

    async def sample_once(self) -> ClusterSnapshot:
        """Ask every node now, wait for all of them (at most ``timeout`` seconds), and join."""
        return await self._round(patience=self.timeout + CLOSE_WITHIN, everyone=True)

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
            first = self._latest is None
            yield await self._round(LONGEST_PATIENCE if first else min(LONGEST_PATIENCE, self.interval / 2))
            due = max(due + self.interval, loop.time())
            await asyncio.sleep(due - loop.time())

    async def aclose(self) -> None:
        """End every attempt and connection, within half a second whatever the servers do."""
        tasks = [node.task for node in self._nodes if node.task is not None]
        for node in self._nodes:
            node.stop()
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_WITHIN)
        for node in self._nodes:
            node.task = None
            node.session.close()

    async def _round(self, patience: float, everyone: bool = False) -> ClusterSnapshot:
        """Start an attempt for each idle node that is due, give them patience seconds, and join what is known."""
        now = time.time()
        for node in self._nodes:
            if everyone or node.is_due(now):
                node.start(self.timeout)
        pending = [node.task for node in self._nodes if node.task is not None]
        if pending:
            await asyncio.wait(pending, timeout=patience)
        return self._join()

    def _join(self) -> ClusterSnapshot:
        seen = tuple(replace(node.seen, overdue=node.is_busy) for node in self._nodes)
        answers = {one.address: one.sample for one in seen if one.answers and one.sample is not None}
        self._trail = self._trail.extended(answers)
        self._latest = join(
            seen,
            time.time(),
            stale_after=2 * self.interval + 0.5,
            trail=self._trail,
            previous=self._latest,
        )
        return self._latest


class _Watched:
    """One node: its session, the attempt under way, and what came of the last ones."""

    def __init__(self, target: Target) -> None:
        self.session = Session(target)
        self.seen = Observation(target.name, target.address, has_alias=target.has_alias)
        self.task: asyncio.Task[None] | None = None
        self.lacks_privilege = False
        self._retry_after = FIRST_RETRY

    @property
    def is_busy(self) -> bool:
        return self.task is not None and not self.task.done()

    def is_due(self, now: float) -> bool:
        failure = self.seen.failure
        return failure is None or failure.retry_at is None or failure.retry_at <= now

    def start(self, within: float) -> None:
        if self.is_busy:
            return
        if self.task is not None:
            self.task.result()  # Unanswered is handled inside; anything else is a defect and must be seen
        self.task = asyncio.create_task(self._attempt(within), name=f"sample {self.seen.name}")

    def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()

    async def _attempt(self, within: float) -> None:
        try:
            self._answered(await self.session.sample(within))
        except Unanswered as error:
            self._failed(error)

    def _answered(self, sample: NodeSample) -> None:
        self._retry_after = FIRST_RETRY
        self.lacks_privilege = sample.missing_privilege is not None
        self.seen = replace(self.seen, sample=sample, failure=None)

    def _failed(self, error: Unanswered) -> None:
        now = time.time()
        since = self.seen.failure.since if self.seen.failure is not None else now
        failure = NodeFailure(error.state, error.reason, since, now + self._retry_after)
        self._retry_after = min(2 * self._retry_after, LAST_RETRY)
        self.lacks_privilege = error.no_privilege
        self.seen = replace(self.seen, failure=failure)
