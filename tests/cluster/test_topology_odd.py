"""Trees that are none: standbys that feed themselves, split brains, orphaned timelines, two clusters at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pgreplterm.cluster.connecting.connect import named_target, targets
from pgreplterm.cluster.joining.topology import depths
from pgreplterm.cluster.model import ClusterSnapshot, Node, NodeState, Role
from pgreplterm.cluster.sampling.sampler import Sampler
from pgreplterm.cluster.verdict import Severity, verdict
from tests.wal.servers import EDGES

from .conftest import NEWEST
from .replicas import Cluster, cluster
from .replicas import Node as Server
from .watching import states, until, watch

PAIR = {"pg1": None, "s1": "pg1", "s2": "pg1"}


@pytest.fixture(scope="module", params=EDGES, ids=lambda major: f"pg{major}")
def pair(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A primary and two standbys whose upstreams each test sets, and heals."""
    with cluster(request.param, PAIR) as made:
        yield made


def send(node: Server, upstream: Server, slot: str = "") -> None:
    """Have a standby follow a node, itself maybe; a later setting wins."""
    conninfo = f"host={upstream.folder} user=postgres application_name={node.name}"
    node.configure(primary_conninfo=conninfo, primary_slot_name=slot)
    node.sql("select pg_reload_conf()")
    host = f"sender_host = '{upstream.folder}'"
    if slot in ("", node.name):
        node.wait_for(f"status = 'streaming' and {host} from pg_stat_wal_receiver")
    else:
        node.wait_for("not exists (select from pg_stat_wal_receiver where status = 'streaming')")


def heal(made: Cluster) -> None:
    for name in ("s1", "s2"):
        send(made[name], made["pg1"], name)


def shown(snapshot: ClusterSnapshot, name: str) -> Node:
    node = snapshot.node(name)
    assert node is not None
    return node


class TestFeedingItself:
    """Both rows of such a standby say streaming, on every major, and its gap is 0 for ever."""

    async def test_a_standby_that_streams_from_itself_streams_from_nobody(self, pair: Cluster) -> None:
        send(pair["s1"], pair["s1"])
        try:
            pair.write()
            async with watch(pair) as sampler:
                snapshot = await until(sampler, lambda seen: states(seen)["s2"] is NodeState.STREAMING)
            itself = shown(snapshot, "s1")
            assert itself.sample is not None and itself.sample.receiver is not None
            assert [row.state for row in itself.sample.senders] == ["streaming"], "the naive reading"
            assert (itself.feeds_itself, itself.state) == (True, NodeState.NOT_STREAMING)
            assert not shown(snapshot, "s2").feeds_itself
            assert [link.downstream for link in snapshot.links] == ["s2"]
            assert verdict(snapshot).severity is not Severity.OK
        finally:
            heal(pair)

    async def test_so_is_one_that_only_tries_to(self, pair: Cluster) -> None:
        """Its settings name a slot that only the other server had."""
        send(pair["s1"], pair["s1"], "no_such_slot")
        try:
            async with watch(pair) as sampler:
                snapshot = await until(sampler, lambda seen: shown(seen, "s1").feeds_itself)
            assert states(snapshot)["s1"] is NodeState.NOT_STREAMING
        finally:
            heal(pair)

    async def test_two_that_follow_each_other_are_found_and_hang_nothing(self, pair: Cluster) -> None:
        send(pair["s1"], pair["s2"])
        send(pair["s2"], pair["s1"])
        try:
            async with watch(pair) as sampler:
                snapshot = await until(sampler, lambda seen: shown(seen, "s1").feeds_itself)
            assert (shown(snapshot, "s1").upstream, shown(snapshot, "s2").upstream) == ("s2", "s1")
            assert [shown(snapshot, name).feeds_itself for name in PAIR] == [False, True, True]
            assert states(snapshot)["s1"] is states(snapshot)["s2"] is NodeState.NOT_STREAMING
            assert sorted(depths(snapshot)) == sorted(PAIR)
            assert verdict(snapshot).severity is not Severity.OK
        finally:
            heal(pair)


