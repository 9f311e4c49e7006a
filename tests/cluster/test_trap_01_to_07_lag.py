"""Traps 1 to 7: where a standby is, and how far behind, on real servers."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from pgreplterm.cluster.connecting.connect import named_target
from pgreplterm.cluster.model import Link, NodeState
from pgreplterm.cluster.sampling.sampler import Sampler
from pgreplterm.cluster.verdict import Severity, verdict
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.segment import segment_name
from tests.wal.servers import EDGES

from . import naive
from .naive import refutes
from .replicas import Cluster, Node, cluster
from .watching import gaps, states, until, watch


@pytest.fixture(scope="module", params=EDGES, ids=lambda major: f"pg{major}")
def pair(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A primary and a standby that reports every second; each test leaves them streaming."""
    with cluster(request.param, {"pg1": None, "s1": "pg1"}) as made:
        made["s1"].configure(wal_receiver_status_interval="1s")
        made["s1"].sql("select pg_reload_conf()")
        yield made


@contextmanager
def stalled(pair: Cluster) -> Iterator[None]:
    """The walreceiver stops after everything was confirmed and the lag intervals went back to NULL; then WAL comes."""
    pair["pg1"].wait_for("count(*) = 1 from pg_stat_replication where replay_lag is null and state = 'streaming'")
    pair["s1"].send_to_walreceiver(signal.SIGSTOP)
    try:
        pair.write()
        yield
    finally:
        pair["s1"].send_to_walreceiver(signal.SIGCONT)


def behind(link: Link | None) -> float:
    """Our seconds behind: 0 for a link known to have everything."""
    assert link is not None
    assert link.gaps.replay is not None
    return 0.0 if link.gaps.replay == 0 else link.time_lag or 0.0


async def only(node: Node) -> Sampler:
    """A sampler on one node."""
    return Sampler([named_target(node.name, node.dsn)])


async def test_trap_01_a_standby_refuses_the_functions_of_a_primary(pair: Cluster) -> None:
    """One error would lose a whole sample; ours has the position, and names the segment by its own arithmetic."""
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="recovery is in progress"):
        naive.current_segment(pair["s1"])
    pair.write(rows=10)  # off the boundary where the next trap lies
    async with watch(pair) as sampler:
        level = await until(sampler, lambda seen: gaps(seen, "s1").replay == 0)
    sample = level.nodes[1].sample
    assert sample is not None
    assert sample.position is not None
    assert sample.timeline is not None
    number = int(sample.position) // sample.wal_segment_size
    assert segment_name(sample.timeline, number, sample.wal_segment_size) == naive.current_segment(pair["pg1"])


