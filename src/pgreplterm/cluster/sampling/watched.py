"""One watched node: its session, the attempt under way, and what came of the last ones.

Owns: when an attempt counts as unanswered, and when the next one may start. Must not: know other nodes or the clock.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from pgreplterm.cluster.connecting.connect import Target
from pgreplterm.cluster.joining.observe import Observation
from pgreplterm.cluster.joining.own_ports import receiver_port
from pgreplterm.cluster.model import NodeFailure, NodeSample, NodeState
from pgreplterm.cluster.sampling.session import Session, Unanswered

# Seconds between attempts that end at once, doubling.
FIRST_RETRY, LAST_RETRY = 0.1, 2.0
# Seconds an attempt is held open though the node has long been called silent: a frozen server answers it the moment
# it thaws, and finds few dead connections in its queue. tcp_user_timeout is no shorter.
HELD_OPEN = 3.0


class Watched:
    """A node of the sampler's."""

    def __init__(self, target: Target) -> None:
        self.session = Session(target)
        self.seen = Observation(target.name, target.address, has_alias=target.has_alias, discovered=target.discovered)
        self.task: asyncio.Task[None] | None = None
        self.aside: asyncio.Task[None] | None = None
        self.lacks_privilege = False
        self._retry_after = FIRST_RETRY
        self._asked_at = 0.0

    @property
    def is_busy(self) -> bool:
        """True while an attempt is under way."""
        return self.task is not None and not self.task.done()

    def is_due(self, now: float) -> bool:
        """False while a failed node's pause lasts."""
        failure = self.seen.failure
        return failure is None or failure.retry_at is None or failure.retry_at <= now

    def start(self, timeout: float) -> bool:
        """Begin an attempt, unless one is under way. It goes on beyond the timeout: see ``observed``."""
        if self.is_busy:
            return False
        if self.task is not None:
            self.task.result()  # Unanswered is handled inside; anything else is a defect and must be seen
        self._asked_at = time.monotonic()
        self.task = asyncio.create_task(self._attempt(max(timeout, HELD_OPEN)), name=f"sample {self.seen.name}")
        return True

    def observed(self, timeout: float) -> Observation:
        """What is known now. An attempt that has taken longer than the timeout in seconds is a silent node."""
        if self.is_busy and time.monotonic() - self._asked_at >= timeout:
            self._failed(Unanswered(NodeState.SILENT, f"no answer within {timeout:.1f} s"))
        if self.seen.overdue != self.is_busy:
            self.seen = replace(self.seen, overdue=self.is_busy)
        return self.seen

    def stop(self) -> None:
        """Cancel whatever is under way."""
        for task in (self.task, self.aside):
            if task is not None:
                task.cancel()

    async def _attempt(self, within: float) -> None:
        try:
            self._answered(await self.session.sample(within))
        except Unanswered as error:
            self._failed(error)
            return
        if self.session.refresh_is_due and (self.aside is None or self.aside.done()):
            self.aside = asyncio.create_task(self._refresh(within), name=f"refresh {self.seen.name}")

    async def _refresh(self, within: float) -> None:
        """The slow questions, beside the ticks: no snapshot waits for them."""
        folder, sample = await self.session.refresh(within), self.seen.sample
        if sample is not None:
            self.seen = replace(self.seen, sample=replace(sample, activity=replace(sample.activity, folder=folder)))

    def _answered(self, sample: NodeSample) -> None:
        self._retry_after = FIRST_RETRY
        self.lacks_privilege = sample.missing_privilege is not None
        port = receiver_port(self.seen.address, sample)
        self.seen = replace(self.seen, sample=sample, failure=None, receiver_port=port)

    def _failed(self, error: Unanswered) -> None:
        """A silent node is asked again soon: it may thaw between two attempts."""
        now, before = time.time(), self.seen.failure
        if before is not None and before.state is error.state is NodeState.SILENT:
            error = Unanswered(before.state, before.reason)
        elif error.state is NodeState.SILENT:
            self._retry_after = FIRST_RETRY
        since = before.since if before is not None else now
        self.seen = replace(self.seen, failure=NodeFailure(error.state, error.reason, since, now + self._retry_after))
        if error.state is not NodeState.SILENT:
            self._retry_after = min(2 * self._retry_after, LAST_RETRY)
        self.lacks_privilege = error.no_privilege
