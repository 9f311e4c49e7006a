"""Traps 8 to 10: who is primary, on which timeline, and who only looks attached, after a promotion nobody fenced."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pgreplterm.cluster.model import ClusterSnapshot, NodeState, Role
from pgreplterm.cluster.verdict import Severity, verdict
from tests.wal.servers import EDGES

from . import naive
from .naive import refutes
from .replicas import Cluster, cluster
from .watching import states, until, watch


@pytest.fixture(scope="module", params=EDGES, ids=lambda major: f"pg{major}")
def forked(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """s1 was promoted while pg1 went on; s2 follows s1. The checkpoint after the promotion takes its time."""
    with cluster(request.param, {"pg1": None, "s1": "pg1", "s2": "pg1"}) as made:
        made.write(rows=100_000)  # more dirty pages than a checkpoint spread over an hour writes in a test
        end = made["pg1"].sql("select pg_current_wal_lsn()::text")
        made["s1"].wait_for(f"pg_last_wal_replay_lsn() >= '{end}'")
        made["s1"].sql("select pg_promote()")
        made["s1"].sql("select pg_create_physical_replication_slot('s2')")
        made["s2"].follow(made["s1"])
        made["s2"].sql("select pg_reload_conf()")
        made["s1"].wait_for("count(*) = 1 from pg_stat_replication where state = 'streaming'")
        yield made


def role(snapshot: ClusterSnapshot, name: str) -> Role:
    node = snapshot.node(name)
    assert node is not None
    return node.role


async def test_trap_08_the_positions_of_a_standby_outlive_its_promotion(forked: Cluster) -> None:
    def check(is_standby: bool) -> None:
        assert not is_standby

    async with watch(forked) as sampler:
        seen = await until(sampler, lambda seen: role(seen, "s1") is Role.PRIMARY)
    assert seen.link_to("s1") is None
    ours = role(seen, "s1") in (Role.STANDBY, Role.CASCADE)
    refutes(check, ours=ours, naive=naive.is_standby_when_it_has_received(forked["s1"]))


async def test_trap_09_pg_control_is_a_checkpoint_behind_a_promotion(forked: Cluster) -> None:
    def check(timeline: int | None) -> None:
        assert timeline == 2

    async with watch(forked) as sampler:
        seen = await until(sampler, lambda seen: states(seen)["s2"] is NodeState.STREAMING)
    for name in ("s1", "s2"):
        node = seen.node(name)
        assert node is not None
        refutes(check, ours=node.timeline, naive=naive.control_timeline(forked[name]))


async def test_trap_10_a_diverged_standby_looks_attached(forked: Cluster) -> None:
    """It is up and in recovery, has a walreceiver, and its upstream a row for it: now and then, for ever."""
    old, new = forked["pg1"], forked["s1"]
    forked.write("pg1")
    forked.write("s1")
    new.sql("select pg_create_physical_replication_slot('pg1')")
    old.stop()
    old.follow(new)
    old.make_standby()
    old.start()

    def check_attached(count: int) -> None:
        assert count == 1

    def check_alive(is_alive: bool) -> None:
        assert not is_alive

    rows: list[int] = []
    alive: list[bool] = []

    def has_fooled_both(seen: ClusterSnapshot) -> bool:
        assert states(seen)["pg1"] is NodeState.DIVERGED
        assert verdict(seen).severity is Severity.CRITICAL
        rows.append(naive.rows_of_pg_stat_replication(new))
        alive.append(naive.has_walreceiver(old))
        return max(rows) == 2 and any(alive)

    async with watch(forked) as sampler:
        await until(sampler, lambda seen: role(seen, "pg1") is Role.STANDBY)
        seen = await until(sampler, has_fooled_both)
    streaming = [name for name, state in states(seen).items() if state is NodeState.STREAMING]
    refutes(check_attached, ours=len(streaming), naive=max(rows))
    refutes(check_alive, ours="pg1" in streaming, naive=any(alive))