def test_trap_02_the_segment_of_a_boundary_changed_its_name_in_17(pair: Cluster) -> None:
    """Ours is that of the byte at the LSN, whichever server is asked."""
    ours = segment_name(1, int(LSN.parse("0/3000000")) // (16 << 20), 16 << 20)
    said = naive.segment_of(pair["pg1"], "0/3000000")

    def check(name: str) -> None:
        assert name == "000000010000000000000003"

    if pair["pg1"].sql("show server_version_num") < "170000":
        refutes(check, ours=ours, naive=said)
    else:
        assert said == ours


async def test_trap_03_no_lag_interval_means_idle_or_stalled(pair: Cluster) -> None:
    def check_stalled(seconds: float) -> None:
        assert seconds > 0.2

    def check_idle(is_gone: bool) -> None:
        assert not is_gone

    async with watch(pair) as sampler:
        await until(sampler, lambda _: naive.is_gone_when_lag_is_null(pair["pg1"], "s1"))
        idle = await until(sampler, lambda seen: gaps(seen, "s1").replay == 0)
        gone = states(idle)["s1"] is not NodeState.STREAMING
        refutes(check_idle, ours=gone, naive=naive.is_gone_when_lag_is_null(pair["pg1"], "s1"))
        with stalled(pair):
            late = await until(sampler, lambda seen: behind(seen.link_to("s1")) > 0.2)
            refutes(
                check_stalled,
                ours=behind(late.link_to("s1")),
                naive=naive.replay_lag_or_zero(pair["pg1"], "s1"),
            )
        await until(sampler, lambda seen: verdict(seen).severity is Severity.OK)


async def test_trap_04_a_stalled_link_reads_as_perfect(pair: Cluster) -> None:
    """Received equals replayed, the upstream says streaming: only bytes and the age of the evidence tell."""

    def check(seconds: float) -> None:
        assert seconds > 1.0

    async with watch(pair) as sampler:
        await until(sampler, lambda seen: gaps(seen, "s1").replay == 0)
        with stalled(pair):
            stale = await until(sampler, lambda seen: states(seen)["s1"] is NodeState.STALE)
            link = stale.link_to("s1")
            assert link is not None
            assert link.sender is not None
            assert link.sender.state == "streaming"
            refutes(check, ours=behind(link), naive=naive.zero_when_received_is_replayed(pair["s1"]))
            assert (link.gaps.flush or 0) > 1_000_000
            assert (link.evidence_age or 0) > 1.0
            assert link.catch_up is not None
            assert link.catch_up.never
        await until(sampler, lambda seen: verdict(seen).severity is Severity.OK)


async def test_trap_05_an_idle_healthy_link_hears_nothing_for_long(pair: Cluster) -> None:
    """A walreceiver pings only when half of wal_receiver_timeout (60 s) has passed."""

    def check(alarm: bool) -> None:
        assert not alarm

    async with watch(pair) as sampler:
        await until(sampler, lambda seen: gaps(seen, "s1").replay == 0)
        ours = False
        async for seen in sampler.snapshots():
            ours = ours or verdict(seen).severity is not Severity.OK
            if min(naive.seconds_without_a_message(pair["s1"]), naive.seconds_without_news(pair["s1"])) > 3:
                break
    refutes(check, ours=ours, naive=naive.seconds_without_a_message(pair["s1"]) > 3)
    refutes(check, ours=ours, naive=naive.seconds_without_news(pair["s1"]) > 3)


async def test_trap_06_the_last_commit_says_nothing_of_other_wal(pair: Cluster) -> None:
    """A long transaction is replayed as it is written: nothing is missing, and its commit is far away."""

    def check(seconds: float) -> None:
        assert seconds < 0.5

    with pair["pg1"].connect() as session:
        session.execute("begin")
        session.execute("insert into t select generate_series(1, 20000)")
        session.execute("select pg_switch_wal()")  # flushes it: what is only written is not sent
        async with watch(pair) as sampler:
            level = await until(
                sampler,
                lambda seen: gaps(seen, "s1").replay == 0 and (naive.seconds_since_last_commit(pair["s1"]) or 9) > 1,
            )
            last_commit = naive.seconds_since_last_commit(pair["s1"])
            assert last_commit is not None
            refutes(check, ours=behind(level.link_to("s1")), naive=last_commit)
        session.execute("rollback")


async def test_trap_06_there_is_no_last_commit_after_a_restart(pair: Cluster) -> None:
    """Replay from a checkpoint on meets no commit, and paused it meets none for ever."""

    def check(seconds: float) -> None:
        assert seconds > 0.2

    restart_from_a_checkpoint(pair)
    pair["s1"].sql("select pg_wal_replay_pause()")
    try:
        async with watch(pair) as sampler:
            pair.write()
            late = await until(sampler, lambda seen: behind(seen.link_to("s1")) > 0.2)
            refutes(check, ours=behind(late.link_to("s1")), naive=naive.seconds_since_last_commit(pair["s1"]) or 0.0)
            assert gaps(late, "s1").flush == 0
    finally:
        pair["s1"].sql("select pg_wal_replay_resume()")


async def test_trap_07_received_begins_again_below_replayed(pair: Cluster) -> None:
    """A restarted standby asks for its segment from the start; what it holds is the larger of both positions."""
    async with watch(pair) as sampler:
        pair.write()
        level = await until(sampler, lambda seen: gaps(seen, "s1").replay == 0)
    held = level.nodes[0].sample.position  # type: ignore[union-attr]
    assert held is not None

    def check_position(position: LSN) -> None:
        assert position >= held

    def check_gap(gap: int) -> None:
        assert gap >= 0

    pair["pg1"].send(signal.SIGSTOP)
    try:
        pair["s1"].stop()
        pair["s1"].start()
        pair["s1"].wait_for("pg_last_wal_receive_lsn() < pg_last_wal_replay_lsn()")
        async with await only(pair["s1"]) as sampler:
            sample = (await sampler.sample_once()).nodes[0].sample
        assert sample is not None
        assert sample.position is not None
        assert sample.replay_lsn is not None
        refutes(check_position, ours=sample.position, naive=LSN.parse(naive.received(pair["s1"]) or "0/0"))
        refutes(
            check_gap,
            ours=sample.position - sample.replay_lsn,
            naive=naive.received_but_not_replayed(pair["s1"]),
        )
    finally:
        pair["pg1"].send(signal.SIGCONT)
    pair["s1"].wait_for("status = 'streaming' from pg_stat_wal_receiver")


def restart_from_a_checkpoint(pair: Cluster) -> None:
    """Have the standby begin its replay after the last commit there is."""
    pair["pg1"].sql("checkpoint")
    end = pair["pg1"].sql("select pg_current_wal_lsn()::text")
    pair["s1"].wait_for(f"pg_last_wal_replay_lsn() >= '{end}'")
    pair["s1"].sql("checkpoint")
    pair["s1"].stop()
    pair["s1"].start()
    pair["s1"].wait_for("status = 'streaming' from pg_stat_wal_receiver")
