"""The LSN that each backend waits for which waits for a synchronous standby: the end of its own commit record."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pgreplterm.cluster.connecting.connect import named_target
from pgreplterm.cluster.decoded.waiting import waiters_with_lsns
from pgreplterm.cluster.decoded.wal_range import wal_of
from pgreplterm.cluster.model import ClusterSnapshot
from pgreplterm.wal.changes import changes
from pgreplterm.wal.lsn import LSN
from tests.wal.servers import EDGES

from .losing import level, make_tables
from .replicas import Cluster, cluster
from .watching import until, watch

SESSIONS = 3


@pytest.fixture(params=EDGES, ids=lambda major: f"pg{major}")
def frozen(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Three sessions that wait for a standby that never comes back, until it is no longer asked for."""
    with cluster(request.param, {"pg1": None, "s1": "pg1"}) as made:
        make_tables(made["pg1"])
        level(made, "pg1", "s1")
        made["s1"].stop()
        made["pg1"].sql("alter system set synchronous_standby_names = 's1'", "select pg_reload_conf()")
        made["pg1"].wait_for("current_setting('synchronous_standby_names') = 's1'")
        writers = [
            threading.Thread(target=made["pg1"].sql, args=(f"insert into orders values ({number}, 'waits')",))
            for number in range(SESSIONS)
        ]
        for writer in writers:
            writer.start()
        yield made
        made["pg1"].sql("set synchronous_commit = local", "alter system reset synchronous_standby_names")
        made["pg1"].sql("select pg_reload_conf()")
        for writer in writers:
            writer.join()


def all_wait(snapshot: ClusterSnapshot) -> bool:
    node = snapshot.node("pg1")
    waiters = node.sample.activity.waiters if node is not None and node.sample is not None else None
    return len(waiters or ()) == SESSIONS


async def test_each_waiter_waits_for_the_end_of_its_commit_record(frozen: Cluster) -> None:
    async with watch(frozen) as sampler:
        snapshot = await until(sampler, all_wait)
    node = snapshot.node("pg1")
    assert node is not None
    assert node.sample is not None
    source = wal_of(named_target("pg1", frozen["pg1"].dsn), 1)
    found = waiters_with_lsns(node.sample, source)
    ends = {each.xid: each.commit_end for each in changes(source, LSN(0x1000000), node.sample.write_lsn).committed}
    assert len(found) == SESSIONS
    assert len({waiter.lsn for waiter in found}) == SESSIONS
    for waiter in found:
        assert waiter.lsn is not None
        assert waiter.xid is not None
        assert waiter.lsn == ends[waiter.xid]
    assert [waiter.pid for waiter in found] == [waiter.pid for waiter in node.sample.activity.waiters or ()]
    assert max(waiter.lsn or 0 for waiter in found) <= node.sample.write_lsn  # type: ignore[operator]


async def test_a_commit_further_back_than_was_read_stays_unknown(frozen: Cluster) -> None:
    async with watch(frozen) as sampler:
        snapshot = await until(sampler, all_wait)
    node = snapshot.node("pg1")
    assert node is not None
    assert node.sample is not None
    source = wal_of(named_target("pg1", frozen["pg1"].dsn), 1)
    assert {waiter.lsn for waiter in waiters_with_lsns(node.sample, source, most=8)} == {None}
