"""Verdicts on real servers of every major, each held against what PostgreSQL then really does."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgreplterm.cli import run
from pgreplterm.cluster.forks.member import member_of
from pgreplterm.cluster.forks.rejoin import judge
from pgreplterm.cluster.forks.stopped import stopped_node
from pgreplterm.cluster.model import ClusterSnapshot, NodeState, Rejoin, RejoinAction
from pgreplterm.errors import ExitCode
from pgreplterm.wal.lsn import LSN
from tests.wal.servers import EDGES

from .replicas import Cluster, Node, cluster
from .watching import states, until, watch

HEALTHY = (NodeState.STREAMING, NodeState.CATCHUP, NodeState.RUNNING)
PAIR = {"pg1": None, "s1": "pg1"}
TRIO = {**PAIR, "s2": "pg1"}
CHAIN = {**PAIR, "s2": "s1", "leaf": "s2"}


@pytest.fixture(params=EDGES, ids=lambda major: f"pg{major}")
def pair(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with cluster(request.param, PAIR) as made:
        allow_seer(made)
        yield made


@pytest.fixture(params=EDGES, ids=lambda major: f"pg{major}")
def trio(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with cluster(request.param, TRIO) as made:
        allow_seer(made)
        yield made


@pytest.fixture(params=EDGES, ids=lambda major: f"pg{major}")
def chain(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with cluster(request.param, CHAIN) as made:
        yield made


def allow_seer(made: Cluster) -> None:
    """A role of pg_monitor and REPLICATION."""
    made["pg1"].sql("create role seer login replication in role pg_monitor")


def catch_up(made: Cluster, name: str, upstream: str = "pg1") -> None:
    end = made[upstream].sql("select pg_current_wal_lsn()")
    made[name].wait_for(f"pg_last_wal_replay_lsn() >= '{end}'")


def promote(node: Node) -> None:
    assert node.sql("select pg_promote()")


def tear(made: Cluster) -> None:
    """s1 takes over while pg1 goes on writing."""
    catch_up(made, "s1")
    promote(made["s1"])
    made.write("pg1", 100)
    made.write("s1", 200)
    made["s1"].sql("checkpoint")


def copied(node: Node) -> Path:
    """Its data directory once more, with the same owner."""
    kept = node.folder / "kept"
    subprocess.run(["cp", "-a", node.data, kept], check=True)
    return kept


def rewind_says(made: Cluster, name: str, source: str, words: str) -> None:
    """What pg_rewind says of the stopped node, where the installation has it."""
    if (made[name].bin / "pg_rewind").exists():
        told = made[name].run(
            "pg_rewind", "-D", made[name].data, "--source-server", made[source].dsn, check=False
        )  # fmt: skip
        assert words in told.stdout + told.stderr


async def looked(made: Cluster, role: str = "postgres") -> ClusterSnapshot:
    async with watch(made, role) as sampler:
        return await sampler.sample_once()


def rejoin(snapshot: ClusterSnapshot, name: str) -> Rejoin:
    found = snapshot.node(name).rejoin  # type: ignore[union-attr]
    assert found is not None, snapshot
    return found


def verdict(snapshot: ClusterSnapshot, name: str) -> RejoinAction | None:
    """None while the node, or what it is compared with, has not answered yet."""
    found = snapshot.node(name)
    return found.rejoin.action if found is not None and found.rejoin is not None else None


async def by_path(made: Cluster, name: str, reference: str) -> Rejoin:
    """The verdict on a stopped node by its data directory."""
    sample = (await looked(made)).node(reference).sample  # type: ignore[union-attr]
    assert sample is not None
    down, primary = stopped_node(made[name].data, name), member_of(reference, sample)
    first = judge(down.member(), primary)
    return judge(down.member(first.fork_lsn), primary)


async def test_an_old_primary_with_a_tail_is_rewound_running_stopped_and_as_a_standby(pair: Cluster) -> None:
    tear(pair)
    fork = LSN.parse(pair["s1"].sql("select pg_read_file('pg_wal/00000002.history')").split()[1])
    end = LSN.parse(pair["pg1"].sql("select pg_current_wal_lsn()"))

    running = rejoin(await looked(pair), "pg1")
    assert (running.action, running.fork_lsn, running.fork_timeline) == (RejoinAction.REWIND, fork, 1)
    assert running.beyond == end - fork > 1000
    assert (running.theirs or 0) > 1000

    pair["pg1"].stop(signal.SIGQUIT)
    stopped = await by_path(pair, "pg1", "s1")
    assert (stopped.action, stopped.beyond) == (RejoinAction.REWIND, end - fork)

    pair["pg1"].follow(pair["s1"])
    pair["pg1"].make_standby()
    pair["pg1"].start()
    async with watch(pair) as sampler:
        seen = await until(sampler, lambda now: verdict(now, "pg1") is RejoinAction.REWIND)
    assert states(seen)["pg1"] is NodeState.DIVERGED

    pair["pg1"].stop()
    assert (await by_path(pair, "pg1", "s1")).action is RejoinAction.REWIND
    rewind_says(pair, "pg1", "s1", "Done!")
    if (pair["pg1"].bin / "pg_rewind").exists():
        assert (await by_path(pair, "pg1", "s1")).action is RejoinAction.FOLLOW


async def test_a_diverged_standby_by_role(pair: Cluster) -> None:
    """pg_monitor with REPLICATION sees it as diverged; without, never as healthy, whatever its walreceiver says."""
    tear(pair)
    pair["pg1"].stop(signal.SIGQUIT)
    pair["pg1"].follow(pair["s1"])
    pair["pg1"].make_standby()
    pair["pg1"].start()
    async with watch(pair, "seer") as sampler:
        seen = await until(sampler, lambda now: states(now)["pg1"] is NodeState.DIVERGED)
        history = seen.node("s1").sample.history  # type: ignore[union-attr]
        assert history is not None
        assert not [one for node in seen.nodes[:1] for one in node.sample.missing_privileges if "history" in one.hidden]  # type: ignore[union-attr]

    async with watch(pair, "watcher") as sampler:
        ticks = 0
        async for snapshot in sampler.snapshots():
            ticks += 1
            assert states(snapshot)["pg1"] not in (*HEALTHY, NodeState.DIVERGED), snapshot
            if ticks == 15:
                break
        verdict = rejoin(snapshot, "pg1")
        hidden = [one for one in snapshot.node("s1").sample.missing_privileges if "history" in one.hidden]  # type: ignore[union-attr]
    assert verdict.action is RejoinAction.UNKNOWN
    assert [one.hidden for one in hidden] == ["timeline history"]
    assert "REPLICATION" in hidden[0].privilege
    assert hidden[0].privilege in verdict.reason


async def test_one_that_was_killed_exactly_at_the_fork_follows_and_does(pair: Cluster) -> None:
    catch_up(pair, "s1")
    pair["pg1"].stop(signal.SIGQUIT)
    promote(pair["s1"])
    verdict = await by_path(pair, "pg1", "s1")
    assert (verdict.action, verdict.beyond) == (RejoinAction.FOLLOW, 0)
    assert "exactly at the fork" in verdict.reason

    pair["s1"].sql("select pg_create_physical_replication_slot('pg1')")
    pair["pg1"].follow(pair["s1"])
    pair["pg1"].make_standby()
    pair["pg1"].start()
    async with watch(pair) as sampler:
        seen = await until(
            sampler,
            lambda now: states(now)["pg1"] is NodeState.STREAMING and now.node("pg1").timeline == 2,  # type: ignore[union-attr]
        )
    assert rejoin(seen, "pg1").action is RejoinAction.FOLLOW


async def test_a_clean_stop_of_one_that_still_writes_passes_the_fork(pair: Cluster) -> None:
    """What the verdict warns of."""
    pair["pg1"].sql("vacuum")  # sets every hint bit there is to set: a mere look at a catalog would write WAL
    pair["pg1"].sql("checkpoint")
    catch_up(pair, "s1")
    promote(pair["s1"])
    verdict = rejoin(await looked(pair), "pg1")
    assert verdict.action is RejoinAction.FOLLOW
    assert "stop it in immediate mode" in verdict.reason
    pair["pg1"].stop(signal.SIGINT)
    assert (await by_path(pair, "pg1", "s1")).action is RejoinAction.REWIND


async def test_ahead_on_the_same_timeline_is_rebuilt(pair: Cluster) -> None:
    """The primary is put back from an older copy of itself. Both ends then call the link streaming, with no gap."""
    node = pair["pg1"]
    node.stop()
    kept = copied(node)
    node.start()
    pair.write()
    catch_up(pair, "s1")
    node.stop(signal.SIGQUIT)
    shutil.rmtree(node.data)
    kept.rename(node.data)
    node.start()
    async with watch(pair) as sampler:
        seen = await until(sampler, lambda now: verdict(now, "s1") is RejoinAction.REBUILD)
    found = rejoin(seen, "s1")
    assert (found.beyond or 0) > 1_000_000
    assert "more than pg1 on the same timeline 1" in found.reason
    assert states(seen)["s1"] not in HEALTHY


async def test_without_checksums_and_hints_it_is_rebuilt_and_pg_rewind_refuses(pair: Cluster) -> None:
    node = pair["pg1"]
    node.configure(wal_log_hints="off")
    node.stop()
    if (node.bin / "pg_checksums").exists():
        node.run("pg_checksums", "--disable", "-D", node.data, check=False)  # before 18 there are none to begin with
    node.start()
    tear(pair)
    verdict = rejoin(await looked(pair), "pg1")
    assert verdict.action is RejoinAction.REBUILD
    assert "data checksums or wal_log_hints = on, and it has neither" in verdict.reason
    node.stop()
    assert (await by_path(pair, "pg1", "s1")).reason.endswith("and it has neither")
    rewind_says(pair, "pg1", "s1", "needs to use either data checksums")


async def test_once_its_wal_is_removed_it_is_rebuilt_and_pg_rewind_fails(pair: Cluster) -> None:
    """First a checkpoint past the fork, so that only reading WAL finds the one before it; then that WAL goes."""
    node = pair["pg1"]
    tear(pair)
    node.sql("checkpoint")
    found = rejoin(await looked(pair), "pg1")
    assert found.action is RejoinAction.REWIND, found
    hidden = rejoin(await looked(pair, "seer"), "pg1")
    assert hidden.action is RejoinAction.UNKNOWN
    assert "EXECUTE on function pg_read_binary_file" in hidden.reason

    node.sql("select pg_drop_replication_slot('s1')", "alter system set wal_keep_size = 0")
    node.sql("alter system set max_wal_size = '32MB'", "alter system set min_wal_size = '32MB'")
    node.sql("select pg_reload_conf()")
    node.wait_for("current_setting('min_wal_size') = '32MB'")
    for _ in range(4):
        node.sql("insert into t values (1)", "select pg_switch_wal()", "checkpoint")
    gone = rejoin(await looked(pair), "pg1")
    assert gone.action is RejoinAction.REBUILD
    assert "no longer reaches back" in gone.reason
    assert rejoin(await looked(pair, "seer"), "pg1").action is RejoinAction.REBUILD  # a list is enough for that
    node.stop()
    assert (await by_path(pair, "pg1", "s1")).action is RejoinAction.REBUILD
    rewind_says(pair, "pg1", "s1", "could not find previous WAL record")


async def test_a_standby_whose_next_wal_is_gone_is_rebuilt(pair: Cluster) -> None:
    node, primary = pair["s1"], pair["pg1"]
    node.stop()
    primary.sql("select pg_drop_replication_slot('s1')", "alter system set wal_keep_size = 0")
    primary.sql("alter system set max_wal_size = '32MB'", "alter system set min_wal_size = '32MB'")
    primary.sql("select pg_reload_conf()")
    primary.wait_for("current_setting('min_wal_size') = '32MB'")
    follows = await by_path(pair, "s1", "pg1")
    assert follows.action is RejoinAction.FOLLOW
    for _ in range(4):
        primary.sql("insert into t values (1)", "select pg_switch_wal()", "checkpoint")
    primary.sql("select pg_create_physical_replication_slot('s1')")
    node.start()
    async with watch(pair, "watcher") as sampler:
        seen = await until(sampler, lambda now: verdict(now, "s1") is RejoinAction.REBUILD)
    assert "pg1 has none before" in rejoin(seen, "s1").reason
    assert "has already been removed" in (node.folder / "log").read_text()


async def test_two_standbys_promoted_at_different_points(trio: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    catch_up(trio, "s1")
    promote(trio["s1"])
    trio.write("pg1", 100)
    catch_up(trio, "s2")
    promote(trio["s2"])
    snapshot = await looked(trio)
    assert {node.rejoin for node in snapshot.nodes} == {None}  # two primaries on timeline 2: nobody to judge by

    trio["s1"].sql("checkpoint")
    trio["s2"].stop()
    verdict = await by_path(trio, "s2", "s1")
    assert verdict.action is RejoinAction.REBUILD
    assert "both 2 by number" in verdict.reason
    rewind_says(trio, "s2", "s1", "no rewind required")


def test_two_standbys_promoted_at_the_same_point(trio: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    """One timeline id, one switchpoint, and two lines: only what their WAL holds tells them apart."""
    for name in ("s1", "s2"):
        catch_up(trio, name)
    trio["pg1"].stop(signal.SIGQUIT)
    promote(trio["s1"])
    promote(trio["s2"])
    texts = {trio[name].sql("select pg_read_file('pg_wal/00000002.history')") for name in ("s1", "s2")}
    assert len(texts) == 1
    trio.write("s2", 10)

    dsns = [trio[name].dsn for name in ("s1", "s2")]
    assert run(["timeline", "--json", *dsns]) == ExitCode.FINDING
    document = json.loads(capsys.readouterr().out)
    assert document["reference"] is None
    assert [each["timeline"] for each in document["timelines"]] == [1, 2, 2]
    (parting,) = document["partings"]
    assert parting["fork_timeline"] == 1
    assert min(parting["beyond"]) > 0

    assert run(["timeline", "--primary", "s1", *dsns]) == ExitCode.FINDING
    out = capsys.readouterr().out
    assert "s2: rebuild: " in out

    blind = [trio[name].dsn_as("seer") for name in ("s1", "s2")]
    assert run(["timeline", "--primary", "s1", *blind]) == ExitCode.FINDING
    assert "cannot be told apart" in capsys.readouterr().out

    trio["s1"].sql("checkpoint")
    trio["s2"].stop()
    assert run(["timeline", str(trio["s2"].data), trio["s1"].dsn]) == ExitCode.FINDING
    assert "are two promotions at one LSN, which pg_rewind takes for one" in capsys.readouterr().out
    rewind_says(trio, "s2", "s1", "no rewind required")


async def test_three_generations_down_a_cascade(chain: Cluster) -> None:
    catch_up(chain, "leaf")
    promote(chain["s1"])
    chain.write("pg1", 100)
    chain.write("s1", 100)
    catch_up(chain, "leaf", "s1")
    promote(chain["s2"])
    chain.write("s1", 100)
    chain.write("s2", 100)
    async with watch(chain) as sampler:
        seen = await until(sampler, lambda now: now.node("leaf").timeline == 3)  # type: ignore[union-attr]
        verdicts = {name: rejoin(await sampler.sample_once(), name) for name in ("pg1", "s1", "leaf")}
    assert seen.node("s2").rejoin is None  # type: ignore[union-attr]
    forks = {name: (found.action, found.fork_timeline) for name, found in verdicts.items()}
    assert forks["pg1"] == (RejoinAction.REWIND, 1)
    assert forks["s1"] == (RejoinAction.REWIND, 2)
    assert forks["leaf"][0] is RejoinAction.FOLLOW
    chain["s2"].sql("checkpoint")
    for name in ("s1", "pg1"):
        chain[name].stop()
        rewind_says(chain, name, "s2", "Done!")


@pytest.mark.parametrize("major", [EDGES[-1]])
async def test_another_cluster_is_foreign(major: int, capsys: pytest.CaptureFixture[str]) -> None:
    with cluster(major, PAIR) as made, cluster(major, {"stranger": None}) as other:
        made.nodes["stranger"] = other["stranger"]
        found = rejoin(await looked(made), "stranger")
        assert found.action is RejoinAction.FOREIGN
        del made.nodes["stranger"]
