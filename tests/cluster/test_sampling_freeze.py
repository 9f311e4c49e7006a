"""A server frozen by SIGSTOP: stale within two ticks while the others tick on, and live again as soon as it thaws."""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncIterator, Callable

import pytest

from pgreplterm.cluster.model import ClusterSnapshot, NodeState

from .replicas import Cluster
from .watching import states, watch

# What a snapshot may come late on a busy machine, in seconds; far less than the tick it must not take.
LATE = 0.2
_GONE = (NodeState.STALE, NodeState.SILENT)


@pytest.mark.parametrize(("name", "interval"), [("pg1", 1.0), ("s1", 0.5), ("leaf", 1.0)])
async def test_stale_within_two_intervals_while_the_others_tick(sturdy: Cluster, name: str, interval: float) -> None:
    """Frozen right after a tick, which is the longest before the second next."""
    async with watch(sturdy, interval=interval) as sampler:
        ticks = sampler.snapshots()
        await first(ticks, _is_healthy)
        await anext(ticks)  # the first round trips pay for plans
        sturdy[name].send(signal.SIGSTOP)
        frozen_at = time.time()
        try:
            seen = await first(ticks, lambda seen: states(seen)[name] in _GONE)
            assert seen.taken_at - frozen_at <= 2 * interval + LATE
            assert states(seen)[name] is NodeState.STALE
            await first(ticks, lambda seen: states(seen)[name] is NodeState.SILENT)
            for _ in range(3):
                assert max(_ages(await anext(ticks), name)) < interval
        finally:
            sturdy[name].send(signal.SIGCONT)
        await first(ticks, _is_healthy)


@pytest.mark.parametrize(("name", "frozen_for"), [("s2", 0.8), ("pg1", 2.5), ("s2", 4.5)])
async def test_live_again_within_a_second_of_the_thaw(sturdy: Cluster, name: str, frozen_for: float) -> None:
    """However long it was: shorter than an attempt may take, longer than the node is called silent, and beyond both."""
    async with watch(sturdy, interval=0.25) as sampler:
        ticks = sampler.snapshots()
        await first(ticks, _is_healthy)
        sturdy[name].send(signal.SIGSTOP)
        frozen_at = time.time()
        try:
            await first(ticks, lambda seen: states(seen)[name] in _GONE)
            await first(ticks, lambda seen: seen.taken_at - frozen_at >= frozen_for)
        finally:
            sturdy[name].send(signal.SIGCONT)
        thawed_at = time.time()
        live = await first(ticks, lambda seen: _is_live(seen, name, thawed_at))
        assert live.taken_at - thawed_at < 1.0


async def first(ticks: AsyncIterator[ClusterSnapshot], condition: Callable[[ClusterSnapshot], bool]) -> ClusterSnapshot:
    """The first of these snapshots for which the condition holds; ticks go on at their own pace."""
    deadline = time.monotonic() + 20
    async for seen in ticks:
        if condition(seen):
            return seen
        assert time.monotonic() < deadline, f"never seen; last: {seen}"
    raise AssertionError("the sampler ended")


def _is_healthy(seen: ClusterSnapshot) -> bool:
    return set(states(seen).values()) <= {NodeState.RUNNING, NodeState.STREAMING}


def _is_live(seen: ClusterSnapshot, name: str, since: float) -> bool:
    node = seen.node(name)
    return node is not None and node.failure is None and node.sample is not None and node.sample.taken_at > since


def _ages(seen: ClusterSnapshot, frozen: str) -> list[float]:
    return [node.sample_age or 0.0 for node in seen.nodes if node.name != frozen]