class TestTwoLines:
    """After a promotion that should not have been."""

    async def test_both_primaries_are_roots_and_each_standby_is_under_its_own(self) -> None:
        with cluster(NEWEST, {**PAIR, "s3": "pg1"}) as made:
            made["s1"].sql("select pg_promote()", "select pg_create_physical_replication_slot('s3')")
            send(made["s3"], made["s1"], "s3")
            async with watch(made) as sampler:
                snapshot = await until(sampler, lambda seen: shown(seen, "s3").upstream == "s1")
        assert {node.name: (node.role, node.upstream, node.orphaned) for node in snapshot.nodes} == {
            "pg1": (Role.PRIMARY, None, False),
            "s2": (Role.STANDBY, "pg1", False),
            "s1": (Role.PRIMARY, None, False),
            "s3": (Role.STANDBY, "s1", False),
        }
        assert [node.name for node in snapshot.nodes].index("s3") == 1 + [node.name for node in snapshot.nodes].index(
            "s1"
        )
        assert verdict(snapshot).severity is Severity.CRITICAL

    @pytest.mark.parametrize("major", [15, NEWEST])
    async def test_a_standby_promoted_and_put_back_is_on_an_orphaned_timeline(self, major: int) -> None:
        with cluster(major, PAIR) as made:
            astray = made["s1"]
            astray.sql("select pg_promote()", "insert into t values (1)", "checkpoint")
            astray.stop()
            astray.make_standby()
            astray.start()
            made.write(rows=10)
            async with watch(made) as sampler:
                snapshot = await until(sampler, lambda seen: shown(seen, "s1").orphaned)
            assert [shown(snapshot, name).orphaned for name in PAIR] == [False, True, False]
            assert states(snapshot)["s1"] is NodeState.DIVERGED

    async def test_a_timeline_the_primary_went_through_is_no_orphan(self) -> None:
        with cluster(NEWEST, PAIR) as made:
            made["pg1"].stop()
            made["s1"].sql("select pg_promote()", "select pg_create_physical_replication_slot('s2')")
            send(made["s2"], made["s1"], "s2")
            async with watch(made) as sampler:
                snapshot = await until(sampler, lambda seen: states(seen)["s2"] is NodeState.STREAMING)
            assert not any(node.orphaned for node in snapshot.nodes)


async def test_two_clusters_in_one_watch_are_two_trees() -> None:
    """The same names, slots and ports in both."""
    with cluster(NEWEST, {"pg1": None, "s1": "pg1"}) as one, cluster(15, {"pg1": None, "s1": "pg1"}) as other:
        both = [
            named_target(f"{cluster_name}-{name}", made[name].dsn)
            for cluster_name, made in (("a", one), ("b", other))
            for name in ("s1", "pg1")
        ]
        async with Sampler(both) as sampler:
            snapshot = await sampler.sample_once()
    assert [(node.name, node.upstream) for node in snapshot.nodes] == [
        ("a-pg1", None),
        ("a-s1", "a-pg1"),
        ("b-pg1", None),
        ("b-s1", "b-pg1"),
    ]
    assert {link.downstream: link.upstream for link in snapshot.links} == {"a-s1": "a-pg1", "b-s1": "b-pg1"}
    assert all(link.sender is not None for link in snapshot.links)
    assert snapshot.system_identifier is None


async def test_one_server_watched_at_two_addresses_is_one_node_and_no_split_brain(calm: Cluster) -> None:
    """The folder, and the same folder by another way."""
    again = [dsn.replace("host=/", "host=//") for dsn in calm.dsns()]
    async with Sampler(targets([*calm.dsns(), *again])) as sampler:
        snapshot = await sampler.sample_once()
    assert [node.name for node in snapshot.nodes] == ["pg1", "s1", "leaf", "s2"]
    assert all(link.sender is not None and link.receiver is not None for link in snapshot.links)
