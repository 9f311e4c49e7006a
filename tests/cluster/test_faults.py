"""Real processes killed and frozen: what is seen of them, and that nothing else is held up."""

from __future__ import annotations

import signal
import time
from itertools import pairwise

from pgreplterm.cluster.model import NodeState, Role
from pgreplterm.cluster.verdict import Severity, verdict

from .replicas import Cluster
from .watching import gaps, states, until, watch


async def test_a_killed_standby_is_down_and_comes_back(sturdy: Cluster) -> None:
    async with watch(sturdy) as sampler:
        await until(sampler, lambda seen: states(seen)["s2"] is NodeState.STREAMING)
        sturdy["s2"].stop(signal.SIGQUIT)
        gone = await until(sampler, lambda seen: states(seen)["s2"] is NodeState.DOWN)
        node = gone.node("s2")
        assert node is not None
        assert (node.role, node.upstream) == (Role.UNKNOWN, "pg1")
        assert verdict(gone).severity is Severity.WARNING
        assert verdict(gone).sentence.startswith("s2 is down for ")
        assert states(gone)["s1"] is NodeState.STREAMING

        sturdy["s2"].start()
        await until(sampler, lambda seen: verdict(seen).severity is Severity.OK)


async def test_a_frozen_standby_is_silent_and_the_others_tick_on(sturdy: Cluster) -> None:
    sturdy["s2"].send(signal.SIGSTOP)
    try:
        async with watch(sturdy) as sampler:
            ticks: list[float] = []
            fresh: list[float] = []
            async for snapshot in sampler.snapshots():
                ticks.append(time.monotonic())
                primary = snapshot.node("pg1")
                assert primary is not None
                fresh.append(primary.sample_age or 0.0)
                if len(ticks) > 10 and snapshot.nodes[-1].state is NodeState.SILENT:
                    break
                assert len(ticks) < 100
            started = time.monotonic()
        assert time.monotonic() - started < 0.5
        assert max(after - before for before, after in pairwise(ticks)) < 0.5
        assert max(fresh) < 0.5
    finally:
        sturdy["s2"].send(signal.SIGCONT)


async def test_freezing_while_connected_is_seen_too_and_heals(sturdy: Cluster) -> None:
    async with watch(sturdy) as sampler:
        await until(sampler, lambda seen: states(seen)["s2"] is NodeState.STREAMING)
        sturdy["s2"].send(signal.SIGSTOP)
        try:
            sturdy.write()
            silent = await until(sampler, lambda seen: states(seen)["s2"] is NodeState.SILENT)
            assert verdict(silent).sentence.startswith("s2 is silent for ")
            assert (gaps(silent, "s2").flush or 0) > 1_000_000
        finally:
            sturdy["s2"].send(signal.SIGCONT)
        await until(sampler, lambda seen: verdict(seen).severity is Severity.OK)


async def test_a_frozen_walreceiver_never_looks_perfect(sturdy: Cluster) -> None:
    """The server answers, the upstream says streaming, every lag interval is NULL or old: only bytes and age tell."""
    async with watch(sturdy) as sampler:
        await until(sampler, lambda seen: gaps(seen, "s2").replay == 0)
        sturdy["s2"].send_to_walreceiver(signal.SIGSTOP)
        try:
            sturdy.write()
            first = await until(sampler, lambda seen: (gaps(seen, "s2").flush or 0) > 1_000_000)
            stale = await until(sampler, lambda seen: states(seen)["s2"] is NodeState.STALE)
            before, after = first.link_to("s2"), stale.link_to("s2")
            assert before is not None and after is not None
            assert after.sender is not None
            assert after.sender.state == "streaming"
            assert (after.evidence_age or 0) > (before.evidence_age or 0)
            assert (after.time_lag or 0) > 0
            assert (after.gaps.replay or 0) > 1_000_000
            assert verdict(stale).severity is Severity.WARNING
            assert "s2 has not confirmed anything for" in verdict(stale).sentence
        finally:
            sturdy["s2"].send_to_walreceiver(signal.SIGCONT)
        await until(sampler, lambda seen: verdict(seen).severity is Severity.OK)


async def test_paused_replay_moves_the_gap_to_replay_alone(sturdy: Cluster) -> None:
    async with watch(sturdy) as sampler:
        sturdy["s1"].sql("select pg_wal_replay_pause()")
        try:
            sturdy.write()
            paused = await until(
                sampler,
                lambda seen: gaps(seen, "s1").flush == 0 and (gaps(seen, "s1").replay or 0) > 1_000_000,
            )
            assert "replay is paused on s1" in verdict(paused).sentence
            late = await until(sampler, lambda seen: (seen.link_to("s1").time_lag or 0) > 1.0)  # type: ignore[union-attr]
            assert states(late)["leaf"] is NodeState.STREAMING
        finally:
            sturdy["s1"].sql("select pg_wal_replay_resume()")
        await until(sampler, lambda seen: verdict(seen).severity is Severity.OK)


async def test_a_frozen_primary_leaves_gaps_unknown(sturdy: Cluster) -> None:
    async with watch(sturdy) as sampler:
        await until(sampler, lambda seen: states(seen)["s1"] is NodeState.STREAMING)
        sturdy["pg1"].send(signal.SIGSTOP)
        try:
            silent = await until(sampler, lambda seen: states(seen)["pg1"] is NodeState.SILENT)
            assert verdict(silent).severity is Severity.CRITICAL
            assert verdict(silent).sentence.startswith("no primary answers: pg1 is silent")
            assert gaps(silent, "s1").replay is None
            assert silent.primaries == ()
        finally:
            sturdy["pg1"].send(signal.SIGCONT)
        await until(sampler, lambda seen: verdict(seen).severity is Severity.OK)


async def test_a_session_ended_by_the_server_is_not_a_failed_server(sturdy: Cluster) -> None:
    async with watch(sturdy) as sampler:
        await sampler.sample_once()
        ended = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'pgreplterm'"
        assert sturdy["pg1"].sql(ended) == 1
        node = (await sampler.sample_once()).node("pg1")
        assert node is not None
        assert (node.state, node.failure) == (NodeState.RUNNING, None)


async def test_a_server_that_takes_no_sessions_yet_is_starting(sturdy: Cluster) -> None:
    """A standby with hot_standby off stays in SQLSTATE 57P03 for good."""
    node = sturdy["leaf"]
    node.stop()
    node.configure(hot_standby="off")
    node.launch()
    try:
        async with watch(sturdy) as sampler:
            seen = await until(sampler, lambda seen: states(seen)["leaf"] is NodeState.STARTING)
            assert "starting or stopping" in verdict(seen).sentence
    finally:
        node.stop()
        node.configure(hot_standby="on")
        node.start()
