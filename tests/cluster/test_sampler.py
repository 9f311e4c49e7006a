"""The clock: silent and refusing peers never hold up a tick, the loop, or the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from pgreplterm.cluster.connecting.connect import targets
from pgreplterm.cluster.model import NodeState
from pgreplterm.cluster.sampling.sampler import Sampler


@pytest.fixture
async def silent_port() -> AsyncIterator[int]:
    """A peer that accepts and never says a word, as the kernel does for a frozen postmaster."""
    held: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for writer in held:
        writer.transport.abort()


async def test_a_refused_connection_is_down_and_a_silent_one_is_silent(silent_port: int) -> None:
    async with Sampler(targets([f"host=127.0.0.1,127.0.0.1 port=1,{silent_port}"]), interval=0.1) as sampler:
        snapshot = await sampler.sample_once()
    assert [node.state for node in snapshot.nodes] == [NodeState.DOWN, NodeState.SILENT]
    assert [node.failure is not None and node.failure.reason for node in snapshot.nodes] == [
        "Connection refused",
        "no answer within 1.0 s",
    ]


async def test_ticks_stay_on_time_whatever_the_peers_do(silent_port: int) -> None:
    ports = ",".join([str(silent_port)] * 4 + ["1"])
    hosts = ",".join(f"127.0.0.{n}" for n in range(1, 6))
    ticks: list[float] = []
    async for _ in Sampler(targets([f"host={hosts} port={ports}"]), interval=0.2):
        ticks.append(time.monotonic())
        if len(ticks) == 10:
            break
    gaps = [after - before for before, after in pairwise(ticks)]
    assert max(gaps) < 0.5, gaps


async def test_the_end_waits_for_nobody(silent_port: int) -> None:
    hosts = ",".join(f"127.0.0.{n}" for n in range(1, 7))
    sampler = Sampler(targets([f"host={hosts} port={silent_port}"]), interval=0.1)
    snapshots = sampler.snapshots()
    await anext(snapshots)
    started = time.monotonic()
    await snapshots.aclose()
    assert time.monotonic() - started < 0.5


async def test_retries_back_off_to_a_cap() -> None:
    waits: list[float] = []
    sampler = Sampler(targets(["host=127.0.0.1 port=1"]), interval=0.1)
    async with sampler:
        for _ in range(7):
            failure = (await sampler.sample_once()).nodes[0].failure
            assert failure is not None
            assert failure.retry_at is not None
            waits.append(round(failure.retry_at - time.time(), 1))
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


async def test_a_name_that_does_not_resolve_is_down_with_the_name() -> None:
    async with Sampler(targets(["host=nosuch.invalid port=1"])) as sampler:
        (node,) = (await sampler.sample_once()).nodes
    assert node.state is NodeState.DOWN
    assert node.failure is not None
    assert node.failure.reason.startswith("host name nosuch.invalid does not resolve")
