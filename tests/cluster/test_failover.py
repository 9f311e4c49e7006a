"""Promotion, and a primary that comes back with WAL nobody else has."""

from __future__ import annotations

import signal

from pgreplterm.cluster.forks.lineage import Relation, compare
from pgreplterm.cluster.model import ClusterSnapshot, NodeState, Role
from pgreplterm.cluster.verdict import Severity, verdict

from .replicas import Cluster
from .watching import states, until, watch


def role(snapshot: ClusterSnapshot, name: str) -> Role:
    node = snapshot.node(name)
    assert node is not None
    return node.role


def _follows(snapshot: ClusterSnapshot, name: str, upstream: str, timeline: int) -> bool:
    """A survivor first streams the end of the old timeline from its new upstream, then goes over to the new one."""
    node = snapshot.node(name)
    return node is not None and (node.state, node.upstream, node.timeline) == (NodeState.STREAMING, upstream, timeline)


async def test_a_promotion_shows_its_timeline_at_once(doomed: Cluster) -> None:
    """pg_control says timeline 1 until the next checkpoint, which is made to take long here."""
    doomed["s1"].sql("alter system set checkpoint_timeout = '1h'", "select pg_reload_conf()")
    doomed.write()
    async with watch(doomed) as sampler:
        await until(sampler, lambda seen: [link.gaps.flush for link in seen.links] == [0, 0])
        doomed["pg1"].stop(signal.SIGQUIT)
        doomed["s1"].sql("select pg_promote()")
        promoted = await until(sampler, lambda seen: role(seen, "s1") is Role.PRIMARY)
        node = promoted.node("s1")
        assert node is not None
        assert node.timeline == 2
        assert [primary.name for primary in promoted.primaries] == ["s1"]
        assert node.sample is not None
        assert node.sample.history is not None
        assert node.sample.history.ancestors[0].timeline == 1

        doomed["s1"].sql("select pg_create_physical_replication_slot('s2')")
        doomed["s2"].follow(doomed["s1"])
        doomed["s2"].sql("select pg_reload_conf()")
        followed = await until(sampler, lambda seen: _follows(seen, "s2", "s1", timeline=2))
        assert [node.name for node in followed.nodes] == ["s1", "s2", "pg1"]


async def test_an_old_primary_that_went_on_is_a_second_primary_then_diverged(doomed: Cluster) -> None:
    async with watch(doomed) as sampler:
        await until(sampler, lambda seen: states(seen)["s1"] is NodeState.STREAMING)
        doomed["s1"].sql("select pg_promote()")
        both = await until(sampler, lambda seen: len(seen.primaries) == 2)
        assert verdict(both).severity is Severity.CRITICAL
        assert verdict(both).sentence.startswith("2 primaries accept writes: pg1 and s1")

        doomed.write("pg1")
        doomed.write("s1")
        doomed["s1"].sql("select pg_create_physical_replication_slot('pg1')")
        doomed["pg1"].stop()
        doomed["pg1"].follow(doomed["s1"])
        doomed["pg1"].make_standby()
        doomed["pg1"].start()

        returned = await until(sampler, lambda seen: role(seen, "pg1") is Role.STANDBY)
        for _ in range(15):
            assert states(returned)["pg1"] is NodeState.DIVERGED
            returned = await sampler.sample_once()
        old, new = returned.node("pg1"), returned.node("s1")
        assert old is not None and new is not None
        assert old.sample is not None and new.sample is not None
        seen = compare(old.sample, new.sample)
        assert seen.relation is Relation.DIVERGED
        assert new.sample.history is not None
        assert seen.fork is not None
        assert seen.fork.lsn == new.sample.history.end_of(1)
        assert (seen.beyond or 0) > 1_000_000
        assert "pg1 has diverged from s1" in " ".join(one.sentence for one in verdict(returned).findings)


async def test_without_the_right_to_read_histories_a_diverged_standby_is_still_not_streaming(doomed: Cluster) -> None:
    doomed["s1"].sql("select pg_promote()")
    doomed.write("pg1")
    doomed["s1"].sql("select pg_create_physical_replication_slot('pg1')")
    doomed["pg1"].stop()
    doomed["pg1"].follow(doomed["s1"])
    doomed["pg1"].make_standby()
    doomed["pg1"].start()
    async with watch(doomed, "watcher") as sampler:
        for _ in range(15):
            snapshot = await sampler.sample_once()
            assert states(snapshot)["pg1"] in (NodeState.STARTUP, NodeState.NOT_STREAMING, NodeState.CATCHUP)
            assert verdict(snapshot).severity is not Severity.OK
