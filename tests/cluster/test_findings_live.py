"""Rules whose figures only a real server gives: what replay waits for, waiting commits, settings, counters."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from pgreplterm.cluster.findings import Finding, Severity, findings
from pgreplterm.cluster.model import ClusterSnapshot
from pgreplterm.cluster.thresholds import Thresholds
from pgreplterm.cluster.verdict import verdict

from .replicas import Cluster, cluster
from .watching import until, watch

TREE = {"pg1": None, "s1": "pg1", "s2": "pg1"}


@pytest.fixture(scope="module", params=[15, 18], ids=lambda major: f"pg{major}")
def pair(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A primary and two standbys, for faults that a test heals."""
    with cluster(request.param, TREE) as made:
        yield made


async def found(made: Cluster, rule: str, node: str, limits: Thresholds | None = None) -> Finding:
    """The finding of that rule on that node, as soon as it is seen, by looking on."""
    seen: list[ClusterSnapshot] = []

    def here(snapshot: ClusterSnapshot) -> Finding | None:
        judged = findings(snapshot, limits, seen)
        seen.append(snapshot)
        return next((one for one in judged if (one.rule, one.node) == (rule, node)), None)

    async with watch(made) as sampler:
        await until(sampler, here)
        one = next((one for one in findings(seen[-1], limits, seen[:-1]) if (one.rule, one.node) == (rule, node)), None)
    assert one is not None
    return one


async def gone(made: Cluster) -> None:
    """Return once nothing is wrong any more."""
    async with watch(made) as sampler:
        await until(sampler, lambda seen: verdict(seen).severity is Severity.OK)


async def test_a_query_that_conflicts_with_replay_is_the_cause_of_a_stall(pair: Cluster) -> None:
    pg1, s1 = pair["pg1"], pair["s1"]
    s1.sql("alter system set max_standby_streaming_delay = '60s'", "select pg_reload_conf()")
    pg1.sql("create table c (i int)", "insert into c select generate_series(1, 100)")
    s1.wait_for(f"pg_last_wal_replay_lsn() >= '{pg1.sql('select pg_current_wal_lsn()::text')}'")
    with s1.connect() as reader:
        reader.execute("begin isolation level repeatable read")
        reader.execute("select count(*) from c")
        pg1.sql("delete from c", "vacuum c", "insert into t values (1)")
        finding = await found(pair, "replay-stalled", "s1")
    assert finding.severity is Severity.WARNING
    assert "queries on it conflict" in finding.sentence or "holds a lock" in finding.sentence
    await gone(pair)


async def test_a_commit_that_waits_for_a_stopped_standby_is_slow(pair: Cluster) -> None:
    """The standby streams, so that the requirement is met, and confirms nothing."""
    pg1, s1 = pair["pg1"], pair["s1"]
    pg1.sql("alter system set synchronous_standby_names = 's1'", "select pg_reload_conf()")
    pg1.wait_for("sync_state = 'sync' from pg_stat_replication where application_name = 's1'")
    s1.send_to_walreceiver(signal.SIGSTOP)
    writer = threading.Thread(target=pg1.sql, args=("insert into t values (1)",))
    writer.start()
    try:
        finding = await found(pair, "sync-slow", "pg1", Thresholds(commit_wait=1.0))
    finally:
        s1.send_to_walreceiver(signal.SIGCONT)
        writer.join()
        pg1.sql("alter system reset synchronous_standby_names", "select pg_reload_conf()")
    assert finding.severity is Severity.WARNING
    assert "1 session waits" in finding.evidence
    await gone(pair)


async def test_a_delayed_standby_is_no_fault(pair: Cluster) -> None:
    pg1, s1 = pair["pg1"], pair["s1"]
    s1.sql("alter system set recovery_min_apply_delay = '1h'", "select pg_reload_conf()")
    s1.wait_for("current_setting('recovery_min_apply_delay') = '1h'")
    pair.write(rows=1)  # only a commit is delayed, and with it all that comes after
    pair.write(rows=300_000)  # well past the limit of a standby that is to keep up
    pg1.wait_for("pg_wal_lsn_diff(flush_lsn, replay_lsn) > 12e6 from pg_stat_replication where application_name = 's1'")
    try:
        finding = await found(pair, "replay-delayed", "s1")
        await gone(pair)
    finally:
        s1.sql("alter system reset recovery_min_apply_delay", "select pg_reload_conf()")
    assert (finding.severity, "1 h 0 min late" in finding.sentence) == (Severity.INFO, True)


async def test_a_standby_without_a_slot_is_told_of(pair: Cluster) -> None:
    pg1, s2 = pair["pg1"], pair["s2"]
    pg1.sql("alter system set wal_keep_size = 0", "select pg_reload_conf()")
    s2.sql("alter system set primary_slot_name = ''", "select pg_reload_conf()")
    s2.wait_for("status = 'streaming' and slot_name is null from pg_stat_wal_receiver")
    try:
        finding = await found(pair, "without-slot", "s2")
        unused = await found(pair, "slot-inactive", "pg1")
    finally:
        s2.sql("alter system reset primary_slot_name", "select pg_reload_conf()")
        pg1.sql("alter system reset wal_keep_size", "select pg_reload_conf()")
    assert (finding.severity, unused.severity) == (Severity.INFO, Severity.INFO)
    s2.wait_for("slot_name = 's2' from pg_stat_wal_receiver")


async def test_checkpoints_that_are_asked_for_are_counted(pair: Cluster) -> None:
    pg1 = pair["pg1"]
    pg1.sql(*(f"insert into t values ({n}); checkpoint" for n in range(25)))
    finding = await found(pair, "checkpoints-requested", "pg1")
    assert finding.evidence.startswith("since ")
    pg1.sql("select pg_stat_reset_shared('bgwriter')")
    if pg1.sql("select current_setting('server_version_num')::int") >= 170000:
        pg1.sql("select pg_stat_reset_shared('checkpointer')")
    await gone(pair)


async def test_a_standby_with_fewer_connections_is_a_misfit(pair: Cluster) -> None:
    """13 and older would end; from 14 on replay pauses as soon as it learns of it."""
    pg1 = pair["pg1"]
    pg1.sql("alter system set max_connections = 25")
    pg1.stop()
    pg1.start()
    finding = await found(pair, "settings-misfit", "s2")
    paused = await found(pair, "replay-paused", "s2")
    assert "max_connections is 20 on s2 and 25 on pg1" in finding.sentence
    assert paused.severity is Severity.WARNING
    for name in ("s1", "s2"):
        pair[name].sql("alter system set max_connections = 25")
        pair[name].stop()
        pair[name].start()
    await gone(pair)


@pytest.mark.parametrize("role", ["postgres", "watcher", "nobody_special"])
async def test_a_healthy_cluster_alarms_no_role(calm: Cluster, role: str) -> None:
    """Every major, watched for a while: what a role may not see is unknown to it, and no fault."""
    seen: list[ClusterSnapshot] = []
    async with watch(calm, role, interval=0.5) as sampler:
        await until(sampler, lambda snapshot: all(node.sample for node in snapshot.nodes))
        async for snapshot in sampler.snapshots():
            told = findings(snapshot, None, seen)
            assert {one.severity for one in told} == ({Severity.UNKNOWN} if role == "nobody_special" else set()), told
            seen.append(snapshot)
            if len(seen) == 7:
                break
