"""Traps 15 to 17: counters that moved, that come late, and that remember what is over."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from pgreplterm.cluster.activity import Activity
from pgreplterm.cluster.model import ClusterSnapshot, NodeSample
from tests.wal.servers import EDGES

from . import naive
from .naive import refutes
from .replicas import Cluster, cluster
from .watching import gaps, until, watch


@pytest.fixture(scope="module", params=EDGES, ids=lambda major: f"pg{major}")
def archiving(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Both nodes have archive_mode = on; the command fails until a test heals it."""
    with cluster(request.param, {"pg1": None, "s1": "pg1"}) as made:
        for node in made.nodes.values():
            node.configure(archive_mode="on", archive_command="false")
            node.stop()
        for node in made.nodes.values():
            node.start()
        made["s1"].wait_for("status = 'streaming' from pg_stat_wal_receiver")
        yield made


def sample(snapshot: ClusterSnapshot, name: str) -> NodeSample:
    node = snapshot.node(name)
    assert node is not None
    assert node.sample is not None
    return node.sample


def activity(snapshot: ClusterSnapshot, name: str) -> Activity:
    return sample(snapshot, name).activity


def major(archiving: Cluster) -> int:
    return int(archiving["pg1"].sql("show server_version_num")) // 10000


async def test_trap_15_the_counters_of_checkpoints_moved_in_17(archiving: Cluster) -> None:
    pg1 = archiving["pg1"]
    async with watch(archiving) as sampler:
        before = activity(await sampler.sample_once(), "pg1").checkpoints
        assert before is not None
        pg1.sql("insert into t values (1)", "checkpoint")
        after = activity(
            await until(
                sampler,
                lambda seen: (counted := activity(seen, "pg1").checkpoints) and counted.requested > before.requested,
            ),
            "pg1",
        ).checkpoints
    assert after is not None
    assert after.requested == before.requested + 1
    if major(archiving) < 17:
        assert naive.requested_checkpoints(pg1) == after.requested
    else:
        with pytest.raises(psycopg.errors.UndefinedColumn):
            naive.requested_checkpoints(pg1)


async def test_trap_15_a_standby_has_restartpoints(archiving: Cluster) -> None:
    """Before 17 they are mixed into the checkpoints of a server that makes none: how many there were is unknown."""
    s1, newest = archiving["s1"], major(archiving) >= 17
    archiving.write(rows=10)
    archiving["pg1"].sql("checkpoint")
    async with watch(archiving) as sampler:
        level = await until(sampler, lambda seen: gaps(seen, "s1").replay == 0)
        before = activity(level, "s1").checkpoints
        naively = None if newest else naive.requested_checkpoints(s1)
        s1.sql("checkpoint")
        counted = (before.restartpoints_requested or 0) + 1 if before is not None and newest else None
        later = await until(  # the checkpointer tells its counters a moment after the command is done
            sampler,
            lambda seen: (
                (made := activity(seen, "s1").checkpoints) is not None and made.restartpoints_requested == counted
            ),
        )
        after = activity(later, "s1").checkpoints
    assert before is not None
    assert after is not None
    if newest:
        assert after.requested == before.requested  # not always 0: a fast shutdown counts as one
        assert after.restartpoints_requested == (before.restartpoints_requested or 0) + 1
    else:

        def check(checkpoints_made: int | None) -> None:
            assert not checkpoints_made

        made = naive.requested_checkpoints(s1) - (naively or 0)
        refutes(check, ours=after.restartpoints_requested, naive=made)


async def test_trap_16_the_statistics_of_wal_come_late(archiving: Cluster) -> None:
    """A backend reports what it wrote when its transaction ends; the positions say it at once, on every major."""

    def check(written: int) -> None:
        assert written > 1_000_000

    pg1 = archiving["pg1"]
    async with watch(archiving) as sampler:
        before, naively = sample(await sampler.sample_once(), "pg1").position, naive.wal_bytes(pg1)
        with pg1.connect() as session:
            session.execute("begin")
            session.execute("insert into t select generate_series(1, 20000)")
            after = sample(await sampler.sample_once(), "pg1").position
            assert before is not None
            assert after is not None
            refutes(check, ours=after - before, naive=naive.wal_bytes(pg1) - naively)
            session.execute("rollback")


async def test_trap_17_a_failure_counted_is_not_a_failure_now(archiving: Cluster) -> None:
    pg1 = archiving["pg1"]

    def check_failing(fails: bool) -> None:
        assert fails

    def check_healed(fails: bool) -> None:
        assert not fails

    def is_failing(seen: ClusterSnapshot) -> bool | None:
        archiver = activity(seen, "pg1").archiver
        return None if archiver is None else archiver.is_failing

    pg1.sql("insert into t values (1)", "select pg_switch_wal()")
    async with watch(archiving) as sampler:
        await until(sampler, is_failing)
        pg1.sql("select pg_stat_reset_shared('archiver')")
        backlog = await until(sampler, lambda seen: (folder := activity(seen, "pg1").folder) and folder.ready)
        folder = activity(backlog, "pg1").folder
        assert folder is not None
        refutes(check_failing, ours=bool(folder.ready), naive=naive.archiver_has_failed(pg1))

        await until(sampler, is_failing)
        pg1.configure(archive_command="true")
        pg1.sql("select pg_reload_conf()", "insert into t values (1)", "select pg_switch_wal()")
        healed = await until(sampler, lambda seen: is_failing(seen) is False)
        refutes(check_healed, ours=is_failing(healed) is True, naive=naive.archiver_has_failed(pg1))


async def test_trap_17_a_standby_archives_nothing_unless_always(archiving: Cluster) -> None:
    """Its archiver shows no failure: it was never asked to do anything."""

    def check(archives: bool) -> None:
        assert not archives

    async with watch(archiving) as sampler:
        standby = sample(await sampler.sample_once(), "s1")
    archiver = standby.activity.archiver
    assert archiver is not None
    ours = archiver.mode == "always" or not standby.in_recovery
    refutes(check, ours=ours, naive=not naive.archiver_has_failed(archiving["s1"]))
    assert (archiver.archived, archiver.last_archived_age) == (0, None)
